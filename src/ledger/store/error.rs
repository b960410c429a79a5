//! Why the store cannot be opened, written, saved or restored, what to do about it, and the exit code that says so.

use std::io;
use std::path::{Path, PathBuf};

use crate::storage::{StoreError, io_remedy, sqlite_remedy};

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the ledger in {} is in use by another arkmeter{}: stop that one first", folder.display(), holder(*pid))]
    InUse { folder: PathBuf, pid: Option<u32> },
    #[error("there is no ledger in {} yet: it begins when the daemon first runs", folder.display())]
    Nothing { folder: PathBuf },
    #[error("the state folder {} {problem}: {remedy}", folder.display())]
    Folder { folder: PathBuf, problem: &'static str, remedy: &'static str },
    #[error("cannot {doing} {}: {remedy}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        remedy: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("cannot {doing} {}: {remedy}", path.display())]
    Store {
        doing: &'static str,
        path: PathBuf,
        remedy: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error(
        "the ledger {} is damaged ({why}), and {copy}; put a backup of it in its place (`arkmeter ledger restore`), or move every \
         file in {} whose name begins with `ledger` away to start anew: Arkreen may then refuse figures until the meters' own \
         counters pass what it holds",
        path.display(),
        path.parent().unwrap_or(path).display()
    )]
    Damaged { path: PathBuf, why: String, copy: String },
    #[error(
        "{} was written by a newer arkmeter (its store has version {found}, this one knows {known}): install that one again{}",
        path.display(),
        older_copy(older)
    )]
    Newer { path: PathBuf, found: i64, known: i64, older: Option<PathBuf> },
}

impl OpenError {
    /// What the process should end with: 75 in use, 65 damaged or newer, 1 what may pass by itself or by the remedy.
    pub fn exit_code(&self) -> u8 {
        match self {
            OpenError::InUse { .. } => 75,
            OpenError::Damaged { .. } | OpenError::Newer { .. } => 65,
            OpenError::Nothing { .. } | OpenError::Folder { .. } | OpenError::File { .. } | OpenError::Store { .. } => {
                1
            }
        }
    }

    pub(super) fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        OpenError::File { doing, path: path.to_owned(), remedy: io_remedy(source.kind()), source }
    }

    pub(super) fn store(doing: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        OpenError::Store { doing, path: path.to_owned(), remedy: sqlite_remedy(&source), source }
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
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{} is there already: give another name, or move it away", .0.display())]
    Exists(PathBuf),
    /// A file that the operator named, not one of the ledger's own.
    #[error("{} cannot be {doing}: {remedy}", path.display())]
    Named {
        doing: &'static str,
        path: PathBuf,
        remedy: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{} is no file: give the one that `arkmeter ledger backup` or `ledger move` wrote", .0.display())]
    NoFile(PathBuf),
    #[error(
        "the ledger is damaged ({0}): no backup is made of it; an older backup, or its copy, is what can be relied upon"
    )]
    Damaged(String),
    #[error("{} is no whole backup of a ledger ({why}): restore another", path.display())]
    NoBackup { path: PathBuf, why: String },
    #[error(
        "the backup is older than what is there, and published figures would fall: {0}. What is there goes on by itself; if it is to \
         give way all the same, move every file whose name begins with `ledger` away first"
    )]
    Falls(String),
    #[error("the ledger does not say that it was given away: run it again")]
    NotGiven,
}

impl BackupError {
    /// What the command should end with: 75 in use, 65 damaged or newer, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            BackupError::Open(error) => error.exit_code(),
            BackupError::Damaged(_) | BackupError::NoBackup { .. } => 65,
            BackupError::Store(_)
            | BackupError::Exists(_)
            | BackupError::Named { .. }
            | BackupError::NoFile(_)
            | BackupError::Falls(_)
            | BackupError::NotGiven => 1,
        }
    }

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
