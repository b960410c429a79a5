//! The operator's other decisions: a figure that Arkreen already has, a planned exchange of a meter, a judgement undone. Published never
//! falls.

use super::error::DecisionError;
use super::flow::{Grade, Measure, RegisterPoint, falls};
use super::judging::{Judgement, Judging};
use super::operator::within_a_lifetime;
use super::reason::Reason;
use super::settings::MeterSettings;
use super::state::{Epoch, GuardState, signed};
use super::verdict::{GuardEvent, Verdict};
use crate::clock::ClockReading;
use crate::units::{MilliwattHours, Name};

/// Continues integrated energy from the figure in an older copy of the ledger.
pub fn go_on(state: &GuardState, settings: &MeterSettings, at: &ClockReading) -> Judgement {
    let judging = Judging::new(state.clone(), settings, at, None, false);
    judging.decided(Verdict::Unchanged, 0, Reason::Continued { published: state.figure.published.unwrap_or_default() })
}

/// Begins a new figure for a meter that could also be another one, renamed.
pub fn begin(state: &GuardState, settings: &MeterSettings, at: &ClockReading, other: &Name) -> Judgement {
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    judging.state.settle_place(settings);
    judging.decided(Verdict::Baseline, 0, Reason::BeginsItsOwn { other: other.clone() })
}

/// Accepts that the meter is the one of this name, although it was read at another place before.
pub fn moved(state: &GuardState, settings: &MeterSettings, at: &ClockReading) -> Judgement {
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    judging.state.settle_place(settings);
    judging.decided(Verdict::Unchanged, 0, Reason::Moved)
}

/// The event of a new name. No figure changes.
pub fn renamed(state: &GuardState, at: &ClockReading, from: &Name) -> GuardEvent<Reason> {
    let (register, published, serial) = (state.register(), state.figure.published, state.figure.serial.clone());
    GuardEvent {
        at: *at,
        verdict: Verdict::Unchanged,
        register_before: register,
        register_after: register,
        published_before: published,
        published_after: published,
        reason: Reason::Renamed { from: from.clone() },
        readings: 0,
        serial_before: serial.clone(),
        serial_after: serial,
        correction: None,
        undoes: None,
    }
}

/// Raises the floor: nothing below `energy` is published from now on. The counter's figure does not change, so published stands still
/// until the counter's figure exceeds it.
///
/// # Errors
/// [`DecisionError`] before the baseline, if published is not below `energy`, or if the connection cannot have carried the difference.
pub fn set(
    state: &GuardState,
    settings: &MeterSettings,
    at: &ClockReading,
    energy: MilliwattHours,
) -> Result<Judgement, DecisionError> {
    let published = state.figure.published.ok_or_else(|| DecisionError::NoBaseline(settings.name.clone()))?;
    if energy <= published {
        return Err(DecisionError::Lower { name: settings.name.clone(), published });
    }
    within_a_lifetime(state, settings, energy.saturating_sub(published))?;
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    judging.state.figure.published = Some(energy);
    Ok(judging.decided(Verdict::Advanced, 0, Reason::FloorSet { energy }))
}

/// How far published is ahead of the counter's figure: it stands still until the counter has caught up. Absent if it is not.
pub fn ahead(state: &GuardState) -> Option<MilliwattHours> {
    let ahead = signed(state.figure.published?).checked_sub(state.counted()?)?;
    u64::try_from(ahead).ok().and_then(MilliwattHours::new).filter(|ahead| *ahead > MilliwattHours::ZERO)
}

/// The meter was exchanged: the old one is counted up to `old`, the new one from `new`, exactly.
///
/// Works before and after the guard has taken the new meter for a reset or a replacement. Both registers must be possible.
///
/// # Errors
/// [`DecisionError`] if the meter has no counter or a register is not possible.
pub fn replace(
    state: &GuardState,
    settings: &MeterSettings,
    at: &ClockReading,
    old: MilliwattHours,
    new: MilliwattHours,
) -> Result<Judgement, DecisionError> {
    let taken = state.figure.taken.ok_or_else(|| DecisionError::NoCounter(settings.name.clone()))?;
    let measure = Measure::new(&state.memory.power, &state.figure.totals, settings);
    let follows = |from: &RegisterPoint, value| is_possible(&measure, from, value, at);
    let noticed = state.memory.earlier.last().filter(|epoch| follows(&epoch.last, old)).map(|epoch| {
        let began = RegisterPoint { value: new, debt: 0, fresh: true, ..epoch.last };
        let right = follows(&began, taken.value);
        let impossible = DecisionError::NewReadingTooLow { new, taken: taken.value };
        right.then(|| correct_exchange(state, epoch, old, new)).ok_or(impossible)
    });
    let unnoticed = follows(&taken, old).then(|| exchange(state, settings, &taken, at, old, new));
    // Where either can be, the lower figure is the one that invents nothing.
    let changed = match (unnoticed, noticed) {
        (Some(Ok(one)), Some(Ok(other))) => Ok(if one.figure() < other.figure() { one } else { other }),
        (Some(Ok(changed)), _) | (_, Some(Ok(changed))) => Ok(changed),
        (Some(Err(why)), _) | (None, Some(Err(why))) => Err(why),
        (None, None) => Err(DecisionError::OldReading { old, taken: taken.value }),
    };
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    judging.state = changed?;
    within(&judging.state)?;
    Ok(judging.decided(Verdict::Replaced, 0, Reason::Exchanged { old, new }))
}

/// The exchange while the old meter was the last to be taken; a hold, if there is one, is of the new meter.
fn exchange(
    state: &GuardState,
    settings: &MeterSettings,
    taken: &RegisterPoint,
    at: &ClockReading,
    old: MilliwattHours,
    new: MilliwattHours,
) -> Result<GuardState, DecisionError> {
    // The new meter may have counted since the old one last advanced.
    let began = RegisterPoint { value: new, debt: 0, fresh: true, ..*taken };
    if let Some(hold) = state.memory.hold.as_ref().filter(|hold| falls(&began, &hold.last)) {
        return Err(DecisionError::NewReadingTooHigh { new, seen: hold.last.value });
    }
    let mut changed = state.clone();
    changed.take(settings, RegisterPoint { value: old, at: *at, ..*taken });
    changed.close_epoch(at);
    changed.figure.offset = changed.figure().saturating_sub(signed(new));
    changed.take(settings, began);
    changed.figure.serial = changed.memory.hold.take().and_then(|hold| hold.serial);
    changed.memory.uncredited = None;
    Ok(changed)
}

/// The exchange after the new meter was taken, as a reset, a replacement or a step: corrects where it began.
fn correct_exchange(state: &GuardState, before: &Epoch, old: MilliwattHours, new: MilliwattHours) -> GuardState {
    let mut changed = state.clone();
    changed.figure.offset = signed(old).saturating_add(before.offset).saturating_sub(signed(new));
    changed.publish();
    changed.memory.uncredited = None;
    changed
}

/// Whether a register can have reached `value` by now.
fn is_possible(measure: &Measure<'_>, from: &RegisterPoint, value: MilliwattHours, at: &ClockReading) -> bool {
    let to = RegisterPoint { value, at: *at, witness: *measure.totals, ..*from };
    !falls(from, &to) && measure.grade(from, &to) < Grade::Beyond
}

/// Takes back the effect of entry number `id` on the figure. If that lowers the figure, published stands still until the corrected figure
/// exceeds it.
///
/// # Errors
/// [`DecisionError`] if the entry moved no figure, or if the figure would be too large to report.
pub fn undo<R>(
    state: &GuardState,
    settings: &MeterSettings,
    at: &ClockReading,
    id: i64,
    entry: &GuardEvent<R>,
) -> Result<Judgement, DecisionError> {
    let Some(correction) = entry.correction else {
        let (word, instead) = (entry.verdict.as_str().to_owned(), instead(entry.verdict));
        return Err(DecisionError::NothingToUndo { entry: id, word, instead });
    };
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    let changed = &mut judging.state;
    // Epochs that ended since then include it.
    for epoch in changed.memory.earlier.iter_mut().filter(|epoch| is_later(&epoch.ended, &entry.at)) {
        epoch.offset = epoch.offset.saturating_add(correction);
    }
    // Otherwise a step that waits for the clock would be credited twice.
    changed.memory.uncredited =
        changed.memory.uncredited.take().filter(|step| entry.register_before != Some(step.from.value));
    changed.correct(correction)?;
    let mut judged = judging.decided(Verdict::Restored, 0, Reason::Undone { entry: id, correction });
    if let Some(entry) = &mut judged.entry {
        entry.undoes = Some(id);
    }
    Ok(judged)
}

/// What to do instead of undoing an event that changed no figure.
fn instead(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Baseline => "a first figure cannot be taken back once it was published",
        Verdict::Held => "`arkmeter ledger accept` ends a hold",
        Verdict::Redefined => "what was counted in between can be added with `arkmeter ledger credit`",
        _ => "nothing was added or taken away by it",
    }
}

fn is_later(this: &ClockReading, other: &ClockReading) -> bool {
    match this.since(other) {
        Some(later) => !later.is_zero(),
        None => this.wall > other.wall,
    }
}

/// Refuses a figure that could not be reported.
fn within(state: &GuardState) -> Result<(), DecisionError> {
    if state.figure() > signed(MilliwattHours::MAX) { Err(DecisionError::TooMuch) } else { Ok(()) }
}

impl GuardState {
    /// The serial number of the meter that counts now, if it was read. Foreign text: mask it before it is shown.
    pub fn serial(&self) -> Option<&str> {
        self.figure.serial.as_deref()
    }

    /// The counter's own figure (register + offset, or the integrated power) in mWh: below the published figure after a correction, until it
    /// catches up. Absent before the baseline.
    pub fn counted(&self) -> Option<i64> {
        let integrated = self.figure.published.filter(|_| self.figure.integral.counts && self.figure.taken.is_none());
        let integrated =
            integrated.map(|published| signed(published).saturating_sub(signed(self.figure.integral.owed)));
        self.figure.taken.map(|_| self.figure()).or(integrated)
    }

    /// Changes the counter's figure by this many mWh; published rises with it, or stands still until it has caught up.
    pub(super) fn correct(&mut self, by: i64) -> Result<(), DecisionError> {
        self.figure.offset = self.figure.offset.saturating_add(by);
        within(self)?;
        match (self.figure.taken, self.figure.published) {
            (Some(_), _) => self.publish(),
            (None, Some(published)) => {
                let counted = self.counted().unwrap_or(signed(published)).saturating_add(by);
                let (figure, floor) = (counted.max(signed(published)), signed(published));
                let figure = u64::try_from(figure).ok().and_then(MilliwattHours::new);
                self.figure.published = Some(figure.ok_or(DecisionError::TooMuch)?);
                let owed = u64::try_from(floor.saturating_sub(counted)).unwrap_or(0);
                self.figure.integral.owed = MilliwattHours::new(owed).unwrap_or(MilliwattHours::MAX);
            }
            (None, None) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
