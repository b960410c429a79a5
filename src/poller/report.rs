//! What a bus task says of itself.

use std::collections::BTreeMap;

use crate::clock::ClockReading;
use crate::quality::RequestQuality;
use crate::reading::Values;
use crate::units::Name;

/// The state and the counts of one bus since the daemon started.
#[derive(Clone, Debug, Default)]
pub struct BusReport {
    /// Why the line is not open at the moment, for people.
    pub error: Option<String>,
    pub requests: u64,
    /// Verified answers.
    pub answers: u64,
    pub timeouts: u64,
    /// Answers that were none: bad checksum, another unit, function, length or transaction.
    pub garbled: u64,
    pub exceptions: u64,
    /// Times the line was opened.
    pub opened: u64,
    /// Readings that the ledger had no room for.
    pub dropped: u64,
    pub meters: BTreeMap<Name, MeterPoll>,
}

/// What the last polls of one meter gave.
#[derive(Clone, Debug, Default)]
pub struct MeterPoll {
    /// The last values that were read.
    pub values: Values,
    pub read_at: Option<ClockReading>,
    /// Why the last poll failed or lacked a value, for people; absent when it was good.
    pub error: Option<String>,
    /// Polls in a row that gave no value.
    pub failures_in_a_row: u32,
    /// Which map of its profile it has, and where in a chain of models: `map float, model 213 at 40069`. Absent where that is open, or plain.
    pub map: Option<String>,
    pub polls: u64,
    pub failures: u64,
    /// How its requests went; beside the map, whose nodes have room for meters that are not there.
    pub quality: Box<RequestQuality>,
}
