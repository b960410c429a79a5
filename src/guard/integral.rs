//! The energy of a meter without a counter: its power, integrated over time.

use super::judging::{Judgement, Judging};
use super::power::SamplePair;
use super::reason::Reason;
use super::verdict::Verdict;
use crate::units::MilliwattHours;

/// One mWh in half mW·ns: in this unit each trapezoid is a whole number.
const HALVES_PER_MILLIWATT_HOUR: u128 = 2 * 3_600_000_000_000;

impl Judging<'_> {
    /// Judges a poll of a meter without a counter. There is no pair at the first sample and after a gap of more than two polls.
    pub(super) fn integrate(mut self, pair: Option<SamplePair>) -> Judgement {
        let first = !self.state.figure.integral.counts;
        self.state.memory.hold = None;
        if first && !self.has_sample {
            let verdict = if self.state.figure.published.is_none() { Verdict::Baseline } else { Verdict::Unchanged };
            return self.end(verdict, None);
        }
        if first {
            let verdict = if self.state.figure.published.is_none() { Verdict::Baseline } else { Verdict::Redefined };
            self.state.figure.integral.counts = true;
            self.state.memory.definition = self.settings.definition.text.clone();
            self.state.figure.published.get_or_insert_default();
            self.state.figure.taken = None;
            self.state.memory.earlier.clear();
            return self.decided(verdict, 1, Reason::IntegrationBegins);
        }
        let gained = pair.map_or(0, |pair| self.trapezoid(pair));
        let published = self.state.figure.published.unwrap_or_default();
        let owed = self.state.figure.integral.owed;
        self.state.figure.integral.owed = MilliwattHours::new(owed.get().saturating_sub(gained)).unwrap_or_default();
        let gained = gained.saturating_sub(owed.get());
        let sum = MilliwattHours::new(published.get().saturating_add(gained)).unwrap_or(MilliwattHours::MAX);
        self.state.figure.published = Some(sum);
        self.end(if sum > published { Verdict::Advanced } else { Verdict::Unchanged }, None)
    }

    /// The whole mWh between two samples; keeps the rest.
    fn trapezoid(&mut self, pair: SamplePair) -> u64 {
        let sum = pair.before.0.unsigned_abs() + pair.after.0.unsigned_abs();
        let area = u128::from(sum) * pair.apart.as_nanos() + u128::from(self.state.figure.integral.rest);
        self.state.figure.integral.rest = (area % HALVES_PER_MILLIWATT_HOUR) as u64;
        u64::try_from(area / HALVES_PER_MILLIWATT_HOUR).unwrap_or(u64::MAX)
    }
}
