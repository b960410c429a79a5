//! How long answers took, in buckets of doubling width.

use std::time::Duration;

/// The upper bound of the first bucket in microseconds. Each further bound is twice the one before.
const FIRST_US: u64 = 1000;
/// The last bucket has no upper bound. No timeout is longer than 10 s.
pub(super) const BUCKETS: usize = 15;

/// How many answers took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerTimes(pub(super) [u64; BUCKETS]);

impl AnswerTimes {
    /// Upper bounds in microseconds, ascending; `None` for the last bucket, which has none.
    pub fn bounds() -> impl Iterator<Item = Option<u64>> {
        (0..BUCKETS).map(|index| (index + 1 < BUCKETS).then(|| FIRST_US << index))
    }

    /// How many answers each bucket has, in the order of the bounds.
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }

    pub(super) fn note(&mut self, took_us: u64) {
        let whole = took_us.saturating_sub(1) / FIRST_US;
        let index = (u64::BITS - whole.leading_zeros()) as usize;
        self.0[index.min(BUCKETS - 1)] += 1;
    }

    /// The time within which this share (0..=1) of the answers came, as exact as the buckets; `None` without answers.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let all: u64 = self.counts().sum();
        let rank = ((all as f64 * share).ceil() as u64).clamp(1, all.max(1));
        let (mut before, mut lower) = (0, 0);
        for (bound, count) in AnswerTimes::bounds().zip(self.counts()) {
            if before + count >= rank {
                let upper = bound.unwrap_or(lower);
                let part = (upper - lower) as f64 * (rank - before) as f64 / count as f64;
                return Some(Duration::from_micros(lower + part as u64));
            }
            (before, lower) = (before + count, bound.unwrap_or(lower));
        }
        None
    }
}
