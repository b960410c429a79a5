//! The store: `ledger.db` in the state folder (SQLite), its copy, and what happens where either is not what it should be.
//!
//! | table | a row | written |
//! |---|---|---|
//! | `ledger` | one: schema version, generation, last commit, machine, when it was moved away, number of meters and clients | each commit |
//! | `meter` | a meter: id, name, and its figure (published, offset, register, step, times, serial number, integral) | each commit that moved it |
//! | `memory` | a meter's memory: what the guard learned, its epochs, a hold; as JSON | when it changes |
//! | `client` | a client: its figure, its members, what Arkreen accepted | when members change; accepted figures once an hour |
//! | `journal` | a decision, or a series of similar ones; refers to meters by id | with the decision |
//!
//! A commit is one transaction with `synchronous = FULL` in WAL mode. Each row ends with a CRC32, as SQLite does not notice a flipped byte
//! in a value. `ledger-copy.db` is a whole copy, written after each decision and once a day. Both have a generation, and the intact one
//! with the higher generation is opened. An older copy loses nothing if no decision came after it: the meter keeps its register.
//!
//! Blocking: the ledger's task calls it on a blocking thread.

mod backup;
mod checked;
mod contents;
mod error;
mod files;
mod folder;
mod opening;
pub mod resize;
mod rows;
mod schema;
mod shards;
#[cfg(test)]
mod tests;
mod v1;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

pub use crate::storage::StoreError;
pub use backup::{Restored, Saving, restore};
pub use contents::{Contents, JournalQuery, MAX_ENTRIES};
pub use error::{BackupError, OpenError};
pub use folder::in_use;
pub use opening::LedgerSnapshot;
pub use rows::{ClientRow, Commit, JournalRow, LedgerRow, MeterId, MeterRow};
pub use shards::{NewLedger, begin as begin_shards, check_elsewhere};

use super::ReportingBlock;
use crate::clock::ClockReading;
use crate::storage::{FileId, StoreFault, close, file_id, remove_store};
use files::{fill, save_as, settle};
use folder::Folder;
use opening::{Found, Origin};
use schema::Schema;

/// Rows that the journal keeps; the oldest are deleted first.
pub const JOURNAL_ROWS: i64 = 100_000;
/// The copy is written again when it is older than this, whether anything was decided or not.
const COPY_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// False only where nothing has to outlive the process (`replay`): then no commit waits for the disk.
    pub durable: bool,
    /// What the owner is known by (`machine::owner`): a shard or this machine; absent if the machine has no identity.
    pub machine: Option<String>,
}

/// An open ledger, which nobody else can open until it is dropped. Dropping it commits nothing.
#[derive(Debug)]
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
    /// Why the copy took the ledger's place, or why the ledger continues from an earlier commit; absent if neither was necessary.
    pub fell_back: Option<String>,
    /// Why nothing at all may be reported from it.
    pub block: Option<ReportingBlock>,
}

impl Store {
    /// Opens the ledger in that folder, or creates one if there are no files of one.
    ///
    /// # Errors
    /// When it is in use, newer than this program, damaged together with its copy, or cannot be read or written.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Opened, OpenError> {
        Store::open_with(path, options, &Schema::current())
    }

    fn open_with(path: &Path, options: StoreOptions, schema: &Schema) -> Result<Opened, OpenError> {
        shards::check_begun(path, options.machine.as_deref())?;
        let folder = Folder::take(path)?;
        let path = folder.ledger();
        let Found { connection, contents, origin } = opening::open(&folder, schema)?;
        shards::check_owner(folder.path(), &contents.ledger, options.machine.as_deref())?;
        settle(&connection, options.durable).map_err(|error| OpenError::of("open", &path, error))?;
        let files = (file_id(&path).ok().flatten(), None);
        let ledger = contents.ledger.clone();
        let mut store = Store { folder, connection, options, files, ledger, copied_at: None, copy_due: true };
        store.claim();
        let block = ReportingBlock::of(&store.ledger, store.options.machine.as_deref());
        if block.is_some() {
            store.retire_copy();
        }
        let fell_back = match origin {
            Origin::Copy(why) | Origin::Earlier(why) => Some(why),
            Origin::Ledger | Origin::Backup => None,
        };
        Ok(Opened { store, contents, fell_back, block })
    }

    /// Writes one transaction.
    ///
    /// # Errors
    /// When it is not on disk; nothing of it is then in the ledger. [`StoreError::Removed`] if the files were removed or replaced:
    /// what is written to them is lost with the process, so the daemon has to stop.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.check_in_place()?;
        let mut ledger = self.ledger.clone();
        if commit.retire {
            ledger.retired = Some(commit.at.wall);
        }
        if commit.adopt && self.options.machine.is_some() {
            ledger.machine.clone_from(&self.options.machine);
        }
        write(&mut self.connection, commit, &mut ledger).map_err(StoreError::write(&self.folder.ledger()))?;
        self.ledger = ledger;
        self.copy_due |= commit.copy;
        if self.files.1.is_none() {
            self.files.1 = file_id(&self.folder.log()).ok().flatten();
        }
        // They may have been removed meanwhile.
        self.check_in_place()
    }

    /// Writes `ledger-copy.db` again if a decision was committed or a day has passed since the last time; true when it did.
    ///
    /// # Errors
    /// When it was not written; the older copy is still there.
    pub fn copy_if_due(&mut self, now: &ClockReading) -> Result<bool, StoreError> {
        let aged = self.copied_at.is_none_or(|at| now.since(&at).is_none_or(|age| age >= COPY_EVERY));
        // A store that nothing outlives needs no copy.
        if !self.options.durable || !self.copy_due && !aged {
            return Ok(false);
        }
        self.copy()?;
        (self.copied_at, self.copy_due) = (Some(*now), false);
        Ok(true)
    }

    /// What is on disk now.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn contents(&self) -> Result<Contents, StoreError> {
        Ok(Contents::read(&self.connection)?)
    }

    /// Entries of the journal, the newest first. One that fails its checksum is there as `unreadable`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        query.read(&self.connection).map_err(|error| StoreFault::from(error).into())
    }

    /// A whole copy of the ledger in a file without a name, to be read from its beginning.
    ///
    /// # Errors
    /// When the disk has no room for it.
    pub fn unnamed_copy(&self) -> Result<File, StoreError> {
        let target = self.folder.path().join("ledger-backup.db");
        let scratch = self.folder.scratch(&target).map_err(StoreError::write(&target))?;
        let filled = fill(&self.connection, &scratch).map_err(StoreError::write(&target));
        let opened = filled.and_then(|()| File::open(&scratch).map_err(StoreError::write(&target)));
        remove_store(&scratch).map_err(StoreError::write(&target))?;
        opened
    }

    /// Closes it: one file, no log beside it.
    ///
    /// # Errors
    /// When the log could not be checkpointed; everything that was committed is on disk.
    pub fn close(self) -> Result<(), StoreError> {
        close(self.connection).map_err(StoreError::write(&self.folder.ledger()))
    }

    /// Notes this machine in a ledger that belongs to none yet.
    fn claim(&mut self) {
        if self.ledger.machine.is_some() || self.options.machine.is_none() {
            return;
        }
        self.ledger.machine.clone_from(&self.options.machine);
        // On a full disk it is noted with the next commit.
        if let Err(error) = self.ledger.write(&self.connection) {
            tracing::warn!(%error, "the ledger cannot note which machine it is on");
        }
    }

    /// A ledger that was moved away must not come back from an earlier copy.
    fn retire_copy(&self) {
        let retired = || opening::copied(&self.folder.copy()).is_some_and(|copy| copy.retired.is_some());
        if self.ledger.retired.is_none() || !self.options.durable || retired() {
            return;
        }
        if let Err(error) = self.copy() {
            tracing::error!(%error, "the copy of the ledger does not say yet that the ledger was moved away");
        }
    }

    fn copy(&self) -> Result<(), StoreError> {
        let copy = self.folder.copy();
        save_as(&self.connection, &self.folder, &copy).map_err(StoreError::write(&copy))
    }

    /// Fails if the open files were deleted or replaced.
    fn check_in_place(&self) -> Result<(), StoreError> {
        for (path, ours) in [(self.folder.ledger(), self.files.0), (self.folder.log(), self.files.1)] {
            if ours.is_some() && file_id(&path).map_err(StoreError::write(&path))? != ours {
                return Err(StoreError::Removed { path });
            }
        }
        self.folder.check_lock()
    }

    /// Makes each write fail, or not any more.
    #[cfg(test)]
    pub(super) fn fail_writes(&self, fail: bool) {
        self.connection.pragma_update(None, "query_only", fail).unwrap();
    }
}

/// Writes one commit, all of it or nothing. `ledger` has what the commit changes about the ledger as a whole.
fn write(connection: &mut Connection, commit: &Commit, ledger: &mut LedgerRow) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    MeterRow::write(&transaction, &commit.meters)?;
    let changed = commit.meters.iter().filter(|row| commit.memories.contains(&row.id));
    MeterRow::write_memories(&transaction, changed)?;
    ClientRow::write(&transaction, &commit.clients)?;
    JournalRow::write(&transaction, &commit.journal)?;
    if let Some(newest) = commit.journal.iter().map(|row| row.id).max() {
        transaction.execute("DELETE FROM journal WHERE id <= ?1", [newest - JOURNAL_ROWS])?;
    }
    ledger.generation += 1;
    ledger.at = Some(commit.at);
    ledger.write(&transaction)?;
    transaction.commit()
}
