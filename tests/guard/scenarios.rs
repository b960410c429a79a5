//! The named scenarios: every meter with every fault, and with an interruption of the daemon.

use crate::world::{Boot, Event, Fault, Interruption, KWH, Load, WH, World};

/// The second at which the fault begins. By then the guard has learned the meter's habits.
const AT: u64 = 2407;

type Change = fn(&mut World);

/// The meters and their loads.
const METERS: &[(&str, Change)] = &[
    ("plain", |_| {}),
    ("fine", |world| world.step = WH / 10),
    ("kilowatt_hours", |world| world.step = KWH),
    ("lumpy", |world| {
        world.lump = 900;
        world.lump_phase = 600;
    }),
    ("hourly", |world| {
        world.lump = 3600;
        world.lump_phase = 600;
        world.load = Load::Constant(8000);
        world.lasts = 18_000;
    }),
    ("float", |world| {
        world.step = 15_625;
        world.noise = 1;
    }),
    ("blind", |world| world.power = false),
    ("blind_fine", |world| {
        world.power = false;
        world.step = WH / 10;
        world.load = Load::Restless(4000);
    }),
    ("blind_lumpy", |world| {
        world.power = false;
        world.lump = 900;
        world.lump_phase = 600;
    }),
    ("blind_kilowatt_hours", |world| {
        world.power = false;
        world.step = KWH;
    }),
    ("restless", |world| world.load = Load::Restless(6000)),
    ("square", |world| world.load = Load::Square(9000, 420)),
    ("idle", |world| world.load = Load::Switched(1500, 1200, 0)),
    ("idle_then_on", |world| world.load = Load::Switched(0, 3600, 3000)),
    ("slow", |world| {
        world.poll = 60;
        world.lasts = 10_800;
    }),
    ("slow_blind", |world| {
        world.poll = 60;
        world.power = false;
        world.lasts = 10_800;
        world.load = Load::Restless(4000);
    }),
    ("slow_as_configured", |world| {
        world.poll = 60;
        world.configured_poll = 60;
        world.lasts = 10_800;
    }),
    ("quarter_hourly", |world| {
        world.poll = 900;
        world.configured_poll = 900;
        world.slots = 900;
        world.lasts = 100_000;
    }),
    ("night_and_day", |world| {
        world.load = Load::Square(5000, 2000);
        world.step = WH;
        world.lasts = 9000;
    }),
    ("fast", |world| {
        world.poll = 1;
        world.configured_poll = 1;
        world.lasts = 5400;
    }),
];

/// The faults and events.
const FAULTS: &[(&str, Change)] = &[
    ("calm", |_| {}),
    ("spike_huge_1", |world| world.faults.push((AT, AT + world.poll, Fault::Above(5000 * KWH)))),
    ("spike_huge_2", |world| world.faults.push((AT, AT + 2 * world.poll, Fault::Above(5000 * KWH)))),
    ("spike_huge_3", |world| world.faults.push((AT, AT + 3 * world.poll, Fault::Above(5000 * KWH)))),
    ("spike_huge_6", |world| world.faults.push((AT, AT + 6 * world.poll, Fault::Above(5000 * KWH)))),
    ("spike_huge_9_minutes", |world| world.faults.push((AT, AT + 540, Fault::Above(5000 * KWH)))),
    ("spike_huge_20_minutes", |world| world.faults.push((AT, AT + 1200, Fault::Above(5000 * KWH)))),
    ("spike_huge_frozen_20_minutes", |world| world.faults.push((AT, AT + 1200, Fault::Says(17_000 * KWH)))),
    ("spike_1", |world| world.faults.push((AT, AT + world.poll, Fault::Above(10 * KWH)))),
    ("spike_20_minutes", |world| world.faults.push((AT, AT + 1200, Fault::Above(10 * KWH)))),
    ("spikes_again_and_again", |world| {
        for again in 0..20 {
            world.faults.push((AT + again * 130, AT + again * 130 + world.poll, Fault::Above((again + 3) * KWH * 10)));
        }
    }),
    ("garbage_1_minute", |world| world.faults.push((AT, AT + 60, Fault::Garbage(4_000_000 * KWH)))),
    ("garbage_30_minutes", |world| world.faults.push((AT, AT + 1800, Fault::Garbage(4_000_000 * KWH)))),
    ("flapping_30_minutes", |world| world.faults.push((AT, AT + 1800, Fault::Flapping(700 * KWH)))),
    ("swapped_1", |world| world.faults.push((AT, AT + world.poll, Fault::Swapped))),
    ("swapped_5_minutes", |world| world.faults.push((AT, AT + 300, Fault::Swapped))),
    ("swapped_25_minutes", |world| world.faults.push((AT, AT + 1500, Fault::Swapped))),
    ("torn_1", |world| world.faults.push((AT, AT + world.poll, Fault::Torn))),
    ("torn_2", |world| world.faults.push((AT, AT + 2 * world.poll, Fault::Torn))),
    ("dip_2_steps", |world| world.faults.push((AT, AT + 60, Fault::Below(2 * world.step)))),
    ("dip_5_steps", |world| world.faults.push((AT, AT + world.poll, Fault::Below(5 * world.step)))),
    ("dip_1", |world| world.faults.push((AT, AT + world.poll, Fault::Below(50 * KWH)))),
    ("dip_20_minutes", |world| world.faults.push((AT, AT + 1200, Fault::Below(50 * KWH)))),
    ("zero_1", |world| world.faults.push((AT, AT + world.poll, Fault::Says(0)))),
    ("zero_5_minutes", |world| world.faults.push((AT, AT + 300, Fault::Says(0)))),
    ("zero_30_minutes", |world| world.faults.push((AT, AT + 1800, Fault::Says(0)))),
    ("frozen_low_1_hour", |world| {
        world.faults.push((AT, AT + 3600, Fault::FrozenBelow(50 * world.step)));
        world.lasts += 3600;
    }),
    ("frozen_25_minutes", |world| world.faults.push((AT, AT + 1500, Fault::Frozen))),
    ("null_1", |world| world.faults.push((AT, AT + world.poll, Fault::Null))),
    ("null_2_then_spike", |world| {
        world.faults.push((AT, AT + 2 * world.poll, Fault::Null));
        world.faults.push((AT + 3 * world.poll, AT + 3 * world.poll + 80, Fault::Above(6 * KWH)));
    }),
    ("glitch_then_spike", |world| {
        world.faults.push((AT, AT + 2 * world.poll, Fault::Above(5000 * KWH)));
        world.faults.push((AT + 3 * world.poll, AT + 3 * world.poll + 80, Fault::Above(6 * KWH)));
    }),
    ("null_9_of_10", |world| {
        for again in 0..30 {
            let at = AT + again * 10 * world.poll;
            world.faults.push((at, at + 9 * world.poll, Fault::Mute));
        }
        world.lasts += 300 * world.poll;
    }),
    ("null_29_of_30", |world| {
        for again in 0..30 {
            let at = AT + again * 30 * world.poll;
            world.faults.push((at, at + 29 * world.poll, Fault::Null));
        }
        world.lasts += 900 * world.poll;
    }),
    ("null_30_minutes", |world| world.faults.push((AT, AT + 1800, Fault::Null))),
    ("mute_30_minutes", |world| world.faults.push((AT, AT + 1800, Fault::Mute))),
    ("null_at_the_start", |world| world.faults.push((0, 300, Fault::Null))),
    ("zero_at_the_start", |world| world.faults.push((0, 120, Fault::Says(0)))),
    ("spike_at_the_start", |world| world.faults.push((0, world.poll, Fault::Above(5000 * KWH)))),
    ("spike_2nd_at_the_start", |world| world.faults.push((world.poll, 2 * world.poll, Fault::Above(5000 * KWH)))),
    ("spike_3rd_at_the_start", |world| world.faults.push((2 * world.poll, 3 * world.poll, Fault::Above(5000 * KWH)))),
    ("spike_after_the_start", |world| world.faults.push((5 * world.poll, 5 * world.poll + 80, Fault::Above(6 * KWH)))),
    ("swapped_at_the_start", |world| world.faults.push((0, 2 * world.poll, Fault::Swapped))),
    ("reset", |world| world.events.push((AT, Event::Reset))),
    ("reset_twice", |world| {
        world.events.push((AT, Event::Reset));
        world.events.push((AT + 1400, Event::Reset));
    }),
    ("reset_then_spike", |world| {
        world.events.push((AT, Event::Reset));
        world.faults.push((AT + 900, AT + 900 + world.poll, Fault::Above(5000 * KWH)));
    }),
    ("reset_spike_within", |world| {
        world.events.push((AT, Event::Reset));
        world.faults.push((AT + 300, AT + 300 + world.poll, Fault::Above(5000 * KWH)));
    }),
    ("swap_lower", |world| world.events.push((AT, Event::Swap(3 * KWH, None)))),
    ("swap_higher", |world| world.events.push((AT, Event::Swap(15_000 * KWH, None)))),
    ("swap_lower_serial", |world| {
        (world.serial, world.serial_every) = (Some("1111"), 1);
        world.events.push((AT, Event::Swap(3 * KWH, Some("2222"))));
    }),
    ("swap_higher_serial", |world| {
        (world.serial, world.serial_every) = (Some("1111"), 3);
        world.events.push((AT, Event::Swap(12_005 * KWH, Some("2222"))));
    }),
    ("swap_outage_serial", |world| {
        (world.serial, world.serial_every) = (Some("1111"), 1);
        world.away.push((AT - 600, AT + 600));
        world.events.push((AT, Event::Swap(12_003 * KWH, Some("2222"))));
    }),
    ("swap_outage_lower", |world| {
        world.away.push((AT - 600, AT + 600));
        world.events.push((AT, Event::Swap(KWH, None)));
    }),
    ("swap_outage_higher", |world| {
        world.away.push((AT - 600, AT + 600));
        world.events.push((AT, Event::Swap(14_000 * KWH, None)));
    }),
    ("reset_in_outage", |world| {
        world.away.push((AT - 600, AT + 600));
        world.events.push((AT, Event::Reset));
    }),
    ("swap_that_says_zero_at_first", |world| {
        world.faults.push((AT, AT + 3 * world.poll, Fault::Says(0)));
        world.events.push((AT, Event::Swap(5 * KWH, None)));
    }),
    ("swap_that_says_zero_for_long", |world| {
        (world.serial, world.serial_every) = (Some("1111"), 1);
        world.faults.push((AT, AT + 400, Fault::Says(0)));
        world.events.push((AT, Event::Swap(5 * KWH, Some("2222"))));
    }),
    ("set_back", |world| world.events.push((AT, Event::SetBack(3 * KWH)))),
    ("set_back_little", |world| world.events.push((AT, Event::SetBack(600 * WH)))),
    ("rollover", |world| {
        world.rollover = Some(100_000 * KWH);
        world.base = 100_000 * KWH - KWH;
    }),
    ("rollover_in_outage", |world| {
        world.rollover = Some(100_000 * KWH);
        world.base = 100_000 * KWH - KWH;
        world.away.push((1200, 3600));
    }),
    ("rollover_and_zeros", |world| {
        world.rollover = Some(100_000 * KWH);
        world.base = 100_000 * KWH - 20 * KWH;
        world.faults.push((AT, AT + 1800, Fault::Says(0)));
    }),
    ("rollover_of_16_bits", |world| rollover_of_bits(world, 16)),
    ("rollover_in_an_outage_of_16_bits", |world| {
        rollover_of_bits(world, 16);
        world.away.push((1200, 3600));
    }),
    ("rollover_of_31_bits", |world| rollover_of_bits(world, 31)),
    ("rollover_in_an_outage_of_32_bits", |world| {
        rollover_of_bits(world, 32);
        world.away.push((1200, 3600));
    }),
    ("swap_same_start", |world| world.events.push((AT, Event::Swap(0, None)))),
    ("spikes_of_50", |world| world.faults.push((AT, AT + 50 * world.poll, Fault::Above(3000 * KWH)))),
    ("outage_40_seconds", |world| world.away.push((AT, AT + 40))),
    ("outage_5_minutes", |world| world.away.push((AT, AT + 300))),
    ("outage_20_minutes", |world| world.away.push((AT, AT + 1200))),
    ("outage_2_hours", |world| {
        world.away.push((AT, AT + 7200));
        world.lasts += 7200;
    }),
    ("outage_day", |world| {
        world.away.push((AT, AT + 86_400));
        world.lasts += 86_400;
    }),
    ("outage_3_weeks", |world| {
        world.away.push((AT, AT + 21 * 86_400));
        world.lasts += 21 * 86_400;
    }),
    ("outage_day_then_spike", |world| {
        world.away.push((AT, AT + 86_400));
        world.lasts += 86_400;
        world.faults.push((AT + 86_400, AT + 86_400 + 2 * world.poll, Fault::Above(200 * KWH)));
    }),
    ("outage_day_then_long_spike", |world| {
        world.away.push((AT, AT + 86_400));
        world.lasts += 86_400;
        world.faults.push((AT + 86_400, AT + 86_400 + 400, Fault::Above(200 * KWH)));
    }),
    ("outage_day_then_zeros", |world| {
        world.away.push((AT, AT + 86_400));
        world.lasts += 86_400;
        world.faults.push((AT + 86_400, AT + 86_400 + 300, Fault::Says(0)));
    }),
    ("outage_day_then_swapped", |world| {
        world.away.push((AT, AT + 86_400));
        world.lasts += 86_400;
        world.faults.push((AT + 86_400, AT + 86_400 + 2 * world.poll, Fault::Swapped));
    }),
    ("spike_then_outage", |world| {
        world.faults.push((AT, AT + world.poll, Fault::Above(3 * KWH)));
        world.away.push((AT + world.poll, AT + 14_400));
        world.lasts += 14_400;
    }),
    ("outages_again_and_again", |world| {
        for again in 0..12 {
            world.away.push((AT + again * 200, AT + again * 200 + 90));
        }
    }),
    ("overload", |world| {
        world.max_power = 2000;
        world.power = true;
        world.load = Load::Switched(1500, AT, 5000);
    }),
    ("overload_then_outage", |world| {
        world.max_power = 2000;
        world.power = true;
        world.load = Load::Switched(1500, 1207, 5000);
        world.away.push((AT, AT + 3600));
        world.lasts += 3600;
    }),
    ("power_garbage_1", |world| world.faults.push((AT, AT + world.poll, Fault::Power(3_000_000_000)))),
    ("power_garbage_then_spike", |world| {
        world.faults.push((AT, AT + 600, Fault::Power(3_000_000_000)));
        world.faults.push((AT + 600, AT + 600 + world.poll, Fault::Above(5000 * KWH)));
    }),
    ("power_says_nothing", |world| world.faults.push((0, 1_000_000, Fault::Power(0)))),
    ("power_says_a_third", |world| {
        world.load = Load::Constant(3000);
        world.faults.push((0, 1_000_000, Fault::Power(1000)));
    }),
    ("start_at_zero_and_reset", |world| {
        world.start_at_zero = true;
        world.events.push((AT, Event::Reset));
    }),
];

/// The register has this many bits and rolls over after one more kWh. With more than 16 bits the steps are small, so that a real meter could
/// have counted that far.
fn rollover_of_bits(world: &mut World, bits: u32) {
    if bits > 16 {
        world.step = world.step.min(WH);
    }
    let size = (1 << bits) * world.step;
    world.rollover = Some(size);
    world.base = size - (KWH / world.step).max(1) * world.step;
}

/// A short power cut of the box. Afterwards its clock is wrong by `off` seconds, for `set_after` seconds.
fn power_cut(world: &mut World, off: i64, set_after: u64) {
    let at = AT + 25;
    world.interruptions.push((at, Interruption::Crash));
    world.boots.push(Boot { at, off, set_at: at + set_after });
}

/// Interruptions of the daemon or its box during the fault.
const INTERRUPTIONS: &[(&str, Change)] = &[
    ("", |_| {}),
    ("restart", |world| world.interruptions.push((AT + 25, Interruption::Restart))),
    ("crash", |world| world.interruptions.push((AT + 25, Interruption::Crash))),
    ("crash_without_slots", |world| {
        world.slots = 0;
        world.interruptions.push((AT + 25, Interruption::Crash));
    }),
    ("crashes", |world| {
        world.slots = 180;
        for again in 0..9 {
            world.interruptions.push((AT - 100 + again * 170, Interruption::Crash));
        }
    }),
    ("power_cut_and_a_clock_of_1970", |world| power_cut(world, -1_700_000_000, 300)),
    ("power_cut_and_a_clock_of_the_last_shutdown", |world| power_cut(world, -20 * 86_400, 900)),
    ("power_cut_and_a_clock_ahead", |world| power_cut(world, 30 * 86_400, 120)),
    ("restarts", |world| {
        for again in 0..30 {
            world.interruptions.push((AT - 100 + again * 47, Interruption::Restart));
        }
    }),
];

/// Every meter with every fault, once without and once with an interruption; with every interruption if `whole`.
pub(crate) fn all(whole: bool) -> Vec<World> {
    let mut worlds = Vec::new();
    for (kind, (meter, build)) in METERS.iter().enumerate() {
        for (number, (fault, add_fault)) in FAULTS.iter().enumerate() {
            let other = 1 + (kind + number) % (INTERRUPTIONS.len() - 1);
            for (index, (interruption, interrupt)) in INTERRUPTIONS.iter().enumerate() {
                if !whole && index != 0 && index != other {
                    continue;
                }
                let name = [*meter, *fault, *interruption].join("/");
                let mut world = World::new(name.trim_end_matches('/'));
                build(&mut world);
                add_fault(&mut world);
                interrupt(&mut world);
                worlds.push(world);
            }
        }
    }
    worlds
}
