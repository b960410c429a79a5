//! Random histories, the same for the same seed.

use crate::world::{Event, Fault, Interruption, KWH, Load, WH, World, scramble};

/// A pseudo-random number generator.
pub(crate) struct RandomSource {
    seed: u64,
    draws: u64,
}

impl RandomSource {
    pub(crate) fn new(seed: u64) -> Self {
        RandomSource { seed, draws: 0 }
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.draws += 1;
        scramble(self.seed.wrapping_mul(1_000_003).wrapping_add(self.draws)) % limit
    }

    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    pub(crate) fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    pub(crate) fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A history with one to four faults, each followed by time to recover.
pub(crate) fn world(seed: u64) -> World {
    let mut random = RandomSource::new(seed);
    let mut world = World::new(&format!("random/{seed}"));
    world.poll = random.choose(&[1, 5, 10, 10, 30, 60]);
    world.configured_poll = if random.happens(70) { world.poll } else { 10.min(world.poll) };
    world.step = random.choose(&[1, WH / 10, WH, 10 * WH, 10 * WH, 100 * WH, KWH]);
    world.noise = if random.happens(15) { 1 } else { 0 };
    let most = random.choose(&[300, 1500, 6000, 15_000]);
    world.load = match random.below(3) {
        0 => Load::Constant(most),
        1 => Load::Square(most, random.between(30, 1200)),
        _ => Load::Restless(most),
    };
    world.power = random.happens(70);
    world.lump = random.choose(&[1, 1, 1, 15, 60, 300]);
    world.base = random.choose(&[0, 7 * KWH, 180 * KWH, 12_000 * KWH, 90_000 * KWH]);
    world.slots = random.choose(&[60, 120, 180]);
    world.start_at_zero = random.happens(20);
    if random.happens(30) {
        (world.serial, world.serial_every) = (Some("1111"), 1);
    }
    let mut at = random.between(1300, 1600);
    for _ in 0..random.between(1, 4) {
        at = add_fault(&mut world, &mut random, at) + random.between(2200, 2600);
    }
    world.lasts = at;
    world
}

/// Adds a fault that begins at `at`; returns the second at which it ends.
fn add_fault(world: &mut World, random: &mut RandomSource, at: u64) -> u64 {
    let lasts = world.poll * random.choose(&[1, 1, 2, 3, 5, 8, 20, 60]);
    let height = random.choose(&[20 * world.step, 50 * KWH, 400 * KWH, 5000 * KWH]).max(20 * world.step);
    let shown = world.base / KWH;
    let mut until = at + lasts;
    match random.below(14) {
        0 => world.faults.push((at, until, Fault::Above(height.max(80 * KWH)))),
        1 => world.faults.push((at, until, Fault::Below(height))),
        2 => world.faults.push((at, until, Fault::Says(0))),
        3 => world.faults.push((at, until, Fault::Garbage(3_000_000 * KWH))),
        4 if world.step >= WH => world.faults.push((at, until, Fault::Torn)),
        5 => world.faults.push((at, until, Fault::Frozen)),
        6 => world.faults.push((at, until, Fault::Null)),
        7 => world.faults.push((at, until, Fault::Flapping(height.max(80 * KWH)))),
        8 => world.faults.push((at, until, Fault::Power(random.choose(&[0, 100, 50_000, 4_000_000])))),
        9 => {
            until = at + random.choose(&[30, 200, 1000, 5000, 40_000]);
            world.away.push((at, until));
        }
        10 if shown > 100 => world.events.push((at, Event::Reset)),
        11 if shown > 100 => world.events.push((at, Event::Swap(random.below(90) * KWH, world.serial.map(|_| "2222")))),
        12 => {
            let to = (shown + random.between(500, 5000)) * KWH;
            world.events.push((at, Event::Swap(to, world.serial.map(|_| "3333"))));
        }
        _ => {
            until = at + random.choose(&[30, 200, 1000, 5000]);
            world.away.push((at, until));
            if shown > 100 {
                world.events.push((at + 15, Event::Reset));
            }
        }
    }
    if random.happens(40) {
        let interruption = random.choose(&[Interruption::Restart, Interruption::Crash]);
        world.interruptions.push((at + random.below(until - at + 300), interruption));
    }
    until
}
