//! The power of each meter in the last 24 hours, by the minute. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::units::{Milliwatts, Name};

/// The longest time that is kept and shown.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// The times that a plot can show, in minutes: the shortest that holds all samples is used.
const SPANS: [i64; 3] = [60, 6 * 60, 24 * 60];

/// The sum of a minute's samples in mW, and their number.
type Minute = (i64, i64);

/// By the meter's name, then by the minute since 1970.
#[derive(Debug, Default)]
pub(super) struct PowerTrails(BTreeMap<Name, BTreeMap<i64, Minute>>);

impl PowerTrails {
    /// Adds one sample.
    pub(super) fn add(&mut self, meter: &Name, at: Timestamp, power: Milliwatts) {
        let (sum, count) = self.0.entry(meter.clone()).or_default().entry(minute(at)).or_default();
        (*sum, *count) = (sum.saturating_add(power.0), count.saturating_add(1));
    }

    /// Adds a mean power for each minute of this time.
    pub(super) fn add_span(&mut self, meter: &Name, from: Timestamp, to: Timestamp, power: Milliwatts) {
        let minutes = self.0.entry(meter.clone()).or_default();
        for minute in minute(from).max(minute(to) - SPANS[2])..=minute(to) {
            minutes.entry(minute).or_insert((power.0, 1));
        }
    }

    /// Forgets what is older than [`LONGEST`].
    pub(super) fn forget_before(&mut self, now: Timestamp) {
        let oldest = minute(now) - SPANS[2];
        for minutes in self.0.values_mut() {
            *minutes = minutes.split_off(&oldest);
        }
        self.0.retain(|_, minutes| !minutes.is_empty());
    }

    /// The minutes that a plot shows up to `now`.
    pub(super) fn span(&self, now: Timestamp) -> i64 {
        let first = self.0.values().filter_map(|minutes| minutes.keys().next()).min();
        let age = first.map_or(0, |first| minute(now) - first);
        SPANS.into_iter().find(|span| age < *span).unwrap_or(SPANS[2])
    }

    /// The mean power in each of `columns` equal parts of the span, in mW, the oldest first; `None` where nothing was read. A negative
    /// power is 0.
    pub(super) fn columns(&self, meter: &Name, now: Timestamp, columns: usize) -> Vec<Option<u64>> {
        let none = BTreeMap::new();
        let minutes = self.0.get(meter).unwrap_or(&none);
        let (span, end) = (self.span(now), minute(now) + 1);
        let count = i64::try_from(columns).unwrap_or(span).max(1);
        let part = |column: i64| {
            // Where a column is shorter than a minute, it shows the minute that it is in.
            let from = end - span + span * column / count;
            let to = (end - span + span * (column + 1) / count).max(from + 1);
            let (sum, samples) = minutes.range(from..to).fold((0_i64, 0_i64), |(sum, samples), (_, minute)| {
                (sum.saturating_add(minute.0), samples.saturating_add(minute.1))
            });
            (samples > 0).then(|| u64::try_from(sum / samples).unwrap_or(0))
        };
        (0..count).map(part).collect()
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_means_and_gaps_stay_gaps() {
        let meter = Name::new("sauna").unwrap();
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let mut trails = PowerTrails::default();
        assert_eq!(trails.columns(&meter, at(1000), 4), [None; 4]);
        trails.add(&meter, at(1000), Milliwatts(-5));
        assert_eq!((trails.span(at(1000)), trails.columns(&meter, at(1000), 4)), (60, vec![None, None, None, Some(0)]));
        trails.add_span(&meter, at(941), at(955), Milliwatts(2000));
        trails.add_span(&meter, at(956), at(970), Milliwatts(4000));
        assert_eq!(trails.columns(&meter, at(1000), 4), [Some(2000), Some(4000), None, Some(0)]);
        trails.add(&meter, at(500), Milliwatts(7));
        assert_eq!(trails.span(at(1000)), 24 * 60);
        trails.forget_before(at(500 + 24 * 60 + 1));
        assert_eq!(trails.span(at(1000)), 60);
    }
}
