//! Energy per day: midnight, gaps, another clock, the first version's file, and what the charts show of it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;
use rusqlite::Connection;

use super::store::{FIRST_VERSION, Lab, row};
use crate::guard::testing::{at, energy, name};
use crate::history::charts::Charts;
use crate::history::days::{Calendar, SlotEnd, day_of, shares};
use crate::history::store::{HISTORY, HistoryStore, open_present};
use crate::history::{HistorySlot, MeterRename, SlotStart};

/// `at(0)` is 8 h into its day.
const MIDNIGHT: u64 = 16 * 3600;
const DAY: u64 = 24 * 3600;

/// What the task shows of that folder at its start.
fn charts(store: &mut Option<HistoryStore>, folder: &Path, now: Timestamp) -> Charts {
    match open_present(store, folder) {
        Ok(()) => store.as_ref().map(|store| store.charts(now)).unwrap_or_default(),
        Err(note) => Charts::with_note(note),
    }
}

/// Day (counted from that of `at(0)`), energy and covered seconds.
fn days(lab: &Lab, meter: &str) -> Vec<(i64, u64, u64)> {
    let connection = Connection::open(lab.path(HISTORY)).unwrap();
    let sql =
        "SELECT day, energy_mwh, covered_s FROM day WHERE meter = (SELECT id FROM meter WHERE name = ?1) ORDER BY day";
    let mut statement = connection.prepare(sql).unwrap();
    let first = day_of(at(0).wall, &TimeZone::UTC);
    let rows =
        statement.query_map([meter], |row| Ok((row.get::<_, i64>(0)? - first, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_slot_over_midnight_is_divided_and_a_gap_is_not() {
    let mut lab = Lab::new();
    let began = |seconds, published| Some(SlotStart { at: at(seconds).wall, published: Some(energy(published)) });
    lab.record(&[HistorySlot { began: began(MIDNIGHT - 160, 1000), ..row("a", MIDNIGHT - 40, 1010) }], 0).unwrap();
    lab.record(&[row("a", MIDNIGHT + 80, 1130)], 0).unwrap();
    assert_eq!(days(&lab, "a"), [(0, 50, 160), (1, 80, 80)], "a third of 120 is before midnight");
    let late = 3 * DAY + 500;
    lab.record(&[HistorySlot { began: began(late, 2000), ..row("a", late + 100, 2007) }], 0).unwrap();
    assert_eq!(days(&lab, "a"), [(0, 50, 160), (1, 80, 80), (3, 877, 100)], "the gap belongs to the day of its end");
}

#[test]
fn a_slot_that_ends_at_midnight_belongs_to_the_day_before() {
    let mut lab = Lab::new();
    lab.record(&[row("a", MIDNIGHT - 120, 10), row("a", MIDNIGHT, 20), row("a", MIDNIGHT + 120, 30)], 0).unwrap();
    assert_eq!(days(&lab, "a"), [(0, 10, 120), (1, 10, 120)]);
}

#[test]
fn days_go_on_after_the_file_is_opened_again_and_after_a_failed_write() {
    let mut lab = Lab::new();
    lab.fill(1..3);
    lab.history = None;
    lab.fill(3..4);
    lab.history.as_ref().unwrap().limit_pages(1);
    lab.record(&(0..100).map(|_| row("a", 480, 40)).collect::<Vec<_>>(), 480).unwrap_err();
    lab.history = None;
    lab.fill(4..6);
    assert_eq!(days(&lab, "a"), [(0, 40, 480)], "each slot once, the failed ones never");
}

#[test]
fn days_outlive_the_slots_for_ten_years_and_are_bounded_by_the_size() {
    let mut lab = Lab::new();
    lab.fill(1..4);
    lab.record(&[row("a", 200 * DAY, 100)], 200 * DAY).unwrap();
    assert_eq!(lab.ended().len(), 1, "the slots are gone");
    assert_eq!(days(&lab, "a").iter().map(|(day, ..)| *day).collect::<Vec<_>>(), [0, 200]);
    lab.record(&[row("a", 3800 * DAY, 200)], 3800 * DAY).unwrap();
    assert_eq!(days(&lab, "a").iter().map(|(day, ..)| *day).collect::<Vec<_>>(), [200, 3800]);
    lab.retention.max_size = 130;
    lab.record(&[row("a", 3802 * DAY, 300)], 3802 * DAY).unwrap();
    assert!(days(&lab, "a").len() <= 2, "{:?}", days(&lab, "a"));
}

#[test]
fn a_file_of_the_first_version_gets_its_days_and_the_charts_show_them() {
    let mut lab = Lab::new();
    Connection::open(lab.path(HISTORY)).unwrap().execute_batch(FIRST_VERSION).unwrap();
    let mut store = None;
    let shown = charts(&mut store, lab.folder.path(), at(300).wall);
    assert_eq!((shown.note.as_deref(), days(&lab, "a")), (None, vec![(0, 16, 240)]));
    let meter = shown.meter(&name("a"), at(300).wall, Calendar::Utc);
    assert_eq!((meter.days[0].energy, meter.months[0].energy), (energy(16), energy(16)));
    assert_eq!(meter.power.iter().flatten().count(), 1);
    lab.history = store;
    lab.record(&[row("a", 360, 30)], 360).unwrap();
    assert_eq!(days(&lab, "a"), [(0, 26, 360)]);
}

#[test]
fn the_charts_read_from_the_file_are_those_that_followed_it() {
    let mut lab = Lab::new();
    let mut live = charts(&mut None, lab.folder.path(), at(0).wall);
    let mut slots = Vec::new();
    for slot in 1..2000u64 {
        // Two hours without a record.
        if (700..760).contains(&slot) {
            continue;
        }
        let began = (slot == 760).then(|| SlotStart { at: at(759 * 120).wall, published: Some(energy(7500)) });
        let slot = HistorySlot { began, ..row("a", slot * 120, slot * 10) };
        live.add(&slot);
        slots.push(slot);
    }
    slots.chunks(150).for_each(|slots| assert_eq!(lab.record(slots, 0).unwrap(), None));
    let now = at(2000 * 120).wall;
    let read = charts(&mut None, lab.folder.path(), now).meter(&name("a"), now, Calendar::Utc);
    assert_eq!(read, live.meter(&name("a"), now, Calendar::Utc));
    assert_eq!(read.power.len(), 288);
    assert!(read.power.iter().flatten().count() > 280);
    assert_eq!(read.days.iter().map(|day| day.energy.get()).sum::<u64>(), 1999 * 10 - 10, "the days add up");
    let rename = MeterRename { from: name("a"), to: name("b") };
    live.rename(&rename);
    assert!(
        live.meter(&name("a"), now, Calendar::Utc).days.is_empty()
            && !live.meter(&name("b"), now, Calendar::Utc).days.is_empty()
    );
}

#[test]
fn a_time_without_readings_is_a_gap_in_the_charts() {
    let mut shown = charts(&mut None, "/nowhere".as_ref(), at(0).wall);
    for slot in (1..31).chain(61..91) {
        shown.add(&row("a", slot * 120, slot * 10));
    }
    let power = shown.meter(&name("a"), at(90 * 120).wall, Calendar::Utc).power;
    let read: Vec<_> = power[288 - 36..].iter().map(Option::is_some).collect();
    assert_eq!(read.iter().filter(|read| **read).count(), 24, "{read:?}");
    assert!(!read[12..24].iter().any(|read| *read), "{read:?}");
}

#[test]
fn a_damaged_file_is_set_aside_with_a_note_and_the_charts_begin_again() {
    let lab = Lab::new();
    std::fs::write(lab.path(HISTORY), "no database").unwrap();
    let shown = charts(&mut None, lab.folder.path(), at(0).wall);
    let note = shown.note.unwrap();
    assert!(note.contains("a new one was started") && note.contains("No figure is lost"), "{note}");
    assert!(lab.path("history-set-aside.db").exists());
    let absent = Lab::new();
    assert_eq!(charts(&mut None, absent.folder.path(), at(0).wall).note, None);
    assert!(!absent.path(HISTORY).exists(), "it creates no file");
}

proptest! {
    /// Whatever the clock does, no energy is lost or counted twice.
    #[test]
    fn shares_add_up(ends in proptest::collection::vec((0u64..400_000, 0u64..1000), 2..20)) {
        let (mut figure, mut before, mut total, mut covered) = (0, None, 0, true);
        for (seconds, more) in ends {
            figure += more;
            let slot = row("a", seconds, figure);
            for (_, share) in shares(before, &slot, &TimeZone::UTC) {
                total += share.energy.get();
                covered &= share.covered <= Duration::from_secs(DAY);
            }
            if before.is_none() {
                total += figure;
            }
            before = Some(SlotEnd { ended: slot.ended, published: slot.published });
        }
        prop_assert_eq!(total, figure);
        prop_assert!(covered);
    }
}

#[test]
fn a_day_begins_after_midnight() {
    let midnight: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
    let second = |seconds: i64| Timestamp::from_second(midnight.as_second() + seconds).unwrap();
    assert_eq!(
        (
            day_of(second(0), &TimeZone::UTC) + 1,
            day_of(second(1), &TimeZone::UTC),
            day_of(second(86400), &TimeZone::UTC)
        ),
        (day_of(second(1), &TimeZone::UTC), day_of(second(86400), &TimeZone::UTC), day_of(second(1), &TimeZone::UTC))
    );
}

#[test]
fn days_of_the_boxs_time_zone_are_kept_beside_those_of_utc() {
    let mut lab = Lab::new();
    // `at(0)` is 8 h into the UTC day, and half an hour before midnight here.
    let zone = TimeZone::fixed(Offset::from_seconds(15 * 3600 + 1800).unwrap());
    lab.fill(1..16);
    lab.history.as_mut().unwrap().set_zone(&zone);
    lab.fill(16..31);
    let rows = |table: &str| {
        let connection = Connection::open(lab.path(HISTORY)).unwrap();
        let sql = format!("SELECT energy_mwh, covered_s FROM {table} ORDER BY day");
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect::<Vec<(u64, u64)>>()
    };
    assert_eq!(rows("day"), [(290, 29 * 120)]);
    assert_eq!(rows("local_day"), [(140, 14 * 120), (150, 15 * 120)], "those of before are made from the slots");
    let charts = lab.history.as_ref().unwrap().charts(at(31 * 120).wall);
    let days = |calendar| charts.meter(&name("a"), at(31 * 120).wall, calendar).days;
    let energies = |calendar| days(calendar).iter().map(|day| day.energy.get()).collect::<Vec<_>>();
    assert_eq!((energies(Calendar::Utc), energies(Calendar::Local)), (vec![290], vec![140, 150]));
    let dates: Vec<_> = days(Calendar::Local).iter().map(|day| day.begins.to_string()).collect();
    assert_eq!(dates, ["2027-01-15", "2027-01-16"]);
    assert_eq!(charts.zone(Calendar::Local), zone);
}

#[test]
fn a_day_on_which_the_clocks_change_is_whole() {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    for (begin, hours) in [("2026-10-24T22:00:00Z", 25), ("2026-03-28T23:00:00Z", 23)] {
        let begin: Timestamp = begin.parse().unwrap();
        let (day, end) = (day_of(begin, &zone) + 1, begin + Duration::from_secs(hours * 3600));
        assert_eq!(day_of(end, &zone), day, "a day includes its end");
        assert_eq!(crate::history::days::length_of(day, &zone), Duration::from_secs(hours * 3600));
    }
}
