//! The part of a configuration that one shard runs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::model::{BusConfig, Config};
use super::tables::TableMap;
use crate::finding::Finding;
use crate::form::Findings;
use crate::modbus::Link;
use crate::shard::{Assignment, PinConflict, Shard, ShardCount, ShardedBus, Sharding, assign};
use crate::units::Name;

/// Where each bus is in the files.
pub(super) type BusPlaces = BTreeMap<Name, Range<usize>>;

/// Checks the pins. Returns where each bus is.
pub(super) fn places(buses: &TableMap<BusConfig>, count: ShardCount, findings: &Findings) -> BusPlaces {
    for (name, entry) in buses {
        let Some(bus) = &entry.value else { continue };
        let error =
            |message: String, help: String| findings.add(Finding::error(entry.span.clone(), message).help(help));
        match bus.shard {
            Some(pin) if count.shard(pin).is_none() => error(
                format!("[bus.{name}] is pinned to shard {pin}, but the last shard is {count}"),
                format!("a `shard` from 1 to {count}, or none: then its name decides"),
            ),
            None if matches!(bus.link, Link::Serial(_)) => error(
                format!("[bus.{name}] is a serial line, and which shard has it is not said"),
                "add `shard = 1`, with the number of the shard that runs where this line ends".to_owned(),
            ),
            _ => {}
        }
    }
    buses.iter().map(|(name, entry)| (name.clone(), entry.span.clone())).collect()
}

/// The part of this process; the whole configuration if it works for no single shard.
pub(super) fn part(config: Config, sharding: Sharding, places: &BusPlaces, findings: &Findings) -> Option<Config> {
    let assignment = match config.assignment(sharding.count()) {
        Ok(assignment) => assignment,
        Err(conflict) => {
            let span = places.get(&conflict.buses[1]).cloned().unwrap_or_default();
            let help = "one daemon adds up the meters of a client: pin both to the same shard, or make two clients";
            findings.add(Finding::error(span, conflict.to_string()).help(help));
            return None;
        }
    };
    match sharding {
        Sharding::All(_) => Some(config),
        Sharding::One(shard) => Some(config.part_of(shard, &assignment)),
    }
}

impl Config {
    /// Which of so many shards has which bus.
    ///
    /// # Errors
    /// When two buses share a client and are pinned to different shards.
    pub fn assignment(&self, count: ShardCount) -> Result<Assignment, PinConflict> {
        let buses: Vec<_> = self
            .buses
            .values()
            .map(|bus| ShardedBus { name: &bus.name, pin: bus.shard.and_then(|pin| count.shard(pin)) })
            .collect();
        let bus_of = |meter: &Name| self.meters.get(meter).map(|meter| &meter.bus);
        let clients =
            self.clients.iter().map(|(name, client)| (name, client.meters.iter().filter_map(bus_of).collect()));
        assign(count, &buses, &clients.collect())
    }

    /// The buses of this shard with their meters and clients, and all accounts. State folder and control socket are those of the shard.
    pub fn part_of(mut self, shard: Shard, assignment: &Assignment) -> Config {
        let mine = assignment.groups.iter().filter(|group| group.shard == shard);
        let buses: BTreeSet<&Name> = mine.flat_map(|group| &group.buses).collect();
        self.buses.retain(|name, _| buses.contains(name));
        self.meters.retain(|_, meter| buses.contains(&meter.bus));
        let meters = &self.meters;
        self.clients.retain(|_, client| client.meters.iter().all(|meter| meters.contains_key(meter)));
        self.state.path = shard.state_folder(&self.state.path);
        self.status.socket = shard.socket(&self.status.socket);
        self.shard = Some(shard);
        self
    }
}
