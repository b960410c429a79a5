//! The mark of a resize in a state folder. While it is there, no daemon and no other command uses the ledger in the folder.

use std::fs;
use std::io;
use std::path::Path;

use crate::files::{self, FileError};
use crate::shard::Layout;
use crate::storage::{create_private, give_to_owner, remove_store, sync_folder};

/// The file of the mark.
const MARK: &str = "resize";
/// It before it has its name.
const SCRATCH: &str = "resize-mark.new";

/// A resize that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger::store) struct Mark {
    pub(in crate::ledger::store) from: Layout,
    pub(in crate::ledger::store) to: Layout,
    /// All new ledgers are complete: they count, and the old ones do not. Only the mark of the first folder says so.
    pub(in crate::ledger::store) decided: bool,
}

impl Mark {
    /// The mark in that folder.
    pub(in crate::ledger::store) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let text = match files::read(&folder.join(MARK), 64) {
            Ok(text) => text,
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(FileError::Io(error)) => return Err(error),
            Err(other) => return Err(io::Error::other(other.to_string())),
        };
        let text = String::from_utf8_lossy(&text.bytes).into_owned();
        let mark = Mark::parse(&text);
        mark.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no mark of a resize"))
    }

    fn parse(text: &str) -> Option<Self> {
        let [from, to, state] = text.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
        let decided = match state {
            "preparing" => false,
            "decided" => true,
            _ => return None,
        };
        Some(Mark { from: from.parse().ok()?, to: to.parse().ok()?, decided })
    }

    /// Writes it: after a power cut the former mark is there or this one.
    pub(super) fn write(self, folder: &Path) -> io::Result<()> {
        let path = folder.join(MARK);
        let scratch = folder.join(SCRATCH);
        remove_store(&scratch)?;
        let mut file = create_private(&scratch)?;
        let state = if self.decided { "decided" } else { "preparing" };
        io::Write::write_all(&mut file, format!("{} {} {state}\n", self.from, self.to).as_bytes())?;
        give_to_owner(&file, folder);
        file.sync_all()?;
        fs::rename(&scratch, &path)?;
        sync_folder(folder)
    }

    /// Removes it, if it is there.
    pub(super) fn remove(folder: &Path) -> io::Result<()> {
        remove_store(&folder.join(SCRATCH))?;
        remove_store(&folder.join(MARK))?;
        sync_folder(folder)
    }
}
