//! Connections to the ledger's files, and whole copies of them.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::folder::Folder;
use crate::files;
use crate::storage::{DiskError, arrange, close, connect, open};

/// The size of the write-ahead log in bytes at which it is checkpointed: about ten slots of 20 meters, which write mostly the same pages.
/// A slot with a checkpoint writes little more than another.
const LOG: i64 = 64 << 10;

/// Opens the ledger itself. No other program can open it as long as this lives, so its log needs no index in a shared file; each commit
/// would write more of that than of the log.
pub(super) fn connect_alone(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path)?;
    // Before the first read: the index of the log is created with it, in memory or in a file.
    connection.pragma_update_and_check(None, "locking_mode", "exclusive", |_| Ok(()))?;
    arrange(connection)
}

/// Opens a ledger, its copy or a backup for reading only.
pub(super) fn connect_to_read(path: &Path) -> Result<Connection, DiskError> {
    // The system says more about the cause than SQLite does.
    files::open(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(arrange(Connection::open_with_flags(path, flags)?)?)
}

/// Sets how the ledger itself is written. Its copies are filled once and closed.
pub(super) fn settle(connection: &Connection, durable: bool) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", if durable { "full" } else { "off" })?;
    let page_size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG / page_size.max(1), |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", 1 << 20, |_| Ok(()))
}

/// Saves a whole copy of what the connection reads under that name.
pub(super) fn save_as(connection: &Connection, folder: &Folder, target: &Path) -> Result<(), DiskError> {
    let scratch = folder.scratch(target)?;
    fill(connection, &scratch)?;
    Ok(folder.put(&scratch, target)?)
}

/// Fills an empty file with a whole copy of what the connection reads.
pub(super) fn fill(source: &Connection, scratch: &Path) -> rusqlite::Result<()> {
    let mut target = connect(scratch)?;
    // The file gets its name only after an fsync.
    target.pragma_update(None, "synchronous", "off")?;
    if Backup::new(source, &mut target)?.step(-1)? != StepResult::Done {
        return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None));
    }
    // One file, without a log beside it.
    target.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    close(target)
}
