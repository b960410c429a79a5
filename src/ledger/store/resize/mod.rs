//! Changes the number of shards, while all of them are stopped: moves each meter with its memory and journal, each client and the history to
//! the ledger of its new shard.
//!
//! Nothing is moved row by row. The whole new set of ledgers is written beside the old one, read back, and then put in place:
//!
//! | step | state of the files | after a kill |
//! |---|---|---|
//! | lock all folders | the old ledgers count | nothing happened |
//! | mark each folder | the old ledgers count; no daemon starts on a marked folder | a second run starts over |
//! | write the new ledgers into `resize.new` of each folder, and read them back | the same | the same |
//! | write `decided` into the mark of the first folder, by one rename | **the new ledgers count** | a second run goes on from here |
//! | rename the new files into place, the old ones to `before-resize-...` | the new ledgers count | the same |
//! | remove the marks, that of the first folder last | the daemons can start | the same |
//!
//! So a meter is always in one ledger that counts. The folders may be on different file systems, since no file moves between them.

mod build;
mod error;
mod marker;
mod sources;
mod switch;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use error::ResizeError;
pub(super) use marker::Mark;

use super::folder::Folder;
use super::opening::read_file;
use super::rows::LedgerRow;
use super::{OpenError, StoreError};
use crate::ledger::settings::ClientKey;
use crate::shard::{Layout, LedgerPlace, Shard};
use crate::units::Name;
use sources::Sources;

/// What moves where.
#[derive(Clone, Debug)]
pub struct ResizePlan {
    /// The configured state folder.
    pub state: PathBuf,
    /// The present layout.
    pub from: Layout,
    /// The new one.
    pub to: Layout,
    /// The place of each configured meter, as a position in the new layout. One that is not configured stays where it is if it can.
    pub meters: BTreeMap<Name, usize>,
    /// The configured clients.
    pub clients: BTreeMap<ClientKey, PlacedClient>,
}

/// A configured client in the new layout.
#[derive(Clone, Debug)]
pub struct PlacedClient {
    /// Its name.
    pub name: Name,
    /// Its place.
    pub place: usize,
    /// Its meters.
    pub meters: Vec<Name>,
}

/// What a resize did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resized {
    /// Each new ledger with its meters and clients.
    pub ledgers: Vec<(LedgerPlace, usize, usize)>,
    /// False if everything was in its place already.
    pub changed: bool,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// Resizes, or completes a resize that was interrupted (blocking).
///
/// # Errors
/// When a ledger is in use, missing or damaged, when another resize was interrupted, or when a file cannot be written. The message says
/// whether anything was changed.
pub fn resize(plan: &ResizePlan) -> Result<Resized, ResizeError> {
    let set = FolderSet::take(plan)?;
    let mut notes = Vec::new();
    if !set.is_decided(plan)? {
        if set.is_done(plan) {
            return Ok(Resized { changed: false, ..set.result(notes)? });
        }
        let sources = Sources::read(&set, plan)?;
        if plan.from == plan.to && !set.is_marked()? && sources.is_in_place() {
            return Ok(Resized { changed: false, ..set.result(notes)? });
        }
        notes.extend(sources.notes.iter().cloned());
        notes.extend(prepare(&set, plan, &sources)?);
        decide(&set, plan)?;
    }
    let switched = switch::switch(&set);
    switched.map_err(|error| ResizeError::Incomplete(Box::new(error)))?;
    set.result(notes)
}

/// Marks the folders and writes the new ledgers. Returns what the operator should know. If it fails, everything is as before.
fn prepare(set: &FolderSet, plan: &ResizePlan, sources: &Sources) -> Result<Vec<String>, ResizeError> {
    let prepared = || {
        for folder in &set.folders {
            let mark = Mark { from: plan.from, to: plan.to, decided: false };
            mark.write(folder.path()).map_err(StoreError::write(folder.path())).map_err(ResizeError::Disk)?;
            step()?;
        }
        build::build(set, plan, sources)
    };
    prepared().map_err(|error| match error {
        #[cfg(test)]
        ResizeError::Stopped => error,
        error => match switch::clean(set) {
            Ok(()) => ResizeError::Unchanged(Box::new(error)),
            Err(_) => ResizeError::Incomplete(Box::new(error)),
        },
    })
}

/// From here on the new ledgers count.
fn decide(set: &FolderSet, plan: &ResizePlan) -> Result<(), ResizeError> {
    let first = set.folders[0].path();
    let decided = Mark { from: plan.from, to: plan.to, decided: true }.write(first);
    let decided = decided.map_err(StoreError::write(first)).map_err(ResizeError::Disk);
    // Whether the mark is on the disk is not known then.
    decided.map_err(|error| ResizeError::Incomplete(Box::new(error)))?;
    step()
}

/// The locked folders of both layouts.
struct FolderSet {
    /// The old ones first.
    folders: Vec<Folder>,
    old: Vec<LedgerPlace>,
    new: Vec<LedgerPlace>,
}

impl FolderSet {
    fn take(plan: &ResizePlan) -> Result<Self, ResizeError> {
        let (old, new) = (plan.from.places(&plan.state), plan.to.places(&plan.state));
        let others = new.iter().filter(|place| !old.iter().any(|other| other.folder == place.folder));
        let paths: Vec<_> = old.iter().chain(others).map(|place| place.folder.clone()).collect();
        // A missing folder of an old ledger is not created.
        if let Some(place) = old.iter().find(|place| !place.folder.exists()) {
            return Err(ResizeError::NoLedger { place: place.clone() });
        }
        let folders = paths.iter().map(|path| Folder::take_marked(path, &plan.state)).collect::<Result<_, _>>()?;
        Ok(FolderSet { folders, old, new })
    }

    /// Whether the new ledgers of this resize count already. Fails if another one has begun.
    fn is_decided(&self, plan: &ResizePlan) -> Result<bool, ResizeError> {
        for folder in &self.folders {
            if let Some(Mark { from, to, .. }) =
                read_mark(folder)?.filter(|it| (it.from, it.to) != (plan.from, plan.to))
            {
                return Err(ResizeError::Interrupted { from, to });
            }
        }
        Ok(read_mark(&self.folders[0])?.is_some_and(|mark| mark.decided))
    }

    fn is_marked(&self) -> Result<bool, ResizeError> {
        self.folders.iter().try_fold(false, |marked, folder| Ok(marked || read_mark(folder)?.is_some()))
    }

    /// Whether there are only ledgers of the new layout.
    fn is_done(&self, plan: &ResizePlan) -> bool {
        let of_new = |place: &LedgerPlace| {
            let row = read_file(&place.folder.join(super::folder::LEDGER)).ok().map(|(_, contents)| contents.ledger);
            row.is_some_and(|row| owner(&row) == place.shard)
        };
        let empty = |place: &LedgerPlace| !place.folder.join(super::folder::LEDGER).exists();
        let old_only = |place: &&LedgerPlace| !self.new.iter().any(|new| new.folder == place.folder);
        plan.from != plan.to && self.new.iter().all(of_new) && self.old.iter().filter(old_only).all(empty)
    }

    fn folder(&self, place: &LedgerPlace) -> &Folder {
        let found = self.folders.iter().find(|folder| folder.path() == place.folder);
        found.expect("the folders of both layouts are locked")
    }

    /// What is in the new ledgers.
    fn result(&self, notes: Vec<String>) -> Result<Resized, ResizeError> {
        let read = |place: &LedgerPlace| {
            let path = place.folder.join(super::folder::LEDGER);
            let (_, contents) = read_file(&path).map_err(|fault| OpenError::of("read", &path, fault))?;
            Ok((place.clone(), contents.meters.len(), contents.clients.len()))
        };
        let ledgers = self.new.iter().map(read).collect::<Result<_, OpenError>>().map_err(ResizeError::Complete)?;
        Ok(Resized { ledgers, changed: true, notes })
    }
}

fn read_mark(folder: &Folder) -> Result<Option<Mark>, ResizeError> {
    Ok(Mark::read(folder.path())
        .map_err(|error| OpenError::of("read the mark of a resize in", folder.path(), error))?)
}

/// The shard that a ledger belongs to.
fn owner(ledger: &LedgerRow) -> Option<Shard> {
    ledger.machine.as_deref().and_then(Shard::of_owner)
}

/// After each step that changes files: a test can stop here.
#[cfg(not(test))]
fn step() -> Result<(), ResizeError> {
    Ok(())
}

#[cfg(test)]
use tests::step;
