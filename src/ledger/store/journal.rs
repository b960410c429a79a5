//! The journal on disk: its rows written, bounded and read, and the tally of them all, by which rows that are lost, and old ones that
//! come back, are noticed.

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};

use super::rows::{JournalRow, unseal};
use super::{JOURNAL_ROWS, seal};
use crate::storage::StoreFault;
use crate::units::Name;

/// Gaps that are named, and rows that fail their checksum.
const NAMED: usize = 5;

/// All rows of the journal in three numbers, kept with the last commit: no commit reads more than the rows that it writes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    rows: i64,
    /// The highest id ever written: none is given twice.
    pub last: i64,
    /// The sum of their seals. A row that fails its checksum counts as 0.
    seals: i64,
}

impl Tally {
    fn add(&mut self, id: i64, seal: i64) {
        self.rows = self.rows.wrapping_add(1);
        self.last = self.last.max(id);
        self.seals = self.seals.wrapping_add(seal);
    }

    fn take(&mut self, gone: Tally) {
        self.rows = self.rows.wrapping_sub(gone.rows);
        self.seals = self.seals.wrapping_sub(gone.seals);
    }
}

/// Writes the rows, removes those that are too old, and keeps the tally if there is one.
pub(super) fn write(
    transaction: &Transaction<'_>,
    rows: &[JournalRow],
    tally: &mut Option<Tally>,
) -> rusqlite::Result<()> {
    let unsayable = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
    for row in rows {
        put(transaction, row.id, row.values().map_err(unsayable)?, tally)?;
    }
    let Some(newest) = rows.iter().map(|row| row.id).max() else { return Ok(()) };
    let oldest = newest - JOURNAL_ROWS;
    if let Some(tally) = tally {
        tally.take(weigh(transaction, "WHERE id <= ?1", oldest)?);
    }
    transaction.execute("DELETE FROM journal WHERE id <= ?1", [oldest]).map(drop)
}

/// Writes one row, in the place of the one with its id if there is such.
pub(super) fn put(
    connection: &Connection,
    id: i64,
    values: Vec<Value>,
    tally: &mut Option<Tally>,
) -> rusqlite::Result<()> {
    let (values, seal) = seal::sealed(JournalRow::TABLE, values);
    if let Some(tally) = tally {
        tally.take(weigh(connection, "WHERE id = ?1", id)?);
        tally.add(id, seal);
    }
    connection.prepare(JournalRow::WRITE)?.execute(values)?;
    Ok(())
}

/// The tally of all that is there (which is read for it), and what is other than the one that was kept says, for people.
pub(super) fn check(connection: &Connection, kept: Option<Tally>) -> rusqlite::Result<(Tally, Option<String>)> {
    let mut found = Tally::default();
    let (mut gaps, mut unreadable) = (Vec::new(), Vec::new());
    let last = kept.map_or(0, |kept| kept.last);
    // Where nothing is missing all that is younger than this is there.
    let mut before = ((last - JOURNAL_ROWS).max(0), None);
    each(connection, "WHERE id > ?1 ORDER BY id", i64::MIN, |id, row| {
        let at = row.as_ref().ok().and_then(|(values, _)| match values.get(JournalRow::AT) {
            Some(Value::Text(at)) => Some(at.clone()),
            _ => None,
        });
        if id > before.0 + 1 {
            name(&mut gaps, || gap(&before, id - 1, at.as_deref()));
        }
        if row.is_err() {
            name(&mut unreadable, || format!("entry {id} fails its checksum"));
        }
        found.add(id, row.map_or(0, |(_, seal)| seal));
        before = (id, at);
    })?;
    if last > before.0 {
        name(&mut gaps, || gap(&before, last, None));
    }
    found.last = found.last.max(last);
    let Some(kept) = kept.filter(|kept| *kept != found) else { return Ok((found, None)) };
    let mut told = vec![format!("it has {} entries, and {} were on the disk", found.rows, kept.rows)];
    // Numbers are missing in a whole journal, too, where the disk failed for long.
    told.extend(gaps.into_iter().filter(|_| found.rows < kept.rows));
    told.extend(unreadable);
    if told.len() == 1 {
        told.push("one of them at least is older than the last that was written in its place".to_owned());
    }
    Ok((found, Some(told.join("; "))))
}

/// One more that is named, unless there are enough.
fn name(named: &mut Vec<String>, one: impl FnOnce() -> String) {
    match named.len() {
        ..NAMED => named.push(one()),
        NAMED => named.push("and more".to_owned()),
        _ => {}
    }
}

/// What is missing between two entries, with the times at which they began.
fn gap((before, since): &(i64, Option<String>), last: i64, until: Option<&str>) -> String {
    let first = before + 1;
    let numbers = if first == last { format!("no entry {first}") } else { format!("no entries {first} to {last}") };
    let since = since.as_ref().map(|at| format!(" from {at}")).unwrap_or_default();
    let until = until.map(|at| format!(" up to {at}")).unwrap_or_default();
    numbers + &since + &until
}

/// The tally of some rows.
fn weigh(connection: &Connection, which: &str, bound: i64) -> rusqlite::Result<Tally> {
    let mut tally = Tally::default();
    each(connection, which, bound, |id, row| tally.add(id, row.map_or(0, |(_, seal)| seal)))?;
    Ok(tally)
}

/// Visits rows: of each its id, and its values with their seal.
fn each(
    connection: &Connection,
    which: &str,
    bound: i64,
    mut visit: impl FnMut(i64, Result<(Vec<Value>, i64), StoreFault>),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("{} {which}", JournalRow::SELECT))?;
    let mut rows = statement.query([bound])?;
    while let Some(row) = rows.next()? {
        visit(row.get(0)?, unseal(JournalRow::TABLE, row, JournalRow::COLUMNS));
    }
    Ok(())
}

/// The latest `limit` rows of those before `id`, of one meter or of all, the newest first. A row that fails its checksum is told as such.
pub(super) fn latest(
    connection: &Connection,
    meter: Option<&Name>,
    id: i64,
    limit: u32,
) -> rusqlite::Result<Vec<JournalRow>> {
    let query =
        format!("{} WHERE (?1 IS NULL OR meter = ?1) AND id < ?3 ORDER BY id DESC LIMIT ?2", JournalRow::SELECT);
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query((meter.map(Name::as_str), limit, id))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let read = unseal(JournalRow::TABLE, row, JournalRow::COLUMNS);
        let entry = read.and_then(|(values, _)| JournalRow::read(values));
        entries.push(entry.unwrap_or_else(|fault| JournalRow::unreadable(row.get(0).unwrap_or(0), &fault.to_string())));
    }
    Ok(entries)
}
