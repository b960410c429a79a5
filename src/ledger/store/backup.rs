//! Backups: the whole ledger in one file, and the way back from one. A restored ledger publishes nothing of a meter before its register
//! was taken again, and none takes the place of one that knows higher figures.

use std::fs;
use std::path::Path;

use super::error::{BackupError, OpenError};
use super::files::{fill, save_as};
use super::folder::Folder;
use super::look::{Look, refused};
use super::opening::{Origin, copy_sequence, mark_unconfirmed};
use super::saving::Saving;
use super::{Contents, inspect};
use crate::ledger::names::listed;
use crate::storage::{StoreError, StoreFault, connect};
use crate::units::MilliwattHours;

/// Writes the ledger in that folder to `target` as it is on disk now, readable by its owner only, whether a daemon runs or not.
pub fn backup(folder: &Path, target: &Path) -> Result<(), BackupError> {
    let saving = Saving::begin(target)?;
    saving.write(folder)?;
    saving.finish()
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// It was given away with `ledger move`: whoever takes it up reports from it, and needs no `ledger adopt`.
    pub moved: bool,
}

/// Puts a backup in the place of the ledger in that folder, which no arkmeter may be using, and of its copy.
///
/// Refused where a figure in what is there, or in its copy where that is damaged, is higher than the backup's.
pub fn restore(path: &Path, file: &Path) -> Result<Restored, BackupError> {
    let folder = Folder::take(path)?;
    let found = fs::metadata(file).map_err(|error| BackupError::origin(file, error))?;
    if !found.is_file() {
        return Err(BackupError::NoFile(file.to_owned()));
    }
    let look = Look::at(file).map_err(|fault| match fault {
        StoreFault::Damaged(why) => BackupError::NoBackup { path: file.to_owned(), why },
        fault => refused(file, fault).into(),
    })?;
    let known = match Look::open(path) {
        Ok(current) => {
            let behind = behind(&current.contents, &look.contents);
            if !behind.is_empty() {
                let behind: Vec<_> = behind.iter().map(String::as_str).collect();
                return Err(BackupError::Falls(listed(&behind)));
            }
            current.sequence
        }
        Err(OpenError::Nothing { .. } | OpenError::Damaged { .. }) => 0,
        Err(error) => return Err(error.into()),
    };
    let ledger = folder.ledger();
    let failed = |error| StoreError::file(&ledger, error);
    let unwritten = |error| StoreError::write(&ledger, error);
    let scratch = folder.scratch(&ledger).map_err(failed)?;
    fill(look.connection(), &scratch).map_err(unwritten)?;
    let mut connection = connect(&scratch).map_err(unwritten)?;
    let strange = |fault: StoreFault| BackupError::NoBackup { path: file.to_owned(), why: fault.to_string() };
    let mut whole = inspect::inspect(&connection).map_err(strange)?;
    whole.commit.sequence =
        whole.commit.sequence.max(known).max(folder.noted()).max(copy_sequence(&folder).unwrap_or(0));
    mark_unconfirmed(&mut connection, whole, Origin::Backup).map_err(strange)?;
    // The copy first: should the power go in between, it is either older than the ledger or what the ledger falls back to.
    save_as(&connection, &folder, &folder.copy())?;
    connection.close().map_err(|(_, error)| unwritten(error))?;
    folder.move_ledger_aside().map_err(failed)?;
    folder.put(&scratch, &ledger).map_err(failed)?;
    Ok(Restored { moved: look.retired.is_some() })
}

/// What is there and higher than in the backup.
fn behind(current: &Contents, backup: &Contents) -> Vec<String> {
    let mut behind = Vec::new();
    for (name, row) in &current.meters {
        let (there, then) = (row.state.published(), backup.meters.get(name).and_then(|row| row.state.published()));
        if there > then {
            behind.push(apart(&format!("meter {name}"), there, then));
        }
    }
    for (key, state) in &current.clients {
        let then = backup.clients.get(key).and_then(|state| state.energy);
        if state.energy > then {
            behind.push(apart(&format!("client {}", key.client_id), state.energy, then));
        }
    }
    behind
}

fn apart(what: &str, there: Option<MilliwattHours>, then: Option<MilliwattHours>) -> String {
    let figure = |figure: Option<MilliwattHours>| figure.map_or("none".to_owned(), MilliwattHours::in_words);
    format!("{what} ({} here, {} in the backup)", figure(there), figure(then))
}
