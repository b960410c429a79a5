//! The state of a bus, as its task reports it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::schedule::ProbeRound;
use crate::clock::ClockReading;
use crate::modbus::LineCounts;
use crate::quality::RequestQuality;
use crate::reading::Values;
use crate::units::Name;

/// The state of one bus, and its counts since the daemon started.
#[derive(Clone, Debug, Default)]
pub struct BusReport {
    /// Why the link is not open at the moment.
    pub error: Option<String>,
    /// Requests and their outcomes.
    pub counts: LineCounts,
    /// Readings dropped because the queue to the ledger was full for a whole poll interval.
    pub dropped: u64,
    /// What the other end of the open link has proven to do beside the standard, in words. Its answers are read accordingly.
    pub tolerated: Vec<String>,
    /// The meters that are only probed, because they do not answer.
    pub probes: ProbeRound,
    /// Each meter of the bus. Shared, so that a copy of the report costs little.
    pub meters: BTreeMap<Name, Arc<MeterPoll>>,
    /// Who has borrowed the line: `arkmeter scan (process 12)`.
    pub lent_to: Option<String>,
}

/// The last polls of one meter, and its counts since the daemon started.
#[derive(Clone, Debug, Default)]
pub struct MeterPoll {
    /// The last values that were read.
    pub values: Values,
    /// When these values were read.
    pub read_at: Option<ClockReading>,
    /// Why the last poll failed or lacked a value; `None` if it was complete.
    pub error: Option<String>,
    /// Consecutive polls without a value.
    pub failures_in_a_row: u32,
    /// The map of the profile and the place in a chain of models: `map float, model 213 at 40069`. `None` while it is not known, or for
    /// a profile without maps and chain.
    pub map: Option<String>,
    /// The counter of imported energy rises while power is exported.
    pub rises_while_exporting: bool,
    /// All polls.
    pub polls: u64,
    /// Polls without a value.
    pub failures: u64,
    /// Outcomes and times of the meter's requests.
    pub quality: RequestQuality,
}
