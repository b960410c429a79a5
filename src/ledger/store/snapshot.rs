//! The ledger as it is on disk, read by a command while no daemon runs. Nothing is changed by it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::backup::Backup;

use super::contents::{self, Contents, Intact, JournalQuery};
use super::error::OpenError;
use super::files::connect_to_read;
use super::folder::{COPY, Folder, LEDGER};
use super::rows::{JournalRow, LedgerRow, MeterId};
use super::schema::{self, VERSION};
use crate::clock::ClockReading;
use crate::ledger::machine;
use crate::storage::{StoreError, StoreFault, file_id};
use crate::units::Name;

/// What is on disk as of one commit.
#[derive(Clone, Debug)]
pub struct LedgerView {
    /// Meters and clients.
    pub contents: Contents,
    /// The last commit; absent before the first.
    pub at: Option<ClockReading>,
    /// Rises with each commit.
    pub generation: u64,
    /// Why this is the copy; absent where the ledger itself is intact.
    pub fell_back: Option<String>,
    /// The ledger was begun on another machine.
    pub other_machine: bool,
    /// When it was moved to another machine.
    pub retired: Option<Timestamp>,
}

impl LedgerView {
    /// An intact ledger on the machine with this mark.
    pub(super) fn of(intact: Intact, ours: Option<&str>) -> Self {
        let Intact { contents, ledger: LedgerRow { at, generation, machine, retired, .. } } = intact;
        let other_machine = matches!((machine.as_deref(), ours), (Some(theirs), Some(ours)) if theirs != ours);
        LedgerView { contents, at, generation, fell_back: None, other_machine, retired }
    }
}

/// A ledger that nobody else can open as long as this lives.
#[derive(Debug)]
pub struct LedgerSnapshot {
    /// Meters, clients and the last commit.
    pub view: LedgerView,
    connection: Connection,
    _folder: Option<Folder>,
}

impl LedgerSnapshot {
    /// Reads the ledger in that folder, or its copy where a daemon would fall back to it.
    ///
    /// # Errors
    /// When there is none, when an arkmeter uses it, or when neither is intact.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        // Nothing is created by reading.
        if !there(&folder.join(LEDGER))? && !there(&folder.join(COPY))? {
            return Err(OpenError::Nothing { folder: folder.to_owned() });
        }
        let lock = Folder::take(folder)?;
        Ok(LedgerSnapshot { _folder: Some(lock), ..LedgerSnapshot::read(folder)? })
    }

    /// The same in a folder that is locked already.
    pub(super) fn read(folder: &Path) -> Result<Self, OpenError> {
        let (ledger, copy) = (folder.join(LEDGER), folder.join(COPY));
        let why = match there(&ledger)? {
            true => match LedgerSnapshot::at(&ledger) {
                Err(StoreFault::Damaged(why)) => why,
                Ok(ours) => match LedgerSnapshot::at(&copy) {
                    Ok(newer) if newer.view.generation > ours.view.generation => "it is older than its own copy".into(),
                    _ => return Ok(ours),
                },
                Err(fault) => return Err(OpenError::of(&ledger, fault)),
            },
            false if !there(&copy)? => return Err(OpenError::Nothing { folder: folder.to_owned() }),
            false => format!("it is missing, though {} is there", copy.display()),
        };
        let hopeless = |copy: String| OpenError::Damaged { path: ledger.clone(), why: why.clone(), copy };
        if !there(&copy)? {
            return Err(hopeless(format!("there is no copy {}", copy.display())));
        }
        match LedgerSnapshot::at(&copy) {
            Ok(copied) => {
                let view = LedgerView { fell_back: Some(why), ..copied.view };
                Ok(LedgerSnapshot { view, ..copied })
            }
            Err(StoreFault::Damaged(also)) => Err(hopeless(format!("so is its copy {} ({also})", copy.display()))),
            Err(fault) => Err(OpenError::of(&copy, fault)),
        }
    }

    /// Reads this very file.
    pub(super) fn at(path: &Path) -> Result<Self, StoreFault> {
        let mut connection = connect_to_read(path)?;
        if schema::version(&connection, VERSION)? < VERSION {
            // A store of an older version in this program's form, in memory.
            let mut upgraded = Connection::open_in_memory()?;
            Backup::new(&connection, &mut upgraded)?.step(-1)?;
            schema::migrate(&mut upgraded, &schema::migrations())?;
            connection = upgraded;
        }
        let intact = contents::inspect(&connection)?;
        let view = LedgerView::of(intact, machine::mark().as_deref());
        Ok(LedgerSnapshot { view, connection, _folder: None })
    }

    /// Entries of the journal, the newest first. One that fails its checksum is there as `unreadable`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        contents::journal(&self.connection, query).map_err(|error| unread(error.into()))
    }

    /// The meters' names by their ids.
    pub fn names(&self) -> BTreeMap<MeterId, Name> {
        self.view.contents.meters.values().map(|meter| (meter.id, meter.name.clone())).collect()
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

fn there(path: &Path) -> Result<bool, OpenError> {
    file_id(path).map(|found| found.is_some()).map_err(|error| OpenError::unreadable(path, error))
}

/// Why a ledger that is open cannot be read.
pub(super) fn unread(fault: StoreFault) -> StoreError {
    match fault {
        StoreFault::Unreadable(source) => StoreError::read("the ledger", source),
        fault => StoreError::Damaged(fault.to_string()),
    }
}
