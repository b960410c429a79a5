//! The sentences of the guard's reasons and advice, for the journal, the log and `status`.

use std::time::Duration;

use crate::guard::{Advice, Cause, GuardEvent, HeldRegister, MeterSettings, PowerFault, Reason};
use crate::text::foreign;
use crate::units::{MilliwattHours, Milliwatts, Name};

const SERIAL_LENGTH: usize = 64;

/// The decision on this meter, with its reason in words.
pub(super) fn in_words(event: GuardEvent<Reason>, meter: &Name) -> GuardEvent {
    event.in_words(|reason| sentence(reason, meter))
}

/// That these meters, at least one, are too new for a figure.
pub(super) fn no_baseline(meters: &[Name]) -> String {
    let names: Vec<_> = meters.iter().map(Name::as_str).collect();
    let have = if names.len() == 1 { "has" } else { "have" };
    format!("{} {have} no baseline yet", names.join(", "))
}

/// The sentence of a reason.
fn sentence(reason: &Reason, name: &Name) -> String {
    match reason {
        Reason::FigureBegins { readings, register, at_zero } => {
            let from = if *at_zero { "0" } else { "the register" };
            format!("{readings} readings agree at {}: the figure begins at {from}", kwh(*register))
        }
        Reason::IntegrationBegins => "energy is integrated from power: the meter has no counter".to_owned(),
        Reason::FirstRegisterTooHigh { register, limit } => format!(
            "the first register says {}, more than 30 years at full power ({} kWh): check the word order, the scale and max_power; if it \
             is right: `arkmeter ledger accept {name}`",
            kwh(*register),
            limit.get() / 1_000_000
        ),
        Reason::FirstRegisterNearEnd { register, end } => format!(
            "the first register says {}, close to the end of its range ({}): the meter probably counts below 0, and its type should be a \
             signed one; if it is right: `arkmeter ledger accept {name}`",
            kwh(*register),
            kwh(*end)
        ),
        Reason::Held(held) => format!("{}; `arkmeter ledger accept {name}` takes it now", standing(held)),
        Reason::Glitch { before, seen, readings, now } => {
            let [before, seen, now] = [*before, *seen, *now].map(kwh);
            format!("the register said {seen} {readings} times and is back at {now} (before: {before})")
        }
        Reason::Agreed { before, now, readings } => {
            format!("{readings} readings agree that the register went from {} to {}", kwh(*before), kwh(*now))
        }
        Reason::UndatedStep { before, now } => format!(
            "the register went from {} to {} and no trusted clock tells in what time; not credited until one does; if it was consumed: \
             `arkmeter ledger credit {name} ENERGY`",
            kwh(*before),
            kwh(*now)
        ),
        Reason::Dated { energy } => {
            format!("the clock is trusted now: {} that could not be dated were possible and are credited", kwh(*energy))
        }
        Reason::RolledOver { size } => format!("the register began again at 0 after {}", kwh(*size)),
        Reason::AnotherMeter { before, now, serial } => {
            let serial =
                serial.as_deref().map_or_else(|| "unknown".to_owned(), |serial| foreign(serial, SERIAL_LENGTH));
            let [before, now] = [*before, *now].map(kwh);
            format!("another meter (serial number {serial}) begins at {now}; the one before ended at {before}")
        }
        Reason::Fell { before, now } => {
            format!("the register fell from {} to {} and counts from there", kwh(*before), kwh(*now))
        }
        Reason::Jumped { before, now } => format!(
            "the register went from {} to {}, more than can have been consumed: not credited; if it was consumed: \
             `arkmeter ledger credit {name} ENERGY`",
            kwh(*before),
            kwh(*now)
        ),
        Reason::Denied { before, now } => format!(
            "the register went from {} to {}, which the measured power denies: not credited; if it was consumed: \
             `arkmeter ledger credit {name} ENERGY`",
            kwh(*before),
            kwh(*now)
        ),
        Reason::BackOnItsLine { before, now } => format!(
            "the register is back at {}, where it would be since it said {}: what it counted is taken up again",
            kwh(*now),
            kwh(*before)
        ),
        Reason::Redefined { now } => {
            format!(
                "the register is read in another way since the configuration changed: counted from {} on",
                kwh(*now)
            )
        }
        Reason::Accepted(reason) => format!("accepted by the operator: {}", sentence(reason, name)),
        Reason::Credited { energy, max_power } => {
            format!("credited by the operator: {}, as much as {}", kwh(*energy), at_full_power(*energy, *max_power))
        }
        Reason::Continued { published } => format!("accepted by the operator: goes on from {}", kwh(*published)),
        Reason::FloorSet { energy } => format!("set by the operator: nothing below {} is published", kwh(*energy)),
        Reason::Exchanged { old, new } => {
            format!(
                "the meter was exchanged: the old one is counted up to {}, the new one from {}",
                kwh(*old),
                kwh(*new)
            )
        }
        Reason::Undone { entry, correction } => {
            let amount = MilliwattHours::new(correction.unsigned_abs()).unwrap_or(MilliwattHours::MAX);
            let (sign, amount) = (if *correction < 0 { "-" } else { "+" }, kwh(amount));
            format!("undone by the operator: entry {entry}; the counter's figure is corrected by {sign}{amount}")
        }
        Reason::Renamed { from } => format!("renamed by the operator: it was {from} before"),
        Reason::Moved => "by the operator: it is the meter of this name, at another place than before".to_owned(),
        Reason::BeginsItsOwn { other } => {
            format!("by the operator: it is another meter than {other} and begins a ledger of its own")
        }
    }
}

/// Why a register is held, and what becomes of it.
pub(super) fn standing(held: &HeldRegister) -> String {
    let seen = kwh(held.seen);
    let Some(before) = held.before else {
        return format!("the first register says {seen}, which is not plausible");
    };
    // A register with a coarse last digit may be a little below the multiple.
    let times = (held.seen.get() + before.get() / 2) / before.get().max(1);
    let before = kwh(before);
    match held.cause {
        Cause::Serial => {
            let serial = foreign(held.serial.as_deref().unwrap_or_default(), SERIAL_LENGTH);
            format!(
                "another serial number, {serial}; its register says {seen}, the last one taken said {before}; taken for a replaced meter \
                 after 10 minutes"
            )
        }
        Cause::Lower => format!(
            "the register fell from {before} to {seen}; taken for a reset after 10 minutes (a day, where it stands while power flows), \
             unless it comes back"
        ),
        Cause::Higher => format!(
            "the register rose from {before} to {seen}, more than can have been consumed; the rise is not credited; counted from there \
             after 10 minutes, unless it comes back"
        ),
        Cause::Untold => format!(
            "the register rose from {before} to {seen}, and no trusted clock tells in what time; waiting for the clock to be \
             synchronised, for 24 hours"
        ),
        Cause::Doubtful => format!(
            "the register rose from {before} to {seen}, against what was measured; taken if it stays for 10 minutes"
        ),
        Cause::Denied => format!(
            "the register rose from {before} to {seen}, and the measured power, which agreed with it before, denies that; the rise is not \
             credited; counted from there if it stays for 10 minutes"
        ),
        Cause::Scaled => format!(
            "the register rose from {before} to {seen}, {times} times as much; nothing is counted until it is back: if the resolution of \
             the meter has changed, set the scale of its register"
        ),
        Cause::Contradicts => format!(
            "the register jumped from {before} and counts faster than the measured power, or than the connection can carry (now {seen}); \
             nothing is counted until it is back, or has counted for an hour as power says: check the scale and the CT ratio of the meter"
        ),
        Cause::Redefined => {
            format!(
                "the register is read in another way now and says {seen}; counted from there once three readings agree"
            )
        }
        Cause::Return => format!("the register rose from {before} to {seen}, where it would be on its earlier line"),
        Cause::Start | Cause::Unexplained => format!(
            "the register rose from {before} to {seen}, more than the measured power explains; taken if it stays for a minute"
        ),
    }
}

/// The message while published is ahead of the counter's own figure.
pub(super) fn ahead(energy: MilliwattHours, settings: &MeterSettings) -> String {
    format!(
        "published stands still until the counter has caught up {}, {} at the least",
        kwh(energy),
        at_full_power(energy, settings.max_power)
    )
}

/// How long the connection takes to carry that energy.
fn at_full_power(energy: MilliwattHours, max_power: Milliwatts) -> String {
    let seconds = u128::from(energy.get()) * 3600 / u128::from(max_power.0.unsigned_abs().max(1));
    let time = match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    format!("{time} at full power")
}

fn kwh(energy: MilliwattHours) -> String {
    energy.in_words()
}

/// What should be checked at a meter.
pub(super) fn advice(advice: &Advice) -> String {
    match advice {
        Advice::RegisterStands { since, energy } => format!(
            "the counter has stood still for {} while the power register accounts for {}: check the counter register of the profile, and \
             the meter; what it counts later is credited in full",
            minutes(*since),
            kwh(*energy)
        ),
        Advice::PowerDisagrees { ratio } => {
            let (how, factor) = if *ratio >= 1000 { ("faster", *ratio) } else { ("slower", 1_000_000 / ratio.max(&1)) };
            format!(
                "the counter rises {} times {how} than the power says: check the CT ratio, the scale of the power register, and whether the \
                 profile is that of a single-phase meter and reads one phase of three; energy is counted, power is reported as read",
                tenths(factor)
            )
        }
    }
}

/// Why a power is not reported.
pub(super) fn power_fault(fault: &PowerFault) -> String {
    match fault {
        PowerFault::TooHigh { power, limit } => format!(
            "its power of {} W is more than the connection can carry ({} W) and is not reported: check the type and scale of the power \
             register, or max_power",
            power.watts(),
            limit.watts()
        ),
        PowerFault::Unsigned { power, meant } => format!(
            "its power of {} W is probably {} W read as an unsigned number, and is not reported: use a signed type for the power register",
            power.watts(),
            meant.watts()
        ),
        PowerFault::Contradicted { power, counted } => format!(
            "its power rose to {} W, but the counter counts as at {} W; the power is not reported: check the power register, the line, and \
             whether all phases are counted",
            power.watts(),
            counted.watts()
        ),
    }
}

fn minutes(time: Duration) -> String {
    match time.as_secs() / 60 {
        minutes @ ..120 => format!("{minutes} min"),
        minutes => format!("{} h", minutes / 60),
    }
}

/// Thousandths as a number with one decimal, or none from 10 on.
fn tenths(thousandths: u64) -> String {
    match thousandths {
        10_000.. => (thousandths / 1000).to_string(),
        _ => format!("{}.{}", thousandths / 1000, thousandths % 1000 / 100),
    }
}

#[cfg(test)]
mod tests;
