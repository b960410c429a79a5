//! How many reports of a client were accepted in each UTC hour of the last week. Pure.
//!
//! Arkreen's public rules for other miners count in hours: at most 12 samples in each, over 168 hours.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// The reports that count in an hour.
pub const FULL_HOUR: u32 = 12;
/// The hours of a week.
pub const WEEK_HOURS: usize = 168;
/// The reports that count in a week.
pub const FULL_WEEK: u32 = FULL_HOUR * WEEK_HOURS as u32;

const HOUR: i64 = 3600;

/// The accepted reports of one client: in each hour of the last week, at most 255 in one.
#[derive(Clone, PartialEq, Eq)]
pub struct ReportHours {
    /// The newest hour with a report, in hours since the Unix epoch.
    newest: i64,
    /// By the hour's number modulo 168.
    counts: [u8; WEEK_HOURS],
}

impl Default for ReportHours {
    fn default() -> Self {
        ReportHours { newest: 0, counts: [0; WEEK_HOURS] }
    }
}

impl fmt::Debug for ReportHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted: u32 = self.counts.iter().copied().map(u32::from).sum();
        write!(f, "ReportHours(newest {}, {counted} reports)", self.newest)
    }
}

impl ReportHours {
    /// Counts as they were stored by [`newest`](Self::newest) and [`strip`](Self::strip); `None` if there are not 168, or if no clock shows
    /// that hour.
    pub fn stored(newest: i64, strip: &[u8]) -> Option<Self> {
        Timestamp::from_second(newest.checked_mul(HOUR)?).ok()?;
        let strip = <&[u8; WEEK_HOURS]>::try_from(strip).ok()?;
        let mut hours = ReportHours { newest, ..Self::default() };
        (newest - WEEK_HOURS as i64 + 1..).zip(strip).for_each(|(hour, count)| hours.counts[place(hour)] = *count);
        Some(hours)
    }

    /// Counts a report that was accepted at `at`.
    pub fn count(&mut self, at: Timestamp) {
        let hour = number_of(at);
        // Hours without a report, or hours that have not been: the clock was set back.
        let apart = (self.newest.min(hour) + 1..=self.newest.max(hour)).take(WEEK_HOURS);
        apart.for_each(|hour| self.counts[place(hour)] = 0);
        if hour.abs_diff(self.newest) >= WEEK_HOURS as u64 {
            self.counts = [0; WEEK_HOURS];
        }
        self.newest = hour;
        let count = &mut self.counts[place(hour)];
        *count = count.saturating_add(1);
    }

    /// Adds the counts of an earlier time. Later hours than the newest one here have not been: the clock was set back.
    pub fn add_earlier(&mut self, earlier: &ReportHours) {
        if *self == ReportHours::default() {
            *self = earlier.clone();
            return;
        }
        for hour in self.newest - WEEK_HOURS as i64 + 1..=self.newest {
            let count = &mut self.counts[place(hour)];
            *count = count.saturating_add(earlier.of(hour));
        }
    }

    /// The newest hour with a report, in hours since the Unix epoch.
    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// The reports in each hour of the week that ends with the newest hour with a report, the oldest first.
    pub fn strip(&self) -> [u8; WEEK_HOURS] {
        self.week_to(self.newest)
    }

    /// The reports in the hour of `now`.
    pub fn in_hour(&self, now: Timestamp) -> u32 {
        u32::from(self.of(number_of(now)))
    }

    /// The reports in each hour of the week up to `now`, the oldest first; the last is the hour of `now`.
    pub fn week(&self, now: Timestamp) -> [u8; WEEK_HOURS] {
        self.week_to(number_of(now))
    }

    /// The reports that count in the week up to `now`: at most 12 of each hour.
    pub fn in_week(&self, now: Timestamp) -> u32 {
        self.week(now).into_iter().map(|count| u32::from(count).min(FULL_HOUR)).sum()
    }

    fn week_to(&self, last: i64) -> [u8; WEEK_HOURS] {
        let mut week = [0; WEEK_HOURS];
        // The known hours in their order. They end before the week does, or after it if the clock was set back.
        let mut known = self.counts;
        known.rotate_left(place(self.newest + 1));
        let apart = usize::try_from(last.abs_diff(self.newest)).unwrap_or(WEEK_HOURS).min(WEEK_HOURS);
        let both = WEEK_HOURS - apart;
        match last >= self.newest {
            true => week[..both].copy_from_slice(&known[apart..]),
            false => week[apart..].copy_from_slice(&known[..both]),
        }
        week
    }

    /// The reports in an hour of that number since the Unix epoch, if it is in the week that ends with the newest one.
    pub fn of(&self, hour: i64) -> u8 {
        let known = (self.newest - WEEK_HOURS as i64 + 1..=self.newest).contains(&hour);
        if known { self.counts[place(hour)] } else { 0 }
    }
}

/// The number of the hour since the Unix epoch.
pub fn number_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(HOUR)
}

/// The time from `now` to the end of its hour.
pub fn left_in_hour(now: Timestamp) -> Duration {
    let whole = Duration::from_secs(HOUR.unsigned_abs());
    let passed = now.as_nanosecond().rem_euclid(i128::from(HOUR) * 1_000_000_000);
    whole.saturating_sub(Duration::from_nanos(u64::try_from(passed).unwrap_or(0)))
}

fn place(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(WEEK_HOURS as i64)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
