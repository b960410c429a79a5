//! A look at the ledger without taking it: what is on disk, whether a daemon runs or not. Nothing is changed by it.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::error::OpenError;
use super::folder::{COPY, LEDGER, LOG, commits_noted, in_use};
use super::inspect::{self, LastCommit, MIGRATIONS, VERSION, Whole};
use super::journal;
use super::rows::{Contents, JournalRow};
use crate::clock::ClockReading;
use crate::ledger::machine;
use crate::storage::{BUSY_FOR, StoreError, StoreFault, file_id};
use crate::units::Name;

/// How often a ledger that is being written is taken a picture of until no commit came in between.
const TRIES: usize = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// The ledger as of one commit. As long as this lives it is looked at as it was then.
#[derive(Debug)]
pub struct Look {
    connection: Connection,
    /// What is looked at where a daemon has the ledger to itself; gone with the look, and closed before.
    _picture: Option<TempDir>,
    pub contents: Contents,
    /// The last commit; absent before the first.
    pub at: Option<ClockReading>,
    /// Commits since the ledger began.
    pub sequence: u64,
    /// Why it is the copy that is looked at; absent where the ledger itself is whole.
    pub fell_back: Option<String>,
    /// The ledger was begun on another machine.
    pub other_machine: bool,
    /// When it was given to another machine.
    pub retired: Option<Timestamp>,
}

impl Look {
    /// Looks at the ledger in that folder, or at its copy where that is what a daemon would fall back to.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let (ledger, copy) = (folder.join(LEDGER), folder.join(COPY));
        let there = |path: &Path| file_id(path).map(|found| found.is_some()).map_err(|error| unseen(path, error));
        let now = || if in_use(folder).is_some() { Look::beside(folder) } else { Look::at(&ledger) };
        let why = match there(&ledger)? {
            true => match now() {
                Err(StoreFault::Damaged(why)) => why,
                other => return other.map_err(|fault| refused(&ledger, fault)),
            },
            false if there(&copy)? => format!("it is missing, though {} is there", copy.display()),
            false => return Err(OpenError::Nothing { folder: folder.to_owned() }),
        };
        let hopeless = |copy: String| OpenError::Damaged { path: ledger.clone(), why: why.clone(), copy };
        if !there(&copy)? {
            return Err(hopeless(format!("there is no copy {}", copy.display())));
        }
        match Look::at(&copy) {
            Ok(look) => Ok(Look { fell_back: Some(why), ..look }),
            Err(StoreFault::Damaged(also)) => Err(hopeless(format!("so is its copy {} ({also})", copy.display()))),
            Err(fault) => Err(refused(&copy, fault)),
        }
    }

    /// Looks at a picture of a ledger that a daemon has to itself.
    ///
    /// The log comes last: whatever of it has found its way into the ledger by then is in it still, unless a commit came in between.
    fn beside(folder: &Path) -> Result<Self, StoreFault> {
        let mut last = None;
        for _ in 0..TRIES {
            let noted = commits_noted(folder);
            let picture = tempfile::tempdir().map_err(|error| undrawn(&error))?;
            let path = picture.path().join(LEDGER);
            fs::copy(folder.join(LEDGER), &path).map_err(|error| undrawn(&error))?;
            match fs::copy(folder.join(LOG), picture.path().join(LOG)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(undrawn(&error)),
                _ => {}
            }
            let look = Look::at(&path);
            let undisturbed = commits_noted(folder) == noted;
            match look {
                Ok(look) if undisturbed => return Ok(Look { _picture: Some(picture), ..look }),
                Err(fault) if undisturbed && last.is_some() => return Err(fault),
                Err(fault) => last = Some(fault),
                Ok(_) => {}
            }
            sleep(BETWEEN_TRIES);
        }
        let busy = || rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
        Err(last.unwrap_or_else(|| StoreFault::Unreadable(busy())))
    }

    /// Looks at this very file.
    pub(super) fn at(path: &Path) -> Result<Self, StoreFault> {
        drop(File::open(path).map_err(unread)?);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_FOR)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        // All of it is read as of one commit, whatever a daemon writes meanwhile.
        connection.execute_batch("BEGIN")?;
        let found = inspect::version(&connection, VERSION)?;
        if found < VERSION {
            connection = lifted(&connection, found)?;
        }
        let Whole { contents, commit, .. } = inspect::inspect(&connection)?;
        let theirs = inspect::read_meta(&connection, "machine")?.filter(|mark| !mark.is_empty());
        let other_machine = matches!((theirs, machine::mark()), (Some(theirs), Some(ours)) if theirs != ours);
        let LastCommit { at, sequence, retired, .. } = commit;
        Ok(Look { connection, _picture: None, contents, at, sequence, fell_back: None, other_machine, retired })
    }

    /// The latest `most` rows of the journal, of one meter or of all, the newest first.
    pub fn journal(&self, meter: Option<&Name>, most: u32) -> Result<Vec<JournalRow>, StoreError> {
        self.journal_before(meter, i64::MAX, most)
    }

    /// The latest of those that came before this one.
    pub fn journal_before(&self, meter: Option<&Name>, id: i64, most: u32) -> Result<Vec<JournalRow>, StoreError> {
        journal::latest(&self.connection, meter, id, most)
            .map_err(|source| StoreError::read("the ledger's journal", source))
    }

    /// What is other in the journal than it was written, for people. Reads all of it.
    pub fn lost(&self) -> Result<Option<String>, StoreError> {
        let checked = inspect::last_commit(&self.connection)
            .and_then(|commit| Ok(journal::check(&self.connection, commit.journal)?.1));
        match checked {
            Err(StoreFault::Unreadable(source)) => Err(StoreError::read("the ledger's journal", source)),
            Err(fault) => Ok(Some(fault.to_string())),
            Ok(lost) => Ok(lost),
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// A store of an older version in this program's form, in memory.
fn lifted(connection: &Connection, found: i64) -> Result<Connection, StoreFault> {
    let mut lifted = Connection::open_in_memory()?;
    Backup::new(connection, &mut lifted)?.step(-1)?;
    inspect::migrate(&mut lifted, found, MIGRATIONS)?;
    Ok(lifted)
}

/// It may be the folder for temporary files that is full.
fn undrawn(error: &io::Error) -> StoreFault {
    unread(io::Error::new(error.kind(), format!("as a copy in {}: {error}", std::env::temp_dir().display())))
}

fn unread(error: io::Error) -> StoreFault {
    StoreFault::Unreadable(rusqlite::Error::ToSqlConversionFailure(error.into()))
}

pub(super) fn refused(path: &Path, fault: StoreFault) -> OpenError {
    match fault {
        StoreFault::Newer(found) => OpenError::Newer { path: path.to_owned(), found, known: VERSION, older: None },
        StoreFault::Unreadable(rusqlite::Error::ToSqlConversionFailure(error)) => match error.downcast::<io::Error>() {
            Ok(error) => unseen(path, *error),
            Err(error) => OpenError::store("read", path, rusqlite::Error::ToSqlConversionFailure(error)),
        },
        StoreFault::Unreadable(error) => OpenError::store("read", path, error),
        damaged => {
            let (why, copy) = (damaged.to_string(), "its copy does not help".to_owned());
            OpenError::Damaged { path: path.to_owned(), why, copy }
        }
    }
}

fn unseen(path: &Path, source: io::Error) -> OpenError {
    match source.kind() {
        io::ErrorKind::PermissionDenied => OpenError::File {
            doing: "read",
            path: path.to_owned(),
            remedy: "run as root or as the user that arkmeter runs as",
            source,
        },
        _ => OpenError::file("read", path, source),
    }
}
