//! How long to wait before trying again: jittered back-off, the slow probe, and what the endpoint requests.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng, RngExt};

use crate::backoff::{Backoff, doubled};

/// The first wait of the back-off is anything up to a quarter of the interval, within these. Shorter ones for all would turn a minute without
/// an answer into six times the usual calls.
const FIRST: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(30);
/// The longest wait of the back-off: Arkreen wants a report every 3 minutes, also soon after an outage. From then on each attempt is at a
/// slot: so a fleet's boxes keep their own phases during an outage and after it, and the load is that of any other time.
const LONGEST: Duration = Duration::from_secs(120);
/// The slow probe starts here and doubles.
const PROBE_FIRST: Duration = Duration::from_secs(5 * 60);
const PROBE_LONGEST: Duration = Duration::from_secs(60 * 60);
/// The longest `Retry-After` that is honoured in full.
const RETRY_AFTER_LONGEST: Duration = Duration::from_secs(60 * 60);

/// The waits of an account or of one of its clients after failures in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetryWaits {
    /// Temporary failures in a row.
    transient: u32,
    probe: Backoff,
}

impl Default for RetryWaits {
    fn default() -> Self {
        RetryWaits { transient: 0, probe: Backoff::new(PROBE_FIRST, PROBE_LONGEST) }
    }
}

/// When an account or a client is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextAttempt {
    /// After this wait.
    After(Duration),
    /// At the first slot after this wait.
    SlotAfter(Duration),
}

impl RetryWaits {
    /// After a temporary failure: after any time up to a limit that doubles; then at slots, for an account that reports more often
    /// than every 2 min not at each of them.
    pub(crate) fn transient(&mut self, every: Duration, rng: &mut impl Rng) -> NextAttempt {
        let first = (every / 4).clamp(*FIRST.start(), *FIRST.end());
        let (limit, part) = (doubled(first, self.transient, LONGEST), rng.random::<f64>());
        self.transient = self.transient.saturating_add(1);
        if limit < LONGEST {
            NextAttempt::After(limit.mul_f64(part))
        } else {
            NextAttempt::SlotAfter(LONGEST.saturating_sub(every).mul_f64(part))
        }
    }

    /// After a refusal that an operator must resolve: 5 min, doubling to 60.
    pub(crate) fn slow_probe(&mut self) -> Duration {
        self.probe.next_wait()
    }
}

/// The wait that a `Retry-After` header requests, at most an hour: seconds, or an HTTP date (RFC 9110, section 10.2.3).
///
/// `now` should be the `Date` of the answer: then a wrong clock on this box does not matter. `None` if the header is neither, or asks for
/// less than a second: then the back-off decides.
pub(crate) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    let wait = if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(header.parse().unwrap_or(u64::MAX))
    } else {
        let until = http_date(header)?;
        Duration::try_from(until.duration_since(now)).ok()?
    };
    (wait >= Duration::from_secs(1)).then(|| wait.min(RETRY_AFTER_LONGEST))
}

/// An HTTP date in any of its three forms (RFC 9110, section 5.6.7).
pub(crate) fn http_date(header: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(header.trim()).ok()?;
    Timestamp::try_from(date).ok()
}

#[cfg(test)]
mod tests;
