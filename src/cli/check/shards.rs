//! `check --shards N`: what each shard would carry, and a warning if one carries much more than the others.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::Remark;
use crate::config::Config;
use crate::memory;
use crate::shard::{Assignment, BusGroup, Shard, ShardCount};
use crate::units::Name;

/// The largest shard may carry this many times the mean.
const UNEVEN: f64 = 1.5;

/// What one shard would carry.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct ShardLoad {
    shard: u16,
    buses: usize,
    meters: usize,
    polls_per_second: f64,
    clients: usize,
    memory_bytes: u64,
}

/// The load of each of so many shards, and a warning if it is uneven. The configuration was checked for this number.
pub(super) fn loads(config: &Config, count: ShardCount) -> (Vec<ShardLoad>, Option<Remark>) {
    let Ok(assignment) = config.assignment(count) else { return (Vec::new(), None) };
    let polls = polls(config);
    let loads: Vec<_> = count.shards().map(|shard| load(config, shard, &assignment, &polls)).collect();
    let warning = uneven(&loads, &assignment, &polls).map(Remark::warning);
    (loads, warning)
}

/// Polls per second of each bus.
fn polls(config: &Config) -> BTreeMap<&Name, f64> {
    let mut polls = BTreeMap::new();
    for meter in config.meters.values() {
        *polls.entry(&meter.bus).or_default() += 1.0 / meter.poll_every.as_secs_f64();
    }
    polls
}

fn load(config: &Config, shard: Shard, assignment: &Assignment, polls: &BTreeMap<&Name, f64>) -> ShardLoad {
    let shards = assignment.shards();
    let here = |bus: &Name| shards.get(bus) == Some(&shard);
    let bus_of = |meter: &Name| config.meters.get(meter).is_some_and(|meter| here(&meter.bus));
    let buses = config.buses.keys().filter(|bus| here(bus)).count();
    let meters = config.meters.values().filter(|meter| here(&meter.bus)).count();
    let clients = config.clients.values().filter(|client| client.meters.first().is_some_and(bus_of)).count();
    // A sum of nothing would be -0.
    let polls_per_second = polls.iter().filter(|(bus, _)| here(bus)).fold(0.0, |sum, (_, polls)| sum + polls);
    let memory_bytes = memory::estimate(meters, buses);
    ShardLoad { shard: shard.number(), buses, meters, polls_per_second, clients, memory_bytes }
}

/// Which shard carries too much, and what in it causes that.
fn uneven(loads: &[ShardLoad], assignment: &Assignment, polls: &BTreeMap<&Name, f64>) -> Option<String> {
    let mean = loads.iter().map(|load| load.polls_per_second).sum::<f64>() / loads.len() as f64;
    let largest = loads.iter().max_by(|one, other| one.polls_per_second.total_cmp(&other.polls_per_second))?;
    if largest.polls_per_second <= UNEVEN * mean {
        return None;
    }
    let in_it = assignment.groups.iter().filter(|group| group.shard.number() == largest.shard);
    let of_group = |group: &BusGroup| group.buses.iter().filter_map(|bus| polls.get(bus)).sum::<f64>();
    let heaviest = in_it.max_by(|one, other| of_group(one).total_cmp(&of_group(other)))?;
    let carried = of_group(heaviest);
    let cause = match (&heaviest.pinned, heaviest.clients.first(), heaviest.buses.first()) {
        // What is moved elsewhere must make a difference.
        _ if carried < (largest.polls_per_second - mean) / 2.0 => {
            "no single bus causes this, there are few buses for so many shards: pin some of them to other shards"
                .to_owned()
        }
        (Some(bus), ..) => {
            format!("the pin of bus {bus} puts {carried:.1} of them there: pin it to another shard, or remove the pin")
        }
        (None, Some(client), _) => format!(
            "client {client} keeps {} buses with {carried:.1} of them together: divide it into several clients, or pin other buses to other \
             shards",
            heaviest.buses.len()
        ),
        (None, None, bus) => format!(
            "bus {} alone has {carried:.1} of them: poll it less often, or pin other buses to other shards",
            bus.map(Name::as_str).unwrap_or_default()
        ),
    };
    let (shard, most, times) = (largest.shard, largest.polls_per_second, largest.polls_per_second / mean);
    Some(format!("shard {shard} carries {most:.1} polls a second, {times:.1} times the mean: {cause}"))
}

pub(super) fn write(loads: &[ShardLoad], out: &mut dyn Write) -> io::Result<()> {
    let mut table =
        crate::cli::output::table(&["Shard", "#buses", "#meters", "#polls a second", "#clients", "#memory"]);
    for load in loads {
        let memory = format!("{} MB", load.memory_bytes.div_ceil(1_000_000));
        table.add_row([
            load.shard.to_string(),
            load.buses.to_string(),
            load.meters.to_string(),
            format!("{:.1}", load.polls_per_second),
            load.clients.to_string(),
            memory,
        ]);
    }
    let text = table.to_string();
    text.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}
