//! How well a line carries what it is asked: how requests end and how long answers take, and what a field engineer would do about it.
//! Pure: the time is an argument.

mod advice;
mod bus;
mod tally;
#[cfg(test)]
mod tests;
mod times;
mod window;

pub use advice::advice;
pub use bus::{Bus, LinkKind, Meter};
pub use tally::{Count, Outcome, Request, Tally};
pub use times::Times;
pub use window::{Quality, Recent, occupancy};
