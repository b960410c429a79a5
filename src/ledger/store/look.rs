//! A look at the ledger without taking it: what is on disk, whether a daemon runs or not. Nothing is changed by it.

use std::fs::File;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::error::{Fault, OpenError, StoreError, describe};
use super::folder::{COPY, LEDGER, identity};
use super::inspect::{self, LastCommit, MIGRATIONS, VERSION, Whole};
use super::rows::{Contents, JournalRow};
use super::{BUSY_FOR, read_journal};
use crate::clock::Stamp;
use crate::ledger::machine;
use crate::units::Name;

/// The ledger as of one commit. As long as this lives it is looked at as it was then.
#[derive(Debug)]
pub struct Look {
    connection: Connection,
    pub contents: Contents,
    /// The last commit; absent before the first.
    pub at: Option<Stamp>,
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
        let there = |path: &Path| identity(path).map(|found| found.is_some()).map_err(|error| unseen(path, error));
        let why = match there(&ledger)? {
            true => match Look::at(&ledger) {
                Err(Fault::Damaged(why)) => why,
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
            Err(Fault::Damaged(also)) => Err(hopeless(format!("so is its copy {} ({also})", copy.display()))),
            Err(fault) => Err(refused(&copy, fault)),
        }
    }

    /// Looks at this very file.
    pub(super) fn at(path: &Path) -> Result<Self, Fault> {
        let failed = |error: io::Error| Fault::Unreadable(rusqlite::Error::ToSqlConversionFailure(error.into()));
        drop(File::open(path).map_err(failed)?);
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
        Ok(Look { connection, contents, at, sequence, fell_back: None, other_machine, retired })
    }

    /// The latest `most` rows of the journal, of one meter or of all, the newest first.
    pub fn journal(&self, meter: Option<&Name>, most: u32) -> Result<Vec<JournalRow>, StoreError> {
        read_journal(&self.connection, meter, most).map_err(|source| StoreError::read("the ledger's journal", source))
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// A store of an older version in this program's form, in memory.
fn lifted(connection: &Connection, found: i64) -> Result<Connection, Fault> {
    let mut lifted = Connection::open_in_memory()?;
    Backup::new(connection, &mut lifted)?.step(-1)?;
    inspect::migrate(&mut lifted, found, MIGRATIONS)?;
    Ok(lifted)
}

pub(super) fn refused(path: &Path, fault: Fault) -> OpenError {
    match fault {
        Fault::Newer(found) => OpenError::Newer { path: path.to_owned(), found, known: VERSION, older: None },
        Fault::Unreadable(rusqlite::Error::ToSqlConversionFailure(error)) => match error.downcast::<io::Error>() {
            Ok(error) => unseen(path, *error),
            Err(error) => OpenError::store("read", path, rusqlite::Error::ToSqlConversionFailure(error)),
        },
        Fault::Unreadable(error) => OpenError::store("read", path, error),
        damaged => {
            let (why, copy) = (describe(&damaged), "its copy does not help".to_owned());
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
