//! Random histories of healthy meters: whatever the resolution, load, line, restarts and outages, nothing is wrong with the register. A
//! power register that is wrong from the beginning counts as healthy too.

use crate::audit::{Expected, Surplus};
use crate::load::{DAY, HOUR, Load, MINUTE, SECOND, Shape};
use crate::random::RandomSource;
use crate::site::{PowerRegister, Site, Stop};
use crate::world::{Interruption, KWH, WH};

pub(crate) const EXPECTED: Expected =
    Expected { quiet: true, complete: true, surplus: Surplus::Nothing, holds: u64::MAX };

type Habit = fn(&mut Site, &mut RandomSource);

/// What is special about a site. A history has one of these, some have two or three.
const HABITS: &[(&str, Habit)] = &[
    ("plain", |_, _| {}),
    ("full_load", full_load),
    ("tiny_load", |site, random| scale_load(site, random.between(1, 20))),
    ("fine_steps", |site, random| site.step = random.choose(&[1, 10, 100])),
    ("coarse_steps", |site, random| site.step = random.choose(&[100 * WH, KWH])),
    ("float", float),
    ("fast_polls", |site, random| set_poll(site, random.choose(&[200, 500, 1000]))),
    ("slow_polls", |site, random| set_poll(site, random.choose(&[MINUTE, 5 * MINUTE, 15 * MINUTE]))),
    ("night", night),
    ("sun", sun),
    ("aliasing", aliasing),
    ("quarter_hours", |site, random| lumps(site, random, 15 * MINUTE)),
    ("hours", |site, random| lumps(site, random, HOUR)),
    ("days", |site, random| lumps(site, random, DAY)),
    ("lossy", lossy),
    ("late_answers", |site, random| site.line.late_per_mille = random.choose(&[1, 5, 20, 60])),
    ("gaps", gaps),
    ("outages", outages),
    ("restarts", |site, random| stops(site, random, Interruption::Restart)),
    ("crashes", |site, random| stops(site, random, Interruption::Crash)),
    ("kills", kills),
    ("wrong_clock", wrong_clock),
    ("no_power", |site, _| site.power = PowerRegister::Absent),
    ("power_reversed", |site, _| site.power = PowerRegister::Reversed),
    ("power_thrice", |site, _| site.power = PowerRegister::Times(3, 1)),
    ("power_a_third", |site, _| site.power = PowerRegister::Times(1, 3)),
    ("power_ten_times", |site, _| site.power = PowerRegister::Times(10, 1)),
    ("power_a_tenth", |site, _| site.power = PowerRegister::Times(1, 10)),
    ("power_1000_times", |site, _| site.power = PowerRegister::Times(1000, 1)),
    ("power_a_1000th", |site, _| site.power = PowerRegister::Times(1, 1000)),
    ("power_average", |site, random| site.power = PowerRegister::Average(random.choose(&[MINUTE, 15 * MINUTE]))),
    ("power_one_phase", |site, _| site.power = PowerRegister::OnePhase),
    ("power_zero", |site, _| site.power = PowerRegister::Zero),
];

/// The number of habits: the seeds 0, 1, 2 and so on have them in turn.
pub(crate) const KINDS: u64 = HABITS.len() as u64;

/// The history of this seed.
pub(crate) fn site(seed: u64) -> Site {
    let mut random = RandomSource::new(seed ^ 0x4EA1_7447);
    let (kind, habit) = HABITS[(seed % KINDS) as usize];
    let mut site = Site::new(String::new(), seed);
    ordinary(&mut site, &mut random);
    let mut kinds = vec![kind];
    habit(&mut site, &mut random);
    while random.happens(30) && kinds.len() < 3 {
        let (kind, habit) = random.choose(&HABITS[1..]);
        if !kinds.contains(&kind) {
            kinds.push(kind);
            habit(&mut site, &mut random);
        }
    }
    site.name = format!("healthy/{}/{seed}", kinds.join("+"));
    settle(&mut site);
    site
}

/// A site as there are many.
fn ordinary(site: &mut Site, random: &mut RandomSource) {
    site.max_power = random.choose(&[3_700, 11_000, 20_000, 25_000, 44_000, 200_000, 630_000]);
    site.step = random.choose(&[WH / 10, WH, WH, 10 * WH, 10 * WH, 10 * WH, 100 * WH]);
    site.base = random.choose(&[0, KWH / 2, 7 * KWH, 180 * KWH, 12_000 * KWH, 90_000 * KWH, 900_000 * KWH]);
    site.base += random.below(KWH);
    site.power = if random.happens(75) { PowerRegister::Right } else { PowerRegister::Absent };
    site.power_step = random.choose(&[1, 100, 1000, 10_000]);
    site.slots = random.choose(&[MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE]);
    if random.happens(30) {
        site.update = (random.choose(&[1, 2, 5]) * SECOND, random.below(2000));
    }
    site.line.jitter = random.choose(&[0, 0, 20, 90]);
    site.line.failures_are_seen = random.happens(50);
    if random.happens(20) {
        (site.line.lost_percent, site.line.burst) = (random.between(1, 5), random.between(1, 3));
    }
    if random.happens(30) {
        site.serials = &["2102117"];
    }
    set_poll(site, random.choose(&[SECOND, 5 * SECOND, 10 * SECOND, 10 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE]));
    let high = site.max_power as i64 * random.between(5, 999) as i64 / 1000;
    let shape = match random.below(5) {
        0 => Shape::Constant,
        1 => Shape::Square(random.between(5, 2400) * SECOND, random.between(5, 2400) * SECOND),
        2 => Shape::Restless(random.between(1, 20) * SECOND),
        3 => Shape::Restless(random.between(20, 1200) * SECOND),
        _ => Shape::From(random.below(site.lasts)),
    };
    let low = if random.happens(50) { 0 } else { high * random.below(100) as i64 / 100 };
    site.load = Load { low, high, shape, rests_at_night: false, sun: 0, begins_at: random.below(DAY) };
}

fn set_poll(site: &mut Site, poll: u64) {
    site.poll = poll;
    site.lasts = 2500 * poll;
}

/// Scales the load to so many thousandths of the maximum power.
fn scale_load(site: &mut Site, thousandths: u64) {
    let high = (site.max_power * thousandths / 1000).max(1) as i64;
    site.load.low = site.load.low * high / site.load.high.max(1);
    site.load.high = high;
}

fn full_load(site: &mut Site, random: &mut RandomSource) {
    scale_load(site, random.choose(&[900, 950, 980, 990, 1000]));
    if random.happens(50) {
        site.load.low = site.load.high * 9 / 10;
    }
}

/// The register is a float of 32 bits in kWh or Wh; its last digit wobbles.
fn float(site: &mut Site, random: &mut RandomSource) {
    let unit = random.choose(&[1, 1000]);
    let in_units = (site.base / KWH * unit).max(1);
    // In 1/1000 mWh, to be rounded up.
    let digit = (1000 * KWH / unit) >> (23 - in_units.ilog2().min(23));
    site.step = digit.div_ceil(1000).max(1);
    site.noise = random.choose(&[0, 1, 1]);
}

fn at_least(site: &mut Site, lasts: u64, polls: u64) {
    site.lasts = site.lasts.max(lasts);
    let poll = site.lasts / polls;
    if poll > site.poll {
        let choices = [SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE];
        site.poll = *choices.iter().find(|choice| **choice >= poll).unwrap_or(&choices[6]);
    }
}

fn night(site: &mut Site, random: &mut RandomSource) {
    site.load.rests_at_night = true;
    site.load.begins_at = random.below(DAY);
    at_least(site, 2 * DAY, 6000);
}

fn sun(site: &mut Site, random: &mut RandomSource) {
    site.load.sun = site.max_power as i64 * random.between(10, 100) as i64 / 100;
    site.load.begins_at = random.below(DAY);
    at_least(site, 2 * DAY, 6000);
}

/// The register is updated nearly as often as it is read.
fn aliasing(site: &mut Site, random: &mut RandomSource) {
    site.load.high = site.max_power as i64 * random.between(30, 100) as i64 / 100;
    site.load.low = site.load.low.min(site.load.high);
    let every = site.poll * random.choose(&[30, 90, 99, 101, 110, 150, 150, 190, 250, 370]) / 100;
    site.update = (every, random.below(every));
}

fn lumps(site: &mut Site, random: &mut RandomSource, every: u64) {
    site.update = (every, random.below(every));
    match every {
        DAY => at_least(site, 8 * DAY, 12_000),
        HOUR => at_least(site, 20 * HOUR, 5000),
        _ => at_least(site, 6 * HOUR, 5000),
    }
}

fn lossy(site: &mut Site, random: &mut RandomSource) {
    site.line.lost_percent = random.choose(&[10, 30, 50, 70, 80]);
    site.line.burst = random.choose(&[1, 2, 5, 12]);
}

/// Gaps of minutes, in which the load may change.
fn gaps(site: &mut Site, random: &mut RandomSource) {
    for _ in 0..random.between(2, 8) {
        let from = random.below(site.lasts);
        let lasts = random.between(40, 1200) * SECOND;
        site.outages.push((from, from + lasts.max(3 * site.poll)));
        if random.happens(50) {
            site.load.shape = Shape::From(from + random.below(lasts));
        }
    }
}

fn outages(site: &mut Site, random: &mut RandomSource) {
    let lasts = site.lasts;
    let mut at = 0;
    for _ in 0..random.between(1, 4) {
        at += random.below(lasts / 2);
        let outage = random.choose(&[20 * MINUTE, HOUR, 5 * HOUR, DAY, 4 * DAY, 20 * DAY]);
        site.outages.push((at, at + outage));
        at += outage;
    }
    site.lasts = at + lasts / 2;
    site.line.failures_are_seen = false;
}

fn stops(site: &mut Site, random: &mut RandomSource, how: Interruption) {
    if how == Interruption::Crash && random.happens(30) {
        site.slots = 0;
    }
    for _ in 0..random.between(2, 12) {
        let at = random.below(site.lasts);
        let down = random.choose(&[0, SECOND, 5 * SECOND, 30 * SECOND, 3 * MINUTE, 20 * MINUTE, 3 * HOUR]);
        site.stops.push(Stop { at, down, how, boot: None });
    }
}

/// Many kills, one soon after the other.
fn kills(site: &mut Site, random: &mut RandomSource) {
    let mut at = random.below(site.lasts / 2);
    let most = random.choose(&[3, 10, 60, 600]);
    for _ in 0..random.between(10, 60) {
        at += site.poll * random.between(1, most) / 2 + random.below(2000);
        site.stops.push(Stop { at, down: random.below(3000), how: Interruption::Crash, boot: None });
    }
}

/// Power cuts of the box, after which its clock is wrong for a while.
fn wrong_clock(site: &mut Site, random: &mut RandomSource) {
    let mut at = 0;
    for _ in 0..random.between(1, 4) {
        at += random.between(site.lasts / 8, site.lasts / 3);
        let down = random.choose(&[20 * SECOND, 2 * MINUTE, HOUR, 10 * HOUR, 3 * DAY]);
        let off = random.choose(&[-1_700_000_000, -20 * 86_400, -3600, 600, 30 * 86_400]);
        let set_after = random.choose(&[10 * SECOND, MINUTE, 10 * MINUTE, 2 * HOUR]);
        site.stops.push(Stop { at, down, how: Interruption::Crash, boot: Some((off, set_after)) });
        at += down + set_after;
        site.lasts += down + set_after;
    }
}

/// Puts the stops in order, and ends the history with time to recover.
fn settle(site: &mut Site) {
    site.stops.sort_by_key(|stop| stop.at);
    let mut up = 0;
    for stop in &mut site.stops {
        stop.at = stop.at.max(up);
        up = stop.at + stop.down + 1;
    }
    let busy = site.outages.iter().map(|(_, to)| *to).chain([up, site.lasts]).max().unwrap_or(0);
    site.lasts = busy + 15 * MINUTE + 20 * site.poll;
    site.load.high = site.load.high.clamp(0, site.max_power as i64);
    site.load.low = site.load.low.clamp(0, site.load.high);
}
