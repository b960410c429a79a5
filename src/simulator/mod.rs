//! Simulated meters on real sockets and pseudo-terminals, for `arkmeter demo` and the tests.
//!
//! The meters speak Modbus through a library that the daemon does not use, so that a common mistake cannot hide.

pub mod arkreen;
mod gateway;
mod household;
mod meters;
mod serial_line;

pub use arkreen::Arkreen;
pub use gateway::{Gateway, Habits};
pub use household::{Counting, Map};
pub use meters::{Fault, Unit, WordOrder};
pub use serial_line::{SerialLine, Speed};
