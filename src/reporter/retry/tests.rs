use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;

#[test]
fn the_back_off_grows_to_its_limit() {
    let mut rng = SmallRng::seed_from_u64(1);
    let every = Duration::from_secs(1);
    let ceilings = [2, 4, 8, 16, 32, 64, 119, 119, 119];
    let mut longest = [Duration::ZERO; 9];
    for _ in 0..2000 {
        let mut backoff = RetryWaits::default();
        for (longest, ceiling) in longest.iter_mut().zip(ceilings) {
            let wait = match backoff.transient(every, &mut rng) {
                NextAttempt::After(wait) if ceiling < 119 => wait,
                NextAttempt::SlotAfter(wait) if ceiling == 119 => wait,
                other => panic!("{other:?} at {ceiling}"),
            };
            assert!(wait <= Duration::from_secs(ceiling));
            *longest = wait.max(*longest);
        }
    }
    for (longest, ceiling) in longest.iter().zip(ceilings) {
        assert!(longest.as_secs_f64() > 0.95 * ceiling as f64, "full jitter reaches {ceiling}: {longest:?}");
    }
}

#[test]
fn an_account_that_reports_every_two_minutes_or_less_often_then_tries_at_each_slot() {
    let mut rng = SmallRng::seed_from_u64(1);
    for every in [120, 180, 3600].map(Duration::from_secs) {
        let mut backoff = RetryWaits::default();
        let attempts: Vec<_> = (0..10).map(|_| backoff.transient(every, &mut rng)).collect();
        assert_eq!(attempts[2..], [NextAttempt::SlotAfter(Duration::ZERO); 8]);
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
    for useless in ["0", "", "-5", "1.5", "soon", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:00:00 GMT"] {
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
