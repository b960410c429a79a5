//! Which shard has which bus.
//!
//! Buses that share a client form a group, since one daemon has to add up the client's meters. A group goes to the shard with the highest
//! score (rendezvous hashing), and a score depends on the group and the shard alone. So adding a bus moves no other bus, and one more shard
//! takes its part of the buses from each of the others, 1/(N+1) of all, and moves no other.
//!
//! Polls per second do not enter the score: whether a bus fits would then depend on the other buses, and a new bus would move some of them. The
//! load of a shard is what `check --shards` prints, and a pin (`shard = 2` on a bus) corrects it.

use std::collections::{BTreeMap, BTreeSet};

use ring::digest::{Context, SHA256};

use super::{Shard, ShardCount};
use crate::units::Name;

/// A bus that is to be assigned.
#[derive(Clone, Copy, Debug)]
pub struct ShardedBus<'c> {
    /// Its name.
    pub name: &'c Name,
    /// The shard that it must be in.
    pub pin: Option<Shard>,
}

/// Buses that stay together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusGroup {
    /// Its buses, by name. The first stands for the group: a bus that joins it moves no other if its name comes later.
    pub buses: BTreeSet<Name>,
    /// The clients whose meters are on several of its buses.
    pub clients: BTreeSet<Name>,
    /// The first of its buses that is pinned.
    pub pinned: Option<Name>,
    /// The shard that has it.
    pub shard: Shard,
}

/// Which shard has which bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The groups, in the order of their first buses.
    pub groups: Vec<BusGroup>,
}

/// Two buses share a client and are pinned to different shards.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("buses {} and {} are pinned to shards {} and {}, but share a client{}", buses[0], buses[1], shards[0], shards[1], named(clients))]
pub struct PinConflict {
    /// The two buses.
    pub buses: [Name; 2],
    /// Their shards.
    pub shards: [u16; 2],
    /// The clients that hold their group together.
    pub clients: BTreeSet<Name>,
}

fn named(clients: &BTreeSet<Name>) -> String {
    let names: Vec<_> = clients.iter().map(Name::as_str).collect();
    format!(" ({})", names.join(", "))
}

impl Assignment {
    /// The shard of each bus.
    pub fn shards(&self) -> BTreeMap<&Name, Shard> {
        self.groups.iter().flat_map(|group| group.buses.iter().map(|bus| (bus, group.shard))).collect()
    }
}

/// Assigns the buses. `clients` has the buses of each client; a bus that is not in `buses` is ignored.
///
/// # Errors
/// When two buses of one group are pinned to different shards.
pub fn assign<'c>(
    count: ShardCount,
    buses: &[ShardedBus<'c>],
    clients: &BTreeMap<&'c Name, BTreeSet<&'c Name>>,
) -> Result<Assignment, PinConflict> {
    let mut sets = DisjointSets::new(buses.len());
    let index: BTreeMap<&Name, usize> = buses.iter().enumerate().map(|(index, bus)| (bus.name, index)).collect();
    for members in clients.values() {
        let mut members = members.iter().filter_map(|bus| index.get(bus));
        if let Some(first) = members.next() {
            members.for_each(|other| sets.join(*first, *other));
        }
    }
    let mut together: BTreeMap<usize, Vec<ShardedBus<'c>>> = BTreeMap::new();
    for (index, bus) in buses.iter().enumerate() {
        together.entry(sets.find(index)).or_default().push(*bus);
    }
    let mut joining: BTreeMap<usize, BTreeSet<Name>> = BTreeMap::new();
    for (client, members) in clients.iter().filter(|(_, members)| members.len() > 1) {
        if let Some(bus) = members.iter().find_map(|bus| index.get(bus)) {
            joining.entry(sets.find(*bus)).or_default().insert((*client).clone());
        }
    }
    let groups =
        together.into_iter().map(|(set, buses)| group(count, &buses, joining.remove(&set).unwrap_or_default()));
    let mut groups = groups.collect::<Result<Vec<_>, _>>()?;
    groups.sort_by(|one, other| one.buses.first().cmp(&other.buses.first()));
    Ok(Assignment { groups })
}

fn group(count: ShardCount, buses: &[ShardedBus<'_>], clients: BTreeSet<Name>) -> Result<BusGroup, PinConflict> {
    let mut pinned = buses.iter().filter_map(|bus| Some((bus.name, bus.pin?))).collect::<Vec<_>>();
    pinned.sort();
    let names: BTreeSet<Name> = buses.iter().map(|bus| bus.name.clone()).collect();
    let shard = match pinned.first() {
        None => names.first().map_or(Shard { number: 1, count }, |first| highest(count, first)),
        Some((first, shard)) => {
            if let Some((other, elsewhere)) = pinned.iter().find(|(_, pin)| pin != shard) {
                let buses = [(*first).clone(), (*other).clone()];
                return Err(PinConflict { buses, shards: [shard.number(), elsewhere.number()], clients });
            }
            *shard
        }
    };
    Ok(BusGroup { buses: names, clients, pinned: pinned.first().map(|(name, _)| (*name).clone()), shard })
}

/// The shard with the highest score for a group; of equal ones the first.
fn highest(count: ShardCount, group: &Name) -> Shard {
    let better = |best: (u64, Shard), shard: Shard| {
        let score = score(group, shard.number());
        if score > best.0 { (score, shard) } else { best }
    };
    count.shards().fold((0, Shard { number: 1, count }), better).1
}

/// The first 8 bytes of the SHA-256 of `arkmeter shard NUMBER NAME`. Other versions of arkmeter must compute the same, since the ledgers are
/// where these scores put them.
fn score(group: &Name, number: u16) -> u64 {
    let mut context = Context::new(&SHA256);
    context.update(format!("arkmeter shard {number} {group}").as_bytes());
    let digest = context.finish();
    digest.as_ref().iter().take(8).fold(0, |score, byte| score << 8 | u64::from(*byte))
}

/// Sets that can be joined (union-find).
struct DisjointSets(Vec<usize>);

impl DisjointSets {
    fn new(count: usize) -> Self {
        DisjointSets((0..count).collect())
    }

    fn find(&mut self, index: usize) -> usize {
        let mut root = index;
        while self.0[root] != root {
            self.0[root] = self.0[self.0[root]];
            root = self.0[root];
        }
        root
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        self.0[one.max(other)] = one.min(other);
    }
}
