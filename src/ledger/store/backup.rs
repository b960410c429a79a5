//! Backups: the whole ledger in one file, and the way back from one. After a restore nothing is published of a meter before its register was
//! taken again, and no backup replaces a ledger with higher figures.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::error::{BackupError, OpenError};
use super::files::{fill, save_as};
use super::folder::Folder;
use super::opening::{LedgerSnapshot, Origin, copied, find, mark_unconfirmed, read_file};
use crate::ledger::names::listed;
use crate::storage::{StoreError, StoreFault, close, connect, create_private, remove_store};
use crate::units::MilliwattHours;

/// A backup being made. Its name is reserved at once; the file is empty until it is whole. Dropped before that, it leaves nothing behind.
#[derive(Debug)]
pub struct Saving {
    target: PathBuf,
    /// Where it is written until it is whole.
    part: PathBuf,
    finished: bool,
}

impl Saving {
    /// Reserves the name, which no file may have yet.
    ///
    /// # Errors
    /// When the file is there already or cannot be created.
    pub fn begin(target: &Path) -> Result<Self, BackupError> {
        match create_private(target) {
            Ok(_) => {
                let part = target.with_added_extension("part");
                Ok(Saving { target: target.to_owned(), part, finished: false })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(BackupError::Exists(target.to_owned())),
            Err(error) => Err(BackupError::target(target)(error)),
        }
    }

    /// An empty file for the whole ledger, as a daemon streams it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn part(&self) -> Result<File, BackupError> {
        remove_store(&self.part).and_then(|()| create_private(&self.part)).map_err(BackupError::target(&self.part))
    }

    /// Writes the ledger that was opened.
    ///
    /// # Errors
    /// When it is the copy of a damaged ledger, or cannot be written.
    pub fn write(&self, snapshot: &LedgerSnapshot) -> Result<(), BackupError> {
        if let Some(why) = &snapshot.fell_back {
            return Err(BackupError::Damaged(why.clone()));
        }
        self.part()?;
        Ok(fill(&snapshot.connection, &self.part).map_err(StoreError::write(&self.part))?)
    }

    /// Waits for the disk and reads back what was written. True if the ledger was moved away.
    ///
    /// # Errors
    /// When it is not a whole ledger, or the disk failed.
    pub fn check(&self) -> Result<bool, BackupError> {
        File::open(&self.part).and_then(|file| file.sync_all()).map_err(BackupError::target(&self.part))?;
        let (_, contents) = read_file(&self.part).map_err(|fault| no_backup(&self.part, fault))?;
        Ok(contents.ledger.retired.is_some())
    }

    /// Gives what was written its name.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn finish(mut self) -> Result<(), BackupError> {
        let parent = self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let named = fs::rename(&self.part, &self.target).and_then(|()| crate::storage::sync_folder(parent));
        named.map_err(BackupError::target(&self.target))?;
        self.finished = true;
        Ok(())
    }

    /// Why it cannot be written.
    pub fn failed(&self, error: io::Error) -> BackupError {
        BackupError::target(&self.part)(error)
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

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// `ledger move` wrote it: this machine reports from it and needs no `ledger adopt`.
    pub moved: bool,
}

/// Puts a backup in the place of the ledger in that folder, which no arkmeter may be using, and of its copy.
///
/// # Errors
/// When a figure of the present ledger, or of its copy if it is damaged, is higher than the backup's; when it is no whole backup; when a
/// file cannot be written. Nothing was changed then.
pub fn restore(path: &Path, file: &Path) -> Result<Restored, BackupError> {
    let folder = Folder::take(path)?;
    let present = match find(path, "read", read_file) {
        Ok(found) => Some(found.contents),
        Err(OpenError::Nothing { .. } | OpenError::Damaged { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let found = fs::metadata(file).map_err(|source| BackupError::Origin { path: file.to_owned(), source })?;
    if !found.is_file() {
        return Err(BackupError::NoFile(file.to_owned()));
    }
    let (backup, mut contents) = read_file(file).map_err(|fault| no_backup(file, fault))?;
    let falls = present.iter().flat_map(|present| falling(present, &contents)).collect::<Vec<_>>();
    if !falls.is_empty() {
        let falls: Vec<_> = falls.iter().map(String::as_str).collect();
        return Err(BackupError::Falls(listed(&falls)));
    }
    let generations = copied(&folder.copy()).into_iter().chain(present.map(|present| present.ledger));
    let generation = generations.map(|ledger| ledger.generation).max().unwrap_or(0);
    contents.ledger.generation = contents.ledger.generation.max(generation);
    let moved = contents.ledger.retired.is_some();
    let ledger = folder.ledger();
    put_in_place(&folder, &backup, contents).map_err(|fault| match fault {
        StoreFault::Disk(source) => StoreError::Write { path: ledger, source }.into(),
        fault => no_backup(file, fault),
    })?;
    Ok(Restored { moved })
}

fn put_in_place(folder: &Folder, backup: &rusqlite::Connection, contents: Contents) -> Result<(), StoreFault> {
    let scratch = folder.scratch(&folder.ledger())?;
    fill(backup, &scratch)?;
    let mut connection = connect(&scratch)?;
    mark_unconfirmed(&mut connection, contents, &Origin::Backup)?;
    // The copy first: if the power fails in between, it is either older than the ledger or what the ledger falls back to.
    save_as(&connection, folder, &folder.copy())?;
    close(connection)?;
    Ok(folder.replace_ledger(&scratch)?)
}

fn no_backup(path: &Path, fault: StoreFault) -> BackupError {
    match fault {
        StoreFault::Damaged(why) => BackupError::NoBackup { path: path.to_owned(), why },
        fault => OpenError::of("read", path, fault).into(),
    }
}

/// The figures that are higher than in the backup.
fn falling(present: &Contents, backup: &Contents) -> Vec<String> {
    let meters = present.meters.values().map(|meter| {
        // It may have been renamed since.
        let same_id = || backup.meters.values().find(|found| found.id == meter.id);
        let found = backup.meters.get(&meter.name).or_else(same_id);
        let then = found.and_then(|found| found.state.published());
        (format!("meter {}", meter.name), meter.state.published(), then)
    });
    let clients = present.clients.iter().map(|(key, client)| {
        let then = backup.clients.get(key).and_then(|client| client.state.energy);
        (format!("client {}", key.client_id), client.state.energy, then)
    });
    let words = |figure: Option<MilliwattHours>| figure.map_or("none".to_owned(), MilliwattHours::in_words);
    let higher = meters.chain(clients).filter(|(_, now, then)| now > then);
    higher.map(|(what, now, then)| format!("{what} ({} here, {} in the backup)", words(now), words(then))).collect()
}
