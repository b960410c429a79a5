//! The history: what each meter drew, and what was published of it, in each report slot; in `history.db` beside the ledger.
//!
//! It is there to be looked at. No figure is ever taken from it, and whatever happens to it, ledger and reports go on.

mod gather;
mod keeper;
pub mod periods;
pub mod shown;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(super) use gather::Gather;
#[cfg(test)]
pub(super) use keeper::TOGETHER;
pub(super) use keeper::{HistoryError, Keeper};

use crate::units::{MilliwattHours, Milliwatts, Name};

/// How much of it is kept: whatever is older or more goes, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub keep: Duration,
    /// Of the file, in bytes.
    pub max_size: u64,
}

impl Default for Retention {
    /// 90 days of 20 meters at a report every 2 minutes are about 70 MB.
    fn default() -> Self {
        Retention { keep: Duration::from_secs(90 * 24 * 3600), max_size: 100_000_000 }
    }
}

/// Active power over some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Power {
    /// Over the time that it was measured.
    pub mean_mw: Milliwatts,
    pub min_mw: Milliwatts,
    pub max_mw: Milliwatts,
}

/// One meter and report slot, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub meter: Name,
    /// When the slot ended, by the wall clock.
    pub ended: Timestamp,
    /// Whether that clock was known to be right.
    pub trusted: bool,
    /// The part of the slot in which the power was known.
    pub measured: Duration,
    /// Absent where the meter gave none.
    pub power: Option<Power>,
    /// Published at the slot's end; absent before the baseline.
    pub published: Option<MilliwattHours>,
    /// Where the slot does not follow upon the one recorded before it (a start, an outage, a clock that was set): when it began, by the
    /// clock of its end, and what was published then.
    pub began: Option<(Timestamp, Option<MilliwattHours>)>,
}

/// A time, and what was consumed in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    pub from: Timestamp,
    pub to: Timestamp,
    /// The difference of what was published at both ends; absent where one is not known, or where the figure fell back to an older copy.
    pub consumed_mwh: Option<MilliwattHours>,
}

/// One meter and report slot, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    #[serde(rename = "slot")]
    pub stretch: Stretch,
    /// Whether the wall clock was known to be right.
    pub trusted: bool,
    pub measured_ms: u64,
    pub power: Option<Power>,
    /// At its end.
    pub published_mwh: Option<MilliwattHours>,
    /// Where it does not follow upon the slot recorded before it: what lies between. Where the clock was set back, `to` is before `from`.
    pub gap: Option<Stretch>,
}
