//! Why the store cannot be opened, written, saved or restored, what to do about it, and the exit code that says so.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

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
        OpenError::File { doing, path: path.to_owned(), remedy: remedy(source.kind()), source }
    }

    pub(super) fn store(doing: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        OpenError::Store { doing, path: path.to_owned(), remedy: store_remedy(&source), source }
    }
}

/// Why a commit or a copy did not reach the disk. Nothing of it has taken effect.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{} cannot be written: {remedy}", path.display())]
    Write {
        path: PathBuf,
        remedy: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error("{} cannot be written: {remedy}", path.display())]
    File {
        path: PathBuf,
        remedy: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{what} cannot be read: {remedy}")]
    Read {
        what: &'static str,
        remedy: &'static str,
        #[source]
        source: rusqlite::Error,
    },
}

impl StoreError {
    pub(super) fn read(what: &'static str, source: rusqlite::Error) -> Self {
        StoreError::Read { what, remedy: store_remedy(&source), source }
    }

    pub(super) fn write(path: &Path, source: rusqlite::Error) -> Self {
        StoreError::Write { path: path.to_owned(), remedy: store_remedy(&source), source }
    }

    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        StoreError::File { path: path.to_owned(), remedy: remedy(source.kind()), source }
    }
}

/// What is wrong with a file that should be a store.
#[derive(Debug)]
pub(in crate::ledger) enum Fault {
    /// Its content cannot be relied upon.
    Damaged(String),
    /// Its version is one that this program does not know.
    Newer(i64),
    /// It could not be read at all, which says nothing of its content.
    Unreadable(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // No code of SQLite's: a value of another type than its column's. `Unknown` is SQLite's plain error: a malformed schema.
            None
            | Some(
                ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::TooBig
                | ErrorCode::TypeMismatch
                | ErrorCode::Unknown,
            ) => Fault::Damaged(error.to_string()),
            Some(_) => Fault::Unreadable(error),
        }
    }
}

pub(in crate::ledger) fn describe(fault: &Fault) -> String {
    match fault {
        Fault::Damaged(why) => why.clone(),
        Fault::Newer(version) => format!("it has version {version}"),
        Fault::Unreadable(error) => error.to_string(),
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

fn remedy(kind: io::ErrorKind) -> &'static str {
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

fn store_remedy(error: &rusqlite::Error) -> &'static str {
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
