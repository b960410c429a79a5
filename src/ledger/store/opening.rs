//! Opens what is in the state folder: a first start, an intact ledger, an older version, a damaged ledger or one that is too old.

use std::path::Path;

use rusqlite::backup::Backup;
use rusqlite::{Connection, MAIN_DB};

use super::contents::{Contents, JournalQuery};
use super::error::OpenError;
use super::files::{connect_alone, connect_to_read, fill, save_as};
use super::folder::{COPY, Folder, LEDGER, leftover};
use super::rows::{Commit, JournalRow, LedgerRow, MeterRow};
use super::schema::{self, Schema, VERSION};
use super::write;
use crate::clock::Clock;
use crate::files;
use crate::storage::{StoreError, StoreFault, check_store, close, connect, file_id};
use crate::text::chain;

/// Small pages: the log takes each page that a commit touches, whole.
const PAGE_SIZE: u32 = 1024;

/// An intact ledger or copy.
pub(super) struct Found {
    pub connection: Connection,
    pub contents: Contents,
    pub origin: Origin,
}

/// Where the contents of a ledger came from.
pub(super) enum Origin {
    /// The ledger itself.
    Ledger,
    /// Its copy, and what is wrong with the ledger.
    Copy(String),
    /// The ledger itself, but its latest commits are lost, and how that is known.
    Earlier(String),
    /// A backup. One that `ledger move` wrote was given to this machine.
    Backup,
}

/// Opens the ledger for the daemon, and changes what has to be changed before: creates it, brings it to this schema, or puts the copy in its
/// place.
pub(super) fn open(folder: &Folder, schema: &Schema) -> Result<Found, OpenError> {
    let ledger = folder.ledger();
    let left = leftover(folder.path()).map_err(|error| OpenError::of("read", &ledger, error))?;
    if left.is_none() {
        begin(folder, None).map_err(|fault| OpenError::of("create the ledger", &ledger, fault))?;
    }
    let open_ledger = |path: &Path| open_to_write(path, folder, schema);
    let Found { mut connection, mut contents, origin } = find(folder.path(), "open", open_ledger)?;
    let repaired = match &origin {
        Origin::Copy(_) => {
            drop(connection);
            fall_back(folder, contents, &origin, schema)
        }
        Origin::Earlier(_) => {
            let copy = copied(&folder.copy()).map_or(0, |copy| copy.generation);
            contents.ledger.generation = contents.ledger.generation.max(copy);
            let marked = mark_unconfirmed(&mut connection, contents, &origin);
            drop(connection);
            marked
        }
        Origin::Ledger | Origin::Backup => return Ok(Found { connection, contents, origin }),
    };
    let reopened = repaired.and_then(|()| open_ledger(&ledger));
    let (connection, contents) =
        reopened.map_err(|fault| OpenError::of("put the copy in the place of", &ledger, fault))?;
    Ok(Found { connection, contents, origin })
}

/// Opens the ledger in that folder or its copy: of those that are intact, the one with the higher generation. `open` opens the ledger.
pub(super) fn find(
    folder: &Path,
    doing: &'static str,
    open: impl FnOnce(&Path) -> Result<(Connection, Contents), StoreFault>,
) -> Result<Found, OpenError> {
    let (ledger, copy) = (folder.join(LEDGER), folder.join(COPY));
    // If part of the ledger cannot be read, an intact copy is used. Without one, the disk's error is the answer.
    let mut unreadable = None;
    let why = if is_there(&ledger)? {
        match open(&ledger) {
            Ok((connection, contents)) => {
                let newer = copied(&copy).is_some_and(|copy| copy.generation > contents.ledger.generation);
                let why = "it is older than its own copy".to_owned();
                match newer.then(|| read_file(&copy)) {
                    None => return Ok(Found { connection, contents, origin: Origin::Ledger }),
                    Some(Err(fault)) if fault.is_of_content() => {
                        return Ok(Found { connection, contents, origin: Origin::Earlier(why) });
                    }
                    Some(_) => why,
                }
            }
            Err(StoreFault::Damaged(why)) => why,
            Err(StoreFault::Disk(error)) if error.is_unreadable() => {
                let why = format!("part of it cannot be read: {}", chain(&error));
                unreadable = Some(error);
                why
            }
            Err(fault) => return Err(OpenError::of(doing, &ledger, fault)),
        }
    } else {
        let left = leftover(folder).map_err(|error| OpenError::of("read", folder, error))?;
        let left = left.ok_or_else(|| OpenError::Nothing { folder: folder.to_owned() })?;
        format!("it is missing, though {} is there", left.display())
    };
    let hopeless = |why: String, copy: String| match unreadable {
        Some(error) => OpenError::of(doing, &ledger, StoreFault::Disk(error)),
        None => OpenError::Damaged { path: ledger.clone(), why, copy },
    };
    if !is_there(&copy)? {
        return Err(hopeless(why, format!("there is no copy {}", copy.display())));
    }
    match read_file(&copy) {
        Ok((connection, contents)) => Ok(Found { connection, contents, origin: Origin::Copy(why) }),
        Err(StoreFault::Damaged(also)) => Err(hopeless(why, format!("so is its copy {} ({also})", copy.display()))),
        Err(StoreFault::Disk(error)) if error.is_unreadable() => {
            Err(hopeless(why, format!("its copy {} cannot be read ({})", copy.display(), chain(&error))))
        }
        Err(fault) => Err(OpenError::of("read", &copy, fault)),
    }
}

/// Reads this very file; one of an older version in this version's form, in memory.
pub(super) fn read_file(path: &Path) -> Result<(Connection, Contents), StoreFault> {
    let mut connection = connect_to_read(path)?;
    if schema::version(&connection, VERSION)? < VERSION {
        let mut upgraded = Connection::open_in_memory()?;
        Backup::new(&connection, &mut upgraded)?.step(-1)?;
        Schema::current().apply(&mut upgraded)?;
        connection = upgraded;
    }
    let contents = Contents::inspect(&connection)?;
    Ok((connection, contents))
}

pub(super) fn open_to_write(
    path: &Path,
    folder: &Folder,
    schema: &Schema,
) -> Result<(Connection, Contents), StoreFault> {
    check_store(path)?;
    let mut connection = connect_alone(path)?;
    upgrade(&mut connection, folder, schema)?;
    let contents = Contents::inspect(&connection)?;
    if connection.is_readonly(MAIN_DB).unwrap_or(false) {
        // SQLite opens a file read-only if this user may not write it, and if a damaged header says so.
        files::open_own(path, false)?;
        return Err(StoreFault::damaged("its header says that it cannot be written"));
    }
    Ok((connection, contents))
}

/// Creates an empty ledger.
pub(super) fn begin(folder: &Folder, owner: Option<&str>) -> Result<(), StoreFault> {
    let scratch = folder.scratch(&folder.ledger())?;
    let connection = create(&scratch)?;
    if let Some(owner) = owner {
        LedgerRow { machine: Some(owner.to_owned()), ..LedgerRow::read(&connection)? }.write(&connection)?;
    }
    close(connection)?;
    Ok(folder.put(&scratch, &folder.ledger())?)
}

/// An empty ledger in an empty file. What the connection writes is not journaled and not synchronised: the file gets its name when it is complete
/// and on the disk.
pub(super) fn create(path: &Path) -> Result<Connection, StoreFault> {
    let mut connection = connect(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    Schema::current().apply(&mut connection)?;
    Ok(connection)
}

/// Brings a store of an older version to this schema; the older one is kept as `ledger-vN.db`.
fn upgrade(connection: &mut Connection, folder: &Folder, schema: &Schema) -> Result<(), StoreFault> {
    let found = schema::version(connection, schema.version)?;
    if found == schema.version {
        return Ok(());
    }
    let kept = folder.version_copy(found);
    save_as(connection, folder, &kept)?;
    tracing::info!(from = found, to = schema.version, copy = %kept.display(), "the ledger is upgraded to this version's schema");
    schema.apply(connection)
}

/// Puts the copy in the ledger's place. Its meters are unconfirmed until their registers were taken.
fn fall_back(folder: &Folder, contents: Contents, origin: &Origin, schema: &Schema) -> Result<(), StoreFault> {
    let scratch = folder.scratch(&folder.ledger())?;
    fill(&connect_to_read(&folder.copy())?, &scratch)?;
    let mut connection = connect(&scratch)?;
    upgrade(&mut connection, folder, schema)?;
    mark_unconfirmed(&mut connection, contents, origin)?;
    close(connection)?;
    Ok(folder.replace_ledger(&scratch)?)
}

/// Writes to the store itself that its figures may be older than what was published, and why.
pub(super) fn mark_unconfirmed(
    connection: &mut Connection,
    contents: Contents,
    origin: &Origin,
) -> Result<(), StoreFault> {
    let Contents { mut ledger, meters, next_journal, .. } = contents;
    // A ledger without a commit has no meters, and nothing to mark.
    let Some(at) = ledger.at else { return Ok(()) };
    let then = at.wall.strftime("%Y-%m-%d %H:%M:%SZ");
    let (word, reason) = match origin {
        Origin::Ledger => return Ok(()),
        Origin::Copy(why) => ("fallback", format!("the ledger was damaged ({why}): its copy of {then} took its place")),
        Origin::Earlier(why) => {
            ("fallback", format!("the latest commits of the ledger are lost ({why}): it continues from {then}"))
        }
        Origin::Backup if ledger.retired.is_some() => {
            // Given away by one machine, it belongs to the next that opens it.
            (ledger.retired, ledger.machine) = (None, None);
            ("restore", format!("a ledger that was moved here, of {then}, took the ledger's place"))
        }
        Origin::Backup => ("restore", format!("a backup of {then} took the ledger's place")),
    };
    let commit = Commit {
        meters: meters.into_values().map(|row| MeterRow { confirmed: false, ..row }).collect(),
        journal: vec![JournalRow::of_ledger(next_journal, word, reason, Clock::system().now().wall)],
        ..Commit::empty(at)
    };
    Ok(write(connection, &commit, &mut ledger)?)
}

/// The row about the ledger in its copy, if it can be read and is of this version.
pub(super) fn copied(copy: &Path) -> Option<LedgerRow> {
    let copy = connect_to_read(copy).ok()?;
    let version = schema::version(&copy, VERSION).ok()?;
    (version == VERSION).then(|| LedgerRow::read(&copy).ok()).flatten()
}

fn is_there(path: &Path) -> Result<bool, OpenError> {
    file_id(path).map(|found| found.is_some()).map_err(|error| OpenError::of("read", path, error))
}

/// The ledger as it is on disk, for a command while no daemon runs. Nobody else can open it as long as this lives; nothing is changed.
pub struct LedgerSnapshot {
    /// Meters, clients and the last commit.
    pub contents: Contents,
    /// What is wrong with the ledger, if this is its copy.
    pub fell_back: Option<String>,
    pub(super) connection: Connection,
    _folder: Folder,
}

impl LedgerSnapshot {
    /// Reads the ledger in that folder, or its copy where a daemon would fall back to it.
    ///
    /// # Errors
    /// When there is none, when an arkmeter uses it, or when neither is intact.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        // Taking the lock would create the folder.
        if !is_there(&path.join(LEDGER))? && !is_there(&path.join(COPY))? {
            return Err(OpenError::Nothing { folder: path.to_owned() });
        }
        let folder = Folder::take(path)?;
        let Found { connection, contents, origin } = find(path, "read", read_file)?;
        let fell_back = if let Origin::Copy(why) = origin { Some(why) } else { None };
        Ok(LedgerSnapshot { contents, fell_back, connection, _folder: folder })
    }

    /// Entries of the journal, the newest first. One that fails its checksum is there as `unreadable`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        query.read(&self.connection).map_err(|error| StoreFault::from(error).into())
    }
}
