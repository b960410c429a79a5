//! Writes the new ledgers and histories beside the old ones, and reads them back.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::sources::{NewContents, Sources};
use super::{FolderSet, ResizeError, ResizePlan, step};
use crate::clock::Clock;
use crate::history;
use crate::ledger::store::files::fill;
use crate::ledger::store::folder::{COPY, Folder, LEDGER};
use crate::ledger::store::opening::{create, read_file};
use crate::ledger::store::rows::{Commit, JournalRow, LedgerRow};
use crate::ledger::store::{StoreError, write};
use crate::shard::{LedgerPlace, Shard};
use crate::storage::{StoreFault, close, create_private, give_to_owner, sync_folder};

/// The folder of the new files, in each state folder.
pub(super) fn beside(folder: &Path) -> PathBuf {
    folder.join("resize.new")
}

/// Writes all of them. Returns what the operator should know of the histories.
pub(super) fn build(set: &FolderSet, plan: &ResizePlan, sources: &Sources) -> Result<Vec<String>, ResizeError> {
    let notes = make_histories_ready(sources)?;
    let has_history = sources.folders().any(|folder| folder.join(history::HISTORY).exists());
    let (mut meters, mut clients) = (0, 0);
    for (index, place) in set.new.iter().enumerate() {
        let folder = set.folder(place);
        let failed = |fault: StoreFault| ResizeError::Disk(disk(folder, fault));
        let new = empty_beside(folder).map_err(|error| failed(error.into()))?;
        let contents = sources.contents_of(index).map_err(failed)?;
        write_ledger(&new, plan, place, sources, &contents).map_err(failed)?;
        step()?;
        check(&new, place, &contents)?;
        (meters, clients) = (meters + contents.meters.len(), clients + contents.clients.len());
        if has_history {
            let from: Vec<_> = sources.folders().map(PathBuf::as_path).collect();
            let meter = |source, name: &str| sources.place_of_meter(source, name) == index;
            let client = |source, name: &str| sources.place_of_client(source, name) == index;
            history::gather(&from, &new, &meter, &client)?;
            step()?;
        }
        sync_all(&new).map_err(|error| failed(error.into()))?;
        step()?;
    }
    if (meters, clients) != (sources.meters(), sources.clients()) {
        let why = format!("{meters} of {} meters, {clients} of {} clients", sources.meters(), sources.clients());
        return Err(ResizeError::NotWritten { path: plan.state.clone(), why });
    }
    Ok(notes)
}

/// A damaged history is set aside, and its figures stay where they are: they would otherwise prevent the resize.
fn make_histories_ready(sources: &Sources) -> Result<Vec<String>, ResizeError> {
    let mut notes = Vec::new();
    for folder in sources.folders() {
        if let Some(why) = history::make_ready(folder)? {
            let path = folder.join(history::HISTORY);
            let kept = "it is kept as history-set-aside.db, and nothing of it is moved";
            notes.push(format!("the history {} cannot be used ({why}): {kept}", path.display()));
        }
    }
    Ok(notes)
}

fn disk(folder: &Folder, fault: StoreFault) -> StoreError {
    match fault {
        StoreFault::Disk(source) => StoreError::Write { path: folder.path().to_owned(), source },
        fault => fault.into(),
    }
}

fn empty_beside(folder: &Folder) -> io::Result<PathBuf> {
    let new = beside(folder.path());
    if new.exists() {
        fs::remove_dir_all(&new)?;
    }
    DirBuilder::new().mode(0o700).create(&new)?;
    give_to_owner(&File::open(&new)?, folder.path());
    Ok(new)
}

fn write_ledger(
    new: &Path,
    plan: &ResizePlan,
    place: &LedgerPlace,
    sources: &Sources,
    contents: &NewContents,
) -> Result<(), StoreFault> {
    let path = new.join(LEDGER);
    give_to_owner(&create_private(&path)?, new);
    let mut connection = create(&path)?;
    let number = contents.journal.last().map_or(1, |last| last.id + 1);
    let reason = format!("the number of shards was changed from {} to {}", plan.from, plan.to);
    let entry = JournalRow::of_ledger(number, "resize", reason, Clock::system().now().wall);
    let commit = Commit {
        memories: contents.meters.iter().map(|row| row.id).collect(),
        meters: contents.meters.clone(),
        clients: contents.clients.clone(),
        journal: contents.journal.iter().cloned().chain([entry]).collect(),
        ..Commit::empty(sources.at())
    };
    let machine = place.shard.map(Shard::owner);
    let generation = sources.generation(place);
    let mut ledger = LedgerRow { machine, generation, ..LedgerRow::read(&connection)? };
    write(&mut connection, &commit, &mut ledger)?;
    let copy = new.join(COPY);
    give_to_owner(&create_private(&copy)?, new);
    fill(&connection, &copy)?;
    Ok(close(connection)?)
}

/// Reads a new ledger and its copy back.
fn check(new: &Path, place: &LedgerPlace, expected: &NewContents) -> Result<(), ResizeError> {
    for name in [LEDGER, COPY] {
        let path = new.join(name);
        let wrong = |why: String| ResizeError::NotWritten { path: path.clone(), why };
        let (connection, found) = read_file(&path).map_err(|fault| wrong(fault.to_string()))?;
        let meters = expected.meters.iter().all(|row| found.meters.get(&row.name) == Some(row));
        let energy =
            |row: &crate::ledger::store::ClientRow| found.clients.get(&row.key).map(|found| found.state.energy);
        let clients = expected.clients.iter().all(|row| energy(row) == Some(row.state.energy));
        let counts = (found.meters.len(), found.clients.len()) == (expected.meters.len(), expected.clients.len());
        if !meters || !clients || !counts || super::owner(&found.ledger) != place.shard {
            return Err(wrong("its rows differ".to_owned()));
        }
        close(connection).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}

fn sync_all(new: &Path) -> io::Result<()> {
    for entry in fs::read_dir(new)? {
        File::open(entry?.path())?.sync_all()?;
    }
    sync_folder(new)
}
