//! The accepted reports of each client by hour, over a restart: one row for each client and hour of the last week.
//!
//! The ledger has them in memory; nothing is computed from them but how often to report in the running hour. They are written with the slots,
//! when a client's hour is over or complete: some bytes for each client, which lie together because the hour comes first in the key. So a
//! power cut costs at most the reports of an hour that was not complete.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Statement, Transaction, params};

use crate::clock::ClockReading;
use crate::report_hours::{FULL_HOUR, ReportHours, WEEK_HOURS, number_of};

/// The size of a row in the file, about: it limits the rows.
const ROW_BYTES: u64 = 16;
const WEEK: i64 = WEEK_HOURS as i64;

/// The tables of the hours. An hour is counted from 1970. `client.name` is what identifies the client for the ledger.
pub(super) const TABLES: &str = "CREATE TABLE client (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
     CREATE TABLE client_hour (hour INTEGER NOT NULL, client INTEGER NOT NULL, reports INTEGER NOT NULL, \
     PRIMARY KEY (hour, client)) WITHOUT ROWID;";

/// The hours of clients, by what identifies a client for the ledger.
pub(crate) type HoursByClient = BTreeMap<String, ReportHours>;

/// The hours that may be written.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewHours {
    pub(crate) clients: HoursByClient,
    /// Nothing is written after this: also an hour that goes on is.
    pub(crate) last: bool,
}

/// Reads all rows. Hours more than a week before a client's newest one are left out.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<HoursByClient> {
    let sql = "SELECT name, hour, min(max(reports, 0), 255) FROM client_hour JOIN client ON id = client ORDER BY hour";
    let mut all = connection.prepare(sql)?;
    let mut found = BTreeMap::<String, Vec<(i64, u8)>>::new();
    for row in all.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))? {
        let (client, hour) = row?;
        found.entry(client).or_default().push(hour);
    }
    let hours = found.into_iter().filter_map(|(client, rows)| {
        let (newest, _) = *rows.last()?;
        let mut strip = [0; WEEK_HOURS];
        for (hour, reports) in rows {
            let place = newest.checked_sub(hour).and_then(|back| usize::try_from(WEEK - 1 - back).ok());
            if let Some(count) = place.and_then(|place| strip.get_mut(place)) {
                *count = reports;
            }
        }
        Some((client, ReportHours::stored(newest, &strip)?))
    });
    Ok(hours.collect())
}

/// Writes what is due and differs from the `stored` hours; returns what is stored after that, for when it is committed.
pub(super) fn write(
    transaction: &Transaction<'_>,
    stored: &HoursByClient,
    new: &NewHours,
) -> rusqlite::Result<HoursByClient> {
    let mut after = stored.clone();
    let none = ReportHours::default();
    let with_stored = new.clients.iter().map(|(client, hours)| (client, stored.get(client).unwrap_or(&none), hours));
    let mut due =
        with_stored.filter(|(_, stored, hours)| is_due(stored, hours) || new.last && stored != hours).peekable();
    let mut ids = if due.peek().is_some() { client_ids(transaction)? } else { BTreeMap::new() };
    let mut row = transaction.prepare("REPLACE INTO client_hour (hour, client, reports) VALUES (?1, ?2, ?3)")?;
    for (client, stored, hours) in due {
        let id = match ids.get(client) {
            Some(id) => *id,
            None => {
                transaction.execute("INSERT INTO client (name) VALUES (?1)", [client])?;
                let id = transaction.last_insert_rowid();
                ids.insert(client.clone(), id);
                id
            }
        };
        write_client(transaction, &mut row, id, stored, hours)?;
        after.insert(client.clone(), hours.clone());
    }
    Ok(after)
}

/// The ids of all clients. All at once: the table has no index, so that finding each would read the whole table for each.
fn client_ids(transaction: &Transaction<'_>) -> rusqlite::Result<BTreeMap<String, i64>> {
    let mut all = transaction.prepare("SELECT name, id FROM client")?;
    all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn is_due(stored: &ReportHours, hours: &ReportHours) -> bool {
    let complete = |hours: &ReportHours| u32::from(hours.of(hours.newest())) >= FULL_HOUR;
    stored.newest() != hours.newest() || complete(hours) && !complete(stored)
}

fn write_client(
    transaction: &Transaction<'_>,
    row: &mut Statement<'_>,
    id: i64,
    stored: &ReportHours,
    hours: &ReportHours,
) -> rusqlite::Result<()> {
    // The clock was set back.
    if stored.newest() > hours.newest() {
        transaction.execute("DELETE FROM client_hour WHERE client = ?1 AND hour > ?2", [id, hours.newest()])?;
    }
    for (hour, reports) in (hours.newest() - WEEK + 1..).zip(hours.strip()) {
        if reports != stored.of(hour) {
            row.execute(params![hour, id, reports])?;
        }
    }
    Ok(())
}

/// Forgets clients without a report in the last week, which only a trusted clock knows.
pub(super) fn forget(clients: &mut HoursByClient, now: &ClockReading) {
    if now.trusted {
        clients.retain(|_, hours| hours.newest().abs_diff(number_of(now.wall)) < WEEK_HOURS as u64);
    }
}

/// Deletes the hours that are not in the last week, which only a trusted clock knows; the oldest ones where they would take more than an
/// eighth of the largest size of the file; and the clients that are left without.
pub(super) fn expire(connection: &Connection, now: &ClockReading, max_size: u64) -> rusqlite::Result<()> {
    if now.trusted {
        let now = number_of(now.wall);
        connection.execute("DELETE FROM client_hour WHERE hour <= ?1 OR hour >= ?2", [now - WEEK, now + WEEK])?;
    }
    let rows = i64::try_from(max_size / 8 / ROW_BYTES).unwrap_or(i64::MAX);
    let first_too_many = "SELECT hour FROM client_hour ORDER BY hour DESC LIMIT 1 OFFSET ?1";
    if let Some(hour) = connection.query_row(first_too_many, [rows], |row| row.get::<_, i64>(0)).optional()? {
        connection.execute("DELETE FROM client_hour WHERE hour <= ?1", [hour])?;
    }
    connection.execute("DELETE FROM client WHERE id NOT IN (SELECT client FROM client_hour)", []).map(drop)
}
