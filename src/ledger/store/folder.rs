//! The state folder: the ledger's files in it, the lock, and how a file gets there whole or not at all.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::OpenError;
use super::resize::Mark;
use crate::files;
use crate::storage::{
    FileId, StoreError, StoreFault, create_private, file_id, give_to_owner, move_aside, remove_store, sync_folder,
};

/// The ledger in a state folder.
pub(super) const LEDGER: &str = "ledger.db";
/// Its copy.
pub(super) const COPY: &str = "ledger-copy.db";
/// Its write-ahead log, which SQLite names.
const LOG: &str = "ledger.db-wal";
/// A held lock is tried this often, for a second in all: a process that was just forked inherits the lock until it executes its own
/// program, and a daemon that was killed may take a moment to end.
const LOCK_TRIES: u32 = 100;
const LOCK_EVERY: Duration = Duration::from_millis(10);

/// A locked state folder. Dropping it releases the lock.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Its lock keeps a second arkmeter out; closing the file releases it.
    lock: File,
}

/// Whether an arkmeter has locked the state folder at `path`, and its process if the lock names it. `None` if it is not locked, or if that
/// cannot be found out. Blocks for up to a second if it is locked.
pub fn in_use(path: &Path) -> Option<Option<u32>> {
    let lock = files::open(&path.join("lock")).ok()?;
    let held = lock_within(|| lock.try_lock_shared()).is_err_and(|error| matches!(error, TryLockError::WouldBlock));
    held.then(|| pid(&lock))
}

fn lock_within(lock: impl Fn() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_EVERY),
            outcome => return outcome,
        }
    }
    lock()
}

/// The process that wrote itself into the lock.
fn pid(mut lock: &File) -> Option<u32> {
    let mut text = String::new();
    Read::take(&mut lock, 16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl Folder {
    /// Locks the folder, or fails with the process that has it. Creates the folder if its parent exists.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        ensure(path)?;
        let folder = Folder::lock(path)?;
        let mark = Mark::read(path).map_err(|error| OpenError::of("read the mark of a resize in", path, error))?;
        match mark {
            None => Ok(folder),
            Some(Mark { from, to, .. }) => Err(OpenError::Resizing { folder: path.to_owned(), from, to }),
        }
    }

    /// The same of a folder that may be marked by a resize. If it is created, it gets the owner of the folder `state`.
    pub(super) fn take_marked(path: &Path, state: &Path) -> Result<Self, OpenError> {
        // The daemon's user must be able to write what root makes.
        if ensure(path)?
            && let Ok(made) = File::open(path)
        {
            give_to_owner(&made, state);
        }
        Folder::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, OpenError> {
        let file = path.join("lock");
        let failed = |fault: StoreFault| OpenError::of("lock the state folder with", &file, fault);
        let mut lock = files::open_own(&file, true).map_err(|error| failed(error.into()))?;
        give_to_owner(&lock, path);
        match lock_within(|| lock.try_lock()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { folder: path.to_owned(), pid: pid(&lock) }),
            Err(TryLockError::Error(error)) => return Err(failed(error.into())),
        }
        // Only to name the holder: on a full disk the lock holds without it.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Folder { path: path.to_owned(), lock })
    }

    /// Fails if this process no longer has the lock: its file was removed or replaced, or a network file system lost it.
    pub(super) fn check_lock(&self) -> Result<(), StoreError> {
        let path = self.path.join("lock");
        let in_place = file_id(&path).map_err(StoreError::write(&path))? == FileId::of(&self.lock).ok();
        // Who has the lock may take it again. One that was lost is taken, or another process has it by now.
        match self.lock.try_lock() {
            Ok(()) if in_place => Ok(()),
            Ok(()) | Err(TryLockError::WouldBlock) => Err(StoreError::LockLost { path }),
            Err(TryLockError::Error(error)) => Err(StoreError::write(&path)(error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.path.join(LEDGER)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    pub(super) fn copy(&self) -> PathBuf {
        self.path.join(COPY)
    }

    /// The copy from before the store left version `version`.
    pub(super) fn version_copy(&self, version: i64) -> PathBuf {
        self.path.join(format!("ledger-v{version}.db"))
    }

    /// An empty file beside `target`, readable by its owner only, to be filled and then put in place.
    pub(super) fn scratch(&self, target: &Path) -> io::Result<PathBuf> {
        let path = target.with_added_extension("new");
        remove_store(&path)?;
        give_to_owner(&create_private(&path)?, &self.path);
        Ok(path)
    }

    /// Puts a filled scratch file in place: after a power cut the old file is there or the new one, whole.
    pub(super) fn put(&self, scratch: &Path, target: &Path) -> io::Result<()> {
        File::open(scratch)?.sync_all()?;
        fs::rename(scratch, target)?;
        sync_folder(&self.path)
    }

    /// Puts a filled scratch file in the place of the ledger, which is kept as `ledger-set-aside.db` for diagnosis.
    pub(super) fn replace_ledger(&self, scratch: &Path) -> io::Result<()> {
        move_aside(&self.path, "ledger")?;
        self.put(scratch, &self.ledger())
    }
}

/// Creates a state folder if its parent exists. True if it did.
pub(super) fn ensure(path: &Path) -> Result<bool, OpenError> {
    let wrong = |problem, remedy| OpenError::Folder { folder: path.to_owned(), problem, remedy };
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(false),
        Ok(_) => Err(wrong("is not a folder", "set `[state] path` to a folder")),
        // Only the folder itself is created: a missing parent may be a disk that is not mounted.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let remedy = "create it, owned by the user that arkmeter runs as, or set `[state] path` to one that exists";
            let made = fs::DirBuilder::new().mode(0o750).create(path);
            made.map(|()| true).map_err(|_| wrong("does not exist and cannot be created", remedy))
        }
        Err(error) => Err(OpenError::of("read the state folder", path, error)),
    }
}

/// A file of a ledger in that folder. Where there is one but no ledger, this is not a first start.
pub(super) fn leftover(folder: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        // A file that was being written when the power failed was never a ledger, and the index of a lost log holds nothing.
        if text.starts_with("ledger") && !text.contains(".new") && !text.ends_with("-shm") {
            return Ok(Some(folder.join(name)));
        }
    }
    Ok(None)
}
