//! The line that the log gets once a day: what was read and missed, and what was accepted and refused.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::status::Document;
use crate::units::Name;

/// How often the line is logged.
pub(super) const EVERY: Duration = Duration::from_secs(24 * 3600);

/// What the tasks have counted since each of them started. A reload starts those anew whose configuration has changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DailyCounts {
    /// Polls, and those of them that failed.
    polls: BTreeMap<Name, [u64; 2]>,
    /// Reports that were accepted, and those that were refused.
    reports: BTreeMap<Name, [u64; 2]>,
}

/// What came to the counts within a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DailyChange {
    read: u64,
    missed: u64,
    accepted: u64,
    refused: u64,
}

impl DailyCounts {
    pub(super) fn of(document: &Document) -> Self {
        let polls = document.meters.iter().map(|(name, meter)| (name.clone(), [meter.polls, meter.failures]));
        let accounts = document.accounts.iter();
        let reports = accounts.map(|(name, account)| (name.clone(), [account.accepted, account.rejected]));
        DailyCounts { polls: polls.collect(), reports: reports.collect() }
    }

    /// What came after `before`.
    pub(super) fn since(&self, before: &DailyCounts) -> DailyChange {
        let [polls, missed] = sum(&self.polls, &before.polls);
        let [accepted, refused] = sum(&self.reports, &before.reports);
        DailyChange { read: polls.saturating_sub(missed), missed, accepted, refused }
    }
}

impl fmt::Display for DailyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DailyChange { read, missed, accepted, refused } = self;
        write!(
            f,
            "the last 24 hours: meters read {read} times, missed {missed} times; reports accepted {accepted}, refused {refused}"
        )
    }
}

fn sum(now: &BTreeMap<Name, [u64; 2]>, before: &BTreeMap<Name, [u64; 2]>) -> [u64; 2] {
    now.iter().fold([0, 0], |sum, (name, counts)| {
        let earlier = before.get(name).filter(|earlier| earlier[0] <= counts[0] && earlier[1] <= counts[1]);
        let earlier = earlier.copied().unwrap_or_default();
        [0, 1].map(|index| sum[index] + counts[index] - earlier[index])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(polls: &[(&str, [u64; 2])], reports: [u64; 2]) -> DailyCounts {
        let name = |text| Name::new(text).unwrap();
        DailyCounts {
            polls: polls.iter().map(|(meter, counts)| (name(meter), *counts)).collect(),
            reports: [(name("main"), reports)].into(),
        }
    }

    #[test]
    fn a_day_is_the_difference_of_the_counts_also_if_a_task_began_anew() {
        let before = counts(&[("sauna", [100, 3]), ("gone", [7, 7]), ("moved", [90, 4])], [50, 1]);
        let now = counts(&[("sauna", [8_740, 15]), ("moved", [60, 1]), ("new", [10, 0])], [770, 1]);
        let day = now.since(&before);
        assert_eq!(day, DailyChange { read: 8_628 + 59 + 10, missed: 12 + 1, accepted: 720, refused: 0 });
        assert_eq!(
            day.to_string(),
            "the last 24 hours: meters read 8697 times, missed 13 times; reports accepted 720, refused 0"
        );
    }
}
