//! The store: `ledger.db` in the state folder (SQLite), its copy, and what happens where either is not what it should be.
//!
//! Blocking: the ledger's task calls it on a thread of its own.

mod backup;
mod error;
mod files;
mod folder;
mod inspect;
mod journal;
mod look;
mod names;
mod opening;
mod rows;
mod saving;
mod seal;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

pub use crate::storage::StoreError;
pub use backup::{Restored, backup, restore};
pub use error::{BackupError, OpenError};
pub use folder::in_use;
pub use look::Look;
pub use rows::{ClientRow, Commit, Contents, JournalRow, MeterRow, Rename};
pub use saving::Saving;

use crate::clock::ClockReading;
use crate::storage::{FileId, StoreFault, file_id};
use crate::units::Name;
use files::{connect_alone, fill, save_as, settle};
use folder::Folder;
use inspect::{LastCommit, MIGRATIONS, Migration, Whole};
use opening::{Found, claim, damaged, fall_back, find};
use seal::Seals;

/// Rows that the journal keeps; the oldest go first.
pub const JOURNAL_ROWS: i64 = 100_000;
/// The copy is made anew when it is older than this, whether anything was decided or not; and so often the journal is counted.
const COPY_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// False only where nothing has to outlive the process (`replay`): then no commit waits for the disk.
    pub durable: bool,
    /// What this machine is known by (`machine::mark`); absent where it has no identity.
    pub machine: Option<String>,
}

/// An open ledger: ours alone until it is dropped. Dropping it commits nothing.
pub struct Store {
    folder: Folder,
    /// Absent only between two attempts to put the store back in its place.
    connection: Option<Connection>,
    options: Options,
    /// The files that the connection has open; others under their names are not ours.
    files: (Option<FileId>, Option<FileId>),
    seals: Seals,
    sequence: u64,
    retired: Option<Timestamp>,
    copied_at: Option<ClockReading>,
    copy_due: bool,
    counted_at: Option<ClockReading>,
}

/// A store just opened.
pub struct Opened {
    pub store: Store,
    pub contents: Contents,
    /// Why the copy had to stand in for the ledger, or an earlier commit for the latest; absent when all was well.
    pub fell_back: Option<String>,
    /// The ledger was begun on another machine: this may be a cloned disk.
    pub other_machine: bool,
    /// Since when another machine reports from what was this ledger.
    pub retired: Option<Timestamp>,
}

impl Store {
    /// Opens the ledger in that folder, or begins one where nothing of one is left.
    pub fn open(path: &Path, options: Options) -> Result<Opened, OpenError> {
        Store::open_with(path, options, MIGRATIONS)
    }

    fn open_with(path: &Path, options: Options, steps: &[Migration]) -> Result<Opened, OpenError> {
        let folder = Folder::take(path)?;
        let ledger = folder.ledger();
        let (connection, whole, fell_back) = match find(&folder, steps)? {
            Found::Whole(connection, whole) => (connection, *whole, None),
            Found::Behind(connection, whole, why) => (connection, *whole, Some(why)),
            Found::Damaged(why) => {
                let (connection, whole) = fall_back(&folder, &why, steps)?;
                (connection, whole, Some(why))
            }
        };
        let failed = |error| OpenError::store("open", &ledger, error);
        settle(&connection, options.durable).map_err(failed)?;
        let other_machine = claim(&connection, options.machine.as_deref()).map_err(|fault| match fault {
            StoreFault::Unreadable(error) => failed(error),
            other => damaged(&folder, &other.to_string()),
        })?;
        let files = (file_id(&ledger).ok().flatten(), None);
        let Whole { contents, seals, commit } = whole;
        let retired = commit.retired;
        if retired.is_some() && options.durable {
            opening::retire_copy(&connection, &folder);
        }
        let store = Store {
            folder,
            connection: Some(connection),
            options,
            files,
            seals,
            sequence: commit.sequence,
            retired,
            copied_at: None,
            copy_due: true,
            counted_at: None,
        };
        Ok(Opened { store, contents, fell_back, other_machine, retired })
    }

    /// One transaction, in files that a restart will find. When it fails nothing of it can be relied upon.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.keep_in_place()?;
        self.write(commit)?;
        // They may have been taken away meanwhile.
        self.keep_in_place()
    }

    fn write(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let mut seals = self.seals.clone();
        let retired = if commit.retire { Some(commit.at.wall) } else { self.retired };
        let life = Life { sequence: self.sequence + 1, retired };
        let ledger = self.folder.ledger();
        let connection = self.connection.as_mut().ok_or_else(|| gone(&ledger))?;
        let machine = self.options.machine.as_deref().filter(|_| commit.adopt);
        write(connection, commit, life, &mut seals, machine).map_err(|error| StoreError::write(&ledger, error))?;
        (self.seals, self.sequence, self.retired) = (seals, life.sequence, retired);
        self.copy_due |= commit.copy;
        if self.options.durable {
            self.folder.note(life.sequence);
        }
        if self.files.1.is_none() {
            self.files.1 = file_id(&self.folder.wal()).ok().flatten();
        }
        Ok(())
    }

    /// Makes `ledger-copy.db` anew where a decision or a day has passed since the last; true when it did.
    pub fn copy_if_due(&mut self, now: &ClockReading) -> Result<bool, StoreError> {
        let aged = is_aged(self.copied_at, now);
        // A store that nothing outlives needs no copy.
        if !self.options.durable || !self.copy_due && !aged {
            return Ok(false);
        }
        let copy = self.folder.copy();
        let connection = self.connection.as_ref().ok_or_else(|| gone(&copy))?;
        save_as(connection, &self.folder, &copy)?;
        (self.copied_at, self.copy_due) = (Some(*now), false);
        Ok(true)
    }

    /// Reads all of the journal, soon after the start and once a day, and says what is other than it was written: an old page of it that
    /// came back, or a damaged row. Said once, and on the disk as known with the next commit. Nothing is undone for it: no figure comes
    /// from the journal.
    pub fn count_journal_if_due(&mut self, now: &ClockReading) -> Result<Option<String>, StoreError> {
        if !is_aged(self.counted_at, now) {
            return Ok(None);
        }
        // A journal that cannot be read is not tried with each commit.
        self.counted_at = Some(*now);
        let ledger = self.folder.ledger();
        let connection = self.connection.as_ref().ok_or_else(|| gone(&ledger))?;
        match journal::check(connection, self.seals.journal).map_err(StoreFault::from) {
            Ok((tally, lost)) => {
                self.seals.journal = Some(tally);
                Ok(lost)
            }
            Err(StoreFault::Unreadable(error)) => Err(StoreError::read("the ledger's journal", error)),
            Err(fault) => Ok(Some(fault.to_string())),
        }
    }

    /// The latest `limit` rows of the journal, of one meter or of all, the newest first. A row that fails its checksum is told as such.
    pub fn journal(&self, meter: Option<&Name>, limit: u32) -> Result<Vec<JournalRow>, StoreError> {
        let ledger = self.folder.ledger();
        let connection = self.connection.as_ref().ok_or_else(|| gone(&ledger))?;
        journal::latest(connection, meter, i64::MAX, limit).map_err(|error| StoreError::write(&ledger, error))
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the files back in their tidiest form: one file, no log beside it.
    pub fn close(mut self) -> Result<(), StoreError> {
        let ledger = self.folder.ledger();
        let connection = self.connection.take().ok_or_else(|| gone(&ledger))?;
        connection.close().map_err(|(_, error)| StoreError::write(&ledger, error))
    }

    /// Somebody may have deleted or exchanged the files under their names: what is written into them then is lost with the process.
    /// What we have open is the truth, so it is put back in place whole.
    pub fn keep_in_place(&mut self) -> Result<(), StoreError> {
        let ledger = self.folder.ledger();
        let at = |path: &Path| file_id(path).map_err(|error| StoreError::file(path, error));
        if let Some(connection) = &self.connection {
            let log = self.files.1.is_none() || at(&self.folder.wal())? == self.files.1;
            if log && at(&ledger)? == self.files.0 {
                return Ok(());
            }
            let scratch = self.folder.scratch(&ledger).map_err(|error| StoreError::file(&ledger, error))?;
            fill(connection, &scratch).map_err(|error| StoreError::write(&scratch, error))?;
            // Its files have no names any more. Closed before others take those names: closing removes a log by its name.
            self.connection = None;
        }
        let failed = |error| StoreError::file(&ledger, error);
        let scratch = ledger.with_added_extension("new");
        if at(&scratch)?.is_some() {
            self.folder.move_ledger_aside().map_err(failed)?;
            self.folder.put(&scratch, &ledger).map_err(failed)?;
        }
        let connection = connect_alone(&ledger).and_then(|connection| {
            settle(&connection, self.options.durable)?;
            Ok(connection)
        });
        self.connection = Some(connection.map_err(|error| StoreError::write(&ledger, error))?);
        self.files = (at(&ledger)?, None);
        tracing::warn!(path = %ledger.display(), "the ledger's files were removed or exchanged while in use: written anew");
        Ok(())
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({}, commit {})", self.folder.path().display(), self.sequence)
    }
}

/// Where a commit stands in the ledger's life.
#[derive(Clone, Copy, Debug)]
struct Life {
    sequence: u64,
    retired: Option<Timestamp>,
}

/// Writes one commit, all of it or nothing, and what that makes of the seals.
fn write(
    connection: &mut Connection,
    commit: &Commit,
    life: Life,
    seals: &mut Seals,
    machine: Option<&str>,
) -> rusqlite::Result<()> {
    let unsayable = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for rename in &commit.renames {
        names::rename(&transaction, rename, seals)?;
    }
    let mut meter = transaction.prepare(MeterRow::WRITE)?;
    let mut figure = transaction.prepare(MeterRow::FIGURE_WRITE)?;
    for row in &commit.meters {
        let [meter_key, figure_key] = row.seal_keys();
        if row.whole {
            let (values, seal) = seal::sealed(MeterRow::TABLE, row.values().map_err(unsayable)?);
            meter.execute(values)?;
            seals.rows.insert(meter_key, seal);
        }
        let (values, seal) = seal::sealed(MeterRow::FIGURE_TABLE, row.figure_values().map_err(unsayable)?);
        figure.execute(values)?;
        seals.rows.insert(figure_key, seal);
    }
    let mut client = transaction.prepare(ClientRow::WRITE)?;
    for row in &commit.clients {
        let (values, seal) = seal::sealed(ClientRow::TABLE, row.values().map_err(unsayable)?);
        client.execute(values)?;
        seals.rows.insert(row.seal_key(), seal);
    }
    journal::write(&transaction, &commit.journal, &mut seals.journal)?;
    drop((meter, figure, client));
    if let Some(machine) = machine {
        inspect::write_meta(&transaction, "machine", machine.to_owned())?;
    }
    let Life { sequence, retired } = life;
    let last = LastCommit { sequence, seals: seals.sum(), at: Some(commit.at), retired, journal: seals.journal };
    inspect::write_commit(&transaction, &last)?;
    transaction.commit()
}

fn is_aged(at: Option<ClockReading>, now: &ClockReading) -> bool {
    at.is_none_or(|at| now.since(&at).is_none_or(|age| age >= COPY_EVERY))
}

fn gone(path: &Path) -> StoreError {
    StoreError::file(path, std::io::ErrorKind::NotFound.into())
}
