//! A file outside the state folder that comes to hold the whole ledger: its name is taken at once, and it is empty or whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::BackupError;
use super::files::fill;
use super::look::Look;
use crate::storage::StoreError;

/// A backup being made. Dropping it unfinished leaves nothing behind.
#[derive(Debug)]
pub struct Saving {
    target: PathBuf,
    /// Where it is written until it is whole.
    part: PathBuf,
    finished: bool,
}

impl Saving {
    /// Takes the name, which nothing may have yet.
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

    /// Writes the ledger in that folder as it is on disk now, whether a daemon runs or not, and waits for the disk. True where it is
    /// one that was given away.
    pub fn write(&self, folder: &Path) -> Result<bool, BackupError> {
        let look = Look::open(folder)?;
        if let Some(why) = look.fell_back {
            return Err(BackupError::Damaged(why));
        }
        let failed = |error: io::Error| BackupError::target(&self.part, error);
        absent(fs::remove_file(&self.part)).and_then(|()| private(&self.part)).map_err(failed)?;
        fill(look.connection(), &self.part).map_err(|error| StoreError::write(&self.part, error))?;
        File::open(&self.part).and_then(|file| file.sync_all()).map_err(failed)?;
        Ok(look.retired.is_some())
    }

    /// Gives what was written its name.
    pub fn finish(mut self) -> Result<(), BackupError> {
        let failed = |error: io::Error| BackupError::target(&self.target, error);
        let parent = self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::rename(&self.part, &self.target).map_err(failed)?;
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        if !self.finished {
            // Half a backup is worse than none.
            let _ = fs::remove_file(&self.part);
            // What SQLite kept beside it.
            let mut journal = self.part.clone().into_os_string();
            journal.push("-journal");
            let _ = fs::remove_file(journal);
            let _ = fs::remove_file(&self.target);
        }
    }
}

/// A new file, readable by its owner only.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
