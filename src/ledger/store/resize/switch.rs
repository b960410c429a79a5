//! Puts the new files in place. Each step may be repeated.

use std::fs;
use std::io;
use std::path::Path;

use super::build::beside;
use super::marker::Mark;
use super::{FolderSet, ResizeError, step};
use crate::history::HISTORY;
use crate::ledger::store::StoreError;
use crate::ledger::store::folder::{COPY, LEDGER};
use crate::shard::LedgerPlace;
use crate::storage::{remove_store, sync_folder};

/// Puts the new ledgers in place, and removes the marks.
pub(super) fn switch(set: &FolderSet) -> Result<(), ResizeError> {
    let at = |place: &LedgerPlace, done: io::Result<()>| done.map_err(|error| disk(&place.folder, error));
    for place in &set.new {
        at(place, put_in_place(&place.folder))?;
        step()?;
    }
    for place in set.old.iter().filter(|old| !set.new.iter().any(|new| new.folder == old.folder)) {
        at(place, leave(&place.folder))?;
        step()?;
    }
    remove_marks(set)
}

/// Removes what a resize that was not decided left behind.
pub(super) fn clean(set: &FolderSet) -> Result<(), ResizeError> {
    for folder in &set.folders {
        remove_beside(folder.path()).map_err(|error| disk(folder.path(), error))?;
    }
    remove_marks(set)
}

/// The mark of the first folder, which tells how far the resize is, is the last one.
fn remove_marks(set: &FolderSet) -> Result<(), ResizeError> {
    for folder in set.folders.iter().rev() {
        Mark::remove(folder.path()).map_err(|error| disk(folder.path(), error))?;
        step()?;
    }
    Ok(())
}

fn disk(folder: &Path, error: io::Error) -> ResizeError {
    ResizeError::Disk(StoreError::write(folder)(error))
}

/// Renames the new files into the folder, the ledger last: while it is among the new files, an old one may be in its place.
fn put_in_place(folder: &Path) -> io::Result<()> {
    let new = beside(folder);
    if new.join(HISTORY).exists() {
        set_aside(folder, HISTORY, "-journal")?;
        fs::rename(new.join(HISTORY), folder.join(HISTORY))?;
    }
    if new.join(LEDGER).exists() {
        set_aside(folder, LEDGER, "-wal")?;
        if new.join(COPY).exists() {
            fs::rename(new.join(COPY), folder.join(COPY))?;
        }
        sync_folder(folder)?;
        fs::rename(new.join(LEDGER), folder.join(LEDGER))?;
    }
    sync_folder(folder)?;
    remove_beside(folder)
}

/// Leaves no ledger in the folder of a shard that there is no more.
fn leave(folder: &Path) -> io::Result<()> {
    set_aside(folder, HISTORY, "-journal")?;
    set_aside(folder, LEDGER, "-wal")?;
    remove_store(&folder.join(COPY))?;
    sync_folder(folder)
}

/// Renames a store, then its log: beside another store it would be taken for that one's.
fn set_aside(folder: &Path, name: &str, log: &str) -> io::Result<()> {
    let aside = |end: &str| folder.join(format!("before-resize-{name}{end}"));
    if folder.join(name).exists() {
        remove_store(&aside(""))?;
        fs::rename(folder.join(name), aside(""))?;
    }
    let log_file = folder.join(format!("{name}{log}"));
    if log_file.exists() {
        fs::rename(log_file, aside(log))?;
    }
    let _ = fs::remove_file(folder.join(format!("{name}-shm")));
    sync_folder(folder)
}

fn remove_beside(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(beside(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
