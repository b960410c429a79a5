//! Links to meters (serial, TCP, RTU over TCP) and a client that gives one verified answer a request, or an error.

mod ear;
mod error;
mod line;
mod mbap;
mod open;
mod pace;
mod rtu;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

pub use ear::Ear;
pub use error::{Error, Garbled, Hint};
pub use line::{Counts, Line};
