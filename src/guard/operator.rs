//! What an operator can decide about a held or uncredited register. Like the rules: a state in, a state and an event out.

use super::baseline::LIFETIME;
use super::decisions::DAY;
use super::error::DecisionError;
use super::hold::{Cause, Hold};
use super::judging::{Judgement, Judging};
use super::power::energy;
use super::reason::Reason;
use super::settings::MeterSettings;
use super::state::{GuardState, signed};
use super::verdict::Verdict;
use crate::clock::ClockReading;
use crate::units::MilliwattHours;

/// Ends the hold as if it had lasted long enough: a first register of any size, a reset, a replacement.
/// A jump that would not be credited after waiting is not credited either; use [`credit`].
///
/// `None` if nothing is held.
pub fn accept(state: &GuardState, settings: &MeterSettings, at: &ClockReading) -> Option<Judgement> {
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    let hold = judging.state.memory.hold.take().map(|hold| *hold)?;
    let long = Hold { age: hold.age.max(DAY), readings: hold.readings.max(5), ..hold };
    let mut judged = match (judging.state.figure.published, judging.state.figure.taken) {
        (None, _) => judging.found(long),
        (Some(_), Some(anchor)) if matches!(long.cause, Cause::Contradicts | Cause::Scaled) => {
            judging.another_epoch(&long, &anchor)
        }
        (Some(_), Some(anchor)) if long.cause != Cause::Redefined => judging.decide(long, &anchor),
        (Some(_), _) => judging.decide_redefined(long),
    };
    if let Some(entry) = &mut judged.entry {
        entry.readings = state.memory.hold.as_ref().map_or(0, |hold| hold.readings);
        entry.reason = Reason::Accepted(Box::new(entry.reason.clone()));
    }
    Some(judged)
}

/// Adds energy that was consumed but that the rules could not credit.
///
/// # Errors
/// [`DecisionError`] before the baseline, for an energy of 0, if the figure would be too large to report, or if the connection cannot have
/// carried that energy.
pub fn credit(
    state: &GuardState,
    settings: &MeterSettings,
    at: &ClockReading,
    consumed: MilliwattHours,
) -> Result<Judgement, DecisionError> {
    let published = state.figure.published.ok_or_else(|| DecisionError::NoBaseline(settings.name.clone()))?;
    if consumed == MilliwattHours::ZERO {
        return Err(DecisionError::Nothing);
    }
    published.checked_add(consumed).ok_or(DecisionError::TooMuch)?;
    within_a_lifetime(state, settings, consumed)?;
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    judging.state.memory.uncredited = None;
    judging.state.correct(signed(consumed))?;
    Ok(judging.decided(Verdict::Advanced, 0, Reason::Credited { energy: consumed, max_power: settings.max_power }))
}

/// Refuses more than the connection can have carried in its lifetime: a typing error that could not be taken back.
pub(super) fn within_a_lifetime(
    state: &GuardState,
    settings: &MeterSettings,
    more: MilliwattHours,
) -> Result<(), DecisionError> {
    let most = state.lifetime(settings);
    let absurd = || DecisionError::Absurd { energy: more, name: settings.name.clone(), most };
    if more.get() <= most { Ok(()) } else { Err(absurd()) }
}

impl GuardState {
    /// The energy that the connection can carry in the lifetime of a meter, in mWh.
    pub fn lifetime(&self, settings: &MeterSettings) -> u64 {
        energy(self.memory.power.measure(settings), LIFETIME)
    }
}
