//! The guard's messages: what was read, what was expected, what can be done. The only place of the guard that makes text for people.

use super::hold::{Cause, Hold};
use super::plausible::RegisterPoint;
use super::settings::MeterSettings;
use super::verdict::Verdict;
use crate::text::foreign;
use crate::units::{MilliwattHours, Name};

const SERIAL_LENGTH: usize = 64;

/// Why a register is held.
pub(super) fn standing(register: Option<MilliwattHours>, hold: &Hold) -> String {
    let seen = kilowatt_hours(hold.last.value);
    let Some(taken) = register else {
        return format!("the first register says {seen}, more than this connection can have counted");
    };
    format!("{}; {}", what(hold, taken), remedy(hold.cause))
}

/// The message at the beginning of a hold.
pub(super) fn beginning(register: Option<MilliwattHours>, hold: &Hold, settings: &MeterSettings) -> String {
    let before = register.unwrap_or_default();
    let accept = format!("`arkmeter ledger accept {}` takes it now", settings.name);
    format!("{}; {}; {accept}", what(hold, before), remedy(hold.cause))
}

pub(super) fn too_high_to_begin(name: &Name, run: &Hold, limit: u64) -> String {
    let (seen, most) = (kilowatt_hours(run.last.value), limit / 1_000_000);
    format!(
        "the first register says {seen}, more than 30 years at full power ({most} kWh): check the word order, the scale and \
         max_power; if it is right: `arkmeter ledger accept {name}`"
    )
}

pub(super) fn baseline(run: &Hold, start_at_zero: bool) -> String {
    let from = if start_at_zero { "0" } else { "the register" };
    format!("{} readings agree at {}: the figure begins at {from}", run.readings, kilowatt_hours(run.last.value))
}

pub(super) fn glitch(anchor: &RegisterPoint, hold: &Hold, to: &RegisterPoint) -> String {
    let [before, seen, now] = [anchor.value, hold.last.value, to.value].map(kilowatt_hours);
    format!("the register said {seen} {} times and is back at {now} (before: {before})", hold.readings)
}

pub(super) fn advanced(anchor: &RegisterPoint, hold: &Hold, taken: Option<MilliwattHours>) -> String {
    let [before, now] = [anchor.value, taken.unwrap_or(hold.last.value)].map(kilowatt_hours);
    format!("{} readings agree that the register went from {before} to {now}", hold.readings)
}

pub(super) fn stepped_untold(name: &Name, anchor: &RegisterPoint, hold: &Hold) -> String {
    let [before, now] = [anchor.value, hold.first.value].map(kilowatt_hours);
    format!(
        "the register went from {before} to {now} and no trusted clock tells in what time; not credited until one does; \
         if it was consumed: `arkmeter ledger credit {name} ENERGY`"
    )
}

pub(super) fn credited(change: MilliwattHours) -> String {
    format!(
        "the clock is trusted now: {} that could not be dated were possible and are credited",
        kilowatt_hours(change)
    )
}

pub(super) fn accepted(reason: &str) -> String {
    format!("accepted by the operator: {reason}")
}

pub(super) fn credited_by_operator(energy: MilliwattHours, settings: &MeterSettings) -> String {
    format!("credited by the operator: {}, as much as {}", kilowatt_hours(energy), at_full_power(energy, settings))
}

/// How long the connection takes to carry that energy.
pub(super) fn at_full_power(energy: MilliwattHours, settings: &MeterSettings) -> String {
    let seconds = u128::from(energy.get()) * 3600 / u128::from(settings.max_power.0.unsigned_abs().max(1));
    let time = match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    format!("{time} at full power")
}

pub(super) fn rollover(size: MilliwattHours) -> String {
    format!("the register began again at 0 after {}", kilowatt_hours(size))
}

pub(super) fn another_epoch(name: &Name, verdict: Verdict, before: Option<MilliwattHours>, hold: &Hold) -> String {
    let [before, now] = [before.unwrap_or_default(), hold.first.value].map(kilowatt_hours);
    let serial = hold.serial.as_deref().map_or_else(|| "unknown".to_owned(), |serial| foreign(serial, SERIAL_LENGTH));
    match verdict {
        Verdict::Replaced => {
            format!("another meter (serial number {serial}) begins at {now}; the one before ended at {before}")
        }
        Verdict::Reset => format!("the register fell from {before} to {now} and counts from there"),
        _ => format!(
            "the register went from {before} to {now}, more than can have been consumed: not credited; \
             if it was consumed: `arkmeter ledger credit {name} ENERGY`"
        ),
    }
}

pub(super) fn restored(before: MilliwattHours, hold: &Hold) -> String {
    let [before, now] = [before, hold.last.value].map(kilowatt_hours);
    format!(
        "the register is back at {now}, where it would be since it said {before}: what it counted is taken up again"
    )
}

pub(super) fn redefined(run: &Hold) -> String {
    format!(
        "the register is read in another way since the configuration changed: counted from {} on",
        kilowatt_hours(run.first.value)
    )
}

pub(super) fn goes_on(published: Option<MilliwattHours>) -> String {
    format!("accepted by the operator: goes on from {}", kilowatt_hours(published.unwrap_or_default()))
}

pub(super) fn set(energy: MilliwattHours) -> String {
    format!("set by the operator: nothing below {} is published", kilowatt_hours(energy))
}

/// The message while published is ahead of the counter's own figure.
pub(super) fn stands(behind: MilliwattHours, settings: &MeterSettings) -> String {
    format!(
        "published stands still until the counter has caught up {}, {} at the least",
        kilowatt_hours(behind),
        at_full_power(behind, settings)
    )
}

pub(super) fn exchanged(old: MilliwattHours, new: MilliwattHours) -> String {
    let [old, new] = [old, new].map(kilowatt_hours);
    format!("the meter was exchanged: the old one is counted up to {old}, the new one from {new}")
}

pub(super) fn undone(id: i64, correction: i64) -> String {
    let amount = MilliwattHours::new(correction.unsigned_abs()).unwrap_or(MilliwattHours::MAX);
    let (sign, amount) = (if correction < 0 { "-" } else { "+" }, kilowatt_hours(amount));
    format!("undone by the operator: entry {id}; the counter's figure is corrected by {sign}{amount}")
}

pub(super) fn renamed(from: &Name) -> String {
    format!("renamed by the operator: it was {from} before")
}

pub(super) fn moved() -> String {
    "by the operator: it is the meter of this name, at another place than before".to_owned()
}

pub(super) fn begins_its_own(other: &Name) -> String {
    format!("by the operator: it is another meter than {other} and begins a ledger of its own")
}

/// What to do instead of undoing an event that changed no figure.
pub(super) fn instead(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Baseline => "a first figure cannot be taken back once it was published",
        Verdict::Held => "`arkmeter ledger accept` ends a hold",
        Verdict::Redefined => "what was counted in between can be added with `arkmeter ledger credit`",
        _ => "nothing was added or taken away by it",
    }
}

fn what(hold: &Hold, before: MilliwattHours) -> String {
    let [before, seen] = [before, hold.last.value].map(kilowatt_hours);
    match hold.cause {
        Cause::Serial => {
            let serial = foreign(hold.serial.as_deref().unwrap_or_default(), SERIAL_LENGTH);
            format!("another serial number, {serial}; its register says {seen}, the last one taken said {before}")
        }
        Cause::Lower => format!("the register fell from {before} to {seen}"),
        Cause::Higher => format!("the register rose from {before} to {seen}, more than can have been consumed"),
        Cause::Untold => {
            format!("the register rose from {before} to {seen}, and no trusted clock tells in what time")
        }
        Cause::Doubtful => format!("the register rose from {before} to {seen}, against what was measured"),
        Cause::Redefined => format!("the register is read in another way now and says {seen}"),
        Cause::Start | Cause::Slight | Cause::Unexplained => {
            format!("the register rose from {before} to {seen}, more than the measured power explains")
        }
    }
}

fn remedy(cause: Cause) -> &'static str {
    match cause {
        Cause::Serial => "taken for a replaced meter after 10 minutes",
        Cause::Lower => {
            "taken for a reset after 10 minutes (a day, where it stands while power flows), unless it comes back"
        }
        Cause::Higher => "the rise is not credited; counted from there after 10 minutes, unless it comes back",
        Cause::Untold => "waiting for the clock to be synchronised, for 24 hours",
        Cause::Doubtful => "taken if it stays for 10 minutes",
        Cause::Redefined => "counted from there once three readings agree",
        Cause::Start | Cause::Slight | Cause::Unexplained => "taken if it stays for a minute",
    }
}

pub(super) fn kilowatt_hours(energy: MilliwattHours) -> String {
    energy.in_words()
}
