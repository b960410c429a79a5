//! The state folder: which files of the ledger lie in it, who holds it, and how a file gets there whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::error::OpenError;
use crate::storage::{give_to_owner, move_aside, sync_folder};

/// The ledger and its copy, in a state folder.
pub(super) const LEDGER: &str = "ledger.db";
pub(super) const COPY: &str = "ledger-copy.db";
/// The ledger's log, which SQLite names.
pub(super) const LOG: &str = "ledger.db-wal";
/// The nanoseconds of the lock's time where its seconds are a count of commits; whole microseconds, as some disks keep no more.
const NOTED: u32 = 618_033_000;

/// A state folder that is ours as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Its lock is what keeps a second arkmeter out; closing the file gives it free.
    lock: File,
}

/// Whether an arkmeter holds the state folder at `path` now, with its process where it said it. Says no where nobody can tell.
pub fn in_use(path: &Path) -> Option<Option<u32>> {
    let lock = File::open(path.join("lock")).ok()?;
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| pid(&lock))
}

/// How many commits are known to be on the disk of the ledger in the state folder at `path`, whoever holds it.
pub(super) fn commits_noted(path: &Path) -> u64 {
    File::open(path.join("lock")).ok().and_then(|lock| noted(&lock)).unwrap_or(0)
}

/// Who wrote itself into the lock.
fn pid(mut lock: &File) -> Option<u32> {
    let mut text = String::new();
    Read::take(&mut lock, 16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl Folder {
    /// Takes the folder, or says who has it.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let wrong = |problem, remedy| OpenError::Folder { folder: path.to_owned(), problem, remedy };
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(wrong("is not a folder", "set `[state] path` to a folder")),
            // Only the folder itself is made: a missing parent may be a disk that is not mounted.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let remedy =
                    "create it, owned by the user that arkmeter runs as, or set `[state] path` to one that exists";
                let made = fs::DirBuilder::new().mode(0o750).create(path);
                made.map_err(|_| wrong("does not exist and cannot be made", remedy))?;
            }
            Err(error) => return Err(OpenError::file("look at the state folder", path, error)),
        }
        let file = path.join("lock");
        let failed = |error| OpenError::file("lock the state folder with", &file, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut lock = options.open(&file).map_err(failed)?;
        give_to_owner(&lock, path);
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { folder: path.to_owned(), pid: pid(&lock) }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let noted = noted(&lock);
        // Only there to name the holder: on a full disk the lock holds without it.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        let folder = Folder { path: path.to_owned(), lock };
        if let Some(commits) = noted {
            folder.note(commits);
        }
        Ok(folder)
    }

    /// Notes how many commits are on the disk, so that a log that lost its end is known by it: a log that ends earlier looks whole.
    ///
    /// It is the time of the lock, which costs no page. It is not flushed: where the power failed it may be missing, never too high.
    pub(super) fn note(&self, commits: u64) {
        // Where a disk keeps no such time, that much less is noticed.
        let _ = self.lock.set_modified(SystemTime::UNIX_EPOCH + Duration::new(commits, NOTED));
    }

    /// How many commits are known to have been on the disk.
    pub(super) fn noted(&self) -> u64 {
        noted(&self.lock).unwrap_or(0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.path.join(LEDGER)
    }

    pub(super) fn wal(&self) -> PathBuf {
        self.path.join(LOG)
    }

    pub(super) fn copy(&self) -> PathBuf {
        self.path.join(COPY)
    }

    /// The copy from before the store left version `version`.
    pub(super) fn version_copy(&self, version: i64) -> PathBuf {
        self.path.join(format!("ledger-v{version}.db"))
    }

    /// A file of the ledger that is there although the ledger is not: this is no first start.
    pub(super) fn leftover(&self) -> io::Result<Option<PathBuf>> {
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let text = name.to_string_lossy();
            // What was being written when the power went was never a ledger, nor was the journal of its writing; an index of a log
            // that is gone holds nothing.
            if text.starts_with("ledger") && !text.contains(".new") && !text.ends_with("-shm") {
                return Ok(Some(self.path.join(name)));
            }
        }
        Ok(None)
    }

    /// Moves a damaged or foreign ledger aside, for whoever wants to look at it. The log goes first: beside another ledger it would
    /// be taken for that one's.
    pub(super) fn move_ledger_aside(&self) -> io::Result<()> {
        move_aside(&self.path, "ledger")
    }

    /// An empty file beside `target`, readable by its owner only, to be filled and then put in place.
    pub(super) fn scratch(&self, target: &Path) -> io::Result<PathBuf> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        // What an earlier attempt left, its journal before it: beside another file it would be taken for that one's.
        for behind in ["-journal", "-wal", "-shm", ""] {
            let mut left = name.clone();
            left.push(behind);
            match fs::remove_file(self.path.join(left)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let path = self.path.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        give_to_owner(&file, &self.path);
        Ok(path)
    }

    /// Puts a filled scratch file in place: after a power cut the old file is there or the new one, whole.
    pub(super) fn put(&self, scratch: &Path, target: &Path) -> io::Result<()> {
        File::open(scratch)?.sync_all()?;
        fs::rename(scratch, target)?;
        sync_folder(&self.path)
    }
}

fn noted(lock: &File) -> Option<u64> {
    let time = lock.metadata().and_then(|meta| meta.modified()).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since.subsec_nanos() == NOTED).then_some(since.as_secs())
}
