//! Advances whose time is known only once the clock is trusted.

use super::*;

/// A meter at 180 kWh. Its box was off for two days and its clock is not trusted.
fn bench_without_a_clock() -> Bench {
    let mut bench = Bench::at(180 * KWH);
    (bench.boot, bench.second, bench.off, bench.trusted) = (2, 0, 172_800, false);
    bench
}

#[test]
fn an_advance_over_an_untrusted_gap_waits_for_the_clock() {
    let mut bench = bench_without_a_clock();
    assert_eq!(bench.read_for(1200, 240 * KWH), Verdict::Held);
    assert_eq!(bench.state.held().unwrap().cause, Cause::Untold);
    assert_eq!(bench.published(), Some(180 * KWH));
    bench.trusted = true;
    bench.pass(10);
    assert_eq!(bench.poll(Some(240 * KWH)).verdict, Verdict::Advanced);
    assert_eq!(bench.published(), Some(240 * KWH));
}

#[test]
fn a_reading_before_the_clock_was_trusted_is_dated_afterwards() {
    let mut bench = Bench::new();
    bench.trusted = false;
    bench.read_for(20, 180 * KWH);
    bench.trusted = true;
    bench.pass(10);
    bench.poll(Some(180 * KWH));
    (bench.boot, bench.second, bench.off) = (2, 0, 172_800);
    bench.read_for(900, 240 * KWH);
    assert_eq!(bench.published(), Some(240 * KWH));
}

#[test]
fn a_step_of_unknown_duration_is_credited_once_the_clock_is_trusted() {
    let mut bench = bench_without_a_clock();
    let stepped = (0..1500).any(|_| {
        bench.pass(60);
        bench.poll(Some(240 * KWH)).verdict == Verdict::Stepped
    });
    assert!(stepped, "after a day it is no longer waited for");
    assert_eq!(bench.published(), Some(180 * KWH));
    bench.trusted = true;
    bench.pass(10);
    let judged = bench.poll(Some(240 * KWH));
    assert_eq!(judged.verdict, Verdict::Advanced);
    assert!(matches!(judged.entry.unwrap().reason, Reason::Dated { .. }));
    assert_eq!(bench.published(), Some(240 * KWH));
}

#[test]
fn an_impossible_step_is_never_credited() {
    let mut bench = bench_without_a_clock();
    bench.off = 600;
    bench.read_for(1200, 240 * KWH);
    bench.trusted = true;
    bench.pass(10);
    assert_eq!(bench.poll(Some(240 * KWH)).verdict, Verdict::Stepped);
    assert_eq!(bench.published(), Some(180 * KWH));
}
