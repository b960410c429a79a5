//! What the guard has noticed about a meter that somebody should check. No figure depends on it.

use std::time::Duration;

use super::flow::steps;
use super::settings::{CounterSettings, MeterSettings};
use super::state::GuardState;
use crate::clock::ClockReading;
use crate::units::MilliwattHours;

/// How long a register must stand still while power flows, beyond the time between two of its updates.
const STANDS_FOR: Duration = Duration::from_secs(180);
/// The same where that time is not known: many meters update their register every 15 minutes.
const STANDS_FOR_UNKNOWN: Duration = Duration::from_secs(20 * 60);
/// A register that stands still lacks this many steps at the least.
const STEPS: u64 = 10;
/// Counter and power are said to agree between these ratios, in thousandths.
const AGREE: std::ops::RangeInclusive<u64> = 667..=1500;

/// Something to check at the meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The register stands still although power flows.
    RegisterStands {
        /// For how long.
        since: Duration,
        /// The energy that power accounts for in that time.
        energy: MilliwattHours,
    },
    /// Counter and power register disagree, again and again.
    PowerDisagrees {
        /// Counter by power, in thousandths.
        ratio: u64,
    },
}

impl GuardState {
    /// What should be checked at this meter at this time.
    pub fn advice(&self, settings: &MeterSettings, now: &ClockReading) -> Vec<Advice> {
        let counts = settings.counter == CounterSettings::Register;
        let stands = self.register_stands(now).filter(|_| counts);
        [stands, self.power_disagrees().filter(|_| counts)].into_iter().flatten().collect()
    }

    fn register_stands(&self, now: &ClockReading) -> Option<Advice> {
        let (taken, power) = (self.figure.taken?, &self.memory.power);
        if power.trust.wrong || self.memory.hold.is_some() {
            return None;
        }
        let since = now.since(&taken.at)?;
        let patience = power.longest_lump().map_or(STANDS_FOR_UNKNOWN, |lump| lump + STANDS_FOR);
        let lower = self.figure.totals.since(&taken.witness).lower;
        let stands = since > patience && lower > STEPS * steps(&taken, &taken);
        let energy = MilliwattHours::new(lower).unwrap_or(MilliwattHours::MAX);
        stands.then_some(Advice::RegisterStands { since, energy })
    }

    fn power_disagrees(&self) -> Option<Advice> {
        let power = &self.memory.power;
        // A counter that rises while power is negative has an advice of its own.
        if !power.trust.wrong || power.last_backward.is_some() {
            return None;
        }
        let ratio = power.trust.ratio;
        (!AGREE.contains(&ratio)).then_some(Advice::PowerDisagrees { ratio })
    }
}
