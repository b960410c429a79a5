//! What an operator can decide about a meter, on the same terms as the rules: a state in, a state and a journal entry out.

use super::baseline::LIFETIME;
use super::decisions::DAY;
use super::error::DecisionError;
use super::hold::{Cause, Hold};
use super::judging::{Judgement, Judging};
use super::power::energy;
use super::settings::MeterSettings;
use super::state::{GuardState, signed};
use super::verdict::Verdict;
use super::wording;
use crate::clock::ClockReading;
use crate::units::MilliwattHours;

/// Takes what is held now, as if it had been held long enough: a first register whatever its size, a reset, a replacement.
/// A jump that would not be credited after waiting is not credited by this either; that is [`credit`].
///
/// `None` where nothing is held.
pub fn accept(state: &GuardState, settings: &MeterSettings, at: &ClockReading) -> Option<Judgement> {
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    let hold = judging.state.memory.hold.take()?;
    let long = Hold { age: hold.age.max(DAY), readings: hold.readings.max(5), ..hold };
    let mut judged = match (judging.state.figure.published, judging.state.figure.taken) {
        (None, _) => judging.found(long),
        (Some(_), Some(anchor)) if long.cause != Cause::Redefined => judging.decide(long, &anchor),
        (Some(_), _) => judging.decide_redefined(long),
    };
    if let Some(entry) = &mut judged.entry {
        entry.readings = state.memory.hold.as_ref().map_or(0, |hold| hold.readings);
        entry.reason = wording::accepted(&entry.reason);
    }
    Some(judged)
}

/// Adds energy that was consumed and that the rules could not credit.
///
/// Refused before the baseline, where the figure would pass what can be reported, and where the connection cannot have carried it.
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
    Ok(judging.decided(Verdict::Advanced, 0, wording::credited_by_operator(consumed, settings)))
}

/// Refuses what is more than the connection can have carried as long as it has existed: a slip of the pen that could not be taken back.
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
    /// What the connection carries in a meter's life, in mWh.
    pub fn lifetime(&self, settings: &MeterSettings) -> u64 {
        energy(self.memory.power.measure(settings), LIFETIME)
    }
}
