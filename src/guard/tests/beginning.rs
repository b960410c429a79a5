//! The first figure of a meter.

use super::*;

#[test]
fn nothing_is_published_before_three_readings_agree() {
    let mut bench = Bench::new();
    for (register, verdict) in
        [(5 * KWH, "baseline"), (900 * KWH, "baseline"), (5 * KWH, "baseline"), (5 * KWH, "baseline")]
    {
        assert_eq!(bench.poll(Some(register)).verdict.as_str(), verdict);
        assert_eq!(bench.published(), None);
        bench.pass(10);
    }
    let judged = bench.poll(Some(5 * KWH));
    assert_eq!((judged.verdict, bench.published()), (Verdict::Baseline, Some(5 * KWH)));
    assert!(judged.entry.is_some(), "the beginning is in the journal");
}

#[test]
fn a_first_register_of_zero_counts_after_ten_minutes() {
    let mut bench = Bench::new();
    bench.read_for(590, 0);
    assert_eq!(bench.published(), None);
    bench.pass(10);
    bench.poll(Some(0));
    assert_eq!(bench.published(), Some(0));
}

#[test]
fn a_first_register_beyond_thirty_years_waits_for_the_operator() {
    let mut bench = Bench::new();
    let register = 6_000_000 * KWH;
    assert_eq!(bench.read_for(3600, register), Verdict::Held);
    assert_eq!(bench.published(), None);
    assert_eq!(bench.state.held().unwrap().before, None);
    let accepted = accept(&bench.state, &bench.settings, &bench.stamp()).unwrap();
    assert_eq!(accepted.state.published().map(u64::from), Some(register));
    assert!(matches!(accepted.entry.unwrap().reason, Reason::Accepted(_)));
    assert_eq!(accepted.state.held(), None);
}

#[test]
fn energy_start_zero_counts_from_the_first_reading() {
    let mut bench = Bench::new();
    bench.settings.start_at_zero = true;
    bench.read_for(20, 180 * KWH);
    assert_eq!(bench.published(), Some(0));
    bench.pass(10);
    bench.poll(Some(180 * KWH + 20_000));
    assert_eq!(bench.published(), Some(20_000));
}

#[test]
fn a_first_register_near_the_end_of_its_type_waits_for_the_operator() {
    let mut bench = Bench::new();
    bench.settings.definition.range = MilliwattHours::new((1 << 32) * 100);
    assert_eq!(bench.read_for(3600, (1 << 32) * 100 - 500), Verdict::Held);
    assert_eq!(bench.published(), None);
    let accepted = accept(&bench.state, &bench.settings, &bench.stamp()).unwrap();
    assert_eq!(accepted.state.published().map(u64::from), Some((1 << 32) * 100 - 500));
}

/// A number with a sign that is read without it: a little below the half, or the end, of 16 or 32 bits.
#[test]
fn first_registers_a_little_below_each_end_of_a_type_wait() {
    for (range, register, held) in [
        (1 << 32, (1 << 32) - 5, true),
        (1 << 32, (1 << 31) - 5, true),
        (1 << 32, (1 << 31) + 500_000, false),
        (1 << 32, 123_456_789, false),
        (1 << 16, (1 << 16) - 5, true),
        (1 << 16, (1 << 15) - 5, true),
        (1 << 16, 12_345, false),
    ] {
        // 0.1 Wh, or 1 kWh for a single register.
        let digit = if range == 1 << 16 { KWH } else { 100 };
        let mut bench = Bench::new();
        bench.settings.definition.range = MilliwattHours::new(range * digit);
        let verdict = bench.read_for(3600, register * digit);
        assert_eq!(verdict == Verdict::Held, held, "{register} of {range}: {verdict:?}");
        assert_eq!(bench.published().is_none(), held, "{register} of {range}");
    }
}

#[test]
fn a_serial_number_in_another_spelling_is_the_same() {
    let mut bench = Bench::new();
    for serial in ["AB 02", "ab02", "0AB02"] {
        bench.serial = Some(serial);
        bench.read_for(10, 180 * KWH);
        bench.pass(10);
    }
    assert_eq!(bench.published(), Some(180 * KWH));
    bench.serial = Some("AB03");
    assert_eq!(bench.poll(Some(180 * KWH)).verdict, Verdict::Held);
}
