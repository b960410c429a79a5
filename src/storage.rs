//! Files in the state folder: SQLite connections, what can be wrong with a file and the remedy, and who owns it.
#![deny(missing_docs)]

mod columns;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::files::{self, FileError};

pub(crate) use columns::{CompactReading, Json, column, expand, nanoseconds, second, total};

/// How long a statement waits for another program that is writing, such as sqlite3.
pub(crate) const BUSY_FOR: Duration = Duration::from_secs(2);
/// Page cache of a connection in KiB, negative as SQLite wants it: a commit touches few pages.
const CACHE: i64 = -128;

/// A call that the file system or SQLite refused.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum DiskError {
    /// The file system.
    File(#[from] io::Error),
    /// SQLite.
    Sqlite(#[from] rusqlite::Error),
    /// Something that is no file of arkmeter has this name.
    Unfit(FileError),
}

impl From<FileError> for DiskError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(error) => error.into(),
            error => DiskError::Unfit(error),
        }
    }
}

impl DiskError {
    /// Whether the disk does not give what is in a file, in part or at all: a bad sector, a file system that is damaged, a file that ends
    /// within a page. The file could be opened, and another file may be well.
    pub(crate) fn is_unreadable(&self) -> bool {
        const READS: [i32; 4] =
            [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_DATA, ffi::SQLITE_IOERR_CORRUPTFS];
        match self {
            DiskError::File(error) => {
                matches!(error.raw_os_error(), Some(libc::EIO | libc::EUCLEAN | libc::EBADMSG | libc::EILSEQ))
            }
            DiskError::Sqlite(error) => error.sqlite_error().is_some_and(|error| READS.contains(&error.extended_code)),
            DiskError::Unfit(_) => false,
        }
    }

    /// What the operator can do.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            DiskError::File(error) => io_remedy(error.kind()),
            DiskError::Sqlite(error) => sqlite_remedy(error),
            DiskError::Unfit(error) => error.remedy().unwrap_or_else(|| io_remedy(error.kind())),
        }
    }
}

/// Why something was not written to or read from a store. A failed write has no effect.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("{} cannot be written: {}", path.display(), source.remedy())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: DiskError,
    },
    /// SQLite could not read the open ledger.
    #[error("the ledger cannot be read: {}", .0.remedy())]
    Read(#[source] DiskError),
    /// An open file was deleted or replaced: what is written to it is lost with the process.
    #[error(
        "{} was removed or replaced while arkmeter was using it: leave the files whose name begins with `ledger` to arkmeter, and restore a \
         backup (`arkmeter ledger restore`) if the next start does not find a good copy",
        path.display()
    )]
    Removed {
        /// The file.
        path: PathBuf,
    },
    /// The lock of the state folder is not this process's any more.
    #[error(
        "the lock {} was removed, or another arkmeter took it: only one may use the ledger, so this one stops. See which process uses the folder, \
         and on which machine",
        path.display()
    )]
    LockLost {
        /// The lock.
        path: PathBuf,
    },
    /// What was read cannot be trusted.
    #[error("the ledger is damaged ({0}): restart arkmeter, which then uses the last good copy")]
    Damaged(String),
}

impl StoreError {
    /// Wraps the cause of a failed write.
    pub(crate) fn write<E: Into<DiskError>>(path: &Path) -> impl Fn(E) -> Self {
        move |error| StoreError::Write { path: path.to_owned(), source: error.into() }
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
    /// It could not be read or written; its content may be right.
    #[error(transparent)]
    Disk(DiskError),
}

impl StoreFault {
    /// Whether the content cannot be trusted, or not be read.
    pub(crate) fn is_of_content(&self) -> bool {
        match self {
            StoreFault::Damaged(_) => true,
            StoreFault::Newer(_) => false,
            StoreFault::Disk(error) => error.is_unreadable(),
        }
    }

    /// As the answer of a call to the disk, for a file that is needed as it is.
    pub(crate) fn into_disk_error(self) -> DiskError {
        match self {
            StoreFault::Disk(error) => error,
            fault => io::Error::other(fault.to_string()).into(),
        }
    }

    pub(crate) fn damaged(why: impl Into<String>) -> Self {
        StoreFault::Damaged(why.into())
    }
}

impl From<io::Error> for StoreFault {
    fn from(error: io::Error) -> Self {
        StoreFault::Disk(error.into())
    }
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
            Some(_) => StoreFault::Disk(error.into()),
        }
    }
}

impl From<DiskError> for StoreFault {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::File(error) => error.into(),
            DiskError::Sqlite(error) => error.into(),
            DiskError::Unfit(_) => StoreFault::Disk(error),
        }
    }
}

impl From<FileError> for StoreFault {
    fn from(error: FileError) -> Self {
        DiskError::from(error).into()
    }
}

impl From<rusqlite_migration::Error> for StoreFault {
    fn from(error: rusqlite_migration::Error) -> Self {
        match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
            rusqlite_migration::Error::Hook(why) => StoreFault::Damaged(why),
            other => StoreFault::Damaged(other.to_string()),
        }
    }
}

/// Why an open store cannot be read.
impl From<StoreFault> for StoreError {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Disk(error) => StoreError::Read(error),
            fault => StoreError::Damaged(fault.to_string()),
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
        FileTooLarge => {
            "the file may not grow: raise the limit of its size (LimitFSIZE= in the unit, ulimit -f), or use another disk"
        }
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
        Some(ErrorCode::OperationInterrupted) => "it was interrupted, and the disk is not the cause",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program has it open: end that one",
        _ => "the disk is full or failing: free some space, else check it (dmesg, fsck)",
    }
}

/// Fails unless the store at `path`, if there is one, and the logs beside it are arkmeter's own regular files. SQLite opens whatever has
/// the name. Nobody but their owner can put another file in between: the folder is his.
pub(crate) fn check_store(path: &Path) -> Result<(), FileError> {
    files::check_own(path)?;
    ["-wal", "-journal"].iter().try_for_each(|beside| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(beside);
        files::check_own(&path.with_file_name(&name)).map_err(|error| {
            let name = name.to_string_lossy().into_owned();
            FileError::Beside { name, error: Box::new(error) }
        })
    })
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

/// Closes a connection.
pub(crate) fn close(connection: Connection) -> rusqlite::Result<()> {
    connection.close().map_err(|(_, error)| error)
}

/// Which file a path names: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// An open file.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|meta| FileId(meta.dev(), meta.ino()))
    }
}

/// The file at `path`; `None` if there is none.
pub(crate) fn file_id(path: &Path) -> io::Result<Option<FileId>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(FileId(meta.dev(), meta.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates a file that only its owner can read, and that is not there yet.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Gives a file to the owner of its folder: the daemon must be able to use what root creates there.
pub(crate) fn give_to_owner(file: &File, folder: &Path) {
    let (Ok(ours), Ok(theirs)) = (file.metadata(), fs::metadata(folder)) else { return };
    if ours.uid() != theirs.uid() {
        // Only root may; any other user who created it is its owner.
        let _ = fchown(file, Some(theirs.uid()), Some(theirs.gid()));
    }
}

/// Renames the store `NAME.db` in that folder to `NAME-set-aside.db`, its log first: beside another store it would be taken for that one's.
pub(crate) fn move_aside(folder: &Path, name: &str) -> io::Result<()> {
    for file in ["db-wal", "db"] {
        let (from, to) = (format!("{name}.{file}"), format!("{name}-set-aside.{file}"));
        if_there(fs::rename(folder.join(from), folder.join(to)))?;
    }
    if_there(fs::remove_file(folder.join(format!("{name}.db-shm"))))?;
    sync_folder(folder)
}

/// Removes a store's file if it is there, SQLite's files beside it first.
pub(crate) fn remove_store(path: &Path) -> io::Result<()> {
    for beside in ["-journal", "-wal", "-shm", ""] {
        let mut name = path.to_owned().into_os_string();
        name.push(beside);
        if_there(fs::remove_file(name))?;
    }
    Ok(())
}

/// Success if there is no such file.
fn if_there(outcome: io::Result<()>) -> io::Result<()> {
    outcome.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Makes new and renamed entries of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
