use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn waits_double_to_the_longest_and_start_again_after_a_success() {
    let mut backoff = Backoff::new(SECOND, SECOND * 30);
    let waits: Vec<_> = (0..7).map(|_| backoff.next_wait().as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    backoff.reset();
    assert_eq!(backoff.next_wait(), SECOND);
}

#[test]
fn the_number_of_failures_never_overflows() {
    let mut backoff = Backoff { failures: u32::MAX, ..Backoff::new(SECOND, SECOND * 30) };
    assert_eq!(backoff.next_wait(), SECOND * 30);
    assert_eq!(backoff.next_wait(), SECOND * 30);
}

#[test]
fn jitter_covers_its_whole_range() {
    let mut rng = SmallRng::seed_from_u64(1);
    let waits: Vec<_> = (0..2000)
        .map(|_| Backoff::new(SECOND, SECOND).next_wait_jittered(0.75..=1.25, &mut rng).as_secs_f64())
        .collect();
    assert!(waits.iter().all(|wait| (0.75..=1.25).contains(wait)));
    assert!(waits.iter().any(|wait| *wait < 0.77) && waits.iter().any(|wait| *wait > 1.23));
}
