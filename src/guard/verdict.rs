//! The verdicts, and the events for the journal.

use serde::{Deserialize, Serialize};

use crate::clock::ClockReading;
use crate::units::MilliwattHours;

/// What happened: the word that the journal, the log and `replay` use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The figure begins, or waits to begin.
    Baseline,
    /// The register did not change.
    Unchanged,
    /// The register rose and was taken.
    Advanced,
    /// The register is not taken for now.
    Held,
    /// A hold was a passing fault.
    Glitch,
    /// The register started again at 0 after its highest value.
    Rollover,
    /// Another meter counts.
    Replaced,
    /// The register was set back.
    Reset,
    /// The register rose by more than can be credited.
    Stepped,
    /// An earlier epoch continues, or a decision was undone.
    Restored,
    /// The register is read in another way.
    Redefined,
}

/// The number of times each verdict was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts([u64; Verdict::ALL.len()]);

impl Verdicts {
    /// Counts a verdict.
    pub fn count(&mut self, verdict: Verdict) {
        self.0[verdict as usize] += 1;
    }

    /// The verdicts that were given, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, u64)> {
        Verdict::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

impl Verdict {
    /// All verdicts, in their order.
    pub const ALL: [Self; 11] = {
        use Verdict::*;
        [Baseline, Unchanged, Advanced, Held, Glitch, Rollover, Replaced, Reset, Stepped, Restored, Redefined]
    };

    /// The word, as in the journal.
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

    /// Whether this decision changes the offset: an older copy of the ledger would then give a wrong figure.
    pub(crate) fn moves_the_offset(self) -> bool {
        use Verdict::*;
        match self {
            Baseline | Rollover | Replaced | Reset | Stepped | Restored | Redefined => true,
            Unchanged | Advanced | Held | Glitch => false,
        }
    }
}

/// A decision, for the journal. Its reason is data as the guard gives it, and text in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardEvent<R = String> {
    /// When it happened.
    pub at: ClockReading,
    /// What happened.
    pub verdict: Verdict,
    /// The last register taken before.
    pub register_before: Option<MilliwattHours>,
    /// The last register taken afterwards; of a hold, the register that is held.
    pub register_after: Option<MilliwattHours>,
    /// The figure before.
    pub published_before: Option<MilliwattHours>,
    /// The figure afterwards.
    pub published_after: Option<MilliwattHours>,
    /// The reason, as a message.
    pub reason: R,
    /// The number of readings in the hold that this event ends.
    pub readings: u32,
    /// The serial number before. Foreign text.
    pub serial_before: Option<String>,
    /// The serial number afterwards. Foreign text.
    pub serial_after: Option<String>,
    /// What undoing it adds to the offset, in mWh; absent if it changed no figure.
    #[serde(default)]
    pub correction: Option<i64>,
    /// The number of the entry that it undoes.
    #[serde(default)]
    pub undoes: Option<i64>,
}

impl<R> GuardEvent<R> {
    /// The same event with its reason in words.
    pub fn in_words(self, words: impl FnOnce(&R) -> String) -> GuardEvent {
        GuardEvent {
            at: self.at,
            verdict: self.verdict,
            register_before: self.register_before,
            register_after: self.register_after,
            published_before: self.published_before,
            published_after: self.published_after,
            reason: words(&self.reason),
            readings: self.readings,
            serial_before: self.serial_before,
            serial_after: self.serial_after,
            correction: self.correction,
            undoes: self.undoes,
        }
    }
}
