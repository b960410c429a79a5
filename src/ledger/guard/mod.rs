//! What a reading is worth: one pure function of a meter's state, its settings and the reading. It has no clock, no store, no task.

use serde::{Deserialize, Serialize};

use super::settings::MeterSettings;
use crate::clock::Stamp;
use crate::reading::Values;
use crate::units::MilliwattHours;

/// Everything the ledger remembers of one meter: what is stored at a commit is what is known after a restart, nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeterState {}

impl MeterState {
    /// The figure for this meter; absent until there is a baseline. Never falls.
    pub fn published(&self) -> Option<MilliwattHours> {
        todo!()
    }

    /// The last register taken.
    pub fn register(&self) -> Option<MilliwattHours> {
        todo!()
    }

    /// Why the register is not taken at the moment and what the operator can do, for people; absent when it is.
    pub fn held(&self) -> Option<String> {
        todo!()
    }
}

/// The word that the journal, the log and `replay` use for what happened (energy-truth: Rules).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Baseline,
    Unchanged,
    Advanced,
    Held,
    Glitch,
    Rollover,
    Replaced,
    Reset,
    Stepped,
    Restored,
    Redefined,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        todo!()
    }
}

/// One reading, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub state: MeterState,
    pub verdict: Verdict,
    /// What the journal keeps of it; absent for `advanced` and `unchanged`.
    pub entry: Option<Entry>,
}

/// A decision worth remembering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Stamp,
    pub verdict: Verdict,
    pub register_before: Option<MilliwattHours>,
    pub register_after: Option<MilliwattHours>,
    pub published_before: Option<MilliwattHours>,
    pub published_after: Option<MilliwattHours>,
    /// Why, for people.
    pub reason: String,
    /// Readings of the hold that this decision ends.
    pub readings: u32,
    pub serial_before: Option<String>,
    pub serial_after: Option<String>,
}

/// Judges one poll. `values` without a register is a failed read of the counter: it changes no energy.
pub fn judge(_state: &MeterState, _settings: &MeterSettings, _at: &Stamp, _values: &Values) -> Judged {
    todo!()
}
