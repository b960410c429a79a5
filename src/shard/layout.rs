//! How the state is laid out: one ledger for the whole configuration, or one for each shard.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Shard, ShardCount};

/// Without shards, or with so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Without shards: `none`.
    Whole,
    /// So many shards.
    Shards(ShardCount),
}

/// The place of one ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerPlace {
    /// Its shard; absent without shards.
    pub shard: Option<Shard>,
    /// Its folder.
    pub folder: PathBuf,
}

impl Layout {
    /// The layout with this shard, or without one.
    pub fn of(shard: Option<Shard>) -> Self {
        shard.map_or(Layout::Whole, |shard| Layout::Shards(shard.count()))
    }

    /// The places of all ledgers, in the order of the shards. `state` is the configured folder.
    pub fn places(self, state: &Path) -> Vec<LedgerPlace> {
        match self {
            Layout::Whole => vec![LedgerPlace { shard: None, folder: state.to_owned() }],
            Layout::Shards(count) => {
                let place = |shard: Shard| LedgerPlace { shard: Some(shard), folder: shard.state_folder(state) };
                count.shards().map(place).collect()
            }
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layout::Whole => f.write_str("none"),
            Layout::Shards(count) => count.fmt(f),
        }
    }
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = || ShardCount::new(text.parse().ok()?).map(Layout::Shards);
        let layout = if text == "none" { Some(Layout::Whole) } else { count() };
        layout.ok_or_else(|| format!("a number of shards from 1 to {}, or `none`", ShardCount::MAX))
    }
}

impl fmt::Display for LedgerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shard {
            Some(shard) => write!(f, "shard {shard}"),
            None => f.write_str("the whole configuration"),
        }
    }
}
