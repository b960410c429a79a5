//! What is done about what lies in the folder: a first start, a whole ledger, an older one, a damaged one, a newer one.

use std::fs;

use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::error::OpenError;
use super::files::{connect_alone, fill, save_as};
use super::folder::Folder;
use super::inspect::{self, LastCommit, Migration, VERSION, Whole};
use super::rows::{Commit, JournalRow, MeterRow};
use super::{Life, write};
use crate::clock::Clock;
use crate::storage::{StoreError, StoreFault, connect, file_id};

/// Small pages: the log takes each page that a commit touches, whole.
const PAGE_SIZE: u32 = 1024;

pub(super) enum Found {
    Whole(Connection, Box<Whole>),
    /// Whole, and older than it was: why it is known to be, its meters unconfirmed.
    Behind(Connection, Box<Whole>, String),
    Damaged(String),
}

/// The ledger as it lies in the folder: whole, begun anew, or damaged.
pub(super) fn find(folder: &Folder, steps: &[Migration]) -> Result<Found, OpenError> {
    let ledger = folder.ledger();
    let looked = |error| OpenError::file("look at", &ledger, error);
    if file_id(&ledger).map_err(looked)?.is_none() {
        if let Some(left) = folder.leftover().map_err(looked)? {
            return Ok(Found::Damaged(format!("it is missing, though {} is there", left.display())));
        }
        begin(folder)?;
    }
    let opened = connect_alone(&ledger).map_err(StoreFault::from).and_then(|connection| {
        let mut connection = connection;
        let found = inspect::version(&connection, 1 + steps.len() as i64)?;
        Ok((lift(&mut connection, folder, found, steps)?, connection))
    });
    let checked = opened.and_then(|((), connection)| {
        let whole = inspect::inspect(&connection)?;
        Ok((connection, whole))
    });
    match checked {
        Ok((connection, whole)) => is_latest(folder, connection, whole),
        Err(StoreFault::Damaged(why)) => Ok(Found::Damaged(why)),
        Err(StoreFault::Newer(found)) => Err(newer(folder, found)),
        Err(StoreFault::Unreadable(error)) => Err(OpenError::store("open", &ledger, error)),
    }
}

/// A whole ledger may still be an older one: its log lost its end, or somebody put a former file there.
fn is_latest(folder: &Folder, connection: Connection, whole: Whole) -> Result<Found, OpenError> {
    let (ledger, sequence, noted) = (folder.ledger(), whole.commit.sequence, folder.noted());
    if copy_sequence(folder).is_some_and(|copied| copied > sequence) {
        return Ok(Found::Damaged("it is older than its own copy".into()));
    }
    if connection.is_readonly(MAIN_DB).unwrap_or(false) {
        // SQLite opens a file read-only where it may not write it, and where a damaged header says so.
        fs::OpenOptions::new().write(true).open(&ledger).map_err(|error| OpenError::file("write", &ledger, error))?;
        return Ok(Found::Damaged("its header says that it cannot be written".into()));
    }
    match whole.commit.at {
        _ if sequence >= noted => Ok(Found::Whole(connection, Box::new(whole))),
        None => Ok(Found::Damaged(format!("nothing is left of its {noted} commits"))),
        Some(_) => go_back(folder, connection, whole, noted),
    }
}

/// What is left of a ledger that lost its latest commits goes on where the copy is not newer.
fn go_back(folder: &Folder, mut connection: Connection, mut whole: Whole, noted: u64) -> Result<Found, OpenError> {
    let why = format!("it ends with commit {}, and {noted} were on the disk", whole.commit.sequence);
    whole.commit.sequence = noted;
    let marked = mark_unconfirmed(&mut connection, whole, Origin::Rest { why: &why });
    match marked.and_then(|()| inspect::inspect(&connection)) {
        Ok(whole) => Ok(Found::Behind(connection, Box::new(whole), why)),
        Err(StoreFault::Unreadable(error)) => Err(OpenError::store("write", &folder.ledger(), error)),
        Err(fault) => Ok(Found::Damaged(fault.to_string())),
    }
}

/// Brings a store of an older version up to this program's, a copy of it kept.
pub(super) fn lift(
    connection: &mut Connection,
    folder: &Folder,
    found: i64,
    steps: &[Migration],
) -> Result<(), StoreFault> {
    if found == 1 + steps.len() as i64 {
        return Ok(());
    }
    let kept = folder.version_copy(found);
    save_as(connection, folder, &kept).map_err(|error| match error {
        StoreError::Write { source, .. } | StoreError::Read { source, .. } => StoreFault::Unreadable(source),
        StoreError::File { source, .. } => {
            StoreFault::Unreadable(rusqlite::Error::ToSqlConversionFailure(source.into()))
        }
    })?;
    tracing::info!(from = found, copy = %kept.display(), "the ledger is brought to this version's form");
    inspect::migrate(connection, found, steps).map_err(StoreFault::Unreadable)
}

/// A new, empty ledger.
pub(super) fn begin(folder: &Folder) -> Result<(), OpenError> {
    let ledger = folder.ledger();
    let failed = |error| OpenError::file("begin the ledger", &ledger, error);
    let scratch = folder.scratch(&ledger).map_err(failed)?;
    let made = connect(&scratch).and_then(|mut connection| {
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        inspect::create_tables(&mut connection)?;
        connection.close().map_err(|(_, error)| error)
    });
    made.map_err(|error| OpenError::store("begin the ledger", &ledger, error))?;
    folder.note(0);
    folder.put(&scratch, &ledger).map_err(failed)
}

/// The last good copy takes the ledger's place; its meters are unconfirmed until their registers were taken.
pub(super) fn fall_back(folder: &Folder, why: &str, steps: &[Migration]) -> Result<(Connection, Whole), OpenError> {
    let (ledger, copy) = (folder.ledger(), folder.copy());
    let hopeless = |copy: String| OpenError::Damaged { path: folder.ledger(), why: why.to_owned(), copy };
    let failed = |error| OpenError::file("put the copy in the place of", &ledger, error);
    if file_id(&copy).map_err(failed)?.is_none() {
        return Err(hopeless(format!("there is no copy {}", copy.display())));
    }
    let scratch = folder.scratch(&ledger).map_err(failed)?;
    let taken = (|| {
        let source =
            Connection::open_with_flags(&copy, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        fill(&source, &scratch)?;
        let mut connection = connect(&scratch)?;
        let found = inspect::version(&connection, 1 + steps.len() as i64)?;
        lift(&mut connection, folder, found, steps)?;
        let mut whole = inspect::inspect(&connection)?;
        whole.commit.sequence = whole.commit.sequence.max(folder.noted());
        mark_unconfirmed(&mut connection, whole, Origin::Copy { why })?;
        connection.close().map_err(|(_, error)| error)?;
        Ok(())
    })();
    match taken {
        Ok(()) => {}
        Err(StoreFault::Damaged(why)) => return Err(hopeless(format!("so is its copy {} ({why})", copy.display()))),
        Err(StoreFault::Newer(found)) => return Err(newer(folder, found)),
        Err(StoreFault::Unreadable(error)) => return Err(OpenError::store("read the copy", &copy, error)),
    }
    folder.move_ledger_aside().map_err(failed)?;
    folder.put(&scratch, &ledger).map_err(failed)?;
    let again = connect_alone(&ledger).map_err(StoreFault::from).and_then(|connection| {
        let whole = inspect::inspect(&connection)?;
        Ok((connection, whole))
    });
    again.map_err(|fault| damaged(folder, &fault.to_string()))
}

/// Where a ledger's place was taken from by an older one.
pub(super) enum Origin<'a> {
    /// The copy beside it, because it was damaged.
    Copy { why: &'a str },
    /// What is left of the ledger, because its end is lost.
    Rest { why: &'a str },
    /// A backup, because the operator said so; one that `ledger move` wrote was given to this machine.
    Backup,
}

/// Says in the store itself that its figures may be older than what was published, and that this happened.
pub(super) fn mark_unconfirmed(
    connection: &mut Connection,
    whole: Whole,
    origin: Origin<'_>,
) -> Result<(), StoreFault> {
    let Whole { contents, mut seals, commit: LastCommit { sequence, at, retired, .. } } = whole;
    let moved = retired.is_some();
    // A ledger that never committed has no meters, and nothing to mark.
    let Some(at) = at else { return Ok(()) };
    let then = at.wall.strftime("%Y-%m-%d %H:%M:%SZ");
    let now = Clock::system().now().wall;
    let (word, reason) = match &origin {
        Origin::Copy { why } => {
            ("fallback", format!("the ledger was damaged ({why}): its copy, as of {then}, took its place"))
        }
        Origin::Rest { why } => {
            ("fallback", format!("the end of the ledger is lost ({why}): what is left, as of {then}, goes on"))
        }
        Origin::Backup if moved => {
            ("restore", format!("a ledger that was moved here, as of {then}, took the ledger's place"))
        }
        Origin::Backup => ("restore", format!("a backup, as of {then}, took the ledger's place")),
    };
    let retired = retired.filter(|_| !matches!(origin, Origin::Backup));
    let meters = contents.meters.into_values().map(|row| MeterRow { confirmed: false, whole: true, ..row }).collect();
    let row = JournalRow {
        id: contents.next_journal,
        meter: None,
        word: word.into(),
        at: now,
        last: now,
        count: 1,
        reason,
        entry: None,
    };
    let commit = Commit { meters, journal: vec![row], copy: true, ..Commit::empty(at) };
    let nobody = matches!(origin, Origin::Backup) && moved;
    // Given away by one machine, it is that of the one which takes it up: the next that opens it.
    let machine = nobody.then_some("");
    Ok(write(connection, &commit, Life { sequence: sequence + 1, retired }, &mut seals, machine)?)
}

/// Whether the ledger was begun on another machine than this; notes ours where it has none yet.
pub(super) fn claim(connection: &Connection, ours: Option<&str>) -> Result<bool, StoreFault> {
    let Some(ours) = ours else { return Ok(false) };
    match inspect::read_meta(connection, "machine")? {
        Some(theirs) if !theirs.is_empty() => Ok(theirs != ours),
        _ => {
            // On a full disk it is noted the next time; the ledger serves without.
            if let Err(error) = inspect::write_meta(connection, "machine", ours.to_owned()) {
                tracing::warn!(%error, "the ledger cannot note which machine it is on");
            }
            Ok(false)
        }
    }
}

/// The commits that the copy holds, where it can be read at all.
pub(super) fn copy_sequence(folder: &Folder) -> Option<u64> {
    copied(folder).map(|commit| commit.sequence)
}

/// What was given away must not come back from a copy that does not know of it.
pub(super) fn retire_copy(connection: &Connection, folder: &Folder) {
    if copied(folder).is_some_and(|commit| commit.retired.is_some()) {
        return;
    }
    if let Err(error) = save_as(connection, folder, &folder.copy()) {
        tracing::error!(%error, "the copy of the ledger does not say yet that the ledger was moved away");
    }
}

fn copied(folder: &Folder) -> Option<LastCommit> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(folder.copy(), flags).ok()?;
    inspect::version(&copy, VERSION).ok()?;
    inspect::last_commit(&copy).ok()
}

pub(super) fn newer(folder: &Folder, found: i64) -> OpenError {
    let older = folder.version_copy(VERSION);
    OpenError::Newer { path: folder.ledger(), found, known: VERSION, older: older.exists().then_some(older) }
}

pub(super) fn damaged(folder: &Folder, why: &str) -> OpenError {
    OpenError::Damaged { path: folder.ledger(), why: why.to_owned(), copy: "its copy does not help".into() }
}
