//! A history that is gathered from the parts of others.

use std::path::Path;

use rusqlite::Connection;

use super::store::{Lab, row};
use crate::guard::testing::at;
use crate::history::gather;
use crate::history::hours::{HoursByClient, NewHours, read};
use crate::history::store::{HISTORY, record};
use crate::report_hours::ReportHours;

/// A history with ten slots of two meters, and the hours of a client.
fn recorded(meters: [&str; 2], client: &str, offset: u64) -> Lab {
    let mut lab = Lab::new();
    for slot in 1..=10 {
        let seconds = slot * 120 + offset;
        let rows = [row(meters[0], seconds, slot * 10), row(meters[1], seconds, slot * 20)];
        let mut hours = ReportHours::default();
        (0..slot).for_each(|report| hours.count(at(report * 120).wall));
        let hours = NewHours { clients: HoursByClient::from([(client.to_owned(), hours)]), last: true };
        record(&mut lab.history, lab.folder.path(), &rows, &hours, &at(seconds), &lab.retention).unwrap();
    }
    lab.history = None;
    lab
}

/// Meter, end and energy of each slot, in the order of the rows.
fn slots(folder: &Path) -> Vec<(String, i64, i64)> {
    let history = Connection::open(folder.join(HISTORY)).unwrap();
    let sql = "SELECT name, ended, published_mwh FROM slot JOIN meter ON meter.id = slot.meter ORDER BY slot.id";
    let mut all = history.prepare(sql).unwrap();
    all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

fn days(folder: &Path) -> Vec<(String, i64, i64)> {
    let history = Connection::open(folder.join(HISTORY)).unwrap();
    let sql = "SELECT name, day, energy_mwh FROM day JOIN meter ON meter.id = day.meter ORDER BY name, day";
    let mut all = history.prepare(sql).unwrap();
    all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_gathered_history_has_the_wanted_parts_in_the_order_of_time() {
    let (one, other) = (recorded(["a", "b"], "left", 0), recorded(["c", "d"], "right", 60));
    let new = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let from = [one.folder.path(), empty.path(), other.folder.path()];
    let meter = |source, name: &str| matches!((source, name), (0, "a") | (2, "d"));
    gather(&from, new.path(), &meter, &|source, name| source == 2 && name == "right").unwrap();

    let mut expected = [slots(one.folder.path()), slots(other.folder.path())].concat();
    expected.retain(|(name, ..)| name == "a" || name == "d");
    expected.sort_by_key(|(_, ended, _)| *ended);
    assert_eq!(expected.len(), 20);
    assert_eq!(slots(new.path()), expected);
    let mut expected = [days(one.folder.path()), days(other.folder.path())].concat();
    expected.retain(|(name, ..)| name == "a" || name == "d");
    assert!(expected.iter().any(|(_, _, energy)| *energy > 0));
    assert_eq!(days(new.path()), expected);
    let hours = |folder: &Path| read(&Connection::open(folder.join(HISTORY)).unwrap()).unwrap();
    assert_eq!(hours(new.path()).keys().collect::<Vec<_>>(), ["right"]);
    assert_eq!(hours(new.path())["right"], hours(other.folder.path())["right"]);
    // It is a history like any other: the daemon writes on.
    let mut store = None;
    let retention = other.retention;
    let written = record(&mut store, new.path(), &[row("a", 2000, 200)], &NewHours::default(), &at(2000), &retention);
    assert_eq!(written.unwrap(), None, "it is not set aside");
    assert_eq!(slots(new.path()).len(), 21);
}
