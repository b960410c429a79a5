//! Tests the guard with simulated histories whose true consumption is known.

#![allow(clippy::print_stdout)]

mod audit;
mod corpus;
mod counter;
mod hard;
mod healthy;
mod known;
mod load;
mod promises;
mod random;
mod referee;
mod scenarios;
mod site;
mod world;

use referee::{Guard, PassThrough, broken};

use std::thread;

use audit::audit;
use corpus::Corpus;

use world::World;

/// The outcome of one scenario: its name with the broken promises, and whether a pass-through keeps all promises.
type Outcome = (Option<String>, bool);

fn outcome(world: &World, trace: bool) -> Outcome {
    let faults = broken::<Guard>(world, trace);
    let failed = (!faults.is_empty()).then(|| format!("{}: {}", world.name, faults.join("; ")));
    (failed, broken::<PassThrough>(world, false).is_empty())
}

/// Runs all scenarios on two threads.
fn run_all(worlds: &[World], trace: bool) -> Vec<Outcome> {
    thread::scope(|scope| {
        let halves = worlds.chunks(worlds.len().div_ceil(2).max(1));
        let judge = |worlds: &[World]| -> Vec<Outcome> { worlds.iter().map(|world| outcome(world, trace)).collect() };
        let halves: Vec<_> = halves.map(|worlds| scope.spawn(move || judge(worlds))).collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    })
}

/// Prints the scenarios that failed. Panics unless they are exactly the known ones.
fn report(worlds: &[World], outcomes: &[Outcome], known: &[&str]) {
    let passed = outcomes.iter().filter(|(_, passed)| *passed).count();
    let is_known = |world: &World| known.iter().any(|entry| known::names(entry, &world.name));
    let (mut broken, mut unknown, mut no_longer) = (0, 0, Vec::new());
    for (world, (failed, _)) in worlds.iter().zip(outcomes) {
        match failed {
            Some(failed) => {
                broken += 1;
                if !is_known(world) {
                    unknown += 1;
                    println!("{failed}");
                }
            }
            None if is_known(world) => no_longer.push(&world.name),
            None => {}
        }
    }
    println!("{} scenarios, {broken} broken, {passed} kept by a pass-through", worlds.len());
    assert!(unknown == 0, "{unknown} of {} scenarios broke a promise", worlds.len());
    assert!(no_longer.is_empty(), "these scenarios keep every promise; remove them from known.rs: {no_longer:#?}");
}

/// `GUARD_CORPUS=whole` runs every combination. `SCENARIO=part/of/its/name` runs the matching scenarios and prints their events.
#[test]
fn the_guard_keeps_the_promises_in_every_scenario() {
    let whole = std::env::var("GUARD_CORPUS").is_ok_and(|corpus| corpus == "whole");
    let wanted = std::env::var("SCENARIO").ok();
    let mut worlds = scenarios::all(whole || wanted.is_some());
    worlds.retain(|world| wanted.as_ref().is_none_or(|wanted| format!("{}$", world.name).contains(wanted)));
    let outcomes = run_all(&worlds, wanted.is_some());
    report(&worlds, &outcomes, if wanted.is_some() { &[] } else { known::KNOWN });
}

/// `SEEDS=5000` runs that many histories. `SEED=17` runs one and prints its events.
#[test]
fn the_guard_keeps_the_promises_in_random_histories() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("SEED");
    let worlds: Vec<World> = match seed {
        Some(seed) => vec![random::world(seed)],
        None => (0..number("SEEDS").unwrap_or(300)).map(random::world).collect(),
    };
    if seed.is_some() {
        println!("{:#?}", worlds[0]);
    }
    let outcomes = run_all(&worlds, seed.is_some());
    report(&worlds, &outcomes, &[]);
}

/// `HEALTHY=5000` runs that many histories, `HEALTHY_KIND=lossy` those with that kind in their name. `HEALTHY_SEED=17` runs one and prints
/// its events.
#[test]
fn a_healthy_meter_is_left_alone() {
    let history = |seed| (healthy::site(seed), healthy::EXPECTED);
    Corpus { variable: "HEALTHY", history, count: 12 * healthy::KINDS, known: known::HEALTHY }.run();
}

/// The histories themselves are right: without a guard, nothing is late or invented, unless answers are late or the register wobbles.
#[test]
fn healthy_histories_need_no_guard() {
    for seed in 0..3 * healthy::KINDS {
        let mut site = healthy::site(seed);
        (site.line.late_per_mille, site.noise) = (0, 0);
        let findings = audit::<PassThrough>(&site, healthy::EXPECTED, false);
        assert!(findings.broken.is_empty(), "{}: {:?}", site.name, findings.broken);
    }
}

/// `HARD=5000`, `HARD_KIND=ratchet` and `HARD_SEED=17` as for the healthy histories.
#[test]
fn the_guard_keeps_the_promises_in_hard_histories() {
    Corpus { variable: "HARD", history: hard::site, count: 12 * hard::KINDS, known: known::HARD }.run();
}
