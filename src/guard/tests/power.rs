//! Power that is integrated, that cannot be, or that disagrees with the counter.

use proptest::prelude::*;

use super::super::power::{EnergyBounds, SamplePair, energy};
use super::*;

#[test]
fn power_is_integrated_over_gaps_of_two_polls_and_keeps_its_remainder() {
    let mut bench = Bench::new();
    bench.settings.counter = CounterSettings::FromPower;
    bench.power = Some(1_000);
    assert_eq!(bench.poll(None).verdict, Verdict::Baseline);
    assert_eq!(bench.published(), Some(0));
    // 1 W for 10 s is 2.78 mWh. An hour of it is exactly 1000 mWh.
    for _ in 0..360 {
        bench.pass(10);
        bench.poll(None);
    }
    assert_eq!(bench.published(), Some(1000));
    bench.pass(20);
    bench.poll(None);
    assert_eq!(bench.published(), Some(1005), "two polls apart");
    bench.pass(60);
    bench.poll(None);
    assert_eq!(bench.published(), Some(1005), "six polls apart: not known");
    bench.power = Some(3_000_000_000);
    bench.pass(10);
    bench.poll(None);
    bench.power = Some(1_000);
    bench.pass(10);
    bench.poll(None);
    assert!(bench.published() < Some(1005 + 2 * 56_000), "no more than the connection carries");
    bench.power = None;
    bench.pass(10);
    assert_eq!(bench.poll(None).verdict, Verdict::Unchanged);
}

#[test]
fn a_power_above_max_power_that_the_counter_confirms_is_remembered() {
    let mut bench = Bench::at(180 * KWH);
    bench.settings.max_power = Milliwatts(1_000_000);
    bench.power = Some(3_000_000);
    let mut register = 180 * KWH;
    for _ in 0..30 {
        bench.pass(10);
        register += 8_333;
        bench.poll(Some(register / 10_000 * 10_000));
    }
    assert_eq!(bench.state.overload(&bench.settings), Some(Milliwatts(3_000_000)));
    assert_eq!(bench.published(), Some(register / 10_000 * 10_000));
}

#[test]
fn a_power_that_the_connection_cannot_carry_is_not_used() {
    let mut bench = Bench::at(180 * KWH);
    for (power, fault) in [
        (1_500_000, None),
        (-24_000_000, None),
        (
            2_000_000_000_000,
            Some(PowerFault::TooHigh { power: Milliwatts(2_000_000_000_000), limit: Milliwatts(25_000_000) }),
        ),
        (65_235_000, Some(PowerFault::Unsigned { power: Milliwatts(65_235_000), meant: Milliwatts(-301_000) })),
        (
            4_294_966_995_000,
            Some(PowerFault::Unsigned { power: Milliwatts(4_294_966_995_000), meant: Milliwatts(-301_000) }),
        ),
    ] {
        bench.power = Some(power);
        bench.pass(10);
        assert_eq!(bench.poll(Some(180 * KWH)).power_fault, fault, "{power} mW");
    }
}

#[test]
fn integrated_energy_follows_no_impossible_power() {
    let mut bench = Bench::new();
    bench.settings.counter = CounterSettings::FromPower;
    bench.power = Some(0);
    bench.poll(None);
    bench.power = Some(2_000_000_000_000);
    for _ in 0..2 {
        bench.pass(10);
        bench.poll(None);
    }
    assert_eq!(bench.published(), Some(0), "two samples in a row are a fault");
    for _ in 0..360 {
        bench.pass(10);
        bench.poll(None);
    }
    assert!(bench.published() <= Some(20 * KWH), "if it lasts, max_power counts: {:?}", bench.published());
    assert_eq!(bench.state.overload(&bench.settings), Some(Milliwatts(2_000_000_000_000)), "and it is told");
}

#[test]
fn a_register_that_stands_still_while_power_flows_is_named_and_credited_later() {
    let mut bench = Bench::at(180 * KWH);
    bench.power = Some(19_000_000);
    bench.pass(10);
    bench.read_for(19 * 60, 180 * KWH);
    assert_eq!(bench.state.advice(&bench.settings, &bench.stamp()), []);
    bench.pass(10);
    bench.read_for(120, 180 * KWH);
    let advice = bench.state.advice(&bench.settings, &bench.stamp());
    let [Advice::RegisterStands { energy, .. }] = advice[..] else { panic!("{advice:?}") };
    assert!((6 * KWH..7 * KWH).contains(&energy.get()), "{energy:?}");
    assert_eq!(bench.published(), Some(180 * KWH), "nothing is invented from power");
    bench.pass(10);
    bench.poll(Some(186 * KWH + 700_000));
    assert_eq!(bench.published(), Some(186 * KWH + 700_000));
    assert_eq!(bench.state.advice(&bench.settings, &bench.stamp()), []);
}

#[test]
fn a_power_register_that_never_agrees_counts_for_nothing_and_is_named() {
    let mut bench = Bench::at(180 * KWH);
    bench.power = Some(1_500_000);
    let mut register = 180 * KWH;
    for _ in 0..360 {
        bench.pass(10);
        register += 41_667;
        assert_ne!(bench.poll(Some(register / 10_000 * 10_000)).verdict, Verdict::Held);
    }
    let advice = bench.state.advice(&bench.settings, &bench.stamp());
    let [Advice::PowerDisagrees { ratio }] = advice[..] else { panic!("{advice:?}") };
    assert!((9_500..10_500).contains(&ratio), "{ratio} thousandths");
    assert!(!bench.state.is_waiting());
    assert_eq!(bench.published(), Some(register / 10_000 * 10_000));
}

/// A meter of 1.5 kW whose counter and power have agreed for an hour; then power reads `power`, and the counter counts at `counted`.
fn after_a_jump(power: i64, counted: u64) -> (Bench, Option<PowerFault>) {
    let mut bench = Bench::new();
    let mut fault = None;
    let mut register = 180 * KWH * 3600;
    for poll in 0..480 {
        let (shown, flows) = if poll < 360 { (1_500_000, 1_500_000) } else { (power, counted) };
        bench.power = Some(shown);
        register += 10 * flows;
        fault = bench.poll(Some(register / 3600 / 10_000 * 10_000)).power_fault;
        bench.pass(10);
    }
    (bench, fault)
}

#[test]
fn a_jump_of_power_that_the_counter_contradicts_is_not_reported() {
    let (bench, fault) = after_a_jump(18_000_000, 1_500_000);
    let Some(PowerFault::Contradicted { power, counted }) = fault else { panic!("{fault:?}") };
    assert_eq!(power, Milliwatts(18_000_000));
    assert!((1_200_000..=1_800_000).contains(&counted.0), "{counted:?}");
    assert!(!bench.state.is_held(), "the counter is taken");
}

#[test]
fn a_jump_of_power_that_the_counter_confirms_is_reported() {
    for power in [3_100_000, 4_000_000, 18_000_000] {
        assert_eq!(after_a_jump(power, power as u64).1, None, "{power} mW");
    }
}

/// A meter whose power register has agreed with its counter for an hour at this power, in mW; and its register.
fn proven(power: i64) -> (Bench, u64) {
    let mut bench = Bench::at(180 * KWH);
    bench.power = Some(power);
    let mut register = 180 * KWH;
    count(&mut bench, &mut register, 3600, 0);
    (bench, register)
}

/// Reads a register that counts its power for so many seconds, `above` the line, which may be negative. Returns the verdicts of decisions.
fn count(bench: &mut Bench, register: &mut u64, seconds: u64, above: i64) -> Vec<Verdict> {
    let mut decided = Vec::new();
    for _ in 0..seconds / 10 {
        *register += bench.power.unwrap().unsigned_abs() * 10 / 3600;
        bench.pass(10);
        let judged = bench.poll(Some(register.saturating_add_signed(above) / 10_000 * 10_000));
        decided.extend(judged.entry.map(|entry| entry.verdict));
    }
    decided
}

#[test]
fn a_rise_that_sampled_power_denies_is_not_credited() {
    let (mut bench, mut register) = proven(6_000_000);
    assert_eq!(count(&mut bench, &mut register, 1200, 500_000), [Verdict::Held, Verdict::Stepped]);
    let invented = bench.published().unwrap().saturating_sub(register);
    assert_eq!(invented, 0, "the rise of 500 Wh is not in the figure");
    assert_eq!(count(&mut bench, &mut register, 300, 0), [Verdict::Held, Verdict::Restored]);
    let lost = register - bench.published().unwrap();
    assert!(lost <= 20_000, "{lost} mWh are missing after the fault");
}

#[test]
fn a_rise_after_a_gap_in_the_samples_is_not_denied() {
    let (mut bench, mut register) = proven(6_000_000);
    bench.pass(600);
    register += 3 * KWH;
    count(&mut bench, &mut register, 900, 0);
    assert!(register - bench.published().unwrap() <= 20_000, "the outage of 10 minutes at 18 kW is credited");
}

#[test]
fn a_low_register_that_has_caught_up_by_counting_is_not_back() {
    let (mut bench, mut register) = proven(1_000_000);
    // It counts 80 Wh in five minutes.
    let decided = count(&mut bench, &mut register, 900, -80_000);
    assert_eq!(decided, [Verdict::Held, Verdict::Reset], "not a glitch");
    assert_eq!(count(&mut bench, &mut register, 900, 0), [Verdict::Restored]);
    assert!(register.abs_diff(bench.published().unwrap()) <= 20_000);
}

#[test]
fn a_register_that_is_ten_times_as_high_is_held_until_it_is_back() {
    for factor in [10, 100, 1000] {
        let mut bench = Bench::at(180 * KWH);
        bench.pass(10);
        assert_eq!(bench.read_for(2 * 3600, factor * 180 * KWH), Verdict::Held);
        let held = bench.state.held().expect("it is held");
        assert_eq!(held.cause, Cause::Scaled);
        bench.pass(10);
        assert_eq!(bench.poll(Some(181 * KWH)).verdict, Verdict::Glitch);
        bench.read_for(90, 181 * KWH);
        assert_eq!(bench.published(), Some(181 * KWH));
    }
    let mut bench = Bench::at(180 * KWH);
    bench.pass(10);
    bench.read_for(2 * 3600, 7 * 180 * KWH);
    assert!(!bench.state.is_held(), "seven times as much is a jump, which ends after ten minutes");
}

#[test]
fn a_register_that_is_a_thousand_times_as_high_stays_held_at_its_next_steps() {
    let mut bench = Bench::at(180 * KWH);
    bench.power = Some(10_000);
    // In an hour it counts 10 Wh, and shows them as 10 kWh.
    for hour in 0..6 {
        bench.pass(10);
        bench.read_for(3590, 1000 * (180 * KWH + 10_000 * hour));
        assert_eq!(bench.state.held().expect("it is held").cause, Cause::Scaled, "hour {hour}");
    }
    assert_eq!(bench.published(), Some(180 * KWH));
}

#[test]
fn a_register_that_jumped_twice_is_held_until_it_has_agreed_with_power_for_an_hour() {
    let (mut bench, mut register) = proven(6_000_000);
    assert_eq!(count(&mut bench, &mut register, 640, 500_000), [Verdict::Held, Verdict::Stepped]);
    let decided = count(&mut bench, &mut register, 3000, 900_000);
    assert_eq!(decided, [Verdict::Held, Verdict::Held]);
    assert_eq!(bench.state.held().unwrap().cause, Cause::Contradicts);
    assert_eq!(count(&mut bench, &mut register, 1200, 900_000), [Verdict::Stepped]);
    let missing = register - bench.published().unwrap();
    assert!(
        missing <= 60_000,
        "{missing} mWh: only the jumps are not credited, and a poll and a step with each of them"
    );
}

#[test]
fn a_rise_that_ends_while_it_is_held_is_a_passing_fault() {
    let (mut bench, mut register) = proven(18_000_000);
    // In two minutes the register counts more than it is too high by.
    let decided = count(&mut bench, &mut register, 120, 400_000);
    assert_eq!(decided, [Verdict::Held]);
    assert_eq!(count(&mut bench, &mut register, 60, 0), [Verdict::Glitch]);
    assert!(register.abs_diff(bench.published().unwrap()) <= 20_000);
}

#[test]
fn a_small_rise_that_was_not_credited_is_restored_when_it_ends() {
    let (mut bench, mut register) = proven(900_000);
    bench.settings.max_power = Milliwatts(1_000_000);
    for round in 0..10 {
        // Three steps, of which the register makes up for one in 40 seconds.
        count(&mut bench, &mut register, 1200, 30_000);
        let decided = count(&mut bench, &mut register, 600, 0);
        assert_eq!(decided, [Verdict::Held, Verdict::Restored], "round {round}");
        let lost = register.saturating_sub(bench.published().unwrap());
        assert!(lost <= 30_000, "round {round}: {lost} mWh are missing");
    }
}

#[test]
fn the_operator_accepts_a_register_that_is_ten_times_as_high() {
    let mut bench = Bench::at(180 * KWH);
    bench.pass(10);
    bench.read_for(60, 1800 * KWH);
    let judged = accept(&bench.state, &bench.settings, &bench.stamp()).expect("it is held");
    assert_eq!((judged.verdict, judged.state.published().map(u64::from)), (Verdict::Stepped, Some(180 * KWH)));
}

proptest! {
    /// However it is computed.
    #[test]
    fn energy_is_power_times_time_rounded_down(
        power in prop_oneof![0..1_000_000_000_i64, 0..=i64::MAX],
        seconds in prop_oneof![0..1_000_u64, 0..=u64::MAX],
        nanoseconds in 0..1_000_000_000_u32,
    ) {
        let time = Duration::new(seconds, nanoseconds);
        let all = u128::from(power.unsigned_abs()).saturating_mul(time.as_nanos());
        let most = 8 * MilliwattHours::MAX.get();
        prop_assert_eq!(energy(Milliwatts(power), time), u64::try_from(all / 3_600_000_000_000).unwrap_or(most).min(most));
        let mut totals = EnergyBounds::default();
        let pair = SamplePair { before: Milliwatts(power), after: Milliwatts(power), apart: time };
        totals.add(pair, Milliwatts(power));
        prop_assert_eq!(totals.lower, u64::try_from(all / 3_600_000_000).unwrap_or(u64::MAX));
    }
}
