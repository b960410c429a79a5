//! Simulated meters on real sockets and pseudo-terminals, for `arkmeter demo` and the tests.
//!
//! The meters speak Modbus through a library that the daemon does not use, so that a common mistake cannot hide.

pub mod arkreen;
mod gateway;
mod meter;
mod serial_line;
mod unit;

pub use arkreen::Arkreen;
pub use gateway::{GatewayBehaviour, SimulatedGateway};
pub use meter::{SimulatedMeter, SimulatedModel};
pub use serial_line::{LineSpeed, SimulatedSerialLine};
pub use unit::{SimulatedUnit, UnitFault, WordOrder};
