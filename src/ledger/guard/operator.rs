//! What an operator can decide about a meter, on the same terms as the rules: a state in, a state and a journal entry out.

use super::decisions::DAY;
use super::hold::{Cause, Hold};
use super::judging::{Judged, Judging};
use super::state::{MeterState, signed};
use super::verdict::Verdict;
use super::wording;
use crate::clock::Stamp;
use crate::ledger::settings::MeterSettings;
use crate::units::MilliwattHours;

/// Takes what is held now, as if it had been held long enough: a first register whatever its size, a reset, a replacement.
/// A jump that would not be credited after waiting is not credited by this either; that is [`credit`].
///
/// `None` where nothing is held.
pub fn accept(state: &MeterState, settings: &MeterSettings, at: &Stamp) -> Option<Judged> {
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    let hold = *judging.state.hold.take()?;
    let long = Hold { age: hold.age.max(DAY), readings: hold.readings.max(5), ..hold };
    let mut judged = match (judging.state.published, judging.state.taken) {
        (None, _) => judging.found(long),
        (Some(_), Some(anchor)) if long.cause != Cause::Redefined => judging.decide(long, &anchor),
        (Some(_), _) => judging.decide_redefined(long),
    };
    if let Some(entry) = &mut judged.entry {
        entry.readings = state.hold.as_ref().map_or(0, |hold| hold.readings);
        entry.reason = wording::accepted(&entry.reason);
    }
    Some(judged)
}

/// Adds energy that was consumed and that the rules could not credit.
///
/// `None` before the baseline, or where the figure would pass what can be reported.
pub fn credit(state: &MeterState, settings: &MeterSettings, at: &Stamp, energy: MilliwattHours) -> Option<Judged> {
    let mut judging = Judging::new(state.clone(), settings, at, None, false);
    let sum = judging.state.published?.checked_add(energy)?;
    judging.state.uncredited = None;
    judging.state.offset = judging.state.offset.checked_add(signed(energy))?;
    match judging.state.taken {
        Some(taken) => judging.state.take(taken),
        None => judging.state.published = Some(sum),
    }
    Some(judging.decided(Verdict::Advanced, 0, wording::credited_by_operator(energy)))
}
