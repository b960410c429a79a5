//! The clients' hours on disk: when a row is written, what a restart finds, and what is deleted.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::store::{FIRST_VERSION, Lab, row};
use crate::clock::{Clock, ClockReading};
use crate::guard::testing::at;
use crate::heartbeat::Hearts;
use crate::history::hours::{HoursByClient, NewHours, read};
use crate::history::store::{HISTORY, open_present, record};
use crate::history::{Retention, open};
use crate::report_hours::{ReportHours, number_of};

const HOUR: u64 = 3600;

/// So many reports, 120 s apart.
fn reports(from: u64, count: u64) -> ReportHours {
    let mut hours = ReportHours::default();
    (0..count).for_each(|report| hours.count(at(from + report * 120).wall));
    hours
}

fn of(client: &str, hours: &ReportHours) -> HoursByClient {
    BTreeMap::from([(client.to_owned(), hours.clone())])
}

/// Writes a slot and all of these hours.
fn write(lab: &mut Lab, clients: HoursByClient, now: &ClockReading) {
    let slot = row("a", 120, 10);
    let hours = NewHours { clients, last: true };
    record(&mut lab.history, lab.folder.path(), &[slot], &hours, now, &lab.retention).unwrap();
}

fn stored(lab: &Lab) -> HoursByClient {
    read(&Connection::open(lab.path(HISTORY)).unwrap()).unwrap()
}

#[test]
fn what_changed_is_written_and_read_again() {
    let mut lab = Lab::new();
    for count in [1, 2, 31, 31, 400] {
        write(&mut lab, of("x", &reports(0, count)), &at(0));
        assert_eq!(stored(&lab), of("x", &reports(0, count)));
    }
    // Opened again, another client, then a clock that was set back.
    lab.history = None;
    write(&mut lab, of("y", &reports(0, 2)), &at(0));
    let mut both = of("y", &reports(0, 2));
    both.extend(of("x", &reports(0, 400)));
    assert_eq!(stored(&lab), both);
    let mut back = reports(0, 400);
    back.count(at(3 * HOUR).wall);
    write(&mut lab, of("x", &back), &at(0));
    assert_eq!((stored(&lab)["x"].in_hour(at(3 * HOUR).wall), &stored(&lab)["x"]), (31, &back));
    let rows = "SELECT count(*) FROM client_hour";
    let rows: i64 = Connection::open(lab.path(HISTORY)).unwrap().query_row(rows, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 4 + 1, "one for each client and hour");
}

#[test]
fn before_the_end_hours_are_written_when_one_is_over_or_complete() {
    let mut lab = Lab::new();
    // `at(0)` begins an hour, which has 30 reports.
    for (count, on_disk) in [(1, 1), (2, 1), (11, 1), (13, 13), (30, 13), (31, 31), (32, 31), (43, 43)] {
        let hours = NewHours { clients: of("x", &reports(0, count)), last: false };
        let slot = [row("a", 120, 10)];
        record(&mut lab.history, lab.folder.path(), &slot, &hours, &at(0), &lab.retention).unwrap();
        assert_eq!(stored(&lab), of("x", &reports(0, on_disk)), "after {count} reports");
    }
}

#[test]
fn hours_of_a_write_that_failed_are_in_the_next() {
    let mut lab = Lab::new();
    write(&mut lab, of("x", &reports(0, 1)), &at(0));
    lab.history.as_ref().unwrap().limit_pages(1);
    let many: Vec<_> = (0..100).map(|_| row("a", 240, 20)).collect();
    let more = of("x", &reports(0, 2));
    record(
        &mut lab.history,
        lab.folder.path(),
        &many,
        &NewHours { clients: more.clone(), last: true },
        &at(240),
        &lab.retention,
    )
    .unwrap_err();
    assert_eq!(stored(&lab), of("x", &reports(0, 1)));
    write(&mut lab, more.clone(), &at(360));
    assert_eq!(stored(&lab), more);
}

#[test]
fn hours_are_deleted_after_a_week_by_a_trusted_clock_only() {
    let mut lab = Lab::new();
    write(&mut lab, of("old", &reports(0, 1)), &at(0));
    write(&mut lab, of("new", &reports(HOUR, 1)), &at(0));
    let late = at(168 * HOUR);
    lab.history = None;
    write(&mut lab, HoursByClient::new(), &ClockReading { trusted: false, ..late });
    assert_eq!(stored(&lab).len(), 2, "nobody knows how old they are");
    lab.history = None;
    write(&mut lab, HoursByClient::new(), &late);
    assert_eq!(stored(&lab), of("new", &reports(HOUR, 1)));
}

#[test]
fn the_oldest_hours_go_where_they_are_too_many() {
    let mut lab = Lab::new();
    lab.retention.max_size = 8 * 16 * 100;
    let many = (0..120).map(|number| (number.to_string(), reports(if number < 20 { 0 } else { HOUR }, 1)));
    let many: HoursByClient = many.collect();
    write(&mut lab, many, &at(0));
    let left = stored(&lab);
    assert_eq!((left.len(), left.contains_key("19"), left.contains_key("20")), (100, false, true));
}

#[test]
fn files_of_both_earlier_versions_get_the_tables_and_nonsense_in_them_is_left_out() {
    let second = format!("{FIRST_VERSION} {} PRAGMA user_version = 2;", crate::history::days::TABLE);
    for earlier in [FIRST_VERSION, &second] {
        let mut lab = Lab::new();
        Connection::open(lab.path(HISTORY)).unwrap().execute_batch(earlier).unwrap();
        open_present(&mut lab.history, lab.folder.path()).unwrap();
        assert_eq!(*lab.history.as_ref().unwrap().hours(), HoursByClient::new());
        write(&mut lab, of("x", &reports(0, 5)), &at(0));
        assert_eq!((stored(&lab), lab.ended()), (of("x", &reports(0, 5)), vec![1, 2, 1]));
        let connection = Connection::open(lab.path(HISTORY)).unwrap();
        connection.execute("UPDATE client_hour SET reports = 1000000", []).unwrap();
        assert_eq!(stored(&lab)["x"].in_hour(at(0).wall), 255);
        connection.execute("UPDATE client_hour SET hour = 9223372036854775807", []).unwrap();
        assert_eq!(stored(&lab), HoursByClient::new(), "no clock shows this hour");
    }
}

#[tokio::test(start_paused = true)]
async fn the_task_writes_what_was_counted_and_gives_it_to_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::simulated(1, at(0).wall);
    for run in 0..3 {
        let (handle, mut feed, writer) = open(folder.path().into(), Retention::default(), clock.clone());
        let task = tokio::spawn(writer.run(Hearts::default().heart("history")));
        let mut hours = feed.stored_hours().await.remove("x").unwrap_or_default();
        assert_eq!(hours.in_hour(clock.now().wall), run);
        hours.count(clock.now().wall);
        feed.counted("x".into(), hours);
        feed.committed([]);
        handle.close().await;
        task.await.unwrap();
    }
    assert_eq!(number_of(clock.now().wall), number_of(at(0).wall), "the clock stands in the same hour");
}
