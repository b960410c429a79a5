//! The quality of a bus: how requests end, how long answers take, and advice about faults. Pure: time is an argument.

mod advice;
mod bus;
mod tally;
#[cfg(test)]
mod tests;
mod times;
mod window;

pub use advice::advice;
pub use bus::{BusQuality, LinkKind, MeterQuality};
pub use tally::{RequestCount, RequestOutcome, RequestRecord, RequestTally};
pub use times::AnswerTimes;
pub use window::{RequestQuality, occupancy};
