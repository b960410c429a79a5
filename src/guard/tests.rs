//! The rules one by one. Whole histories are in `tests/guard`.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::reading::{Register, RegisterDefinition};
use crate::units::{MilliwattHours, Milliwatts, Name};

const KWH: u64 = 1_000_000;

/// A meter under test: its state, its settings, and a clock that the test sets.
struct Bench {
    state: GuardState,
    settings: MeterSettings,
    boot: u64,
    second: u64,
    /// How long the box was off before this boot, in seconds.
    off: i64,
    trusted: bool,
    power: Option<i64>,
    serial: Option<&'static str>,
}

impl Bench {
    fn new() -> Self {
        let settings = MeterSettings {
            name: Name::new("heat_pump").unwrap(),
            max_power: Milliwatts(20_000_000),
            poll_every: Duration::from_secs(10),
            counter: CounterSettings::Register,
            start_at_zero: false,
            definition: RegisterDefinition { text: "holding 0 u32 0.01 kWh".to_owned(), rollover: None, range: None },
            place: "cabinet 1".to_owned(),
        };
        let state = GuardState::default();
        Bench { state, settings, boot: 1, second: 0, off: 0, trusted: true, power: None, serial: None }
    }

    /// A meter that has been read three times at this register.
    fn at(register: u64) -> Self {
        let mut bench = Bench::new();
        bench.read_for(20, register);
        assert_eq!(bench.published(), Some(register));
        bench
    }

    fn stamp(&self) -> ClockReading {
        ClockReading {
            boot: serde_json::from_value(serde_json::json!(self.boot)).unwrap(),
            since_boot: Duration::from_secs(60 + self.second),
            wall: Timestamp::from_second(1_700_000_000 + self.off + self.second as i64).unwrap(),
            trusted: self.trusted,
        }
    }

    fn poll(&mut self, register: Option<u64>) -> Judgement {
        let register = register.map(|value| Register {
            value: MilliwattHours::new(value).unwrap(),
            step: MilliwattHours::new(10_000).unwrap(),
        });
        let values = Values { power: self.power.map(Milliwatts), register, serial: self.serial.map(str::to_owned) };
        let judged = judge(self.state.clone(), &self.settings, &self.stamp(), &values);
        // The whole state survives the store.
        self.state = testing::stored(&judged.state);
        assert_eq!(self.state, judged.state);
        judged
    }

    /// Reads this register every ten seconds, including the first and the last second; returns the last verdict.
    fn read_for(&mut self, seconds: u64, register: u64) -> Verdict {
        let end = self.second + seconds;
        loop {
            let verdict = self.poll(Some(register)).verdict;
            if self.second >= end {
                return verdict;
            }
            self.second += 10;
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.second += seconds;
    }

    fn published(&self) -> Option<u64> {
        self.state.published().map(u64::from)
    }
}

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

#[test]
fn another_definition_starts_an_epoch_without_a_jump() {
    let mut bench = Bench::at(180 * KWH);
    bench.settings.definition.text = "holding 0 u32 0.1 kWh".to_owned();
    bench.pass(10);
    assert_eq!(bench.read_for(10, 1800 * KWH), Verdict::Held);
    bench.pass(10);
    assert_eq!(bench.poll(Some(1800 * KWH + 20_000)).verdict, Verdict::Redefined);
    assert_eq!(bench.published(), Some(180 * KWH + 20_000));
}

#[test]
fn a_restored_definition_changes_nothing() {
    let mut bench = Bench::at(180 * KWH);
    let before = std::mem::replace(&mut bench.settings.definition.text, "another".to_owned());
    bench.pass(10);
    assert_eq!(bench.poll(Some(1800 * KWH)).verdict, Verdict::Held);
    bench.settings.definition.text = before;
    bench.pass(10);
    assert_eq!(bench.poll(Some(180 * KWH)).verdict, Verdict::Unchanged);
}

#[test]
fn at_another_place_an_unexplained_advance_is_credited_only_to_the_same_serial_number() {
    for (serial, published) in [(None, 180 * KWH), (Some("2222"), 180 * KWH), (Some("1111"), 183 * KWH)] {
        let mut bench = Bench::new();
        bench.serial = Some("1111");
        bench.read_for(20, 180 * KWH);
        bench.settings.place = "gateway 7".to_owned();
        bench.serial = serial;
        bench.pass(3600);
        bench.read_for(900, 183 * KWH);
        assert_eq!(bench.published(), Some(published), "serial number {serial:?}");
    }
}

#[test]
fn zeros_are_a_start_up_while_power_flows_and_a_reset_after_a_day() {
    let mut bench = Bench::at(180 * KWH);
    bench.power = Some(1_500_000);
    bench.pass(10);
    assert_eq!(bench.read_for(23 * 3600, 0), Verdict::Held);
    assert_eq!(bench.read_for(3660, 0), Verdict::Unchanged, "the reset has been decided by now");
    assert_eq!(bench.published(), Some(180 * KWH));
    assert_eq!(bench.state.register(), Some(MilliwattHours::ZERO));
}

#[test]
fn a_meter_that_read_0_for_all_values_recovers_with_all_its_energy() {
    let mut bench = Bench::at(180 * KWH);
    bench.power = Some(1_500_000);
    bench.pass(10);
    bench.power = Some(0);
    bench.read_for(4 * 3600, 0);
    assert_eq!(bench.published(), Some(180 * KWH));
    bench.power = Some(1_500_000);
    bench.pass(10);
    bench.read_for(900, 186 * KWH);
    assert_eq!(bench.published(), Some(186 * KWH), "0 W of a meter that counts nothing is no proof of a standstill");
}

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
fn an_operator_accepts_a_held_fall_and_credits_a_step() {
    let mut bench = Bench::at(180 * KWH);
    assert_eq!(accept(&bench.state, &bench.settings, &bench.stamp()), None);
    bench.pass(10);
    assert_eq!(bench.poll(Some(2 * KWH)).verdict, Verdict::Held);
    let judged = accept(&bench.state, &bench.settings, &bench.stamp()).unwrap();
    assert_eq!(judged.verdict, Verdict::Reset);
    bench.state = judged.state;
    bench.pass(10);
    bench.poll(Some(2 * KWH + 10_000));
    assert_eq!(bench.published(), Some(180 * KWH + 10_000));
    let energy = MilliwattHours::new(5 * KWH).unwrap();
    let credited = credit(&bench.state, &bench.settings, &bench.stamp(), energy).unwrap();
    assert_eq!(credited.state.published().map(u64::from), Some(185 * KWH + 10_000));
}

#[test]
fn a_spike_of_one_reading_within_what_is_plausible_is_not_published() {
    let mut bench = Bench::new();
    bench.power = Some(0);
    bench.read_for(120, 180 * KWH);
    bench.pass(10);
    bench.poll(Some(180 * KWH + 60_000));
    assert_eq!(bench.published(), Some(180 * KWH));
    bench.pass(10);
    assert_eq!(bench.poll(Some(180 * KWH)).verdict, Verdict::Unchanged);
}

#[test]
fn a_null_register_changes_no_energy_and_ends_no_hold() {
    let mut bench = Bench::at(180 * KWH);
    bench.pass(10);
    assert_eq!(bench.poll(None).verdict, Verdict::Unchanged);
    bench.pass(10);
    assert_eq!(bench.poll(Some(2 * KWH)).verdict, Verdict::Held);
    bench.pass(10);
    assert_eq!(bench.poll(None).verdict, Verdict::Held);
}

#[test]
fn a_state_of_an_older_program_is_read() {
    let state: GuardState = serde_json::from_str("{}").unwrap();
    assert_eq!(state, GuardState::default());
    let state: GuardState = serde_json::from_str(r#"{"published": 7, "power": {}, "of a newer one": 1}"#).unwrap();
    assert_eq!(state.published().map(u64::from), Some(7));
}

#[test]
fn a_verdict_is_written_as_its_word() {
    for verdict in [Verdict::Baseline, Verdict::Unchanged, Verdict::Advanced, Verdict::Restored, Verdict::Redefined] {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
    }
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

#[test]
fn a_fault_that_comes_again_and_again_costs_at_most_once() {
    let mut bench = Bench::new();
    bench.power = Some(48_000);
    for _ in 0..20 {
        bench.pass(10);
        bench.read_for(1200, 180 * KWH);
        bench.pass(10);
        bench.read_for(120, 180 * KWH + 100_000);
        bench.pass(10);
        bench.read_for(80, 180 * KWH);
        assert!(bench.state.memory.earlier.is_empty(), "it is back on its line, and no reset");
        assert!(!bench.state.is_held());
    }
    assert_eq!(bench.published(), Some(180 * KWH + 100_000));
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

#[test]
fn an_explanation_changes_nothing_and_names_the_bounds() {
    let mut bench = Bench::at(180 * KWH);
    bench.pass(10);
    let register = Register {
        value: MilliwattHours::new(180 * KWH + 20_000).unwrap(),
        step: MilliwattHours::new(10_000).unwrap(),
    };
    let values = Values { register: Some(register), ..Values::default() };
    let explanation = explain(&bench.state, &bench.settings, &bench.stamp(), &values).unwrap();
    let flow = explanation.flow.unwrap();
    assert_eq!(explanation.hypotheses, [Hypothesis::Continues]);
    assert!(flow.least <= flow.measured && flow.measured <= flow.usual && flow.usual <= flow.most, "{flow:?}");
    let fallen = Values { register: Some(Register { value: MilliwattHours::ZERO, ..register }), ..Values::default() };
    let explanation = explain(&bench.state, &bench.settings, &bench.stamp(), &fallen).unwrap();
    assert_eq!((explanation.flow, explanation.hypotheses), (None, vec![Hypothesis::Lower]));
}
