//! What a reading is worth: one pure function of a meter's state, its settings and the reading. It has no clock, no store, no task.

mod advance;
mod baseline;
mod decisions;
mod error;
mod following;
mod hold;
mod integral;
mod judging;
mod operator;
mod plausible;
mod power;
mod remedy;
mod settings;
mod state;
mod stored;
#[cfg(test)]
pub(crate) mod testing;
mod verdict;
mod wording;

pub use advance::{Advance, AdvanceKind};
pub use error::DecisionError;
pub use judging::Judgement;
pub use operator::{accept, credit};
pub use plausible::RegisterPoint;
pub use power::{EnergyBounds, PowerSample};
pub use remedy::{begin, go_on, moved, renamed, replace, set, stands, undo};
pub use settings::{CounterSettings, MeterSettings};
pub use state::{GuardMemory, GuardState, Integral, MeterFigure};
pub use verdict::{GuardEvent, Verdict, Verdicts};

use self::judging::Judging;
use crate::clock::ClockReading;
use crate::reading::Values;

/// Judges one poll. `values` without a register is a failed read of the counter: it changes no energy.
pub fn judge(mut state: GuardState, settings: &MeterSettings, at: &ClockReading, values: &Values) -> Judgement {
    state.settle_stamps(at);
    state.settle_place(settings);
    let power = values.power.filter(|_| !state.says_nothing(values));
    let pair = state.note_power(settings, at, power);
    if let (Some(taken), None) = (state.figure.taken, &state.memory.hold) {
        state.memory.power.note_overload(settings, taken.value, taken.step, &state.figure.totals);
    }
    let witness = state.figure.totals;
    let mut judging = Judging::new(state, settings, at, values.serial.as_deref(), power.is_some());
    match (settings.counter, &values.register) {
        (CounterSettings::FromPower, _) => judging.integrate(pair),
        (CounterSettings::Register, None) => judging.pass(),
        (CounterSettings::Register, Some(register)) => {
            let read_at = judging.state.figure.read_at.replace(*at);
            let two_polls = judging.state.memory.power.two_polls(settings);
            let to = RegisterPoint::new(register, at, witness);
            let to = match read_at.and_then(|before| at.since(&before)) {
                Some(gap) if gap <= two_polls => to,
                gap => to.after(gap.unwrap_or_default()),
            };
            if judging.state.figure.published.is_none() { judging.begin(to) } else { judging.go_on(to) }
        }
    }
}

#[cfg(test)]
mod tests;
