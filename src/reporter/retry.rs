//! How long to wait before trying again: jittered back-off, the slow probe, and what the endpoint requests.

use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;

use crate::backoff::Backoff;

/// The first wait of the back-off is anything up to this.
const FIRST: Duration = Duration::from_secs(2);
/// The longest wait of the back-off: Arkreen wants a report every 3 minutes, also soon after an outage.
const LONGEST: Duration = Duration::from_secs(120);
/// The slow probe starts here and doubles.
const PROBE_FIRST: Duration = Duration::from_secs(5 * 60);
const PROBE_LONGEST: Duration = Duration::from_secs(60 * 60);
/// The longest `Retry-After` that is honoured in full.
const RETRY_AFTER_LONGEST: Duration = Duration::from_secs(60 * 60);

/// The waits of an account or of one of its clients after failures in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetryWaits {
    transient: Backoff,
    probe: Backoff,
}

impl Default for RetryWaits {
    fn default() -> Self {
        RetryWaits { transient: Backoff::new(FIRST, LONGEST), probe: Backoff::new(PROBE_FIRST, PROBE_LONGEST) }
    }
}

impl RetryWaits {
    /// After a failure that may pass by itself: any time up to a limit that doubles from 2 s to 2 min.
    pub(crate) fn transient(&mut self, rng: &mut impl Rng) -> Duration {
        self.transient.next_wait_jittered(0.0..=1.0, rng)
    }

    /// After a refusal that an operator must resolve: 5 min, doubling to 60.
    pub(crate) fn slow_probe(&mut self) -> Duration {
        self.probe.next_wait()
    }
}

/// What a `Retry-After` header asks for, at most an hour: seconds, or an HTTP date (RFC 9110, section 10.2.3).
///
/// `now` is best the answer's own `Date`: then a wrong clock on this box does not matter. `None` if the header is neither, or asks for
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
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn the_back_off_grows_to_its_limit() {
        let mut rng = SmallRng::seed_from_u64(1);
        let ceilings = [2, 4, 8, 16, 32, 64, 120, 120, 120];
        let mut longest = [Duration::ZERO; 9];
        for _ in 0..2000 {
            let mut backoff = RetryWaits::default();
            for (longest, ceiling) in longest.iter_mut().zip(ceilings) {
                let wait = backoff.transient(&mut rng);
                assert!(wait <= Duration::from_secs(ceiling));
                *longest = wait.max(*longest);
            }
        }
        for (longest, ceiling) in longest.iter().zip(ceilings) {
            assert!(longest.as_secs_f64() > 0.95 * ceiling as f64, "full jitter reaches {ceiling}: {longest:?}");
        }
    }

    #[test]
    fn the_slow_probe_doubles_to_an_hour() {
        let mut backoff = RetryWaits::default();
        let minutes: Vec<_> = (0..6).map(|_| backoff.slow_probe().as_secs() / 60).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_capped() {
        let now = Timestamp::from_second(784_111_777).unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Sunday, 06-Nov-94 08:50:37 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("99999999999999999999999", now), Some(RETRY_AFTER_LONGEST));
        assert_eq!(retry_after("Wed, 06 Nov 2094 08:50:37 GMT", now), None, "not the weekday of that date");
        assert_eq!(retry_after("Sat, 06 Nov 2094 08:50:37 GMT", now), Some(RETRY_AFTER_LONGEST));
        for useless in ["0", "", "-5", "1.5", "soon", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:00:00 GMT"]
        {
            assert_eq!(retry_after(useless, now), None, "{useless:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_delays_longer_than_an_hour(header in ".{0,40}", now in 0i64..4_000_000_000) {
            let wait = retry_after(&header, Timestamp::from_second(now).unwrap());
            prop_assert!(wait.is_none_or(|wait| wait <= RETRY_AFTER_LONGEST));
        }
    }
}
