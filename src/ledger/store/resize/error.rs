//! Why shards were not resized, and the remedy.

use std::path::PathBuf;

use crate::history::GatherError;
use crate::ledger::store::{OpenError, StoreError};
use crate::shard::{Layout, LedgerPlace, Shard};
use crate::text::chain;
use crate::units::{ClientId, Name};

/// Why shards were not resized.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError {
    /// A ledger cannot be opened.
    #[error("{}; nothing was changed", chain(.0))]
    Open(OpenError),
    /// A new ledger, which is in place, cannot be opened.
    #[error("the resize is complete, but {}", chain(.0))]
    Complete(OpenError),
    /// A history cannot be read or written.
    #[error(transparent)]
    History(#[from] GatherError),
    /// A file cannot be written or read.
    #[error(transparent)]
    Disk(StoreError),
    /// A new ledger could not be written.
    #[error("{}; nothing was changed, and the shards can start as before", chain(.0))]
    Unchanged(Box<ResizeError>),
    /// The decision was made, and what follows failed.
    #[error("{}; the resize is not complete: run the same command again, no shard starts before", chain(.0))]
    Incomplete(Box<ResizeError>),
    /// One that must be there is not.
    #[error("{place} has no ledger in {}: mount its state there, for a resize needs all of them; nothing was changed", place.folder.display())]
    NoLedger {
        /// Whose ledger.
        place: LedgerPlace,
    },
    /// One is damaged.
    #[error(
        "the ledger of {place} in {} is damaged ({why}): start it once, so that it continues from its copy, and then run this again; nothing \
         was changed",
        place.folder.display()
    )]
    Damaged {
        /// Whose ledger.
        place: LedgerPlace,
        /// What is wrong with it.
        why: String,
    },
    /// One is damaged, and so is its copy.
    #[error(
        "the ledger of {place} in {} is damaged ({why}), and {copy}: restore a backup (`arkmeter ledger restore{} FILE`), and then run this \
         again; nothing was changed",
        place.folder.display(),
        options(place)
    )]
    Lost {
        /// Whose ledger.
        place: LedgerPlace,
        /// What is wrong with it.
        why: String,
        /// What is wrong with its copy.
        copy: String,
    },
    /// One was moved to another machine.
    #[error("the ledger of {place} in {} was moved away: bring it back with `arkmeter ledger restore`; nothing was changed", place.folder.display())]
    Retired {
        /// Whose ledger.
        place: LedgerPlace,
    },
    /// One is not of the layout.
    #[error("the ledger in {} belongs to {found}, not to {place}: correct --from; nothing was changed", place.folder.display())]
    OtherOwner {
        /// Whose ledger it should be.
        place: LedgerPlace,
        /// Whose it is.
        found: String,
    },
    /// A folder that a new shard needs is in use.
    #[error(
        "the folder {} is to become that of {place}, but has a ledger with {meters} meters: correct --from, or move the files of an \
         earlier attempt away; nothing was changed",
        place.folder.display()
    )]
    Occupied {
        /// Whose folder it is to be.
        place: LedgerPlace,
        /// The meters in it.
        meters: usize,
    },
    /// Another resize has begun.
    #[error(
        "a resize from {from} to {to} was interrupted: complete it first, with `arkmeter shard resize --from {from} --to {to}`"
    )]
    Interrupted {
        /// What it began from.
        from: Layout,
        /// What it leads to.
        to: Layout,
    },
    /// A client was set above its meters, and the one that catches up is in another shard.
    #[error(
        "client {client} still has to be caught up with by meter {meter}, which is in another shard: list it in the client's `meters` until \
         the figure advances again, and then run this again; nothing was changed"
    )]
    CatchingUp {
        /// The client.
        client: ClientId,
        /// The meter.
        meter: Name,
    },
    /// What was written is not what was read.
    #[error("the new ledger in {} is not what was written ({why}): check the disk (dmesg, fsck)", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// The difference.
        why: String,
    },
    /// A test stops here, as if the power failed.
    #[cfg(test)]
    #[error("stopped by a test")]
    Stopped,
}

impl From<OpenError> for ResizeError {
    fn from(error: OpenError) -> Self {
        ResizeError::Open(error)
    }
}

/// The options with which a command uses this ledger.
fn options(place: &LedgerPlace) -> String {
    let of = |shard: Shard| format!(" --shards {} --shard {}", shard.count(), shard.number());
    place.shard.map(of).unwrap_or_default()
}
