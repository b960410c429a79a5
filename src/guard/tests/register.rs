//! Registers that do not simply continue.

use super::*;

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
fn a_fault_that_comes_again_and_again_costs_at_most_once() {
    let mut bench = Bench::new();
    bench.power = Some(48_000);
    let line = |second: u64| (180 * KWH + 48_000 * second / 3600) / 10_000 * 10_000;
    for round in 0..20 {
        for (seconds, above) in [(1200, 0), (120, 100_000), (90, 0)] {
            for _ in 0..seconds / 10 {
                bench.pass(10);
                let register = line(bench.second) + above;
                bench.poll(Some(register));
            }
        }
        assert!(bench.state.memory.earlier.is_empty(), "round {round}: it is back on its line, and no reset");
        assert!(!bench.state.is_held(), "round {round}");
    }
    let ahead = bench.published().unwrap().saturating_sub(line(bench.second));
    assert!(ahead <= 100_000, "{ahead} mWh");
}

#[test]
fn a_register_that_wobbles_gives_no_energy_twice() {
    let mut bench = Bench::at(180 * KWH);
    bench.power = Some(3_600_000);
    // 10 Wh at each poll, with a fall of one step at the beginning: each advance may be noise.
    bench.pass(10);
    bench.poll(Some(180 * KWH - 10_000));
    for poll in 1..80 {
        bench.pass(10);
        bench.poll(Some(180 * KWH + 10_000 * poll));
    }
    let published = bench.published();
    bench.pass(10);
    let jump = bench.poll(Some(180 * KWH + 10_000 * 80 + 400_000));
    assert_ne!(jump.verdict, Verdict::Advanced, "what was counted does not explain more");
    assert_eq!(bench.published(), published);
}

#[test]
fn a_register_that_wobbled_once_is_dated_by_its_advances() {
    let mut bench = Bench::at(180 * KWH);
    bench.pass(10);
    bench.poll(Some(180 * KWH - 10_000));
    for poll in 1..80 {
        bench.pass(10);
        bench.poll(Some(180 * KWH + 10_000 * poll));
    }
    bench.pass(10);
    let jump = bench.poll(Some(181 * KWH + 10_000 * 80));
    assert_eq!(jump.verdict, Verdict::Held, "1 kWh in 10 seconds on a connection of 20 kW");
}

#[test]
fn a_doubted_advance_teaches_no_rate() {
    let mut bench = Bench::at(180 * KWH);
    bench.read_for(600, 180 * KWH);
    bench.read_for(300, 180 * KWH + 400_000);
    assert_eq!(bench.published(), Some(180 * KWH + 400_000), "it is possible, and taken after a minute");
    assert_eq!(bench.state.memory.power.rates.seen, None);
}

#[test]
fn without_power_a_register_that_rises_to_an_earlier_line_is_back() {
    let mut bench = Bench::at(180 * KWH);
    bench.read_for(600, 180 * KWH);
    bench.read_for(900, 179 * KWH + 300_000);
    assert_eq!(bench.state.memory.earlier.len(), 1, "it was reset");
    bench.read_for(120, 180 * KWH);
    assert_eq!(bench.published(), Some(180 * KWH), "what it fell by was not consumed");
}

#[test]
fn after_an_outage_a_register_that_was_too_low_catches_up() {
    // It is too low for two minutes, or right for an hour before the same jump.
    for (low_for, published) in [(120, 280 * KWH), (3600, 181 * KWH + 3_590_000)] {
        let mut bench = Bench::at(180 * KWH);
        bench.pass(24 * 3600);
        for poll in 0..low_for / 10 {
            bench.pass(10);
            bench.poll(Some(181 * KWH + 10_000 * poll));
        }
        bench.pass(10);
        assert_eq!(bench.poll(Some(280 * KWH)).verdict, Verdict::Held);
        bench.read_for(900, 280 * KWH);
        assert_eq!(bench.published(), Some(published), "too low for {low_for} s");
    }
}

#[test]
fn after_a_long_outage_a_short_fall_does_not_take_its_energy_back() {
    let mut bench = Bench::at(180 * KWH);
    bench.power = Some(10_000_000);
    bench.pass(5 * 24 * 3600);
    bench.read_for(900, 1000 * KWH);
    assert_eq!(bench.published(), Some(1000 * KWH), "it is possible");
    bench.read_for(300, 996 * KWH);
    bench.pass(10);
    assert_eq!(bench.poll(Some(1002 * KWH)).verdict, Verdict::Glitch);
    // The same fall for longer: the register had been too high since the outage.
    bench.read_for(900, 1002 * KWH);
    bench.pass(10);
    bench.read_for(900, 998 * KWH);
    assert_eq!(bench.state.memory.doubted, [], "it is back on its line");
}

#[test]
fn after_a_jump_a_register_that_counts_more_than_the_connection_carries_stays_held() {
    let mut bench = Bench::at(180 * KWH);
    for poll in 1..180 {
        bench.pass(10);
        bench.poll(Some(1500 * KWH + 80_000 * poll));
    }
    assert_eq!(bench.state.held().unwrap().cause, Cause::Contradicts);
    assert_eq!(bench.published(), Some(180 * KWH));
    bench.pass(10);
    assert_eq!(bench.poll(Some(180 * KWH + 1_000_000)).verdict, Verdict::Glitch);
}

#[test]
fn an_update_that_a_fault_hid_does_not_make_power_deny_the_next_one() {
    let mut bench = Bench::new();
    bench.power = Some(3_600_000);
    for second in (0..10 * 3600).step_by(10) {
        let hour = second / 3600;
        // Zeros from 10 minutes before an update until 20 minutes after it.
        let hidden = (8 * 3600 - 600..8 * 3600 + 1200).contains(&second);
        bench.second = second;
        bench.poll(Some(if hidden { 0 } else { 180 * KWH + 3_600_000 * hour }));
    }
    assert_eq!(bench.published(), Some(180 * KWH + 9 * 3_600_000));
}
