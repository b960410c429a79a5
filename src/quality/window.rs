//! The counts since the start, and the recent ones: of the last half hour to hour.

use std::time::Duration;

use tokio::time::Instant;

use super::tally::{RequestTally, ShortTally};

/// The time from the beginning of one window to the next.
const WINDOW_EVERY: Duration = Duration::from_secs(1800);
/// A share of a shorter time than this says nothing.
const MIN_TIME: Duration = Duration::from_secs(10);

/// How well the requests to one meter went.
#[derive(Clone, Debug, Default)]
pub struct RequestQuality {
    total: RequestTally,
    /// What came since two earlier times, the older one first: that is recent.
    windows: Option<[Window; 2]>,
    last: Option<Instant>,
}

/// What was counted since a time.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    counts: ShortTally,
}

/// The counts of the last half hour to hour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecentTally {
    /// The counts.
    pub tally: RequestTally,
    /// The time in which they were counted.
    pub over: Duration,
}

impl RequestQuality {
    /// Adds the requests of one poll that ended at `now`.
    pub fn add(&mut self, poll: &RequestTally, now: Instant) {
        let begun = now.checked_sub(Duration::from_micros(poll.busy_us)).unwrap_or(now);
        let new = Window { since: begun, counts: ShortTally::default() };
        let [older, newer] = self.windows.get_or_insert([new; 2]);
        if begun >= newer.since + WINDOW_EVERY {
            *older = if begun < newer.since + 2 * WINDOW_EVERY { *newer } else { new };
            *newer = new;
        }
        older.counts.add_poll(poll);
        newer.counts.add_poll(poll);
        self.total.add_poll(poll);
        self.last = Some(now);
    }

    /// The counts since the start.
    pub fn total(&self) -> &RequestTally {
        &self.total
    }

    /// The requests of the last half hour to hour.
    pub fn recent(&self) -> RecentTally {
        let (Some([older, _]), Some(last)) = (&self.windows, self.last) else { return RecentTally::default() };
        RecentTally { tally: older.counts.into(), over: last.saturating_duration_since(older.since) }
    }
}

/// The share of the time, 0..=1, that the requests to these meters took on their bus; `None` until it is known for each polled meter.
pub fn occupancy<'r>(meters: impl IntoIterator<Item = &'r RecentTally>) -> Option<f64> {
    let mut sum = None;
    for recent in meters.into_iter().filter(|recent| recent.tally.requests() > 0) {
        sum = Some(sum.unwrap_or(0.0) + recent.occupancy()?);
    }
    sum.map(|share: f64| share.min(1.0))
}

impl RecentTally {
    /// The share of the time that these requests took on the bus, 0..=1; `None` if the time is too short.
    pub fn occupancy(&self) -> Option<f64> {
        (self.over >= MIN_TIME).then(|| (self.tally.busy_us as f64 / self.over.as_micros() as f64).min(1.0))
    }
}
