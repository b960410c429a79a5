//! `history.db`: one row a meter and slot, bounded by age and by size. One that is damaged is set aside and another begun.
//!
//! Many rows are written at a time, as a disk takes whole blocks; beside the file lies SQLite's rollback journal, and no log: what is
//! mostly appended would be written twice there.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, ErrorCode, InterruptHandle, OptionalExtension, Transaction, TransactionBehavior};

use super::error::{Fault, StoreError, describe};
use super::files::connect;
use super::folder::{Identity, give_to_owner, identity, move_aside};
use crate::clock::ClockReading;
use crate::ledger::history::{Retention, Row};
use crate::units::{MilliwattHours, Name};

/// The file in the state folder.
pub(crate) const HISTORY: &str = "history.db";
const APPLICATION_ID: i64 = 0x61_6b_6d_68;
const VERSION: i64 = 1;
/// Small pages: few bytes are written that were there before.
const PAGE_SIZE: u32 = 512;
/// For each row that is written so many that are too old, or too much, are removed with it: no writing is much more than another.
const REMOVED_A_ROW: usize = 2;
/// How often the file is checked, and removed what is left of what is too old.
const TIDY_EVERY: Duration = Duration::from_secs(24 * 3600);
/// By how much the largest size is passed, in percent, before that is not left to the next rows.
const PASSED_BY: u64 = 5;
/// What is left of the largest size once that was reached, in percent: so that it is not reached again with the next slot.
const KEPT_OF_SIZE: u64 = 90;

/// Times are seconds of the Unix epoch, so that `datetime(ended, 'unixepoch')` shows them. A plain table in the order of writing: an
/// index, or a key by meter and time, would touch as many pages as there are meters.
const TABLES: [(&str, &str); 2] = [
    ("meter", "CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"),
    (
        "slot",
        "CREATE TABLE slot (id INTEGER PRIMARY KEY, meter INTEGER NOT NULL, ended INTEGER NOT NULL, trusted INTEGER NOT NULL, \
         measured_ms INTEGER NOT NULL, mean_mw INTEGER, min_mw INTEGER, max_mw INTEGER, published_mwh INTEGER, \
         began INTEGER, began_mwh INTEGER)",
    ),
];

/// An open history.
pub(crate) struct History {
    path: PathBuf,
    connection: Connection,
    /// The file that is open; another under its name is not it.
    file: Option<Identity>,
    tidied_at: Option<ClockReading>,
}

impl History {
    /// Opens the history in that folder, or begins one; says why the one that was there had to be set aside.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Option<String>), StoreError> {
        let path = folder.join(HISTORY);
        let there = identity(&path).map_err(|error| StoreError::file(&path, error))?.is_some();
        if !there {
            return Ok((History::begin(folder)?, None));
        }
        match connect(&path).map_err(Fault::from).and_then(|connection| checked(connection, &path)) {
            Ok(history) => Ok((history, None)),
            Err(Fault::Unreadable(error)) => Err(StoreError::write(&path, error)),
            Err(fault) => Ok((History::begin(folder)?, Some(describe(&fault)))),
        }
    }

    /// Begins one; what lies in its place is set aside.
    fn begin(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(HISTORY);
        let failed = |error| StoreError::file(&path, error);
        move_aside(folder, "history").map_err(failed)?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        give_to_owner(&made, folder);
        drop(made);
        let begun = connect(&path).and_then(|mut connection| {
            connection.pragma_update(None, "page_size", PAGE_SIZE)?;
            let transaction = connection.transaction()?;
            for (_, create) in TABLES {
                transaction.execute(create, [])?;
            }
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
            settled(connection, &path)
        });
        begun.map_err(|error| StoreError::write(&path, error))
    }

    /// Makes what it is doing on another thread end soon.
    pub(crate) fn interrupt_handle(&self) -> InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    /// Whether the file that is open is the one in the folder.
    fn is_in_place(&self) -> bool {
        identity(&self.path).is_ok_and(|found| found.is_some() && found == self.file)
    }

    /// Writes the rows of a slot, all of them or none; removes what is too old or too much.
    fn write(&mut self, rows: &[Row], now: &ClockReading, retention: &Retention) -> rusqlite::Result<()> {
        let (used, _) = self.sizes()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // First: what they leave is room for the new ones.
        let removed = i64::try_from(rows.len().saturating_mul(REMOVED_A_ROW)).unwrap_or(i64::MAX);
        remove_some(&transaction, removed, now, retention, used > retention.max_size)?;
        insert(&transaction, rows)?;
        transaction.commit()?;
        match self.tidy(now, retention) {
            // The program is about to end: the rows are in, the rest can be done another day.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
            tidied => tidied,
        }
    }

    fn tidy(&mut self, now: &ClockReading, retention: &Retention) -> rusqlite::Result<()> {
        let due = self.tidied_at.is_none_or(|at| now.since(&at).is_none_or(|age| age >= TIDY_EVERY));
        let (used, whole) = self.sizes()?;
        if due {
            check(&self.connection)?;
            if let Some(oldest) = too_old(&self.connection, now, retention)? {
                self.connection.execute("DELETE FROM slot WHERE id <= ?1", [oldest])?;
            }
            self.tidied_at = Some(*now);
        }
        if used > retention.max_size.saturating_add(retention.max_size / 100 * PASSED_BY) {
            self.shrink(used, retention.max_size)?;
        }
        // A smaller size was configured: pages that hold nothing are given back, which no other day is worth the writing.
        if whole > retention.max_size.saturating_add(retention.max_size / 10) {
            self.connection.execute_batch("VACUUM")?;
        }
        Ok(())
    }

    /// Removes the oldest rows, in proportion to what is too much.
    fn shrink(&self, used: u64, max_size: u64) -> rusqlite::Result<()> {
        let bounds = self.connection.query_row("SELECT min(id), max(id) FROM slot", [], |row| row.try_into())?;
        let (Some(first), Some(last)): (Option<i64>, Option<i64>) = bounds else { return Ok(()) };
        let excess = used.saturating_sub(max_size / 100 * KEPT_OF_SIZE);
        let rows = i128::from(last - first + 1) * i128::from(excess) / i128::from(used.max(1));
        let rows = i64::try_from(rows).unwrap_or(i64::MAX).max(1);
        self.connection.execute("DELETE FROM slot WHERE id < ?1", [first.saturating_add(rows)]).map(drop)
    }

    /// Bytes that hold something, and bytes of the file.
    fn sizes(&self) -> rusqlite::Result<(u64, u64)> {
        let value = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let value = |name| value(name).map(i64::unsigned_abs);
        let (pages, free, size) = (value("page_count")?, value("freelist_count")?, value("page_size")?);
        Ok((pages.saturating_sub(free) * size, pages * size))
    }

    /// As one that was checked, and rid of all that was too old, at that time.
    #[cfg(test)]
    pub(crate) fn tidied(&mut self, at: &ClockReading) {
        self.tidied_at = Some(*at);
    }

    /// As a disk without room for more than so many pages.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, count: i64) {
        self.connection.pragma_update(None, "max_page_count", count).unwrap();
    }

    /// Leaves one tidy file.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        self.connection.close().map_err(|(_, error)| StoreError::write(&self.path, error))
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "History({})", self.path.display())
    }
}

/// Writes the rows to the history in that folder, opened if `history` is not; one that turns out to be damaged is set aside, another
/// begun, and why is told.
pub(crate) fn record(
    history: &mut Option<History>,
    folder: &Path,
    rows: &[Row],
    now: &ClockReading,
    retention: &Retention,
) -> Result<Option<String>, StoreError> {
    let vanished = history.take_if(|history| !history.is_in_place()).is_some();
    let mut aside = vanished.then(|| "its file was removed or exchanged while in use".to_owned());
    for last in [false, true] {
        let store = match history {
            Some(store) => store,
            None => {
                let (opened, why) = History::open(folder)?;
                aside = why.or(aside);
                history.insert(opened)
            }
        };
        let Err(error) = store.write(rows, now, retention) else { break };
        *history = None;
        let path = folder.join(HISTORY);
        match Fault::from(error) {
            Fault::Unreadable(error) => return Err(StoreError::write(&path, error)),
            fault if last => return Err(StoreError::file(&path, io::Error::other(describe(&fault)))),
            fault => {
                aside = Some(describe(&fault));
                *history = Some(History::begin(folder)?);
            }
        }
    }
    Ok(aside)
}

/// Gives what is recorded under one name to another; what was under that is kept under none. For a meter that is renamed, whether a daemon
/// runs or not.
pub fn rename(folder: &Path, from: &Name, to: &Name) -> Result<(), StoreError> {
    let path = folder.join(HISTORY);
    if identity(&path).map_err(|error| StoreError::file(&path, error))?.is_none() {
        return Ok(());
    }
    let renamed = connect(&path).and_then(|mut connection| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // No meter's name has a `~` in it.
        transaction.execute("UPDATE meter SET name = name || '~' || id WHERE name = ?1", [to.as_str()])?;
        transaction.execute("UPDATE meter SET name = ?2 WHERE name = ?1", [from.as_str(), to.as_str()])?;
        transaction.commit()
    });
    renamed.map_err(|error| StoreError::write(&path, error))
}

/// What makes a file a history that this program knows.
pub(crate) fn known(connection: &Connection) -> Result<(), Fault> {
    let value = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if value("application_id")? != APPLICATION_ID {
        return Err(Fault::Damaged("it is no history of arkmeter".into()));
    }
    let version = value("user_version")?;
    if version != VERSION {
        return Err(Fault::Newer(version));
    }
    for (table, create) in TABLES {
        let query = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        let found: Option<String> = connection.query_row(query, [table], |row| row.get(0)).optional()?;
        if found.as_deref() != Some(create) {
            return Err(Fault::Damaged(format!("its table `{table}` is another than arkmeter's")));
        }
    }
    Ok(())
}

fn checked(connection: Connection, path: &Path) -> Result<History, Fault> {
    known(&connection)?;
    Ok(settled(connection, path)?)
}

fn settled(connection: Connection, path: &Path) -> rusqlite::Result<History> {
    // Kept from one writing to the next, so that the folder does not change.
    connection.pragma_update_and_check(None, "journal_mode", "persist", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update_and_check(None, "journal_size_limit", 1 << 16, |_| Ok(()))?;
    let file = identity(path).ok().flatten();
    Ok(History { path: path.to_owned(), connection, file, tidied_at: None })
}

fn insert(transaction: &Transaction<'_>, rows: &[Row]) -> rusqlite::Result<()> {
    // Read anew each time: somebody may have renamed a meter.
    let mut find = transaction.prepare("SELECT id FROM meter WHERE name = ?1")?;
    let mut write = transaction.prepare("INSERT INTO slot VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    for row in rows {
        let name = row.meter.as_str();
        let meter = match find.query_row([name], |row| row.get::<_, i64>(0)).optional()? {
            Some(meter) => meter,
            None => {
                transaction.execute("INSERT INTO meter (name) VALUES (?1)", [name])?;
                transaction.last_insert_rowid()
            }
        };
        let energy = |energy: Option<MilliwattHours>| energy.map(|energy| energy.get() as i64);
        write.execute((
            meter,
            row.ended.as_second(),
            row.trusted,
            i64::try_from(row.measured.as_millis()).unwrap_or(i64::MAX),
            row.power.map(|power| power.mean_mw.0),
            row.power.map(|power| power.min_mw.0),
            row.power.map(|power| power.max_mw.0),
            energy(row.published),
            row.began.map(|(at, _)| at.as_second()),
            energy(row.began.and_then(|(_, published)| published)),
        ))?;
    }
    Ok(())
}

/// The whole file, once a day: SQLite says of a damaged page only when it comes to it.
fn check(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(crate::text::foreign(&verdict, 200))))
}

/// Removes the oldest rows, no more than so many: what is too old, and whatever it is where there is too much.
fn remove_some(
    transaction: &Transaction<'_>,
    most: i64,
    now: &ClockReading,
    retention: &Retention,
    too_much: bool,
) -> rusqlite::Result<()> {
    let first: Option<i64> = transaction.query_row("SELECT min(id) FROM slot", [], |row| row.get(0))?;
    let Some(last) = first.map(|first| first.saturating_add(most - 1)) else { return Ok(()) };
    let old = if too_much { Some(last) } else { too_old(transaction, now, retention)? };
    if let Some(old) = old {
        transaction.execute("DELETE FROM slot WHERE id <= ?1", [old.min(last)])?;
    }
    Ok(())
}

/// The newest row that is too old, of those that lie before every row that is young enough. A clock that may be wrong judges no row, and
/// of no row that it was wrong for is the age known: such a row goes with those around it.
fn too_old(connection: &Connection, now: &ClockReading, retention: &Retention) -> rusqlite::Result<Option<i64>> {
    let keep = SignedDuration::try_from(retention.keep).unwrap_or(SignedDuration::MAX);
    let Ok(oldest) = now.wall.checked_sub(keep) else { return Ok(None) };
    if !now.trusted {
        return Ok(None);
    }
    let oldest = Timestamp::as_second(oldest);
    let young = "SELECT id FROM slot WHERE trusted AND ended >= ?1 ORDER BY id LIMIT 1";
    let young: Option<i64> = connection.query_row(young, [oldest], |row| row.get(0)).optional()?;
    let old = "SELECT id FROM slot WHERE id < ?2 AND trusted AND ended < ?1 ORDER BY id DESC LIMIT 1";
    connection.query_row(old, [oldest, young.unwrap_or(i64::MAX)], |row| row.get(0)).optional()
}
