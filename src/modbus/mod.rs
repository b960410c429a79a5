//! Links to meters (serial, TCP, RTU over TCP) and a client that gives one verified answer a request, or an error.

mod asked;
mod ear;
mod error;
mod exchange;
mod line;
mod mbap;
#[cfg(test)]
pub(crate) mod memory;
mod open;
mod outcome;
mod pace;
mod rtu;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

pub use asked::Identity;
pub use ear::Ear;
pub use error::{Error, Garbled, Hint};
pub use line::{Counts, Line};
pub(crate) use rtu::crc;
