//! The guard decides what a reading is worth: a pure function of a meter's state, its settings and the reading. It has no clock, no store
//! and no task.
//!
//! # The rules
//! published = max(floor, register + offset). Each rule is in one place. The first row that fits decides.
//!
//! | reading, compared with the last register taken | verdict | effect | where |
//! |---|---|---|---|
//! | the first readings | `baseline` | published starts once three readings agree; a register of 0 waits for 10 minutes (for a day while power flows); more than 30 years at full power is `held` until the operator accepts it | `baseline` |
//! | the meter has no counter | `baseline`, `advanced` | power is integrated over pairs of samples at most two polls apart | `integral` |
//! | the definition of the register has changed | `held`, then `redefined` | a new epoch after three agreeing readings | `following`, `decisions` |
//! | another serial number | `held`, then `replaced` | a new epoch after 5 readings and 10 minutes | `judging`, `decisions` |
//! | lower by more than two steps | `held`, then `reset` | a new epoch after 5 readings and 10 minutes; after a day where the register stands still while power flows | `judging`, `decisions` |
//! | lower, and a rollover explains it | `held`, then `rollover` | published rises by the true change after three readings | `decisions` |
//! | equal, or lower by at most two steps | `unchanged` | the last register stays | `judging` |
//! | higher, and power explains it | `advanced` | published rises by the change | `plausible`, `judging` |
//! | higher, possible, but not explained | `held`, then `advanced` | taken after 3 readings and a minute | `plausible`, `decisions` |
//! | higher, possible, but not what was measured | `held`, then `advanced` | taken after 5 readings and 10 minutes | `plausible`, `decisions` |
//! | higher, and the clock is not trusted to tell how long it took | `held`, then `stepped` | not credited after a day; credited when the clock is trusted and makes it possible | `plausible`, `decisions` |
//! | higher than the connection can carry | `held`, then `stepped` | a new epoch after 5 readings and 10 minutes; the rise is not credited | `plausible`, `decisions` |
//! | during a hold: back where the last register would be now | `glitch` | the readings of the hold are dropped | `following` |
//! | during a hold: where an earlier epoch would be now | `restored` | the earlier offset applies again; published never falls | `decisions` |
//! | the meter answers at another place | as above | an unexplained advance is credited only to the same serial number | `judging` |
//!
//! What the operator decides is in `operator` and `remedy`.

#![deny(missing_docs)]

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

/// Judges one poll. Values without a register are a failed read of the counter, which changes no energy.
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
