//! What was counted since the start, and what of it is recent: the total less what it was half an hour to an hour ago.

use std::time::Duration;

use tokio::time::Instant;

use super::tally::{COUNTS, RequestTally};
use super::times::BUCKETS;

/// From one mark to the next. What is recent began at the mark before the last.
const MARK_EVERY: Duration = Duration::from_secs(1800);
/// A mark keeps the low 16 bits of each count, so there is another one after so many requests at the latest.
const MARK_AFTER: u32 = 30_000;
/// A share of less time than this says nothing.
const LEAST_TIME: Duration = Duration::from_secs(10);

/// How well one meter's requests went. 350 bytes, whatever it counts.
#[derive(Clone, Debug, Default)]
pub struct RequestQuality {
    total: RequestTally,
    /// The older one first.
    marks: [Mark; 2],
    last: Option<Instant>,
}

/// What the total was at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: Option<Instant>,
    counts: [u16; COUNTS],
    times: [u16; BUCKETS],
    busy_us: u32,
    requests: u32,
}

/// What was counted in the last half hour to hour (less where there were very many requests).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecentTally {
    /// The counts.
    pub tally: RequestTally,
    /// The time in which it was counted.
    pub over: Duration,
}

impl RequestQuality {
    /// The requests of one poll that is over now.
    pub fn add(&mut self, poll: &RequestTally, now: Instant) {
        let begun = now.checked_sub(Duration::from_micros(poll.busy_us)).unwrap_or(now);
        let [_, newer] = &self.marks;
        match newer.at {
            Some(at) if begun < at + MARK_EVERY && self.requests_since(newer) < MARK_AFTER => {}
            Some(at) if begun < at + 2 * MARK_EVERY => self.marks = [*newer, self.mark(begun)],
            _ => self.marks = [self.mark(begun); 2],
        }
        self.total.add_poll(poll);
        self.last = Some(now);
    }

    /// Since the start.
    pub fn total(&self) -> &RequestTally {
        &self.total
    }

    /// The requests of the last half hour to hour.
    pub fn recent(&self) -> RecentTally {
        let [older, _] = &self.marks;
        let (Some(from), Some(last)) = (older.at, self.last) else { return RecentTally::default() };
        let mut tally = RequestTally {
            busy_us: u64::from((self.total.busy_us as u32).wrapping_sub(older.busy_us)),
            ..RequestTally::default()
        };
        let less = |total: u32, mark: u16| u32::from((total as u16).wrapping_sub(mark));
        for (index, count) in tally.counts.iter_mut().enumerate() {
            *count = less(self.total.counts[index], older.counts[index]);
        }
        for (index, count) in tally.times.0.iter_mut().enumerate() {
            *count = less(self.total.times.0[index], older.times[index]);
        }
        RecentTally { tally, over: last.saturating_duration_since(from) }
    }

    fn requests_since(&self, mark: &Mark) -> u32 {
        (self.total.requests() as u32).wrapping_sub(mark.requests)
    }

    fn mark(&self, at: Instant) -> Mark {
        let RequestTally { counts, times, busy_us, .. } = &self.total;
        Mark {
            at: Some(at),
            counts: counts.map(|count| count as u16),
            times: times.0.map(|count| count as u16),
            busy_us: *busy_us as u32,
            requests: self.total.requests() as u32,
        }
    }
}

/// The share of a bus's time, 0..=1, that the requests to these meters took; `None` until it is known of each that was asked at all.
pub fn occupancy<'r>(meters: impl IntoIterator<Item = &'r RecentTally>) -> Option<f64> {
    let mut sum = None;
    for recent in meters.into_iter().filter(|recent| recent.tally.requests() > 0) {
        sum = Some(sum.unwrap_or(0.0) + recent.occupancy()?);
    }
    sum.map(|share: f64| share.min(1.0))
}

impl RecentTally {
    /// The share of the bus's time that these requests took, 0..=1; `None` where the time is too short to tell.
    pub fn occupancy(&self) -> Option<f64> {
        (self.over >= LEAST_TIME).then(|| (self.tally.busy_us as f64 / self.over.as_micros() as f64).min(1.0))
    }
}
