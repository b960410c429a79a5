//! Files in the state folder: SQLite connections, what can be wrong with a file and the remedy, and who owns it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// How long a statement waits for another program that is writing, such as somebody's sqlite3.
pub(crate) const BUSY_FOR: Duration = Duration::from_secs(2);
/// Page cache of a connection in KiB, negative as SQLite wants it: a commit touches few pages, and a box has little memory.
const CACHE: i64 = -128;

/// Why something was not written to or read from a store. A failed write has no effect.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite could not write the file.
    #[error("{} cannot be written: {remedy}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operator can do.
        remedy: &'static str,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// The file system refused.
    #[error("{} cannot be written: {remedy}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operator can do.
        remedy: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// SQLite could not read it.
    #[error("{what} cannot be read: {remedy}")]
    Read {
        /// The part that was read.
        what: &'static str,
        /// What the operator can do.
        remedy: &'static str,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// An open file has no name any more, or another file has it: what is written is lost with the process.
    #[error(
        "{} was removed or replaced while arkmeter was using it: leave the files whose name begins with `ledger` to arkmeter, and restore a \
         backup (`arkmeter ledger restore`) if the next start does not find a good copy",
        path.display()
    )]
    Removed {
        /// The file.
        path: PathBuf,
    },
    /// What was read cannot be trusted.
    #[error("the ledger is damaged ({0}): restart arkmeter, which then uses the last good copy")]
    Damaged(String),
}

impl StoreError {
    pub(crate) fn read(what: &'static str, source: rusqlite::Error) -> Self {
        StoreError::Read { what, remedy: sqlite_remedy(&source), source }
    }

    pub(crate) fn write(path: &Path, source: rusqlite::Error) -> Self {
        StoreError::Write { path: path.to_owned(), remedy: sqlite_remedy(&source), source }
    }

    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        StoreError::File { path: path.to_owned(), remedy: io_remedy(source.kind()), source }
    }
}

/// What is wrong with a file that should be a store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFault {
    /// Its content cannot be trusted.
    #[error("{0}")]
    Damaged(String),
    /// This program does not know its version.
    #[error("it has version {0}")]
    Newer(i64),
    /// It could not be read, which says nothing about its content.
    #[error("{0}")]
    Unreadable(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreFault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // Without an SQLite code it is a value of the wrong type. `Unknown` is SQLite's general error, such as a malformed schema.
            None
            | Some(
                ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::TooBig
                | ErrorCode::TypeMismatch
                | ErrorCode::Unknown,
            ) => StoreFault::Damaged(error.to_string()),
            Some(_) => StoreFault::Unreadable(error),
        }
    }
}

/// What the operator can do about an error of the file system.
pub(crate) fn io_remedy(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind::*;
    match kind {
        NotFound => "create the folder, or set `[state] path` to one that exists",
        NotADirectory => "set `[state] path` to a folder",
        PermissionDenied => "let the user that arkmeter runs as own and write it (chown)",
        ReadOnlyFilesystem => "mount it writable, or set `[state] path` to a folder on a disk that is",
        StorageFull | QuotaExceeded => "the disk is full: free some space",
        _ => "check the disk (dmesg, fsck)",
    }
}

/// What the operator can do about an error of SQLite.
pub(crate) fn sqlite_remedy(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full: free some space",
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::CannotOpen
            | ErrorCode::AuthorizationForStatementDenied,
        ) => "let the user that arkmeter runs as own and write it (chown), on a disk that is mounted writable",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program has it open: end that one",
        _ => "the disk is full or failing: free some space, else check it (dmesg, fsck)",
    }
}

/// Opens a store for reading and writing.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    arrange(open(path)?)
}

/// Opens a store without reading anything of it yet.
pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// The settings that every connection has.
pub(crate) fn arrange(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY_FOR)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    Ok(connection)
}

/// Which file a path names: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

/// The file at `path`; `None` where there is none.
pub(crate) fn file_id(path: &Path) -> io::Result<Option<FileId>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(FileId(meta.dev(), meta.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives a file to the owner of its folder: the daemon must be able to use what root creates there.
pub(crate) fn give_to_owner(file: &File, folder: &Path) {
    let (Ok(ours), Ok(theirs)) = (file.metadata(), fs::metadata(folder)) else { return };
    if ours.uid() != theirs.uid() {
        // Only root may; any other user who created it is its owner.
        let _ = fchown(file, Some(theirs.uid()), Some(theirs.gid()));
    }
}

/// Renames the store `NAME.db` in that folder to `NAME-set-aside.db`, its log first.
pub(crate) fn move_aside(folder: &Path, name: &str) -> io::Result<()> {
    for file in ["db-wal", "db"] {
        match fs::rename(folder.join(format!("{name}.{file}")), folder.join(format!("{name}-set-aside.{file}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_file(folder.join(format!("{name}.db-shm"))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_folder(folder),
    }
}

/// Makes new and renamed entries of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
