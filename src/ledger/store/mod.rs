//! The store: `ledger.db` in the state folder (SQLite), its copy, and what happens where either is not what it should be.
//!
//! | table | a row | written |
//! |---|---|---|
//! | `ledger` | one: schema version, generation, last commit, machine, when it was moved away, number of meters and clients | each commit |
//! | `meter` | a meter: id, name, and its figure (published, offset, register, step, times, serial number, integral) | each commit that moved it |
//! | `memory` | a meter's memory: what the guard learned, its epochs, a hold; one JSON text | when it changes |
//! | `client` | a client: its figure, its members, what Arkreen accepted | when members change; accepted figures once an hour |
//! | `journal` | a decision, or a spell of similar ones; refers to meters by id | with the decision |
//!
//! A commit is one transaction with `synchronous = FULL` in WAL mode. Each row ends with a CRC32, as SQLite does not notice a flipped byte
//! in a value. `ledger-copy.db` is a whole copy, written after each decision and once a day. Both have a generation, and the intact one
//! with the higher generation is opened. An older copy loses nothing where no decision came after it: the meter keeps its register.
//!
//! Blocking: the ledger's task calls it on a thread of its own.

mod backup;
mod contents;
mod error;
mod files;
mod folder;
mod opening;
mod rows;
mod schema;
mod snapshot;
#[cfg(test)]
mod tests;
mod v1;
mod values;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

pub use crate::storage::StoreError;
pub use backup::{Restored, Saving, backup, restore};
pub use contents::{Contents, JournalQuery, StoredMeter};
pub use error::{BackupError, OpenError};
pub use folder::in_use;
pub use rows::{ClientRow, Commit, JournalRow, MemoryRow, MeterId, MeterRow};
pub use snapshot::{LedgerSnapshot, LedgerView};

use crate::clock::ClockReading;
use crate::storage::{FileId, file_id};
use crate::units::Name;
use contents::Intact;
use files::{fill, save_as, settle};
use folder::Folder;
use opening::{Found, Target};
use rows::LedgerRow;

/// Rows that the journal keeps; the oldest are deleted first.
pub const JOURNAL_ROWS: i64 = 100_000;
/// The copy is written again when it is older than this, whether anything was decided or not.
const COPY_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// False only where nothing has to outlive the process (`replay`): then no commit waits for the disk.
    pub durable: bool,
    /// What this machine is known by (`machine::mark`); absent where it has no identity.
    pub machine: Option<String>,
}

/// An open ledger: ours alone until it is dropped. Dropping it commits nothing.
pub struct Store {
    folder: Folder,
    connection: Connection,
    options: StoreOptions,
    /// The open files of the ledger and of its log, which is created with the first commit.
    files: (Option<FileId>, Option<FileId>),
    ledger: LedgerRow,
    copied_at: Option<ClockReading>,
    copy_due: bool,
}

/// A store just opened.
pub struct Opened {
    /// The store.
    pub store: Store,
    /// What is in it.
    pub contents: Contents,
    /// Why the copy took the ledger's place, or an earlier commit the latest one's; absent when all was well.
    pub fell_back: Option<String>,
    /// The ledger was begun on another machine: this may be a cloned disk.
    pub other_machine: bool,
    /// When the ledger was moved to another machine.
    pub retired: Option<Timestamp>,
}

impl Store {
    /// Opens the ledger in that folder, or creates one where nothing of one is left.
    ///
    /// # Errors
    /// When it is in use, newer than this program, damaged together with its copy, or cannot be read or written.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Opened, OpenError> {
        Store::open_with(path, options, &Target::current())
    }

    fn open_with(path: &Path, options: StoreOptions, target: &Target<'_>) -> Result<Opened, OpenError> {
        let folder = Folder::take(path)?;
        let path = folder.ledger();
        let Found { connection, intact, fell_back } = opening::open(&folder, target)?;
        let Intact { contents, mut ledger } = intact;
        settle(&connection, options.durable).map_err(|error| OpenError::store("open", &path, error))?;
        let other_machine = opening::claim(&connection, &mut ledger, options.machine.as_deref());
        let retired = ledger.retired;
        if retired.is_some() && options.durable {
            opening::retire_copy(&connection, &folder);
        }
        let files = (file_id(&path).ok().flatten(), None);
        let store = Store { folder, connection, options, files, ledger, copied_at: None, copy_due: true };
        Ok(Opened { store, contents, fell_back, other_machine, retired })
    }

    /// One transaction, in files that a restart will find.
    ///
    /// # Errors
    /// When it is not on disk; nothing of it is then in the ledger. [`StoreError::Removed`] where somebody took the files away: what is
    /// written into them is lost with the process, so the daemon has to stop.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.check_in_place()?;
        let mut ledger = self.ledger.clone();
        if commit.retire {
            ledger.retired = Some(commit.at.wall);
        }
        if commit.adopt && self.options.machine.is_some() {
            ledger.machine.clone_from(&self.options.machine);
        }
        write(&mut self.connection, commit, &mut ledger).map_err(|error| self.unwritten(error))?;
        self.ledger = ledger;
        self.copy_due |= commit.copy;
        if self.files.1.is_none() {
            self.files.1 = file_id(&self.folder.log()).ok().flatten();
        }
        // They may have been taken away meanwhile.
        self.check_in_place()
    }

    /// Writes `ledger-copy.db` again where a decision or a day has passed since the last time; true when it did.
    ///
    /// # Errors
    /// When it was not written; the older copy is still there.
    pub fn copy_if_due(&mut self, now: &ClockReading) -> Result<bool, StoreError> {
        let aged = self.copied_at.is_none_or(|at| now.since(&at).is_none_or(|age| age >= COPY_EVERY));
        // A store that nothing outlives needs no copy.
        if !self.options.durable || !self.copy_due && !aged {
            return Ok(false);
        }
        save_as(&self.connection, &self.folder, &self.folder.copy())?;
        (self.copied_at, self.copy_due) = (Some(*now), false);
        Ok(true)
    }

    /// What is on disk now.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn view(&self) -> Result<LedgerView, StoreError> {
        let ours = self.options.machine.as_deref();
        contents::read(&self.connection).map(|intact| LedgerView::of(intact, ours)).map_err(|fault| self.unread(fault))
    }

    /// Entries of the journal, the newest first. One that fails its checksum is there as `unreadable`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        contents::journal(&self.connection, query).map_err(|error| self.unread(error.into()))
    }

    /// The meters' names by their ids.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn names(&self) -> Result<BTreeMap<MeterId, Name>, StoreError> {
        contents::names(&self.connection).map_err(|fault| self.unread(fault))
    }

    /// A whole copy of the ledger in a file without a name, to be read from its beginning.
    ///
    /// # Errors
    /// When the disk has no room for it.
    pub fn unnamed_copy(&self) -> Result<File, StoreError> {
        let target = self.folder.path().join("ledger-backup.db");
        let failed = |error| StoreError::file(&target, error);
        let scratch = self.folder.scratch(&target).map_err(failed)?;
        let filled = fill(&self.connection, &scratch).map_err(|error| StoreError::write(&target, error));
        let opened = filled.and_then(|()| File::open(&scratch).map_err(failed));
        folder::remove_store(&scratch).map_err(failed)?;
        opened
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Closes it: one file, no log beside it.
    ///
    /// # Errors
    /// When the log could not be checkpointed; everything that was committed is on disk.
    pub fn close(self) -> Result<(), StoreError> {
        let ledger = self.folder.ledger();
        self.connection.close().map_err(|(_, error)| StoreError::write(&ledger, error))
    }

    /// Somebody may have deleted or replaced the files under their names.
    fn check_in_place(&self) -> Result<(), StoreError> {
        let log = self.files.1.map(|id| (self.folder.log(), id));
        let ledger = self.files.0.map(|id| (self.folder.ledger(), id));
        for (path, ours) in ledger.into_iter().chain(log) {
            if file_id(&path).map_err(|error| StoreError::file(&path, error))? != Some(ours) {
                return Err(StoreError::Removed { path });
            }
        }
        Ok(())
    }

    /// Makes each write fail, or not any more.
    #[cfg(test)]
    pub(super) fn fail_writes(&self, fail: bool) {
        self.connection.pragma_update(None, "query_only", fail).unwrap();
    }

    fn unwritten(&self, error: rusqlite::Error) -> StoreError {
        StoreError::write(&self.folder.ledger(), error)
    }

    fn unread(&self, fault: crate::storage::StoreFault) -> StoreError {
        snapshot::unread(fault)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({}, generation {})", self.folder.path().display(), self.ledger.generation)
    }
}

/// Writes one commit, all of it or nothing. `ledger` has what the commit changes about the ledger as a whole.
fn write(connection: &mut Connection, commit: &Commit, ledger: &mut LedgerRow) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    values::write(&transaction, &commit.meters)?;
    values::write(&transaction, &commit.memories)?;
    values::write(&transaction, &commit.clients)?;
    values::write(&transaction, &commit.journal)?;
    if let Some(newest) = commit.journal.iter().map(|row| row.id).max() {
        transaction.execute("DELETE FROM journal WHERE id <= ?1", [newest - JOURNAL_ROWS])?;
    }
    ledger.generation += 1;
    ledger.at = Some(commit.at);
    contents::write_ledger_row(&transaction, ledger)?;
    transaction.commit()
}
