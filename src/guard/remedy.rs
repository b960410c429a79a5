//! What an operator can order beyond [`accept`](super::accept) and [`credit`](super::credit): what Arkreen holds already, a meter
//! exchanged on purpose, a judgement undone. Whatever is ordered, published never falls.

use super::error::DecisionError;
use super::judging::{Judgement, Judging};
use super::operator::within_a_lifetime;
use super::plausible::{Grade, Measure, RegisterPoint, falls};
use super::settings::MeterSettings;
use super::state::{Epoch, GuardState, signed};
use super::verdict::{GuardEvent, Verdict};
use super::wording;
use crate::clock::ClockReading;
use crate::units::{MilliwattHours, Name};

/// Integrated energy goes on from where an older copy of the ledger knew it.
pub fn go_on(state: &GuardState, settings: &MeterSettings, at: &ClockReading) -> Judgement {
    let judging = Judging::new(state.clone(), settings, at, None, false);
    judging.decided(Verdict::Unchanged, 0, wording::goes_on(state.figure.published))
}

/// A ledger of its own begins for a meter that may be another one renamed.
pub fn begin(state: &GuardState, settings: &MeterSettings, at: &ClockReading, other: &Name) -> Judgement {
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    judging.state.settle_place(settings);
    judging.decided(Verdict::Baseline, 0, wording::begins_its_own(other))
}

/// The meter is read where the configuration has its name, although the ledger of that name came from another place.
pub fn moved(state: &GuardState, settings: &MeterSettings, at: &ClockReading) -> Judgement {
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    judging.state.settle_place(settings);
    judging.decided(Verdict::Unchanged, 0, wording::moved())
}

/// What the journal keeps of a new name: no figure moves.
pub fn renamed(state: &GuardState, at: &ClockReading, from: &Name) -> GuardEvent {
    let (register, published, serial) = (state.register(), state.figure.published, state.figure.serial.clone());
    GuardEvent {
        at: *at,
        verdict: Verdict::Unchanged,
        register_before: register,
        register_after: register,
        published_before: published,
        published_after: published,
        reason: wording::renamed(from),
        readings: 0,
        serial_before: serial.clone(),
        serial_after: serial,
        correction: None,
        undoes: None,
    }
}

/// Raises the floor: nothing below `energy` is published from now on. What the counter says stays as it is, so that published stands
/// still until the counter's own figure passes it.
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
    Ok(judging.decided(Verdict::Advanced, 0, wording::set(energy)))
}

/// That published stands still for a while, where it does.
pub fn stands(state: &GuardState, settings: &MeterSettings) -> Option<String> {
    let behind = signed(state.figure.published?).checked_sub(state.counted()?)?;
    let behind = u64::try_from(behind).ok().and_then(MilliwattHours::new)?;
    (behind > MilliwattHours::ZERO).then(|| wording::stands(behind, settings))
}

/// The meter was exchanged: the old one is counted up to `old`, the new one from `new`, exactly.
///
/// Before the new meter was taken for a reset or a replacement, and after; both registers have to be possible.
pub fn replace(
    state: &GuardState,
    settings: &MeterSettings,
    at: &ClockReading,
    old: MilliwattHours,
    new: MilliwattHours,
) -> Result<Judgement, DecisionError> {
    let taken = state.figure.taken.ok_or_else(|| DecisionError::NoCounter(settings.name.clone()))?;
    let measure = Measure { memory: &state.memory.power, totals: &state.figure.totals, settings };
    let follows = |from: &RegisterPoint, value| is_possible(&measure, from, value, at);
    let noticed = state.memory.earlier.last().filter(|epoch| follows(&epoch.last, old)).map(|epoch| {
        let began = RegisterPoint { value: new, debt: 0, fresh: true, ..epoch.last };
        let right = follows(&began, taken.value);
        let impossible = DecisionError::NewReadingTooLow { new, taken: taken.value };
        right.then(|| correct_exchange(state, epoch, old, new)).ok_or(impossible)
    });
    let unnoticed = follows(&taken, old).then(|| exchange(state, &taken, at, old, new));
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
    Ok(judging.decided(Verdict::Replaced, 0, wording::exchanged(old, new)))
}

/// The old meter counted last; what waits, if anything does, is the new one's register.
fn exchange(
    state: &GuardState,
    taken: &RegisterPoint,
    at: &ClockReading,
    old: MilliwattHours,
    new: MilliwattHours,
) -> Result<GuardState, DecisionError> {
    // The new one may have counted since the old one was last seen to.
    let began = RegisterPoint { value: new, debt: 0, fresh: true, ..*taken };
    if let Some(hold) = state.memory.hold.as_ref().filter(|hold| falls(&began, &hold.last)) {
        return Err(DecisionError::NewReadingTooHigh { new, seen: hold.last.value });
    }
    let mut changed = state.clone();
    changed.take(RegisterPoint { value: old, at: *at, ..*taken });
    changed.close_epoch(at);
    changed.figure.offset = changed.figure().saturating_sub(signed(new));
    changed.take(began);
    changed.figure.serial = changed.memory.hold.take().and_then(|hold| hold.serial);
    changed.memory.uncredited = None;
    Ok(changed)
}

/// The new meter's register is taken already, as that of a reset, a replacement or a step: where it began is known better now.
fn correct_exchange(state: &GuardState, before: &Epoch, old: MilliwattHours, new: MilliwattHours) -> GuardState {
    let mut changed = state.clone();
    changed.figure.offset = signed(old).saturating_add(before.offset).saturating_sub(signed(new));
    if let Some(taken) = changed.figure.taken {
        changed.take(taken);
    }
    changed.memory.uncredited = None;
    changed
}

/// Whether a register may have come to `value` by now.
fn is_possible(measure: &Measure<'_>, from: &RegisterPoint, value: MilliwattHours, at: &ClockReading) -> bool {
    let to = RegisterPoint { value, at: *at, witness: *measure.totals, ..*from };
    !falls(from, &to) && measure.grade(from, &to) < Grade::Beyond
}

/// The judgement of this entry (number `id`) was wrong: what it did to the figure is taken back. Where that lowers the figure, published
/// stands still until the corrected figure passes it.
pub fn undo(
    state: &GuardState,
    settings: &MeterSettings,
    at: &ClockReading,
    id: i64,
    entry: &GuardEvent,
) -> Result<Judgement, DecisionError> {
    let Some(correction) = entry.correction else {
        let (word, instead) = (entry.verdict.as_str().to_owned(), wording::instead(entry.verdict));
        return Err(DecisionError::NothingToUndo { entry: id, word, instead });
    };
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    let changed = &mut judging.state;
    // What ended since then was counted on top of it.
    for epoch in changed.memory.earlier.iter_mut().filter(|epoch| is_later(&epoch.ended, &entry.at)) {
        epoch.offset = epoch.offset.saturating_add(correction);
    }
    // A step that waits for the clock would else be credited twice.
    changed.memory.uncredited =
        changed.memory.uncredited.take().filter(|step| entry.register_before != Some(step.from.value));
    changed.correct(correction)?;
    let mut judged = judging.decided(Verdict::Restored, 0, wording::undone(id, correction));
    if let Some(entry) = &mut judged.entry {
        entry.undoes = Some(id);
    }
    Ok(judged)
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
    /// The serial number of the meter that counts now, as far as it was read. Another's text: not to be shown as it is.
    pub fn serial(&self) -> Option<&str> {
        self.figure.serial.as_deref()
    }

    /// What the counter alone would say (register + offset, in mWh; or what power comes to): below the published figure after a
    /// correction, until it catches up. Absent where there is neither.
    pub fn counted(&self) -> Option<i64> {
        let integrated = self.figure.published.filter(|_| self.figure.integral.counts && self.figure.taken.is_none());
        let integrated =
            integrated.map(|published| signed(published).saturating_sub(signed(self.figure.integral.owed)));
        self.figure.taken.map(|_| self.figure()).or(integrated)
    }

    /// Moves the counter's figure by so many mWh; published rises with it, or stands until it has caught up.
    pub(super) fn correct(&mut self, by: i64) -> Result<(), DecisionError> {
        self.figure.offset = self.figure.offset.saturating_add(by);
        within(self)?;
        match (self.figure.taken, self.figure.published) {
            (Some(taken), _) => self.take(taken),
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
