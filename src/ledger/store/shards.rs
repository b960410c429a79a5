//! The ledgers of shards: which shard one belongs to, and how they begin.
//!
//! A ledger notes its shard where another notes its machine: a shard may move to another machine, and takes its state with it. A shard never
//! begins a ledger by itself. An empty folder may be a volume that is not mounted, and a new ledger would begin new figures.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::folder::{COPY, Folder, LEDGER, ensure, leftover};
use super::opening::{self, copied};
use super::rows::LedgerRow;
use crate::shard::{Shard, Sharding};
use crate::storage::give_to_owner;

/// A ledger that `shard init` looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLedger {
    /// Its shard.
    pub shard: Shard,
    /// The folder.
    pub folder: PathBuf,
    /// False if there was one already.
    pub begun: bool,
}

/// Begins an empty ledger for the shard, or for each shard, that has none. `state` is the folder above theirs.
///
/// # Errors
/// When there is a ledger of another number of shards or of no shard, and when a file cannot be written.
pub fn begin(state: &Path, sharding: Sharding) -> Result<Vec<NewLedger>, OpenError> {
    for shard in sharding.count().shards() {
        let folder = shard.state_folder(state);
        if let Some(row) = row_in(&folder) {
            check_owner(&folder, &row, Some(&shard.owner()))?;
        }
    }
    let whole = row_in(state).map(|_| OpenError::OtherShard {
        folder: state.to_owned(),
        found: None,
        ours: sharding.shard().or(sharding.count().shard(1)),
    });
    if let Some(error) = whole {
        return Err(error);
    }
    ensure(state)?;
    let shards = sharding.count().shards().filter(|shard| sharding.shard().is_none_or(|only| only == *shard));
    shards.map(|shard| begin_one(state, shard)).collect()
}

fn begin_one(state: &Path, shard: Shard) -> Result<NewLedger, OpenError> {
    let path = shard.state_folder(state);
    if has_ledger(&path)? {
        return Ok(NewLedger { shard, folder: path, begun: false });
    }
    // The daemon's user must be able to write what root makes.
    if ensure(&path)?
        && let Ok(made) = File::open(&path)
    {
        give_to_owner(&made, state);
    }
    let folder = Folder::take(&path)?;
    let begun = opening::begin(&folder, Some(&shard.owner()));
    begun.map_err(|fault| OpenError::of("create the ledger", &folder.ledger(), fault))?;
    Ok(NewLedger { shard, folder: path, begun: true })
}

/// Fails if a shard has no ledger in this folder.
pub(super) fn check_begun(folder: &Path, owner: Option<&str>) -> Result<(), OpenError> {
    match owner.and_then(Shard::of_owner) {
        Some(shard) if !has_ledger(folder)? => Err(OpenError::NotBegun { shard, folder: folder.to_owned() }),
        _ => Ok(()),
    }
}

/// Fails if the ledger belongs to another shard than the owner is, or one of the two is no shard. Another machine is no error: nothing is
/// reported then.
pub(super) fn check_owner(folder: &Path, ledger: &LedgerRow, owner: Option<&str>) -> Result<(), OpenError> {
    let (found, ours) = (ledger.machine.as_deref().and_then(Shard::of_owner), owner.and_then(Shard::of_owner));
    // One that no machine claimed yet is free.
    if found == ours || (found.is_none() && ledger.machine.is_none()) {
        return Ok(());
    }
    Err(OpenError::OtherShard { folder: folder.to_owned(), found, ours })
}

fn has_ledger(folder: &Path) -> Result<bool, OpenError> {
    if fs::exists(folder).is_ok_and(|there| !there) {
        return Ok(false);
    }
    leftover(folder).map(|left| left.is_some()).map_err(|error| OpenError::of("read", folder, error))
}

/// The row about the ledger in that folder, whether a daemon has it open or not; `None` without a ledger. The copy never is open.
fn row_in(folder: &Path) -> Option<LedgerRow> {
    copied(&folder.join(COPY)).or_else(|| copied(&folder.join(LEDGER)))
}
