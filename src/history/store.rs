//! `history.db`: one row for each meter and slot, one for each meter and day, and one for each client and hour of a week; bounded by age
//! and by size. A damaged file is set aside and a new one started.
//!
//! Many rows are written together, because a disk writes whole blocks. The file uses SQLite's rollback journal, not a write-ahead log:
//! with a log, rows that are only appended would be written twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, named_params};
use rusqlite_migration::{M, Migrations};

use super::charts::Charts;
use super::days::{self, DaySums};
use super::hours::{self, HoursByClient, NewHours};
use super::notes;
use super::{HistorySlot, MeterRename, Retention};
use crate::clock::ClockReading;
use crate::storage::{
    FileId, StoreError, StoreFault, check_store, connect, create_private, file_id, give_to_owner, move_aside,
};

/// The file in the state folder.
pub(crate) const HISTORY: &str = "history.db";
const APPLICATION_ID: i64 = 0x61_6b_6d_68;
/// Small pages, so that few old bytes are written again.
const PAGE_SIZE: u32 = 512;
/// With each new row up to this many old rows are deleted, so that no write is much larger than another.
const DELETED_PER_ROW: usize = 2;
/// How often the file is checked and rid of everything that is too old.
const TIDY_EVERY: Duration = Duration::from_secs(24 * 3600);
/// The maximum size may be exceeded by this many percent before more is deleted at once.
const MAX_EXCESS: u64 = 5;
/// Then the file shrinks to this many percent of the maximum size, so that the next slot does not reach it again.
const SHRINK_TO: u64 = 90;

/// Step N lifts a file of version N-1. Times are seconds since the Unix epoch, so that `datetime(ended, 'unixepoch')` shows them.
/// There is no index and no key by meter and time: either would touch as many pages as there are meters.
fn steps() -> Migrations<'static> {
    let slots = M::up(
        "CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE slot (id INTEGER PRIMARY KEY, meter INTEGER NOT NULL, ended INTEGER NOT NULL, trusted INTEGER NOT NULL,
            measured_ms INTEGER NOT NULL, mean_mw INTEGER, min_mw INTEGER, max_mw INTEGER, published_mwh INTEGER,
            began INTEGER, began_mwh INTEGER);",
    );
    let days = M::up_with_hook(days::TABLE, |transaction: &Transaction<'_>| Ok(days::fill_utc(transaction)?));
    Migrations::new(vec![slots, days, M::up(hours::TABLES), M::up(days::LOCAL_TABLE)])
}

/// The version of a file after all steps.
pub(super) const VERSION: i64 = 4;

/// An open history.
#[derive(Debug)]
pub(crate) struct HistoryStore {
    path: PathBuf,
    connection: Connection,
    /// The open file; the name may get another one.
    file: Option<FileId>,
    days: DaySums,
    /// As they are in the file.
    hours: HoursByClient,
    tidied_at: Option<ClockReading>,
}

/// Writes the slots and hours to the history in that folder, all or none, and opens it if `store` is empty. A damaged file is set aside and
/// a new one started; returns why.
pub(crate) fn record(
    store: &mut Option<HistoryStore>,
    folder: &Path,
    slots: &[HistorySlot],
    hours: &NewHours,
    now: &ClockReading,
    retention: &Retention,
) -> Result<Option<String>, StoreError> {
    let failed = |fault: StoreFault| StoreError::write(&folder.join(HISTORY))(fault.into_disk_error());
    let replaced = store.take_if(|store| !store.is_in_place()).is_some();
    let mut aside = replaced.then(|| "its file was removed or replaced while in use".to_owned());
    let mut open = match store.take() {
        Some(open) => open,
        None => {
            let (opened, why) = HistoryStore::open(folder).map_err(failed)?;
            aside = why.or(aside);
            opened
        }
    };
    if let Err(error) = open.write(slots, hours, now, retention) {
        aside = match StoreFault::from(error) {
            StoreFault::Damaged(why) => Some(why),
            fault => return Err(failed(fault)),
        };
        open = HistoryStore::create(folder).map_err(failed)?;
        open.write(slots, hours, now, retention).map_err(|error| failed(error.into()))?;
    }
    *store = Some(open);
    Ok(aside)
}

/// Opens the history in that folder, if there is one, and brings a file of an earlier version up to date. A damaged one is set aside.
///
/// # Errors
/// A note for the page: why plots begin anew.
pub(super) fn open_present(store: &mut Option<HistoryStore>, folder: &Path) -> Result<(), String> {
    let path = folder.join(HISTORY);
    if store.is_some() || matches!(file_id(&path), Ok(None)) {
        return Ok(());
    }
    let (open, aside) = HistoryStore::open(folder).map_err(|fault| notes::unread(&path, &fault))?;
    *store = Some(open);
    aside.map_or(Ok(()), |why| {
        notes::log_set_aside(&why);
        Err(notes::set_aside(&why))
    })
}

/// Renames meters in the history, with or without a running daemon. Older records under a new name no longer belong to any meter.
pub(crate) fn rename(folder: &Path, renames: &[MeterRename]) {
    let path = folder.join(HISTORY);
    if renames.is_empty() || !path.exists() {
        return;
    }
    if let Err(error) = check_store(&path) {
        return tracing::warn!(path = %path.display(), "the history is not renamed: {error}");
    }
    for MeterRename { from, to } in renames {
        let renamed = connect(&path).and_then(|mut connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // `~` is in no meter's name.
            transaction.execute("UPDATE meter SET name = name || '~' || id WHERE name = ?1", [to])?;
            transaction.execute("UPDATE meter SET name = ?2 WHERE name = ?1", [from, to])?;
            transaction.commit()
        });
        if let Err(error) = renamed {
            tracing::warn!(meter = %to, %error, "the history stays under the name {from}");
        }
    }
}

/// An empty file of a history, without tables.
fn blank(folder: &Path) -> Result<Connection, StoreFault> {
    let path = folder.join(HISTORY);
    give_to_owner(&create_private(&path)?, folder);
    let connection = connect(&path)?;
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(connection)
}

/// Fails unless the file is a history of a version that this program knows.
pub(super) fn check_version(connection: &Connection) -> Result<(), StoreFault> {
    let value = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if value("application_id")? != APPLICATION_ID {
        return Err(StoreFault::damaged("it is not a history of arkmeter"));
    }
    match value("user_version")? {
        version if (1..=VERSION).contains(&version) => Ok(()),
        version => Err(StoreFault::Newer(version)),
    }
}

impl HistoryStore {
    /// Opens the history in that folder, or creates one; also returns why the present one was set aside.
    pub(super) fn open(folder: &Path) -> Result<(Self, Option<String>), StoreFault> {
        let path = folder.join(HISTORY);
        if file_id(&path)?.is_none() {
            return Ok((HistoryStore::create(folder)?, None));
        }
        check_store(&path)?;
        let opened = connect(&path).map_err(StoreFault::from).and_then(|connection| {
            check_version(&connection)?;
            HistoryStore::settle(connection, &path)
        });
        match opened {
            Ok(store) => Ok((store, None)),
            Err(fault @ StoreFault::Disk(_)) => Err(fault),
            Err(fault) => Ok((HistoryStore::create(folder)?, Some(fault.to_string()))),
        }
    }

    /// The same, and sets it aside also if a page that is not needed yet is damaged.
    pub(super) fn open_checked(folder: &Path) -> Result<(Self, Option<String>), StoreFault> {
        let (store, aside) = HistoryStore::open(folder)?;
        match check_pages(&store.connection).map_err(StoreFault::from) {
            Ok(()) => Ok((store, aside)),
            Err(StoreFault::Damaged(why)) => Ok((HistoryStore::create(folder)?, Some(why))),
            Err(fault) => Err(fault),
        }
    }

    /// Creates a history; a file in its place is set aside.
    pub(super) fn create(folder: &Path) -> Result<Self, StoreFault> {
        move_aside(folder, "history")?;
        HistoryStore::settle(blank(folder)?, &folder.join(HISTORY))
    }

    /// Creates a history in a folder without one. Nothing is written twice or synchronised, so that a kill or a power cut leaves no usable
    /// file: for one that is put in place, or thrown away, as a whole.
    pub(super) fn create_unjournaled(folder: &Path) -> Result<Connection, StoreFault> {
        let mut connection = blank(folder)?;
        connection.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "off")?;
        steps().to_latest(&mut connection)?;
        Ok(connection)
    }

    /// Brings the schema up to date and sets how the file is written.
    fn settle(mut connection: Connection, path: &Path) -> Result<Self, StoreFault> {
        steps().to_latest(&mut connection)?;
        // Kept from one write to the next, so that the folder does not change.
        connection.pragma_update_and_check(None, "journal_mode", "persist", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update_and_check(None, "journal_size_limit", 1 << 16, |_| Ok(()))?;
        let (file, hours) = (file_id(path)?, hours::read(&connection)?);
        let days = DaySums::default();
        days::fill_local(&mut connection, &days)?;
        Ok(HistoryStore { path: path.to_owned(), connection, file, days, hours, tidied_at: None })
    }

    /// What the page shows; a note where it cannot be read.
    pub(super) fn charts(&self, now: Timestamp) -> Charts {
        let read = Charts::read(&self.connection, now, self.days.calendars());
        read.unwrap_or_else(|error| Charts::with_note(notes::unread(&self.path, &error.into())))
    }

    /// The hours of the clients in the file.
    pub(super) fn hours(&self) -> &HoursByClient {
        &self.hours
    }

    fn is_in_place(&self) -> bool {
        file_id(&self.path).is_ok_and(|found| found.is_some() && found == self.file)
    }

    fn write(
        &mut self,
        slots: &[HistorySlot],
        hours: &NewHours,
        now: &ClockReading,
        retention: &Retention,
    ) -> rusqlite::Result<()> {
        let too_large = self.sizes()?.used > retention.max_size;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // First, because the new rows then use the free pages.
        let limit = i64::try_from(slots.len().saturating_mul(DELETED_PER_ROW)).unwrap_or(i64::MAX);
        delete_oldest(&transaction, limit, now, retention, too_large)?;
        let slots = with_ids(&transaction, slots)?;
        let days = self.days.add(&transaction, slots.iter().copied())?;
        insert(&transaction, &slots)?;
        let hours = hours::write(&transaction, &self.hours, hours)?;
        transaction.commit()?;
        (self.days, self.hours) = (days, hours);
        self.tidy(now, retention)
    }

    fn tidy(&mut self, now: &ClockReading, retention: &Retention) -> rusqlite::Result<()> {
        let due = self.tidied_at.is_none_or(|at| now.since(&at).is_none_or(|age| age >= TIDY_EVERY));
        let Sizes { used, file } = self.sizes()?;
        if due {
            check_pages(&self.connection)?;
            if let Some(id) = newest_expired(&self.connection, now, retention)? {
                self.connection.execute("DELETE FROM slot WHERE id <= ?1", [id])?;
            }
            days::expire(&self.connection, now, retention.max_size, &self.days)?;
            hours::expire(&self.connection, now, retention.max_size)?;
            hours::forget(&mut self.hours, now);
            self.tidied_at = Some(*now);
        }
        if used > retention.max_size.saturating_add(retention.max_size / 100 * MAX_EXCESS) {
            self.shrink(used, retention.max_size)?;
        }
        // Free pages are only returned after a smaller size was configured: it means writing the whole file.
        if file > retention.max_size.saturating_add(retention.max_size / 10) {
            self.connection.execute_batch("VACUUM")?;
        }
        Ok(())
    }

    /// Deletes the oldest rows in proportion to the excess.
    fn shrink(&self, used: u64, max_size: u64) -> rusqlite::Result<()> {
        let bounds = self.connection.query_row("SELECT min(id), max(id) FROM slot", [], |row| row.try_into())?;
        let (Some(first), Some(last)): (Option<i64>, Option<i64>) = bounds else { return Ok(()) };
        let excess = used.saturating_sub(max_size / 100 * SHRINK_TO);
        let rows = i128::from(last - first + 1) * i128::from(excess) / i128::from(used.max(1));
        let rows = i64::try_from(rows).unwrap_or(i64::MAX).max(1);
        self.connection.execute("DELETE FROM slot WHERE id < ?1", [first.saturating_add(rows)]).map(drop)
    }

    fn sizes(&self) -> rusqlite::Result<Sizes> {
        let value = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let value = |name| value(name).map(i64::unsigned_abs);
        let (pages, free, size) = (value("page_count")?, value("freelist_count")?, value("page_size")?);
        Ok(Sizes { used: pages.saturating_sub(free) * size, file: pages * size })
    }

    /// As on a box with this time zone.
    #[cfg(test)]
    pub(super) fn set_zone(&mut self, zone: &jiff::tz::TimeZone) {
        self.days = DaySums::of(days::calendars(zone));
        days::fill_local(&mut self.connection, &self.days).unwrap();
    }

    /// As if it had been tidied at that time.
    #[cfg(test)]
    pub(super) fn set_tidied(&mut self, at: &ClockReading) {
        self.tidied_at = Some(*at);
    }

    /// As on a disk with room for this many pages.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, count: i64) {
        self.connection.pragma_update(None, "max_page_count", count).unwrap();
    }
}

/// In bytes.
struct Sizes {
    /// Of the pages that hold something.
    used: u64,
    file: u64,
}

/// The slots, each with the id of its meter. They are read with each write: a meter may have been renamed.
fn with_ids<'a>(
    transaction: &Transaction<'_>,
    slots: &'a [HistorySlot],
) -> rusqlite::Result<Vec<(i64, &'a HistorySlot)>> {
    // All at once: the table has no index, so that finding each would read the whole table for each.
    let mut all = transaction.prepare("SELECT name, id FROM meter")?;
    let known = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut ids: BTreeMap<String, i64> = known.collect::<rusqlite::Result<_>>()?;
    let with_id = |slot: &'a HistorySlot| {
        let meter = match ids.get(slot.meter.as_str()) {
            Some(meter) => *meter,
            None => {
                transaction.execute("INSERT INTO meter (name) VALUES (?1)", [&slot.meter])?;
                let meter = transaction.last_insert_rowid();
                ids.insert(slot.meter.to_string(), meter);
                meter
            }
        };
        Ok((meter, slot))
    };
    slots.iter().map(with_id).collect()
}

fn insert(transaction: &Transaction<'_>, slots: &[(i64, &HistorySlot)]) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare(
        "INSERT INTO slot (meter, ended, trusted, measured_ms, mean_mw, min_mw, max_mw, published_mwh, began, began_mwh) \
         VALUES (:meter, :ended, :trusted, :measured_ms, :mean_mw, :min_mw, :max_mw, :published_mwh, :began, :began_mwh)",
    )?;
    for (meter, slot) in slots {
        insert.execute(named_params! {
            ":meter": meter,
            ":ended": slot.ended.as_second(),
            ":trusted": slot.trusted,
            ":measured_ms": i64::try_from(slot.measured.as_millis()).unwrap_or(i64::MAX),
            ":mean_mw": slot.power.map(|power| power.mean_mw),
            ":min_mw": slot.power.map(|power| power.min_mw),
            ":max_mw": slot.power.map(|power| power.max_mw),
            ":published_mwh": slot.published,
            ":began": slot.began.map(|began| began.at.as_second()),
            ":began_mwh": slot.began.and_then(|began| began.published),
        })?;
    }
    Ok(())
}

/// Checks the whole file: SQLite itself finds a damaged page only when it reads it.
fn check_pages(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(crate::text::foreign(&verdict, 200))))
}

/// Deletes up to `limit` of the oldest rows: those that are too old, or any if the file is too large.
fn delete_oldest(
    transaction: &Transaction<'_>,
    limit: i64,
    now: &ClockReading,
    retention: &Retention,
    too_large: bool,
) -> rusqlite::Result<()> {
    let first: Option<i64> = transaction.query_row("SELECT min(id) FROM slot", [], |row| row.get(0))?;
    let Some(last) = first.map(|first| first.saturating_add(limit - 1)) else { return Ok(()) };
    let expired = if too_large { Some(last) } else { newest_expired(transaction, now, retention)? };
    if let Some(expired) = expired {
        transaction.execute("DELETE FROM slot WHERE id <= ?1", [expired.min(last)])?;
    }
    Ok(())
}

/// The newest row that is too old and before every row that is not. With an untrusted clock no row is too old; a row that was written
/// with one has an unknown age and goes with the rows around it.
fn newest_expired(connection: &Connection, now: &ClockReading, retention: &Retention) -> rusqlite::Result<Option<i64>> {
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
