//! The scenarios in which a promise is broken, each with its reason.

/// The scenarios in which a promise is broken because the readings do not allow a better decision. A guard that held them would hold
/// true readings for as long in another scenario, whose readings are the same.
///
/// An entry is the name of one scenario. `/*` at its end means: this meter and this fault with every interruption. Each scenario that an
/// entry names must break a promise: the test fails as soon as one does not.
pub(crate) const KNOWN: &[&str] = &[
    // Power is not measured, and 10 kWh are ten steps. The register keeps the wrong value as long as ten steps take at full power.
    "blind_kilowatt_hours/spike_20_minutes/*",
    // The value equals a day at half of full power and lasts longer than the rules wait. In `outage_day` the same value is right.
    "blind/outage_day_then_long_spike/crash_without_slots",
    "blind_lumpy/outage_day_then_long_spike/crash_without_slots",
    "slow_blind/outage_day_then_long_spike/crash_without_slots",
    "blind_fine/outage_day_then_long_spike/crash_without_slots",
    "hourly/outage_day_then_long_spike/*",
    "blind_kilowatt_hours/outage_day_then_long_spike/*",
    "night_and_day/outage_day_then_long_spike/*",
    "restless/outage_day_then_long_spike",
    "restless/outage_day_then_long_spike/restart",
    "restless/outage_day_then_long_spike/crash",
    "restless/outage_day_then_long_spike/crashes",
    "restless/outage_day_then_long_spike/power_cut_and_a_clock_of_1970",
    "restless/outage_day_then_long_spike/power_cut_and_a_clock_of_the_last_shutdown",
    "restless/outage_day_then_long_spike/power_cut_and_a_clock_ahead",
    "restless/outage_day_then_long_spike/restarts",
    "square/outage_day_then_long_spike/*",
    // Nothing was committed since the baseline 40 minutes before. After the crash that time counts as not observed, like an outage.
    "slow/spike_20_minutes/crash_without_slots",
    "slow_as_configured/spike_20_minutes/crash_without_slots",
    "slow_blind/spike_20_minutes/crash_without_slots",
    "blind/null_2_then_spike/crash_without_slots",
    "blind_lumpy/null_2_then_spike/crash_without_slots",
    "kilowatt_hours/null_2_then_spike/crash_without_slots",
    "idle/null_2_then_spike/crash_without_slots",
    "idle_then_on/null_2_then_spike/crash_without_slots",
    "night_and_day/null_2_then_spike/crash_without_slots",
    "blind_fine/null_2_then_spike/crash_without_slots",
    "blind_kilowatt_hours/null_2_then_spike/crash",
    "blind_kilowatt_hours/null_2_then_spike/crash_without_slots",
    "square/null_2_then_spike/crash_without_slots",
    // The error is half a step, between the crashes.
    "square/swap_that_says_zero_for_long/crashes",
    // An overload without a power sample, because crashes interrupt the samples or the meter has none. It looks like a register jump.
    "lumpy/overload/crashes",
    "blind_lumpy/overload/crashes",
    "hourly/overload_then_outage/crash_without_slots",
    // The crash falls between the overload and the hourly update that would confirm it: too little of that hour was sampled.
    "hourly/overload_then_outage/crash",
    "hourly/overload_then_outage/crashes",
    "hourly/overload_then_outage/power_cut_and_a_clock_of_1970",
    "hourly/overload_then_outage/power_cut_and_a_clock_of_the_last_shutdown",
    "hourly/overload_then_outage/power_cut_and_a_clock_ahead",
    // Two small register values, 15 minutes apart: the second may continue the first.
    "blind_lumpy/reset_twice/*",
    "hourly/reset_twice/*",
    // Half an hour after the last update of the register, a jump that power explains, or nearly explains, looks like the next update.
    "hourly/glitch_then_spike/*",
    "hourly/null_2_then_spike/*",
    "hourly/spike_20_minutes/*",
    "hourly/spike_then_outage/*",
    // The register advances by 8 kWh at a time, and the power register reads 0 throughout.
    "hourly/power_says_nothing",
    "hourly/power_says_nothing/restart",
    "hourly/power_says_nothing/crash",
    "hourly/power_says_nothing/crash_without_slots",
    "hourly/power_says_nothing/power_cut_and_a_clock_of_1970",
    "hourly/power_says_nothing/power_cut_and_a_clock_of_the_last_shutdown",
    "hourly/power_says_nothing/power_cut_and_a_clock_ahead",
    "hourly/power_says_nothing/restarts",
    // A register that is a little lower while no power flows, and continues from the old value afterwards. The readings are the same as
    // those of a register that was set back and shows late what it counted.
    "night_and_day/frozen_low_1_hour/crash",
    "night_and_day/frozen_low_1_hour/crash_without_slots",
    "night_and_day/frozen_low_1_hour/power_cut_and_a_clock_of_1970",
    "night_and_day/frozen_low_1_hour/power_cut_and_a_clock_of_the_last_shutdown",
    "night_and_day/frozen_low_1_hour/power_cut_and_a_clock_ahead",
    "night_and_day/frozen_low_1_hour/crashes",
    // One or two readings between two resets look like a short fault.
    "quarter_hourly/reset_twice/*",
];

/// Whether the entry names this scenario.
pub(crate) fn names(entry: &str, scenario: &str) -> bool {
    match entry.strip_suffix("/*") {
        Some(every_interruption) => {
            let interruption = scenario.strip_prefix(every_interruption);
            interruption.is_some_and(|interruption| interruption.is_empty() || interruption.starts_with('/'))
        }
        None => entry == scenario,
    }
}

/// Healthy histories in which a promise is broken, each with its reason.
pub(crate) const HEALTHY: &[&str] = &[
    // The meter is updated once an hour, and its power register has never shown anything. The first update looks like a jump of an idle
    // meter, so it is held for 10 minutes. The next ones are not.
    "healthy/power_zero+hours/230",
    "healthy/hours+power_a_1000th/342",
];

/// Histories with hard faults in which a promise is broken, each with its reason.
pub(crate) const HARD: &[&str] = &[
    // No power is measured, and the connection could have carried the wrong value since the last reading. It lasts longer than it is
    // doubted: a minute, or ten.
    "hard/ratchet_both_ways/2",
    "hard/ratchet_both_ways/28",
    "hard/lumps_and_glitches/195",
    // The power register is wrong and has never agreed with the counter, so it denies nothing. The fault is of three steps at a slow poll.
    "hard/ratchet_wrong_power/81",
    // Three and four steps of 100 Wh at a load of less than a step an hour: at the end of a fault, the register is within the noise of two
    // steps of the line that it had left.
    "hard/ratchet_up/208",
    "hard/ratchet_both_ways/210",
    // Faults of three to five steps above and below the line follow each other for hours. With steps this coarse, a register that has
    // caught up by counting and one that is back look alike, so that each fault may leave two steps behind.
    "hard/ratchet_both_ways/158",
    // After a fault below the line, the register rises back to it by more than power says, and is held. Before that ends, a fault of six
    // steps above the line begins. In ten minutes at nearly full power, six steps are within a quarter of what power says.
    "hard/ratchet_both_ways/262",
];
