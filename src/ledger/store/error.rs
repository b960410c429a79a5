//! Why the ledger cannot be opened, saved or restored, and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use super::schema::VERSION;
use crate::ledger::names::listed;
use crate::shard::{Layout, LedgerPlace, Shard};
use crate::storage::{DiskError, StoreError, StoreFault};
use crate::units::Name;

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another arkmeter uses it.
    #[error("the ledger in {} is in use by another arkmeter{}: stop that one first", folder.display(), process(*pid))]
    InUse {
        /// The state folder.
        folder: PathBuf,
        /// The process that uses it, if the lock names it.
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
    /// A shard begins no ledger by itself.
    #[error(
        "shard {shard} has no ledger in {}: its volume is mounted empty or elsewhere, unless this is the first start of all; only then, \
         `arkmeter shard init --shards {}` begins the ledgers",
        folder.display(),
        shard.count()
    )]
    NotBegun {
        /// The shard.
        shard: Shard,
        /// Its state folder.
        folder: PathBuf,
    },
    /// It belongs to a shard and this is not that shard, or to no shard and this is one.
    #[error("the ledger in {} belongs to {}, but this is {}: {}", folder.display(), whose(*found), whose(*ours), remedy_of_owner(*found, *ours))]
    OtherShard {
        /// The state folder.
        folder: PathBuf,
        /// The shard that it belongs to.
        found: Option<Shard>,
        /// The shard of this process.
        ours: Option<Shard>,
    },
    /// The number of shards is being changed.
    #[error(
        "the ledger in {} waits for a resize that was interrupted: stop all shards and run `arkmeter shard resize --from {from} --to {to}`, \
         which completes it",
        folder.display()
    )]
    Resizing {
        /// The state folder.
        folder: PathBuf,
        /// The layout that it began from.
        from: Layout,
        /// The layout that it leads to.
        to: Layout,
    },
    /// Ledgers of other shards have figures that this one lacks.
    #[error(
        "the figure of {} is in the ledger of {place} in {}, and not in that of {}: stop all shards and run `arkmeter shard resize --from \
         {from} --to {to}`; no new figure is begun for it",
        listed(&.meters.iter().map(Name::as_str).collect::<Vec<_>>()),
        place.folder.display(),
        LedgerPlace { shard: *.shard, folder: PathBuf::new() }
    )]
    Elsewhere {
        /// The meters.
        meters: Vec<Name>,
        /// The ledger that has the figures.
        place: LedgerPlace,
        /// The shard that lacks them; absent without shards.
        shard: Option<Shard>,
        /// The present layout.
        from: Layout,
        /// The layout that has them here.
        to: Layout,
    },
    /// The disk refused.
    #[error("cannot {doing} {}: {}", path.display(), remedy(doing, source))]
    Disk {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: DiskError,
    },
    /// Neither the ledger nor its copy can be trusted.
    #[error(
        "the ledger {} is damaged ({why}), and {copy}; restore a backup (`arkmeter ledger restore`), or move every file in {} whose name \
         begins with `ledger` away to start anew: Arkreen may then refuse figures until the meters' own counters exceed what it holds",
        path.display(),
        path.parent().unwrap_or(path).display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What is wrong with its copy.
        copy: String,
    },
    /// A newer arkmeter wrote it.
    #[error(
        "{} was written by a newer arkmeter (its store has version {found}, this one knows {VERSION}): install that one again{}",
        path.display(),
        older_copy(older)
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The copy from before its upgrade, if there is one.
        older: Option<PathBuf>,
    },
}

impl OpenError {
    /// Why the file at `path` is not used.
    pub(super) fn of(doing: &'static str, path: &Path, fault: impl Into<StoreFault>) -> Self {
        let path = path.to_owned();
        match fault.into() {
            StoreFault::Newer(found) => {
                let older = Some(path.with_file_name(format!("ledger-v{VERSION}.db"))).filter(|older| older.exists());
                OpenError::Newer { path, found, older }
            }
            StoreFault::Disk(source) => OpenError::Disk { doing, path, source },
            StoreFault::Damaged(why) => OpenError::Damaged { path, why, copy: "its copy does not help".to_owned() },
        }
    }
}

fn whose(shard: Option<Shard>) -> String {
    shard.map_or("no shard".to_owned(), |shard| format!("shard {shard}"))
}

fn remedy_of_owner(found: Option<Shard>, ours: Option<Shard>) -> String {
    match (found, ours) {
        (Some(found), Some(ours)) if found.count() == ours.count() => {
            format!("mount the state of shard {} there, or correct the shard's number", ours.number())
        }
        (found, ours) => {
            let count = |shard: Option<Shard>| shard.map_or("none".to_owned(), |shard| shard.count().to_string());
            format!(
                "stop all shards and run `arkmeter shard resize --from {} --to {}`, or correct the number of shards",
                count(found),
                count(ours)
            )
        }
    }
}

/// A file that is only read needs no other owner.
fn remedy(doing: &str, source: &DiskError) -> &'static str {
    match source {
        DiskError::File(error) if doing == "read" && error.kind() == io::ErrorKind::PermissionDenied => {
            "run as root or as the user that arkmeter runs as"
        }
        source => source.remedy(),
    }
}

/// The process that holds the lock, in brackets.
pub(crate) fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

fn older_copy(older: &Option<PathBuf>) -> String {
    let Some(older) = older else { return String::new() };
    format!(
        ", or put {}, the copy from before the upgrade, in its place (what was counted since is read from the meters)",
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
    /// A backup cannot be written there.
    #[error("{} cannot be written: {}", path.display(), target_remedy(source.kind()))]
    Target {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file that is to be restored cannot be read.
    #[error("{} cannot be read: {}", path.display(), origin_remedy(source.kind()))]
    Origin {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// What is to be restored is not a file.
    #[error("{} is no file: give the one that `arkmeter ledger backup` or `ledger move` wrote", .0.display())]
    NoFile(PathBuf),
    /// The ledger is damaged, so no backup is made of it.
    #[error("the ledger is damaged ({0}): no backup is made of it; use an older backup, or its copy")]
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
        "the backup is older than what is there, and published figures would fall: {0}. The present ledger works without it; to restore the \
         backup all the same, move every file whose name begins with `ledger` away first"
    )]
    Falls(String),
    /// The ledger was not given away.
    #[error("the saved ledger does not say that it was moved away: run the command again")]
    NotGiven,
}

impl BackupError {
    /// A backup that cannot be written to `path`.
    pub(super) fn target(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| BackupError::Target { path: path.to_owned(), source }
    }
}

fn target_remedy(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind::*;
    match kind {
        NotFound | NotADirectory => "create its folder first, or name another",
        PermissionDenied => "run as root, or name a folder that this user may write",
        ReadOnlyFilesystem => "name a folder on a disk that is mounted writable",
        StorageFull | QuotaExceeded => "that disk is full: free some space, or name a file on another",
        _ => "name a file on another disk, or check that one (dmesg, fsck)",
    }
}

fn origin_remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "check its name",
        io::ErrorKind::PermissionDenied => "run as root",
        _ => "check the disk that it is on (dmesg, fsck)",
    }
}
