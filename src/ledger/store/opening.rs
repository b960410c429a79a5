//! Opens what is in the state folder: a first start, an intact ledger, an older one, a damaged one, a newer one.

use std::fs;

use rusqlite::{Connection, MAIN_DB};
use rusqlite_migration::Migrations;

use super::contents::{self, Intact};
use super::error::OpenError;
use super::files::{connect_alone, connect_to_read, fill, save_as};
use super::folder::Folder;
use super::rows::{Commit, JournalRow, LedgerRow, MemoryRow, MeterRow};
use super::schema::{self, VERSION};
use super::write;
use crate::clock::Clock;
use crate::guard::GuardState;
use crate::storage::{StoreError, StoreFault, connect, file_id};

/// Small pages: the log takes each page that a commit touches, whole.
const PAGE_SIZE: u32 = 1024;

/// The schema that a store is led to.
pub(super) struct Target<'a> {
    pub version: i64,
    pub steps: Migrations<'a>,
}

impl Target<'static> {
    /// This program's.
    pub(super) fn current() -> Self {
        Target { version: VERSION, steps: schema::migrations() }
    }
}

/// An open ledger.
pub(super) struct Found {
    pub connection: Connection,
    pub intact: Intact,
    /// Why its meters are unconfirmed, if they just became so.
    pub fell_back: Option<String>,
}

/// Opens the ledger or its copy: of those that are intact, the one with the higher generation.
pub(super) fn open(folder: &Folder, target: &Target<'_>) -> Result<Found, OpenError> {
    let (connection, intact) = match open_ledger(folder, target)? {
        Ok(found) => found,
        Err(why) => return fall_back(folder, &why, target),
    };
    if copied(folder, target).is_none_or(|copy| copy.generation <= intact.ledger.generation) {
        return Ok(Found { connection, intact, fell_back: None });
    }
    // Closed before another file takes its name.
    drop(connection);
    let why = "it is older than its own copy";
    match fall_back(folder, why, target) {
        // The copy is damaged: the ledger goes on from an earlier commit.
        Err(OpenError::Damaged { .. }) => go_back(folder, why, target),
        other => other,
    }
}

/// The ledger's own file, created where nothing of a ledger is there; or why it cannot be used.
fn open_ledger(folder: &Folder, target: &Target<'_>) -> Result<Result<(Connection, Intact), String>, OpenError> {
    let ledger = folder.ledger();
    let unseen = |error| OpenError::file("read", &ledger, error);
    if file_id(&ledger).map_err(unseen)?.is_none() {
        if let Some(left) = folder.leftover().map_err(unseen)? {
            return Ok(Err(format!("it is missing, though {} is there", left.display())));
        }
        begin(folder)?;
    }
    let opened = connect_alone(&ledger).map_err(StoreFault::from).and_then(|mut connection| {
        upgrade(&mut connection, folder, target)?;
        let intact = contents::inspect(&connection)?;
        Ok((connection, intact))
    });
    match opened {
        Ok((connection, intact)) => {
            if connection.is_readonly(MAIN_DB).unwrap_or(false) {
                // SQLite opens a file read-only where it may not write it, and where a damaged header says so.
                let writable = fs::OpenOptions::new().write(true).open(&ledger);
                writable.map_err(|error| OpenError::file("write", &ledger, error))?;
                return Ok(Err("its header says that it cannot be written".into()));
            }
            Ok(Ok((connection, intact)))
        }
        Err(StoreFault::Damaged(why)) => Ok(Err(why)),
        Err(StoreFault::Newer(found)) => Err(newer(folder, found)),
        Err(StoreFault::Unreadable(error)) => Err(OpenError::store("open", &ledger, error)),
    }
}

/// Creates an empty ledger.
fn begin(folder: &Folder) -> Result<(), OpenError> {
    let ledger = folder.ledger();
    let failed = |error| OpenError::file("create the ledger", &ledger, error);
    let scratch = folder.scratch(&ledger).map_err(failed)?;
    let made = (|| {
        let mut connection = connect(&scratch)?;
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        schema::create(&mut connection)?;
        connection.close().map_err(|(_, error)| error)?;
        Ok(())
    })();
    made.map_err(|fault: StoreFault| match fault {
        StoreFault::Unreadable(error) => OpenError::store("create the ledger", &ledger, error),
        fault => OpenError::of(&ledger, fault),
    })?;
    folder.put(&scratch, &ledger).map_err(failed)
}

/// Brings a store of an older version up to this program's; the older one is kept as `ledger-vN.db`.
fn upgrade(connection: &mut Connection, folder: &Folder, target: &Target<'_>) -> Result<(), StoreFault> {
    let found = schema::version(connection, target.version)?;
    if found == target.version {
        return Ok(());
    }
    let kept = folder.version_copy(found);
    save_as(connection, folder, &kept).map_err(|error| match error {
        StoreError::Write { source, .. } | StoreError::Read { source, .. } => StoreFault::Unreadable(source),
        other => StoreFault::Unreadable(rusqlite::Error::ToSqlConversionFailure(other.into())),
    })?;
    tracing::info!(from = found, to = target.version, copy = %kept.display(), "the ledger is upgraded to this version's schema");
    schema::migrate(connection, &target.steps)
}

/// The copy takes the ledger's place; its meters are unconfirmed until their registers were taken.
fn fall_back(folder: &Folder, why: &str, target: &Target<'_>) -> Result<Found, OpenError> {
    let (ledger, copy) = (folder.ledger(), folder.copy());
    let hopeless = |copy: String| OpenError::Damaged { path: folder.ledger(), why: why.to_owned(), copy };
    let failed = |error| OpenError::file("put the copy in the place of", &ledger, error);
    if file_id(&copy).map_err(failed)?.is_none() {
        return Err(hopeless(format!("there is no copy {}", copy.display())));
    }
    let scratch = folder.scratch(&ledger).map_err(failed)?;
    let taken = (|| {
        fill(&connect_to_read(&copy)?, &scratch)?;
        let mut connection = connect(&scratch)?;
        upgrade(&mut connection, folder, target)?;
        let intact = contents::inspect(&connection)?;
        mark_unconfirmed(&mut connection, intact, Origin::Copy { why })?;
        Ok(connection.close().map_err(|(_, error)| error)?)
    })();
    match taken {
        Ok(()) => {}
        Err(StoreFault::Damaged(why)) => return Err(hopeless(format!("so is its copy {} ({why})", copy.display()))),
        Err(StoreFault::Newer(found)) => return Err(newer(folder, found)),
        Err(StoreFault::Unreadable(error)) => return Err(OpenError::store("read the copy", &copy, error)),
    }
    folder.move_ledger_aside().map_err(failed)?;
    folder.put(&scratch, &ledger).map_err(failed)?;
    reopened(folder, why)
}

/// An intact ledger that lost its latest commits goes on; its meters are unconfirmed until their registers were taken.
fn go_back(folder: &Folder, why: &str, target: &Target<'_>) -> Result<Found, OpenError> {
    let mut connection =
        connect_alone(&folder.ledger()).map_err(|error| OpenError::of(&folder.ledger(), error.into()))?;
    let marked = contents::inspect(&connection).and_then(|mut intact| {
        let copy = copied(folder, target).map_or(0, |copy| copy.generation);
        intact.ledger.generation = intact.ledger.generation.max(copy);
        mark_unconfirmed(&mut connection, intact, Origin::Rest { why })
    });
    marked.map_err(|fault| OpenError::of(&folder.ledger(), fault))?;
    drop(connection);
    reopened(folder, why)
}

fn reopened(folder: &Folder, why: &str) -> Result<Found, OpenError> {
    let opened = connect_alone(&folder.ledger()).map_err(StoreFault::from).and_then(|connection| {
        let intact = contents::inspect(&connection)?;
        Ok(Found { connection, intact, fell_back: Some(why.to_owned()) })
    });
    opened.map_err(|fault| OpenError::of(&folder.ledger(), fault))
}

/// Where a ledger's contents came from.
pub(super) enum Origin<'a> {
    /// The copy beside it, because it was damaged.
    Copy { why: &'a str },
    /// What is left of the ledger, because its latest commits are lost.
    Rest { why: &'a str },
    /// A backup, because the operator said so; one that `ledger move` wrote was given to this machine.
    Backup,
}

/// Says in the store itself that its figures may be older than what was published, and that this happened.
pub(super) fn mark_unconfirmed(
    connection: &mut Connection,
    intact: Intact,
    origin: Origin<'_>,
) -> Result<(), StoreFault> {
    let Intact { contents, mut ledger } = intact;
    // A ledger without a commit has no meters, and nothing to mark.
    let Some(at) = ledger.at else { return Ok(()) };
    let then = at.wall.strftime("%Y-%m-%d %H:%M:%SZ");
    let now = Clock::system().now().wall;
    let moved = ledger.retired.is_some();
    let (word, reason) = match &origin {
        Origin::Copy { why } => {
            ("fallback", format!("the ledger was damaged ({why}): its copy of {then} took its place"))
        }
        Origin::Rest { why } => {
            ("fallback", format!("the latest commits of the ledger are lost ({why}): it goes on from {then}"))
        }
        Origin::Backup if moved => {
            ("restore", format!("a ledger that was moved here, of {then}, took the ledger's place"))
        }
        Origin::Backup => ("restore", format!("a backup of {then} took the ledger's place")),
    };
    if matches!(origin, Origin::Backup) && moved {
        // Given away by one machine, it belongs to the next that opens it.
        (ledger.retired, ledger.machine) = (None, None);
    }
    let mut commit = Commit { copy: true, ..Commit::empty(at) };
    for meter in contents.meters.into_values() {
        let (id, name, updated) = (meter.id, meter.name, meter.updated);
        let GuardState { figure, memory } = meter.state;
        commit.memories.push(MemoryRow { meter: id, memory, read_at: figure.read_at });
        commit.meters.push(MeterRow { id, name, confirmed: false, updated, figure });
    }
    commit.journal.push(JournalRow {
        id: contents.next_journal,
        meter: None,
        client: None,
        word: word.into(),
        at: now,
        last: now,
        count: 1,
        reason,
        entry: None,
    });
    Ok(write(connection, &commit, &mut ledger)?)
}

/// Whether the ledger belongs to another machine than `ours`; notes ours where it belongs to none yet.
pub(super) fn claim(connection: &Connection, ledger: &mut LedgerRow, ours: Option<&str>) -> bool {
    let Some(ours) = ours else { return false };
    if let Some(theirs) = &ledger.machine {
        return theirs != ours;
    }
    ledger.machine = Some(ours.to_owned());
    // On a full disk it is noted with the next commit.
    if let Err(error) = contents::write_ledger_row(connection, ledger) {
        tracing::warn!(%error, "the ledger cannot note which machine it is on");
    }
    false
}

/// A ledger that was given away must not come back from a copy of before.
pub(super) fn retire_copy(connection: &Connection, folder: &Folder) {
    if copied(folder, &Target::current()).is_some_and(|copy| copy.retired.is_some()) {
        return;
    }
    if let Err(error) = save_as(connection, folder, &folder.copy()) {
        tracing::error!(%error, "the copy of the ledger does not say yet that the ledger was moved away");
    }
}

/// The last commit in the copy, where it can be read; not in a copy of another version.
pub(super) fn copied(folder: &Folder, target: &Target<'_>) -> Option<LedgerRow> {
    let copy = connect_to_read(&folder.copy()).ok()?;
    let version = schema::version(&copy, target.version).ok()?;
    (version >= 2).then(|| contents::ledger_row(&copy).ok()).flatten()
}

fn newer(folder: &Folder, found: i64) -> OpenError {
    let older = folder.version_copy(VERSION);
    let older = older.exists().then_some(older);
    OpenError::Newer { path: folder.ledger(), found, known: VERSION, older }
}
