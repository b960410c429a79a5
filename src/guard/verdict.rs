//! The words for what happened, and what the journal keeps of it.

use serde::{Deserialize, Serialize};

use crate::clock::ClockReading;
use crate::units::MilliwattHours;

/// The word that the journal, the log and `replay` use for what happened.
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

/// How often each verdict was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts([u64; Verdict::ALL.len()]);

impl Verdicts {
    pub fn count(&mut self, verdict: Verdict) {
        self.0[verdict as usize] += 1;
    }

    /// Those that were given.
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, u64)> {
        Verdict::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

impl Verdict {
    /// In their order.
    pub const ALL: [Self; 11] = {
        use Verdict::*;
        [Baseline, Unchanged, Advanced, Held, Glitch, Rollover, Replaced, Reset, Stepped, Restored, Redefined]
    };

    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Baseline => "baseline",
            Verdict::Unchanged => "unchanged",
            Verdict::Advanced => "advanced",
            Verdict::Held => "held",
            Verdict::Glitch => "glitch",
            Verdict::Rollover => "rollover",
            Verdict::Replaced => "replaced",
            Verdict::Reset => "reset",
            Verdict::Stepped => "stepped",
            Verdict::Restored => "restored",
            Verdict::Redefined => "redefined",
        }
    }

    /// Whether published is another function of the register after this decision: an older copy of the store would then be wrong.
    pub(crate) fn moves_the_offset(self) -> bool {
        use Verdict::*;
        match self {
            Baseline | Rollover | Replaced | Reset | Stepped | Restored | Redefined => true,
            Unchanged | Advanced | Held | Glitch => false,
        }
    }
}

/// A decision worth remembering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardEvent {
    pub at: ClockReading,
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
    /// What undoing it adds to the offset, in mWh; absent where it moved no figure.
    #[serde(default)]
    pub correction: Option<i64>,
    /// The entry that it undoes.
    #[serde(default)]
    pub undoes: Option<i64>,
}
