//! The scenarios in which a promise is broken, each with its reason.

/// Where a promise is broken (every scenario whose name begins so), because nothing in the readings tells better: a guard that held these
/// would hold what is true just as long, in the scenario beside it that reads the same.
pub(crate) const KNOWN: &[&str] = &[
    // Nobody measures power, and 10 kWh are ten steps: the register stands as long as it takes to count them at full power.
    "blind_kilowatt_hours/spike_20_minutes",
    // The value is what a day at half of full power comes to, and is the same for longer than the rules wait (`outage_day` is right).
    "blind/outage_day_then_long_spike",
    "blind_fine/outage_day_then_long_spike",
    "hourly/outage_day_then_long_spike",
    "blind_kilowatt_hours/outage_day_then_long_spike",
    "night_and_day/outage_day_then_long_spike",
    "restless/outage_day_then_long_spike",
    "square/outage_day_then_long_spike",
    // Nothing was committed since the baseline 40 minutes before: after the crash that time is as unseen as an outage.
    "slow/spike_20_minutes/crash_without_slots",
    "slow_as_configured/spike_20_minutes/crash_without_slots",
    "slow_blind/spike_20_minutes/crash_without_slots",
    "blind/null_2_then_spike/crash_without_slots",
    "blind_fine/null_2_then_spike/crash_without_slots",
    "blind_kilowatt_hours/null_2_then_spike/crash",
    "square/null_2_then_spike/crash_without_slots",
    // Half a step, between the crashes.
    "square/swap_that_says_zero_for_long/crashes",
    // An overload that no sample shows, because crashes tear the samples apart (or there are none): a jump of the register.
    "lumpy/overload/crashes",
    "blind_lumpy/overload/crashes",
    "hourly/overload_then_outage/crash_without_slots",
    // Two small registers, a quarter of an hour apart: the later may go on with the earlier.
    "blind_lumpy/reset_twice",
    "hourly/reset_twice",
    // Half an hour after the last lump, a jump that power explains, or comes near to, is the next one.
    "hourly/glitch_then_spike",
    "hourly/null_2_then_spike",
    "hourly/spike_20_minutes",
    "hourly/spike_then_outage",
    // Lumps of 8 kWh, and a power register that says each time that nothing flowed in that hour.
    "hourly/power_says_nothing",
    // A register that stands a little lower while nothing flows, and goes on from where it was once something does: as one that was set back
    // and shows late what it counted.
    "idle_then_on/frozen_low_1_hour",
    "night_and_day/frozen_low_1_hour",
    // One or two readings between two resets: as a passing fault would look.
    "quarter_hourly/reset_twice",
];
