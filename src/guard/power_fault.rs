//! Whether a power value can be: what the connection cannot carry, or the counter contradicts, is not reported.

use serde::{Deserialize, Serialize};

use super::flow::RegisterPoint;
use super::power::{PowerMemory, energy, rate};
use super::settings::MeterSettings;
use crate::clock::ClockReading;
use crate::units::{MilliwattHours, Milliwatts};

/// The factors of a power register whose digits are worth from 1 mW to 1 kW, in mW.
const DIGITS: [i64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// So many steps of the register tell nothing of a jump of power.
const UNCLEAR: u64 = 4;

/// Why a power value is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerFault {
    /// More than the connection can carry.
    TooHigh {
        /// The value.
        power: Milliwatts,
        /// The highest that is plausible.
        limit: Milliwatts,
    },
    /// A negative value that is read as an unsigned one: 65,235 W for -301 W.
    Unsigned {
        /// The value.
        power: Milliwatts,
        /// What the meter means.
        meant: Milliwatts,
    },
    /// It rose to more than twice what it was, and the counter, which had agreed with it before, counts less than half of that.
    Contradicted {
        /// The value.
        power: Milliwatts,
        /// What the counter counted since, as a power.
        counted: Milliwatts,
    },
}

/// A rise of power to more than twice what it was: the next two advances of the register tell whether it is true.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PowerJump {
    /// The highest of the samples before.
    before: Milliwatts,
    /// The register when power rose.
    value: MilliwattHours,
    /// Its first advance afterwards.
    first: Option<RegisterPoint>,
    /// What it counted from that advance to a later one, if that is less than half of what power says.
    counted: Option<Milliwatts>,
}

/// Judges a power value on a connection that carries `carried`. A quarter more can be.
pub(super) fn of(power: Milliwatts, carried: Milliwatts) -> Option<PowerFault> {
    let limit = Milliwatts(carried.0.saturating_add(carried.0 / 4));
    if power.0.saturating_abs() <= limit.0 {
        return None;
    }
    let ends = DIGITS.into_iter().flat_map(|digit| [(1 << 16) * digit, (1_i64 << 32).saturating_mul(digit)]);
    let below = ends.map(|end| end.saturating_sub(power.0)).filter(|below| *below > 0 && *below <= limit.0);
    let fault = match below.min() {
        Some(below) => PowerFault::Unsigned { power, meant: Milliwatts(-below) },
        None => PowerFault::TooHigh { power, limit },
    };
    Some(fault)
}

impl PowerMemory {
    /// Watches how power rises. `taken` is the last register taken. Returns the fault while the counter contradicts the power.
    pub(super) fn watch_jump(
        &mut self,
        settings: &MeterSettings,
        power: Milliwatts,
        taken: &RegisterPoint,
    ) -> Option<PowerFault> {
        let (carried, two_polls) = (self.measure(settings), self.two_polls(settings));
        let late = self.longest_lump().unwrap_or_default().max(two_polls);
        let Some(mut jump) = self.jump.take() else {
            self.jump = self.jump_to(power, carried, taken.value).map(Box::new);
            return None;
        };
        if power.0 <= least_jump(jump.before, carried).0 || jump.is_confirmed(taken, energy(power, late)) {
            return None;
        }
        let counted = self.jump.insert(jump).counted.filter(|counted| power.0 > 2 * counted.0)?;
        Some(PowerFault::Contradicted { power, counted })
    }

    /// A jump begins, where counter and power are known to agree.
    fn jump_to(&self, power: Milliwatts, carried: Milliwatts, value: MilliwattHours) -> Option<PowerJump> {
        let before = self.recent();
        let rises = !self.samples.is_empty() && power.0 > least_jump(before, carried).0;
        let tells = self.trust.is_proven() && !self.rates.noisy;
        (rises && tells).then_some(PowerJump { before, value, first: None, counted: None })
    }
}

/// From this power on, a rise is a jump: more than twice the power before, and not too small to matter.
fn least_jump(before: Milliwatts, carried: Milliwatts) -> Milliwatts {
    Milliwatts(before.0.saturating_mul(2).saturating_add(carried.0 / 50))
}

impl PowerJump {
    pub(super) fn stamp(&mut self) -> Option<&mut ClockReading> {
        self.first.as_mut().map(|first| &mut first.at)
    }

    /// Compares what the counter counted between its first advance after the jump and the last one; `late` is what it may not show yet, in
    /// mWh. Whether that confirms the power.
    fn is_confirmed(&mut self, taken: &RegisterPoint, late: u64) -> bool {
        let Some(first) = self.first else {
            self.first = (taken.value > self.value).then_some(*taken);
            return false;
        };
        let Some(elapsed) = taken.at.since(&first.at).filter(|_| taken.value > first.value) else { return false };
        let said = taken.witness.since(&first.witness).lower;
        let change = taken.value.saturating_sub(first.value).get();
        let unclear = late + UNCLEAR * taken.step.get();
        let contradicts = change + unclear < said / 2;
        self.counted = contradicts.then(|| rate(change, elapsed));
        change >= said / 2 && said / 2 > unclear
    }
}
