//! The scenarios in which a promise is broken, each with its reason.

/// The scenarios in which a promise is broken, because the readings do not allow a better decision: a guard that held them would hold
/// true readings as long, in the scenario beside it that reads the same.
///
/// An entry is the name of one scenario. `/*` at its end stands for that meter and trouble in every life. Each scenario that an entry names
/// must break a promise: the test fails as soon as one does not.
pub(crate) const KNOWN: &[&str] = &[
    // Power is not measured, and 10 kWh are ten steps: the register stays there as long as it takes to count them at full power.
    "blind_kilowatt_hours/spike_20_minutes/*",
    // The value equals a day at half of full power, and stays for longer than the rules wait (`outage_day` is right).
    "blind/outage_day_then_long_spike/crash_without_slots",
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
    // Nothing was committed since the baseline 40 minutes before: after the crash that time was not observed, as in an outage.
    "slow/spike_20_minutes/crash_without_slots",
    "slow_as_configured/spike_20_minutes/crash_without_slots",
    "slow_blind/spike_20_minutes/crash_without_slots",
    "blind/null_2_then_spike/crash_without_slots",
    "blind_fine/null_2_then_spike/crash_without_slots",
    "blind_kilowatt_hours/null_2_then_spike/crash",
    "blind_kilowatt_hours/null_2_then_spike/crash_without_slots",
    "square/null_2_then_spike/crash_without_slots",
    // Half a step, between the crashes.
    "square/swap_that_says_zero_for_long/crashes",
    // An overload without a sample, because crashes interrupt the samples (or there are none): a jump of the register.
    "lumpy/overload/crashes",
    "blind_lumpy/overload/crashes",
    "hourly/overload_then_outage/crash_without_slots",
    // The crash falls between the overload and the hourly update that would confirm it: too little of that hour was sampled.
    "hourly/overload_then_outage/crash",
    "hourly/overload_then_outage/crashes",
    "hourly/overload_then_outage/power_cut_and_a_clock_of_1970",
    "hourly/overload_then_outage/power_cut_and_a_clock_of_the_last_shutdown",
    "hourly/overload_then_outage/power_cut_and_a_clock_ahead",
    // Two small registers, a quarter of an hour apart: the later may continue the earlier.
    "blind_lumpy/reset_twice/*",
    "hourly/reset_twice/*",
    // Half an hour after the last lump, a jump that power explains, or nearly explains, is the next lump.
    "hourly/glitch_then_spike/*",
    "hourly/null_2_then_spike/*",
    "hourly/spike_20_minutes/*",
    "hourly/spike_then_outage/*",
    // Lumps of 8 kWh, and a power register that each time says 0 for that hour.
    "hourly/power_says_nothing/*",
    // A register that is a little lower while no power flows, and continues from the old value afterwards: the same as one that was set
    // back and shows late what it counted.
    "idle_then_on/frozen_low_1_hour/*",
    "night_and_day/frozen_low_1_hour/*",
    // One or two readings between two resets: the same as a passing fault.
    "quarter_hourly/reset_twice/*",
];

/// Whether the entry names this scenario.
pub(crate) fn names(entry: &str, scenario: &str) -> bool {
    match entry.strip_suffix("/*") {
        Some(every_life) => {
            let life = scenario.strip_prefix(every_life);
            life.is_some_and(|life| life.is_empty() || life.starts_with('/'))
        }
        None => entry == scenario,
    }
}
