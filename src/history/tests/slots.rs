//! What the readings of a slot add up to, and how slots add up to periods.

use std::time::Duration;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::clock::ClockReading;
use crate::guard::testing::{at, energy, name, reading};
use crate::history::aggregator::SlotAggregator;
use crate::history::periods::{HistoryLine, Period, PeriodGrouping, PeriodLength, ShownTime};
use crate::history::*;

fn aggregator(meters: &[&str]) -> SlotAggregator {
    let mut aggregator = SlotAggregator::default();
    reconfigure(&mut aggregator, meters);
    aggregator
}

fn reconfigure(aggregator: &mut SlotAggregator, meters: &[&str]) {
    let names: Vec<_> = meters.iter().map(|text| name(text)).collect();
    aggregator.reconfigure(names.iter().map(|name| (name, Duration::from_secs(10))));
}

fn poll(aggregator: &mut SlotAggregator, meter: &str, seconds: u64, power: Option<i64>, published: u64) {
    let mut reading = reading(meter, seconds, published);
    reading.values.power = power.map(Milliwatts);
    aggregator.add(&reading, Some(energy(published)));
}

/// The wall clock is set forward (or back) by so many seconds.
fn set(stamp: ClockReading, seconds: i64) -> ClockReading {
    ClockReading { wall: stamp.wall + SignedDuration::from_secs(seconds), ..stamp }
}

#[test]
fn a_slot_has_the_mean_of_its_samples_over_time() {
    let mut aggregator = aggregator(&["a", "b"]);
    poll(&mut aggregator, "a", 0, Some(9_000), 100);
    poll(&mut aggregator, "a", 10, Some(1_000), 110);
    poll(&mut aggregator, "a", 40, Some(-3_000), 120);
    // Nothing is known of a time in which nobody looked.
    poll(&mut aggregator, "a", 140, Some(500), 130);
    poll(&mut aggregator, "a", 150, None, 140);
    let rows = aggregator.close(&at(160));
    let [row] = &rows[..] else { panic!("only what was read has a row: {rows:?}") };
    let power = row.power.unwrap();
    assert_eq!((power.mean_mw.0, power.min_mw.0, power.max_mw.0), ((1_000 * 10 - 3_000 * 30) / 40, -3_000, 9_000));
    assert_eq!(row.measured, Duration::from_secs(40));
    assert_eq!((row.ended, row.published), (at(160).wall, Some(energy(140))));
    assert_eq!(row.began, Some(SlotStart { at: at(0).wall, published: Some(energy(100)) }), "it follows upon none");
}

#[test]
fn a_slot_has_a_start_only_after_an_outage() {
    let mut aggregator = aggregator(&["a"]);
    poll(&mut aggregator, "a", 0, Some(1_000), 100);
    aggregator.close(&at(120));
    poll(&mut aggregator, "a", 130, Some(1_000), 110);
    assert_eq!(aggregator.close(&at(240))[0].began, None);
    assert_eq!(aggregator.close(&at(360)), [], "it did not answer");
    poll(&mut aggregator, "a", 400, Some(1_000), 900);
    poll(&mut aggregator, "a", 410, Some(1_000), 910);
    assert_eq!(aggregator.close(&at(480))[0].began, Some(SlotStart { at: at(400).wall, published: Some(energy(900)) }));
    aggregator.lose_last_slot();
    poll(&mut aggregator, "a", 490, Some(1_000), 920);
    assert_eq!(
        aggregator.close(&at(600))[0].began,
        Some(SlotStart { at: at(490).wall, published: Some(energy(920)) }),
        "the one before is lost"
    );
    reconfigure(&mut aggregator, &["b"]);
    poll(&mut aggregator, "a", 610, Some(1_000), 930);
    assert_eq!(aggregator.close(&at(720)), [], "it is not configured any more");
}

#[test]
fn a_clock_that_was_set_separates_two_slots_and_loses_no_energy() {
    for seconds in [-3600, 3600] {
        let mut aggregator = aggregator(&["a"]);
        poll(&mut aggregator, "a", 0, Some(1_000), 100);
        aggregator.close(&at(120));
        poll(&mut aggregator, "a", 130, Some(1_000), 110);
        let row = aggregator.close(&set(at(240), seconds)).remove(0);
        assert_eq!(row.began, Some(SlotStart { at: set(at(120), seconds).wall, published: Some(energy(100)) }));
        poll(&mut aggregator, "a", 250, Some(1_000), 120);
        assert_eq!(aggregator.close(&set(at(360), seconds))[0].began, None);
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn every(text: &str, offset: i32) -> PeriodLength {
    let zone = TimeZone::fixed(Offset::from_seconds(offset).unwrap());
    PeriodLength::new(humantime::parse_duration(text).unwrap(), zone).unwrap()
}

fn lines(every: Option<PeriodLength>, slots: &[RecordedSlot]) -> Vec<HistoryLine> {
    lines_of(every, ShownTime::default(), slots)
}

fn lines_of(every: Option<PeriodLength>, shown: ShownTime, slots: &[RecordedSlot]) -> Vec<HistoryLine> {
    let mut periods = PeriodGrouping::new(every, shown);
    let mut lines: Vec<_> = slots.iter().flat_map(|slot| periods.push(slot)).collect();
    lines.extend(periods.finish());
    lines
}

/// A slot of 120 s that ends at that second, measured all the time.
fn slot(to: i64, watts: i64, consumed: u64, published: u64, gap: Option<(i64, u64)>) -> RecordedSlot {
    let power = Milliwatts(watts * 1000);
    RecordedSlot {
        interval: Interval { from: second(to - 120), to: second(to), consumed_mwh: Some(energy(consumed)) },
        trusted: true,
        measured_ms: 120_000,
        power: Some(PowerSummary { mean_mw: power, min_mw: power, max_mw: power }),
        published_mwh: Some(energy(published)),
        gap: gap.map(|(from, consumed)| Interval {
            from: second(from),
            to: second(to - 120),
            consumed_mwh: Some(energy(consumed)),
        }),
    }
}

const HOUR: i64 = 3600;

#[test]
fn an_hour_has_the_slots_that_end_in_it() {
    let slots = [
        slot(HOUR, 5, 1, 101, None),
        slot(HOUR + 120, 10, 2, 103, None),
        slot(2 * HOUR, 40, 4, 107, None),
        slot(2 * HOUR + 120, 7, 8, 115, None),
    ];
    let hours = lines(Some(every("1h", 0)), &slots);
    let found: Vec<_> =
        hours.iter().map(|line| (line.from.as_second() / HOUR, line.energy_mwh.unwrap().get())).collect();
    assert_eq!(found, [(0, 1), (1, 6), (2, 8)]);
    let second = hours[1].power.unwrap();
    assert_eq!((second.mean_mw.0, second.min_mw.0, second.max_mw.0), (25_000, 10_000, 40_000));
    assert_eq!((hours[1].published_mwh, hours[1].measured_s), (Some(energy(107)), 240));
    let days =
        lines(Some(every("1d", 3600)), &[slot(23 * HOUR, 5, 1, 101, None), slot(23 * HOUR + 120, 5, 1, 102, None)]);
    assert_eq!(days.len(), 2, "with an offset of an hour midnight is at 23:00 UTC: {days:?}");
}

#[test]
fn a_slot_over_a_border_is_divided_in_proportion_to_the_time() {
    let slots = [slot(HOUR - 30, 5, 100, 1_100, None), slot(HOUR + 90, 9, 120, 1_220, None)];
    let hours = lines(Some(every("1h", 0)), &slots);
    let found: Vec<_> = hours.iter().map(|line| (line.energy_mwh, line.published_mwh, line.measured_s)).collect();
    assert_eq!(
        found,
        [(Some(energy(130)), Some(energy(1_130)), 150), (Some(energy(90)), Some(energy(1_220)), 90)],
        "30 of the 120 seconds were before the border"
    );
    // What is asked for begins and ends within a slot.
    let shown = ShownTime { from: Some(second(HOUR - 90)), to: Some(second(HOUR + 30)) };
    let hours = lines_of(Some(every("1h", 0)), shown, &slots);
    let found: Vec<_> = hours.iter().map(|line| (line.from, line.to, line.energy_mwh.unwrap().get())).collect();
    assert_eq!(
        found,
        [(second(HOUR - 90), second(HOUR), 50 + 30), (second(HOUR), second(HOUR + 30), 30)],
        "half of the first slot, and two quarters of the second"
    );
    assert_eq!(lines_of(None, shown, &slots).len(), 1, "a slot that ended outside of that time is no line");
    // Slots that were merged while the disk was slow.
    let mut long = slot(HOUR + 90, 9, 120, 1_120, None);
    long.interval.from = second(HOUR - 1_000);
    let hours = lines(Some(every("1h", 0)), &[long]);
    assert_eq!(hours.iter().map(|line| line.energy_mwh.unwrap().get()).collect::<Vec<_>>(), [120], "it is not divided");
}

/// A steady load in slots of 2 minutes; quarter-hours cannot be cut between slots.
#[test]
fn a_steady_load_is_steady_in_every_period() {
    let slots: Vec<_> =
        (1..=60).map(|number| slot(120 * number, 4_000, 133_333, 133_333 * number as u64, None)).collect();
    let quarters = lines(Some(every("15m", 0)), &slots);
    let energies: Vec<_> = quarters.iter().map(|line| line.energy_mwh.unwrap().get()).collect();
    assert_eq!(energies.len(), 8);
    assert!(energies.iter().all(|energy| energy.abs_diff(1_000_000) < 10), "{energies:?}");
    assert!(quarters.iter().all(|line| line.measured_s == 900), "{quarters:?}");
}

#[test]
fn days_are_those_of_the_time_zone_and_may_have_23_or_25_hours() {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let length = |text: &str| PeriodLength::new(humantime::parse_duration(text).unwrap(), zone.clone()).unwrap();
    let period = |from: &str, to: &str| Period { from: from.parse().unwrap(), to: to.parse().unwrap() };
    let around = |text: &str, at: &str| length(text).around(at.parse().unwrap());
    let winter = period("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
    assert_eq!(around("1d", "2026-10-25T23:00:00Z"), winter, "25 hours, with its end");
    assert_eq!(around("1d", "2026-10-24T22:00:01Z"), winter, "without its start");
    assert_eq!(around("1d", "2026-03-29T12:00:00Z"), period("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"));
    // The hour that comes twice is two hours.
    assert_eq!(around("1h", "2026-10-25T00:30:00Z"), period("2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"));
    assert_eq!(around("1h", "2026-10-25T01:30:00Z"), period("2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"));
    assert_eq!(around("6h", "2026-10-25T22:59:00Z"), period("2026-10-25T22:00:00Z", "2026-10-25T23:00:00Z"));
}

#[test]
fn a_gap_within_a_period_belongs_to_it_and_another_has_its_own_line() {
    let slots = [
        slot(600, 5, 1, 101, None),
        slot(1800, 5, 1, 112, Some((600, 10))),
        slot(5 * HOUR + 600, 5, 1, 213, Some((1800, 100))),
    ];
    let hours = lines(Some(every("1h", 0)), &slots);
    let found: Vec<_> = hours.iter().map(|line| (line.gap, line.energy_mwh.unwrap().get())).collect();
    assert_eq!(found, [(false, 12), (true, 100), (false, 1)]);
    assert_eq!((hours[1].from, hours[1].to), (second(1800), second(5 * HOUR + 480)));
    assert_eq!((hours[1].power, hours[0].measured_s), (None, 240));
    assert_eq!(lines(None, &slots).len(), 5, "slot by slot each gap is a line");
    // What lies between was left out, because the clock was ahead then.
    let back = Interval { from: second(5 * HOUR), to: second(480), consumed_mwh: Some(energy(7)) };
    let slots = [slot(300, 5, 1, 101, None), RecordedSlot { gap: Some(back), ..slot(600, 5, 1, 109, None) }];
    let hours = lines(Some(every("1h", 0)), &slots);
    assert_eq!(hours.iter().map(|line| line.gap).collect::<Vec<_>>(), [false, true, false], "{hours:?}");
}

#[test]
fn a_period_is_a_day_or_a_fraction_of_one() {
    for (text, fits) in [("5m", true), ("1h", true), ("1d", true), ("2d", false), ("7h", false), ("1m", false)] {
        assert_eq!(
            PeriodLength::new(humantime::parse_duration(text).unwrap(), TimeZone::UTC).is_some(),
            fits,
            "{text}"
        );
    }
}

/// Slots as a meter's life brings them: outages, steps of the clock in both directions, slots of any length.
fn slots() -> impl Strategy<Value = Vec<RecordedSlot>> {
    let slot = (
        10i64..400,
        0i64..20_000,
        0u64..5_000,
        prop_oneof![6 => Just(0i64), 1 => 0i64..200_000, 1 => -90_000i64..0],
        0u64..9_000,
    );
    proptest::collection::vec(slot, 1..120).prop_map(|lives| {
        let (mut now, mut published) = (1_800_000_000i64, 1_000_000u64);
        let slots = lives.into_iter().enumerate().map(|(index, (lasts, watts, consumed, away, meanwhile))| {
            let gap = (away != 0 && index > 0).then(|| Interval {
                from: second(now),
                to: second(now + away),
                consumed_mwh: Some(energy(if away > 0 { meanwhile } else { 0 })),
            });
            published += gap.map_or(0, |gap| gap.consumed_mwh.unwrap().get()) + consumed;
            let from = if gap.is_some() { now + away } else { now };
            now = from + lasts;
            let (mean, measured) = (Milliwatts(watts * 1000), lasts as u64 * 1000);
            RecordedSlot {
                interval: Interval { from: second(from), to: second(now), consumed_mwh: Some(energy(consumed)) },
                trusted: true,
                measured_ms: measured,
                power: Some(PowerSummary { mean_mw: mean, min_mw: mean, max_mw: mean }),
                published_mwh: Some(energy(published)),
                gap,
            }
        });
        slots.collect()
    })
}

proptest! {
    #[test]
    fn the_parts_add_up_to_the_whole(slots in slots(), part in prop_oneof![Just(None), Just(Some("5m")), Just(Some("1h")), Just(Some("1d"))], offset in -43_200i32..43_200) {
        let every = part.map(|text| every(text, offset));
        let lines = lines(every.clone(), &slots);
        let whole = slots.last().unwrap().published_mwh.unwrap().get() - 1_000_000;
        let parts: u64 = lines.iter().filter_map(|line| line.energy_mwh).map(|energy| energy.get()).sum();
        prop_assert_eq!(parts, whole);
        let area = |mean: Milliwatts, seconds: u64| mean.0 as i128 * i128::from(seconds);
        let measured: u64 = lines.iter().map(|line| line.measured_s).sum();
        prop_assert_eq!(measured, slots.iter().map(|slot| slot.measured_ms / 1000).sum::<u64>());
        let drawn: i128 = lines.iter().filter_map(|line| Some(area(line.power?.mean_mw, line.measured_s))).sum();
        let truly: i128 = slots.iter().map(|slot| area(slot.power.unwrap().mean_mw, slot.measured_ms / 1000)).sum();
        // A mean is cut to the milliwatt.
        prop_assert!((truly - drawn) >= 0 && truly - drawn <= i128::from(measured), "{} {}", truly, drawn);
        for line in &lines {
            if let Some(power) = line.power {
                prop_assert!(power.min_mw <= power.mean_mw && power.mean_mw <= power.max_mw);
            }
            if let Some(every) = &every && !line.gap {
                prop_assert_eq!(every.around(line.to), Period { from: line.from, to: line.to });
            }
        }
    }
}
