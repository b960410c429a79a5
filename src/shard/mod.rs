//! Shards: which part of one configuration each of several daemons runs, on one machine or on several. Pure.
//!
//! The shards are numbered from 1. Each owns whole buses, with all of their meters and clients, and keeps its state in a folder of its own.

mod assignment;
mod layout;
mod numbers;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub use assignment::{Assignment, BusGroup, PinConflict, ShardedBus, assign};
pub use layout::{Layout, LedgerPlace};
pub use numbers::{GivenNumber, ShardError, ShardNumbers};

/// How many shards there are: 1 ..= [`ShardCount::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardCount(u16);

impl ShardCount {
    /// The most shards of one configuration.
    pub const MAX: u16 = 256;

    /// `None` for 0 and above [`ShardCount::MAX`].
    pub fn new(count: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&count).then_some(ShardCount(count))
    }

    /// The number of shards.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The shard of this number; `None` for 0 and above the count.
    pub fn shard(self, number: u16) -> Option<Shard> {
        (1..=self.0).contains(&number).then_some(Shard { number, count: self })
    }

    /// All shards, from 1.
    pub fn shards(self) -> impl Iterator<Item = Shard> {
        (1..=self.0).map(move |number| Shard { number, count: self })
    }
}

impl fmt::Display for ShardCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One shard of several. It is shown as `2 of 4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    number: u16,
    count: ShardCount,
}

impl Shard {
    /// Its number, from 1.
    pub fn number(self) -> u16 {
        self.number
    }

    /// How many shards there are.
    pub fn count(self) -> ShardCount {
        self.count
    }

    /// Its state folder below the configured one.
    pub fn state_folder(self, state: &Path) -> PathBuf {
        state.join(format!("shard-{}", self.number))
    }

    /// Its control socket beside the configured one, so that several shards can run on one machine: `control.sock` becomes
    /// `control-shard-2.sock`.
    pub fn socket(self, socket: &Path) -> PathBuf {
        let stem = socket.file_stem().unwrap_or_default().to_string_lossy();
        let extension = socket.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
        socket.with_file_name(format!("{stem}-shard-{}{}", self.number, extension.unwrap_or_default()))
    }

    /// The most bytes that [`Shard::socket`] adds to a path.
    pub(crate) const SOCKET_ADDS: usize = "-shard-256".len();

    /// How a ledger notes the shard that it belongs to.
    pub fn owner(self) -> String {
        format!("shard {self}")
    }

    /// The shard that a ledger notes; `None` if the text is of another owner.
    pub fn of_owner(text: &str) -> Option<Self> {
        let (number, count) = text.strip_prefix("shard ")?.split_once(" of ")?;
        ShardCount::new(count.parse().ok()?)?.shard(number.parse().ok()?)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.number, self.count)
    }
}

/// What a process was told: how many shards there are and, if it works for one of them, which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharding {
    /// The shard that it works for.
    One(Shard),
    /// It looks at all of them.
    All(ShardCount),
}

impl Sharding {
    /// How many shards there are.
    pub fn count(self) -> ShardCount {
        match self {
            Sharding::One(shard) => shard.count(),
            Sharding::All(count) => count,
        }
    }

    /// The shard that the process works for.
    pub fn shard(self) -> Option<Shard> {
        match self {
            Sharding::One(shard) => Some(shard),
            Sharding::All(_) => None,
        }
    }
}
