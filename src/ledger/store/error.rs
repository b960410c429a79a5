//! Why the ledger cannot be opened, saved or restored, and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use super::schema::VERSION;
use crate::storage::{StoreError, StoreFault, io_remedy, sqlite_remedy};

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another arkmeter uses it.
    #[error("the ledger in {} is in use by another arkmeter{}: stop that one first", folder.display(), holder(*pid))]
    InUse {
        /// The state folder.
        folder: PathBuf,
        /// The process that uses it, where the lock names it.
        pid: Option<u32>,
    },
    /// There is none yet.
    #[error("there is no ledger in {} yet: it begins when the daemon first runs", folder.display())]
    Nothing {
        /// The state folder.
        folder: PathBuf,
    },
    /// The state folder cannot be used.
    #[error("the state folder {} {problem}: {remedy}", folder.display())]
    Folder {
        /// The state folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
        /// What the operator can do.
        remedy: &'static str,
    },
    /// The file system refused.
    #[error("cannot {doing} {}: {remedy}", path.display())]
    File {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operator can do.
        remedy: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// SQLite failed.
    #[error("cannot {doing} {}: {remedy}", path.display())]
    Store {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operator can do.
        remedy: &'static str,
        /// The system's error.
        #[source]
        source: rusqlite::Error,
    },
    /// Neither the ledger nor its copy can be trusted.
    #[error(
        "the ledger {} is damaged ({why}), and {copy}; put a backup of it in its place (`arkmeter ledger restore`), or move every \
         file in {} whose name begins with `ledger` away to start anew: Arkreen may then refuse figures until the meters' own \
         counters pass what it holds",
        path.display(),
        path.parent().unwrap_or(path).display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What there is to say about its copy.
        copy: String,
    },
    /// A newer arkmeter wrote it.
    #[error(
        "{} was written by a newer arkmeter (its store has version {found}, this one knows {known}): install that one again{}",
        path.display(),
        older_copy(older)
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// This program's version.
        known: i64,
        /// The copy from before its upgrade, if it is there.
        older: Option<PathBuf>,
    },
}

impl OpenError {
    pub(super) fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        OpenError::File { doing, path: path.to_owned(), remedy: io_remedy(source.kind()), source }
    }

    pub(super) fn store(doing: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        OpenError::Store { doing, path: path.to_owned(), remedy: sqlite_remedy(&source), source }
    }

    /// A file that is only read.
    pub(super) fn unreadable(path: &Path, source: io::Error) -> Self {
        let remedy = match source.kind() {
            io::ErrorKind::PermissionDenied => "run as root or as the user that arkmeter runs as",
            kind => io_remedy(kind),
        };
        OpenError::File { doing: "read", path: path.to_owned(), remedy, source }
    }

    /// What is wrong with the file at `path`, which is not used.
    pub(super) fn of(path: &Path, fault: StoreFault) -> Self {
        match fault {
            StoreFault::Newer(found) => OpenError::Newer { path: path.to_owned(), found, known: VERSION, older: None },
            StoreFault::Unreadable(rusqlite::Error::ToSqlConversionFailure(error)) => match error.downcast() {
                Ok(error) => OpenError::unreadable(path, *error),
                Err(error) => OpenError::store("read", path, rusqlite::Error::ToSqlConversionFailure(error)),
            },
            StoreFault::Unreadable(error) => OpenError::store("read", path, error),
            StoreFault::Damaged(why) => {
                OpenError::Damaged { path: path.to_owned(), why, copy: "its copy does not help".to_owned() }
            }
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

fn older_copy(older: &Option<PathBuf>) -> String {
    let Some(older) = older else { return String::new() };
    format!(
        ", or put {}, the copy from before the change, in its place (what was counted since is read from the meters)",
        older.display()
    )
}

/// Why there is no backup, or why it was not restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The ledger cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is there already.
    #[error("{} is there already: give another name, or move it away", .0.display())]
    Exists(PathBuf),
    /// A file that the operator named cannot be used.
    #[error("{} cannot be {doing}: {remedy}", path.display())]
    Named {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operator can do.
        remedy: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// What was named is no file.
    #[error("{} is no file: give the one that `arkmeter ledger backup` or `ledger move` wrote", .0.display())]
    NoFile(PathBuf),
    /// The ledger is damaged, so no backup is made of it.
    #[error(
        "the ledger is damaged ({0}): no backup is made of it; an older backup, or its copy, is what can be relied upon"
    )]
    Damaged(String),
    /// The file is no whole backup.
    #[error("{} is no whole backup of a ledger ({why}): restore another", path.display())]
    NoBackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A published figure would fall.
    #[error(
        "the backup is older than what is there, and published figures would fall: {0}. What is there goes on by itself; if it is to \
         give way all the same, move every file whose name begins with `ledger` away first"
    )]
    Falls(String),
    /// The ledger was not given away.
    #[error("the ledger does not say that it was given away: run it again")]
    NotGiven,
}

impl BackupError {
    /// A backup that cannot be written there.
    pub(super) fn target(path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::*;
        let remedy = match source.kind() {
            NotFound | NotADirectory => "create its folder first, or name another",
            PermissionDenied => "run as root, or name a folder that this user may write",
            ReadOnlyFilesystem => "name a folder on a disk that is mounted writable",
            StorageFull | QuotaExceeded => "that disk is full: free some space, or name a file on another",
            _ => "name a file on another disk, or check that one (dmesg, fsck)",
        };
        BackupError::Named { doing: "written", path: path.to_owned(), remedy, source }
    }

    /// A backup that cannot be read there.
    pub(super) fn origin(path: &Path, source: io::Error) -> Self {
        let remedy = match source.kind() {
            io::ErrorKind::NotFound => "check its name",
            io::ErrorKind::PermissionDenied => "run as root",
            _ => "check the disk that it is on (dmesg, fsck)",
        };
        BackupError::Named { doing: "read", path: path.to_owned(), remedy, source }
    }
}
