//! How long to wait before the next attempt: each failure in a row doubles the wait, up to a longest one.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::{Rng, RngExt};

/// The failures in a row of one thing, and the wait that follows the next failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits from `first`, doubling to `longest`.
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Backoff { first, longest, failures: 0 }
    }

    /// Counts a failure and returns the wait before the next attempt.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = doubled(self.first, self.failures, self.longest);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// As [`Backoff::next_wait`], times a random factor from `jitter`: many boxes do not try in step.
    pub(crate) fn next_wait_jittered(&mut self, jitter: RangeInclusive<f64>, rng: &mut impl Rng) -> Duration {
        self.next_wait().mul_f64(rng.random_range(jitter))
    }

    /// An attempt succeeded: the next failure starts again with the first wait.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// `first` doubled `times` times, at most `longest`.
pub(crate) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times)).min(longest)
}

#[cfg(test)]
mod tests;
