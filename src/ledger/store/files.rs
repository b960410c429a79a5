//! Connections to the ledger's files, and whole copies of them.

use std::fs::OpenOptions;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::folder::Folder;
use crate::storage::{StoreError, StoreFault, arrange, connect, open};

/// Bytes of the write-ahead log at which it is checkpointed: some ten slots of 20 meters, whose pages are mostly the same ones. A slot
/// with a checkpoint writes little more than another.
const LOG: i64 = 64 << 10;

/// The ledger itself: no other program can open it as long as this lives. Its log then needs no index in a shared file, of which each
/// commit would write more than of the log.
pub(super) fn connect_alone(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path)?;
    // Before the first read: the index of the log is created with it, in memory or in a file.
    connection.pragma_update_and_check(None, "locking_mode", "exclusive", |_| Ok(()))?;
    arrange(connection)
}

/// A ledger, its copy or a backup, without a way to change anything.
pub(super) fn connect_to_read(path: &Path) -> Result<Connection, StoreFault> {
    OpenOptions::new()
        .read(true)
        .open(path)
        .map_err(|error| StoreFault::Unreadable(rusqlite::Error::ToSqlConversionFailure(error.into())))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(arrange(Connection::open_with_flags(path, flags)?)?)
}

/// How the ledger itself is written, as against files that are filled once and closed.
pub(super) fn settle(connection: &Connection, durable: bool) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", if durable { "full" } else { "off" })?;
    let page_size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG / page_size.max(1), |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", 1 << 20, |_| Ok(()))
}

/// A whole copy of what the connection reads, under that name once it is on disk.
pub(super) fn save_as(connection: &Connection, folder: &Folder, target: &Path) -> Result<(), StoreError> {
    let scratch = folder.scratch(target).map_err(|error| StoreError::file(target, error))?;
    fill(connection, &scratch).map_err(|error| StoreError::write(target, error))?;
    folder.put(&scratch, target).map_err(|error| StoreError::file(target, error))
}

/// Fills an empty file with a whole copy of what the connection reads.
pub(super) fn fill(source: &Connection, scratch: &Path) -> rusqlite::Result<()> {
    let mut target = connect(scratch)?;
    // Put in place only after an fsync of its own.
    target.pragma_update(None, "synchronous", "off")?;
    let step = Backup::new(source, &mut target)?.step(-1)?;
    if step != StepResult::Done {
        return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None));
    }
    // A copy is one file: no log beside it.
    target.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    target.close().map_err(|(_, error)| error)
}
