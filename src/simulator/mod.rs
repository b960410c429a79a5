//! Simulated meters on real sockets and pseudo-terminals, and a simulated endpoint, for `arkmeter demo` and the tests.
//!
//! The meters use another Modbus library than the daemon, so that both cannot make the same mistake unnoticed.

pub mod arkreen;
pub mod fleet;
mod gateway;
mod meter;
mod serial_line;
mod unit;

pub use arkreen::Arkreen;
pub use gateway::{GatewayBehaviour, SimulatedGateway};
pub use meter::{SimulatedMeter, SimulatedModel};
pub use serial_line::{LineSpeed, SimulatedSerialLine};
pub use unit::{SimulatedUnit, UnitFault, WordOrder};
