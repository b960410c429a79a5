//! Whether the meter's power register agrees with its counter, over longer stretches.

use serde::{Deserialize, Serialize};

use super::power::{SampledEnergy, Stretch};
use crate::clock::ClockReading;
use crate::units::MilliwattHours;

/// A stretch is compared once the counter or the power accounts for this many steps of the register.
const STEPS: u64 = 4;
/// Stretches in a row that contradict power which never agreed, before it counts as wrong.
const NEVER_AGREED: u32 = 2;
/// Stretches in a row that contradict power which has agreed.
const HAS_AGREED: u32 = 6;
/// Stretches in a row that must agree again.
const AGREES_AGAIN: u32 = 3;

/// How far the meter's power register has proved right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PowerTrust {
    /// Stretches that agreed; in a row, while power counts as wrong.
    pub(super) agreed: u32,
    /// Stretches in a row that did not.
    pub(super) contradicted: u32,
    /// Power counts as wrong: nothing is concluded from it.
    pub(super) wrong: bool,
    /// Counter by power in the last stretch that contradicted, in thousandths.
    pub(super) ratio: u64,
    /// The register has made a jump that was not credited, and has not agreed with power since.
    pub(super) suspect: bool,
    /// The beginning of the present stretch.
    pub(super) trial: Option<Stretch>,
}

/// What a stretch says of power.
enum Comparison {
    Agrees,
    Contradicts,
    Undecided,
}

impl PowerTrust {
    /// Compares the stretch that ends here. `recent` and `full` are the energy of a poll at the power of now and at full power, in mWh.
    pub(super) fn learn(&mut self, here: Stretch, step: MilliwattHours, recent: u64, full: u64) {
        let Some((from, elapsed)) = self.trial.and_then(|from| Some((from, here.at.since(&from.at)?))) else {
            self.trial = Some(here);
            return;
        };
        let change = here.value.saturating_sub(from.value).get();
        let sampled = here.totals.since(&from.totals);
        let step = step.get().max(1);
        let near = 2 * step + recent;
        if change.max(sampled.lower) < (STEPS * step).max(2 * near) {
            return;
        }
        if sampled.covered * 10 < elapsed * 8 {
            self.trial = Some(here);
            return;
        }
        match compare(change, &sampled, near, 2 * step + full) {
            Comparison::Agrees => self.agree(),
            Comparison::Contradicts => self.contradict(change, &sampled),
            Comparison::Undecided => {
                // A little more or less than a quarter is neither. With more energy, the stretch may tell.
                if change.max(sampled.lower) < 4 * (2 * step + full) {
                    return;
                }
            }
        }
        self.trial = Some(here);
    }

    fn agree(&mut self) {
        self.suspect = false;
        self.agreed = self.agreed.saturating_add(1);
        if !self.wrong || self.agreed >= AGREES_AGAIN {
            (self.wrong, self.contradicted) = (false, 0);
        }
    }

    fn contradict(&mut self, change: u64, sampled: &SampledEnergy) {
        self.contradicted = self.contradicted.saturating_add(1);
        let middle = (sampled.lower + sampled.upper) / 2;
        self.ratio = change.saturating_mul(1000) / middle.max(1);
        let needed = if self.agreed > 0 { HAS_AGREED } else { NEVER_AGREED };
        if self.wrong || self.contradicted >= needed {
            (self.wrong, self.agreed) = (true, 0);
        }
    }

    /// Whether power has agreed with the counter for long enough that the counter may be doubted.
    pub(super) fn is_proven(&self) -> bool {
        self.agreed >= 2 && !self.wrong
    }

    /// Whether power has agreed with the counter for long, and did so last.
    pub(super) fn agrees_now(&self) -> bool {
        self.is_proven() && self.contradicted == 0
    }

    /// Whether the register jumped without credit and has not agreed with power since, although power had agreed with it before.
    pub(super) fn is_suspect(&self) -> bool {
        self.suspect && self.agreed > 0 && !self.wrong
    }

    /// Another register counts, or the same one from another value.
    pub(super) fn another_register(&mut self) {
        self.trial = None;
    }

    /// The register has made a jump that power does not explain, and that was not credited.
    pub(super) fn note_jump(&mut self) {
        self.suspect = true;
        self.contradicted = self.contradicted.saturating_add(1);
    }

    /// The advance that contradicted power was a fault of the register.
    pub(super) fn forgive(&mut self) {
        (self.contradicted, self.suspect, self.trial) = (0, false, None);
    }

    pub(super) fn stamp(&mut self) -> Option<&mut ClockReading> {
        self.trial.as_mut().map(|from| &mut from.at)
    }
}

fn compare(change: u64, sampled: &SampledEnergy, near: u64, far: u64) -> Comparison {
    let SampledEnergy { lower, upper, .. } = *sampled;
    if change <= upper + upper / 4 + near && change + near >= lower - lower / 4 {
        return Comparison::Agrees;
    }
    if change > upper + upper / 2 + far || lower > change + change / 2 + far {
        return Comparison::Contradicts;
    }
    Comparison::Undecided
}
