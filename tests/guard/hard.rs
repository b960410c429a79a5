//! Random histories with hard faults: they agree with themselves for minutes, come again and again, or come while something else is wrong.

use crate::audit::{Expected, Surplus};
use crate::load::{DAY, HOUR, Load, MINUTE, SECOND, Shape};
use crate::random::RandomSource;
use crate::site::{Fault, FaultKind, PowerRegister, Site, Stop};
use crate::world::{Interruption, KWH, WH};

/// Nothing is invented but what no guard could know, and nothing is missing at the end.
const PROMISES: Expected = Expected { quiet: false, complete: true, surplus: Surplus::Nothing, holds: u64::MAX };

/// The end of a fault that does not end.
const FOR_GOOD: u64 = u64::MAX / 2;

type Kind = fn(&mut Site, &mut RandomSource) -> Expected;

/// What goes wrong. Each history has one of these.
const HARD: &[(&str, Kind)] = &[
    ("ratchet_up", |site, random| ratchet(site, random, true)),
    ("ratchet_down", |site, random| ratchet(site, random, false)),
    ("ratchet_both_ways", ratchet_both_ways),
    ("ratchet_wrong_power", |site, random| {
        wrong_power(site, random);
        let up = random.happens(50);
        ratchet(site, random, up)
    }),
    ("times_and_back", times_and_back),
    ("times_for_good", times_for_good),
    ("counts_times", counts_times),
    ("tenth_and_back", tenth_and_back),
    ("tenth_for_good", tenth_for_good),
    ("big_steps_and_back", big_steps_and_back),
    ("glitch_wrong_power", |site, random| {
        wrong_power(site, random);
        big_steps_and_back(site, random)
    }),
    ("glitch_after_outage", glitch_after_outage),
    ("glitch_and_crash", glitch_and_crash),
    ("lumps_and_glitches", lumps_and_glitches),
    ("garbage", garbage),
    ("other_meter_at_start", other_meter_at_start),
    ("near_the_end_at_start", near_the_end_at_start),
    ("failures_at_start", failures_at_start),
    ("stands_still", stands_still),
    ("power_unsigned", power_unsigned),
    ("power_spikes", power_spikes),
    ("integrated_spikes", integrated_spikes),
    ("integrated_unsigned", integrated_unsigned),
    ("overload", overload),
    ("overload_no_power", overload_no_power),
    ("serials", serials),
];

/// The number of kinds: the seeds 0, 1, 2 and so on have them in turn.
pub(crate) const KINDS: u64 = HARD.len() as u64;

/// The history of this seed, and what it is judged by.
pub(crate) fn site(seed: u64) -> (Site, Expected) {
    let mut random = RandomSource::new(seed ^ 0x4A2D_FA17);
    let (kind, build) = HARD[(seed % KINDS) as usize];
    let mut site = Site::new(format!("hard/{kind}/{seed}"), seed);
    ordinary(&mut site, &mut random);
    let expected = build(&mut site, &mut random);
    if random.happens(15) {
        (site.line.lost_percent, site.line.burst) = (random.between(1, 20), random.between(1, 4));
    }
    let ends = site.faults.iter().map(|fault| fault.to).filter(|to| *to != FOR_GOOD);
    let busy = ends.chain(site.outages.iter().map(|(_, to)| *to)).max().unwrap_or(0);
    site.lasts = site.lasts.max(busy + 40 * MINUTE + 40 * site.poll);
    (site, expected)
}

fn ordinary(site: &mut Site, random: &mut RandomSource) {
    site.max_power = random.choose(&[3_700, 11_000, 20_000, 25_000, 44_000, 200_000]);
    site.step = random.choose(&[WH / 10, WH, 10 * WH, 10 * WH, 100 * WH]);
    site.base = random.choose(&[180 * KWH, 1000 * KWH, 12_000 * KWH, 90_000 * KWH]) + random.below(KWH);
    site.power = if random.happens(70) { PowerRegister::Right } else { PowerRegister::Absent };
    site.slots = random.choose(&[MINUTE, 2 * MINUTE, 5 * MINUTE]);
    site.poll = random.choose(&[SECOND, 5 * SECOND, 10 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE]);
    site.lasts = 1500 * site.poll;
    site.line.jitter = random.choose(&[0, 30]);
    let high = (site.max_power as i64 * random.choose(&[2, 10, 60, 200, 500, 900]) / 1000).max(5);
    let low = if random.happens(50) { 0 } else { high / 3 };
    let shape = match random.below(3) {
        0 => Shape::Constant,
        1 => Shape::Square(random.between(30, 900) * SECOND, random.between(30, 900) * SECOND),
        _ => Shape::Restless(random.between(5, 120) * SECOND),
    };
    site.load = Load { low, high, shape, rests_at_night: false, sun: 0, begins_at: random.below(DAY) };
}

/// From here on the guard knows the meter's habits.
fn begins(site: &Site, random: &mut RandomSource) -> u64 {
    15 * MINUTE + 20 * site.poll + random.below(20 * site.poll)
}

fn fault(site: &mut Site, from: u64, lasts: u64, kind: FaultKind) {
    site.faults.push(Fault { from, to: from + lasts.max(site.poll), kind });
}

/// A height from two steps to 1 kWh and more.
fn height(site: &Site, random: &mut RandomSource) -> u64 {
    let most = random.choose(&[20 * WH, 100 * WH, 400 * WH, KWH]);
    (random.between(2, 50) * site.step).min(most).max(3 * site.step)
}

fn ratchet(site: &mut Site, random: &mut RandomSource, up: bool) -> Expected {
    let height = height(site, random);
    let mut at = begins(site, random);
    for _ in 0..random.between(10, 50) {
        let lasts = random.between(60, 1800) * SECOND;
        fault(site, at, lasts, if up { FaultKind::Above(height) } else { FaultKind::Below(height) });
        at += lasts.max(site.poll) + random.between(60, 1800) * SECOND;
    }
    PROMISES
}

fn ratchet_both_ways(site: &mut Site, random: &mut RandomSource) -> Expected {
    let mut at = begins(site, random);
    for _ in 0..random.between(10, 40) {
        let lasts = random.between(60, 1500) * SECOND;
        let height = height(site, random);
        let kind = if random.happens(50) { FaultKind::Above(height) } else { FaultKind::Below(height) };
        fault(site, at, lasts, kind);
        at += lasts.max(site.poll) + random.between(60, 1500) * SECOND;
    }
    PROMISES
}

fn wrong_power(site: &mut Site, random: &mut RandomSource) {
    use PowerRegister::*;
    let wrong = [Reversed, Zero, OnePhase, Times(3, 1), Times(10, 1), Times(1, 10), Times(1000, 1), Average(900_000)];
    site.power = random.choose(&wrong);
}

fn times_and_back(site: &mut Site, random: &mut RandomSource) -> Expected {
    let mut at = begins(site, random);
    for _ in 0..random.between(1, 4) {
        let lasts = random.choose(&[site.poll, 3 * site.poll, 5 * MINUTE, 20 * MINUTE, 2 * HOUR]);
        fault(site, at, lasts, FaultKind::Times(random.choose(&[10, 100, 2, 1000]), 1));
        at += lasts.max(site.poll) + random.between(60, 3600) * SECOND;
    }
    // While the register counts ten times as much, nobody knows how much of it is true; power explains the most.
    let surplus = if site.power == PowerRegister::Right { Surplus::OfCounted(30) } else { Surplus::AtFullPower };
    Expected { surplus, ..PROMISES }
}

fn times_for_good(site: &mut Site, random: &mut RandomSource) -> Expected {
    site.load.low = site.load.high / 2;
    let from = begins(site, random);
    fault(site, from, random.between(2, 10) * HOUR, FaultKind::Times(random.choose(&[10, 100]), 1));
    ends_wrong(site)
}

/// The history ends while the register is wrong: nothing can be said of what is missing.
fn ends_wrong(site: &mut Site) -> Expected {
    let last = site.faults.len() - 1;
    site.lasts = site.faults[last].to;
    site.faults[last].to = FOR_GOOD;
    let surplus = if site.power == PowerRegister::Right { Surplus::OfCounted(30) } else { Surplus::AtFullPower };
    Expected { complete: false, surplus, ..PROMISES }
}

/// Without a jump, the register begins to count many times too much.
fn counts_times(site: &mut Site, random: &mut RandomSource) -> Expected {
    site.power = PowerRegister::Right;
    site.load = Load::constant(site.max_power as i64 * random.between(5, 60) as i64 / 1000);
    let from = begins(site, random) + 2 * HOUR;
    fault(site, from, random.between(2, 10) * HOUR, FaultKind::CountsTimes(random.choose(&[3, 10, 100])));
    ends_wrong(site)
}

fn tenth_and_back(site: &mut Site, random: &mut RandomSource) -> Expected {
    let mut at = begins(site, random);
    for _ in 0..random.between(1, 4) {
        let lasts = random.choose(&[site.poll, 3 * site.poll, 5 * MINUTE, 20 * MINUTE, 2 * HOUR]);
        fault(site, at, lasts, FaultKind::Times(1, random.choose(&[10, 100, 1000])));
        at += lasts.max(site.poll) + random.between(60, 3600) * SECOND;
    }
    PROMISES
}

fn tenth_for_good(site: &mut Site, random: &mut RandomSource) -> Expected {
    let from = begins(site, random);
    fault(site, from, random.between(2, 10) * HOUR, FaultKind::Times(1, random.choose(&[10, 100])));
    Expected { surplus: Surplus::Nothing, ..ends_wrong(site) }
}

/// Steps up or down that no load explains.
fn big_steps_and_back(site: &mut Site, random: &mut RandomSource) -> Expected {
    let mut at = begins(site, random);
    for _ in 0..random.between(1, 8) {
        let lasts = random.choose(&[1, 2, 3, 5, 20, 60, 150]) * site.poll;
        let height = random.choose(&[2 * KWH, 10 * KWH, 65_536 * site.step, 500 * KWH, 100_000 * KWH]);
        let kind = if random.happens(60) { FaultKind::Above(height) } else { FaultKind::Below(height) };
        fault(site, at, lasts, kind);
        at += lasts + random.between(1, 120) * site.poll;
    }
    PROMISES
}

fn glitch_after_outage(site: &mut Site, random: &mut RandomSource) -> Expected {
    let mut at = begins(site, random);
    for _ in 0..random.between(1, 4) {
        let outage = random.choose(&[2 * MINUTE, 20 * MINUTE, 2 * HOUR, DAY, 6 * DAY]);
        site.outages.push((at, at + outage));
        at += outage;
        let at_full_power = site.max_power * outage / 3600;
        let height = at_full_power * random.choose(&[5, 50, 90, 300]) / 100 + 3 * site.step;
        let lasts = random.choose(&[1, 2, 5, 12, 60]) * site.poll;
        let kind = if random.happens(70) { FaultKind::Above(height) } else { FaultKind::Below(height) };
        fault(site, at, lasts, kind);
        at += lasts + random.between(30, 200) * site.poll;
    }
    PROMISES
}

fn glitch_and_crash(site: &mut Site, random: &mut RandomSource) -> Expected {
    let expected = big_steps_and_back(site, random);
    for fault in &site.faults {
        let at = fault.from + random.below(fault.to - fault.from + 5 * MINUTE);
        let how = random.choose(&[Interruption::Crash, Interruption::Crash, Interruption::Restart]);
        site.stops.push(Stop { at, down: random.choose(&[0, SECOND, MINUTE]), how, boot: None });
    }
    site.stops.sort_by_key(|stop| stop.at);
    expected
}

fn lumps_and_glitches(site: &mut Site, random: &mut RandomSource) -> Expected {
    let every = random.choose(&[5 * MINUTE, 15 * MINUTE, HOUR]);
    site.update = (every, random.below(every));
    let mut at = begins(site, random) + 4 * every;
    for _ in 0..random.between(2, 10) {
        let lasts = random.between(60, 1500) * SECOND;
        let height = random.choose(&[site.max_power * every / 3600 * 2, 500 * KWH]) + 3 * site.step;
        let kind = if random.happens(50) { FaultKind::Above(height) } else { FaultKind::Below(height) };
        fault(site, at, lasts, kind);
        at += lasts.max(site.poll) + every * random.between(1, 4) + random.below(every);
    }
    site.lasts = at + 3 * every;
    PROMISES
}

fn garbage(site: &mut Site, random: &mut RandomSource) -> Expected {
    let mut at = begins(site, random);
    for _ in 0..random.between(2, 12) {
        let lasts = random.choose(&[1, 3, 20, 100]) * site.poll;
        let kind = random.choose(&[
            FaultKind::Garbage(4_000_000 * KWH),
            FaultKind::Garbage(2 * site.base),
            FaultKind::Says(0),
            FaultKind::Says(4_294_967_295 * WH),
            FaultKind::Null,
        ]);
        fault(site, at, lasts, kind);
        at += lasts + random.between(1, 100) * site.poll;
    }
    PROMISES
}

/// The gateway begins with the answers of another meter.
fn other_meter_at_start(site: &mut Site, random: &mut RandomSource) -> Expected {
    site.poll = random.choose(&[200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND]);
    let watts = site.max_power as i64 * random.below(100) as i64 / 100;
    let start = random.choose(&[site.base / 3, site.base + 700 * KWH, site.base + 2 * KWH, 2 * site.base]);
    let lasts = random.between(2, 20) * SECOND;
    site.faults.push(Fault { from: 0, to: lasts, kind: FaultKind::OtherMeter(start, watts) });
    PROMISES
}

/// At first the register reads nearly the highest value of its type, as one that is not ready may.
fn near_the_end_at_start(site: &mut Site, random: &mut RandomSource) -> Expected {
    let size = random.choose(&[1 << 32, 10_000_000, 100_000_000, 1_000_000_000]) * site.step;
    site.rollover = Some(size);
    site.base = site.base.min(size / 3);
    let says = size - random.between(1, 10) * site.step;
    let lasts = random.between(20, 600) * SECOND;
    fault(site, 0, lasts, FaultKind::Says(says));
    PROMISES
}

fn failures_at_start(site: &mut Site, random: &mut RandomSource) -> Expected {
    let until = random.between(5, 60) * MINUTE;
    let (sound, failed) = (random.between(1, 4), random.between(1, 5));
    let mut at = random.below(3) * site.poll;
    while at < until {
        fault(site, at, failed * site.poll, FaultKind::Null);
        at += (sound + failed) * site.poll;
    }
    PROMISES
}

/// The register stands still while power flows, then catches up.
fn stands_still(site: &mut Site, random: &mut RandomSource) -> Expected {
    let mut at = begins(site, random);
    for _ in 0..random.between(1, 5) {
        let lasts = random.between(3, 400) * MINUTE;
        fault(site, at, lasts, FaultKind::Frozen);
        at += lasts + random.between(10, 120) * MINUTE;
    }
    PROMISES
}

fn power_unsigned(site: &mut Site, random: &mut RandomSource) -> Expected {
    site.load.sun = site.max_power as i64 * random.between(20, 100) as i64 / 100;
    site.load.begins_at = random.between(5, 10) * HOUR;
    site.poll = site.poll.max(10 * SECOND);
    site.lasts = 8 * HOUR;
    site.power = PowerRegister::Unsigned(random.choose(&[16, 32]), random.choose(&[100, 1000, 10_000]));
    site.power_step = 100;
    Expected { quiet: true, ..PROMISES }
}

fn power_spikes(site: &mut Site, random: &mut RandomSource) -> Expected {
    site.power = PowerRegister::Right;
    spikes(site, random);
    // The register is right all the time.
    Expected { quiet: true, ..PROMISES }
}

fn spikes(site: &mut Site, random: &mut RandomSource) {
    let mut at = begins(site, random);
    for _ in 0..random.between(1, 12) {
        let lasts = random.choose(&[1, 1, 2, 3, 4, 10, 60]) * site.poll;
        let most = site.max_power as i64;
        let watts = random.choose(&[2_000_000_000, -2_000_000_000, 2 * most, 10 * most, 65_235, 4_294_967]);
        fault(site, at, lasts, FaultKind::Power(watts));
        at += lasts + random.between(1, 100) * site.poll;
    }
}

/// A meter without a counter: its power is integrated.
fn integrated(site: &mut Site) -> Expected {
    site.has_counter = false;
    site.power = PowerRegister::Right;
    site.step = WH;
    site.load = Load::constant(site.load.high);
    Expected { surplus: Surplus::AtFullPower, ..PROMISES }
}

fn integrated_spikes(site: &mut Site, random: &mut RandomSource) -> Expected {
    let expected = integrated(site);
    spikes(site, random);
    expected
}

fn integrated_unsigned(site: &mut Site, random: &mut RandomSource) -> Expected {
    let expected = integrated(site);
    site.power = PowerRegister::Unsigned(random.choose(&[16, 32]), random.choose(&[100, 1000, 10_000]));
    site.power_step = 100;
    let from = begins(site, random);
    let lasts = random.between(10, 200) * MINUTE;
    let PowerRegister::Unsigned(bits, unit) = site.power else { return expected };
    let exported = site.max_power as i64 * random.between(1, 100) as i64 / 100;
    fault(site, from, lasts, FaultKind::Power((1 << bits) * unit / 1000 - exported));
    expected
}

fn overload(site: &mut Site, random: &mut RandomSource) -> Expected {
    site.power = PowerRegister::Right;
    let before = begins(site, random) + HOUR;
    let lasts = random.between(20, 300) * MINUTE;
    let low = site.max_power as i64 * random.between(5, 90) as i64 / 100;
    let high = site.max_power as i64 * random.between(105, 300) as i64 / 100;
    site.load = Load { low, shape: Shape::Square(before, lasts), ..Load::constant(high) };
    site.lasts = before + lasts + HOUR;
    Expected { holds: 1, ..PROMISES }
}

fn overload_no_power(site: &mut Site, random: &mut RandomSource) -> Expected {
    let expected = overload(site, random);
    site.power = PowerRegister::Absent;
    expected
}

/// The serial number is read in two spellings.
fn serials(site: &mut Site, random: &mut RandomSource) -> Expected {
    site.serials = random.choose(&[
        &["2102117", "0002102117"] as &[&str],
        &["2102117", "2102117 "],
        &["AB12CD", "ab12cd"],
        &["2102117", "2102117", "2102117", "2 102 117"],
    ]);
    PROMISES
}
