//! Backups: the whole ledger in one file, and the way back from one. A restored ledger publishes nothing of a meter before its register
//! was taken again, and no backup takes the place of a ledger with higher figures.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::contents::{self, Contents};
use super::error::{BackupError, OpenError};
use super::files::{fill, save_as};
use super::folder::{Folder, remove_store};
use super::opening::{Origin, Target, copied, mark_unconfirmed};
use super::snapshot::LedgerSnapshot;
use crate::ledger::names::listed;
use crate::storage::{StoreError, StoreFault, connect};
use crate::units::MilliwattHours;

/// A backup being made: its name is taken at once, and the file is empty or whole. Dropping it unfinished leaves nothing behind.
#[derive(Debug)]
pub struct Saving {
    target: PathBuf,
    /// Where it is written until it is whole.
    part: PathBuf,
    finished: bool,
}

impl Saving {
    /// Takes the name, which no file may have yet.
    ///
    /// # Errors
    /// When the file is there already or cannot be created.
    pub fn begin(target: &Path) -> Result<Self, BackupError> {
        match private(target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(BackupError::Exists(target.to_owned())),
            Err(error) => Err(BackupError::target(target, error)),
            Ok(_) => {
                let part = target.with_added_extension("part");
                Ok(Saving { target: target.to_owned(), part, finished: false })
            }
        }
    }

    /// An empty file for the whole ledger, as a daemon streams it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn part(&self) -> Result<File, BackupError> {
        remove_store(&self.part).and_then(|()| private(&self.part)).map_err(|error| self.failed(error))
    }

    /// Writes the ledger that was opened.
    ///
    /// # Errors
    /// When it is the copy of a damaged ledger, or cannot be written.
    pub fn write(&self, snapshot: &LedgerSnapshot) -> Result<(), BackupError> {
        if let Some(why) = &snapshot.view.fell_back {
            return Err(BackupError::Damaged(why.clone()));
        }
        self.part()?;
        Ok(fill(snapshot.connection(), &self.part).map_err(|error| StoreError::write(&self.part, error))?)
    }

    /// Waits for the disk and reads back what was written. True where the ledger was given away.
    ///
    /// # Errors
    /// When it is not a whole ledger, or the disk failed.
    pub fn check(&self) -> Result<bool, BackupError> {
        File::open(&self.part).and_then(|file| file.sync_all()).map_err(|error| self.failed(error))?;
        let read = LedgerSnapshot::at(&self.part).map_err(|fault| no_backup(&self.part, fault))?;
        Ok(read.view.retired.is_some())
    }

    /// Gives what was written its name.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn finish(mut self) -> Result<(), BackupError> {
        let parent = self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::rename(&self.part, &self.target).map_err(|error| BackupError::target(&self.target, error))?;
        File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| BackupError::target(&self.target, error))?;
        self.finished = true;
        Ok(())
    }

    /// Why it cannot be written.
    pub fn failed(&self, error: io::Error) -> BackupError {
        BackupError::target(&self.part, error)
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        if !self.finished {
            // Half a backup is worse than none.
            let _ = remove_store(&self.part);
            let _ = fs::remove_file(&self.target);
        }
    }
}

/// A new file, readable by its owner only.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Saves the ledger in that folder, which no arkmeter may be using, to `target`.
///
/// # Errors
/// When it is in use or damaged, or the file cannot be written.
pub fn backup(folder: &Path, target: &Path) -> Result<(), BackupError> {
    let saving = Saving::begin(target)?;
    saving.write(&LedgerSnapshot::open(folder)?)?;
    saving.check()?;
    saving.finish()
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// It was given away with `ledger move`: this machine reports from it and needs no `ledger adopt`.
    pub moved: bool,
}

/// Puts a backup in the place of the ledger in that folder, which no arkmeter may be using, and of its copy.
///
/// # Errors
/// When a figure in what is there, or in its copy where that is damaged, is higher than the backup's; when it is no whole backup; when a
/// file cannot be written. Nothing was changed then.
pub fn restore(path: &Path, file: &Path) -> Result<Restored, BackupError> {
    let folder = Folder::take(path)?;
    let known = known(path)?;
    let found = fs::metadata(file).map_err(|error| BackupError::origin(file, error))?;
    if !found.is_file() {
        return Err(BackupError::NoFile(file.to_owned()));
    }
    let backup = LedgerSnapshot::at(file).map_err(|fault| no_backup(file, fault))?;
    let mut generation = copied(&folder, &Target::current()).map_or(0, |copy| copy.generation);
    if let Some((contents, there)) = known {
        let behind = behind(&contents, &backup.view.contents);
        if !behind.is_empty() {
            let behind: Vec<_> = behind.iter().map(String::as_str).collect();
            return Err(BackupError::Falls(listed(&behind)));
        }
        generation = generation.max(there);
    }
    let ledger = folder.ledger();
    let failed = |error| StoreError::file(&ledger, error);
    let unwritten = |error| StoreError::write(&ledger, error);
    let scratch = folder.scratch(&ledger).map_err(failed)?;
    fill(backup.connection(), &scratch).map_err(unwritten)?;
    let mut connection = connect(&scratch).map_err(unwritten)?;
    let mut intact = contents::inspect(&connection).map_err(|fault| no_backup(file, fault))?;
    intact.ledger.generation = intact.ledger.generation.max(generation);
    mark_unconfirmed(&mut connection, intact, Origin::Backup).map_err(|fault| no_backup(file, fault))?;
    // The copy first: if the power fails in between, it is either older than the ledger or what the ledger falls back to.
    save_as(&connection, &folder, &folder.copy())?;
    connection.close().map_err(|(_, error)| unwritten(error))?;
    folder.move_ledger_aside().map_err(failed)?;
    folder.put(&scratch, &ledger).map_err(failed)?;
    Ok(Restored { moved: backup.view.retired.is_some() })
}

/// What is there now, and its generation; `None` where there is nothing or nothing intact.
fn known(path: &Path) -> Result<Option<(Contents, u64)>, OpenError> {
    match LedgerSnapshot::read(path) {
        Ok(current) => Ok(Some((current.view.contents, current.view.generation))),
        Err(OpenError::Nothing { .. } | OpenError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn no_backup(path: &Path, fault: StoreFault) -> BackupError {
    match fault {
        StoreFault::Damaged(why) => BackupError::NoBackup { path: path.to_owned(), why },
        fault => OpenError::of(path, fault).into(),
    }
}

/// What is there and higher than in the backup.
fn behind(current: &Contents, backup: &Contents) -> Vec<String> {
    let mut behind = Vec::new();
    for meter in current.meters.values() {
        // Renamed since, perhaps.
        let same_id = || backup.meters.values().find(|found| found.id == meter.id);
        let found = backup.meters.get(&meter.name).or_else(same_id);
        let (there, then) = (meter.state.published(), found.and_then(|found| found.state.published()));
        if there > then {
            behind.push(apart(&format!("meter {}", meter.name), there, then));
        }
    }
    for (key, client) in &current.clients {
        let then = backup.clients.get(key).and_then(|client| client.state.energy);
        if client.state.energy > then {
            behind.push(apart(&format!("client {}", key.client_id), client.state.energy, then));
        }
    }
    behind
}

fn apart(what: &str, there: Option<MilliwattHours>, then: Option<MilliwattHours>) -> String {
    let figure = |figure: Option<MilliwattHours>| figure.map_or("none".to_owned(), MilliwattHours::in_words);
    format!("{what} ({} here, {} in the backup)", figure(there), figure(then))
}
