//! The ledgers of shards: which shard one belongs to, and how they begin.
//!
//! A ledger notes its shard where another notes its machine: a shard may move to another machine, and takes its state with it. A shard never
//! begins a ledger by itself. An empty folder may be a volume that is not mounted, and a new ledger would begin new figures.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::files::connect_to_read;
use super::folder::{COPY, Folder, LEDGER, ensure, leftover};
use super::opening::{self, copied};
use super::rows::LedgerRow;
use crate::shard::{Layout, LedgerPlace, Shard, Sharding};
use crate::units::Name;

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
    drop(Folder::take_marked(&path, state)?);
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

/// Fails if the ledger of another shard, or that of a daemon without shards, has a figure of one of these meters, which the one in `folder` lacks.
/// `shard` is the shard of this one. Ledgers on volumes that are not mounted here are not seen (blocking).
///
/// # Errors
/// With the meters and the command that moves them.
pub fn check_elsewhere(folder: &Path, shard: Option<Shard>, meters: &BTreeSet<Name>) -> Result<(), OpenError> {
    if meters.is_empty() {
        return Ok(());
    }
    let state = if shard.is_some() { folder.parent().unwrap_or(folder) } else { folder };
    for other in folders_of_shards(state).chain([state.to_owned()]).filter(|other| other != folder) {
        let Some((row, figures)) = figures_in(&other) else { continue };
        let meters: Vec<_> = figures.into_iter().filter(|name| meters.contains(name)).collect();
        if !meters.is_empty() {
            let found = row.machine.as_deref().and_then(Shard::of_owner);
            let place = LedgerPlace { shard: found, folder: other };
            return Err(OpenError::Elsewhere { meters, place, shard, from: Layout::of(found), to: Layout::of(shard) });
        }
    }
    Ok(())
}

fn folders_of_shards(state: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(state).into_iter().flatten().flatten();
    let is_shard = |name: &str| name.strip_prefix("shard-").is_some_and(|number| number.parse::<u16>().is_ok());
    entries.filter(move |entry| is_shard(&entry.file_name().to_string_lossy())).map(|entry| entry.path())
}

/// The meters that have a figure in the ledger of that folder, whether a daemon has it open or not.
fn figures_in(folder: &Path) -> Option<(LedgerRow, Vec<Name>)> {
    [COPY, LEDGER].iter().find_map(|name| {
        let path = folder.join(name);
        let row = copied(&path)?;
        let connection = connect_to_read(&path).ok()?;
        let mut names =
            connection.prepare("SELECT name FROM meter WHERE published_mwh IS NOT NULL ORDER BY name").ok()?;
        let names = names.query_map([], |row| row.get(0)).ok()?.collect::<rusqlite::Result<_>>().ok()?;
        Some((row, names))
    })
}
