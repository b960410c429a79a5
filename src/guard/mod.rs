//! The guard decides what a reading is worth: a pure function of a meter's state, its settings and the reading. It has no clock, no store
//! and no task.
//!
//! # How much can have flowed
//! `flow` computes, for two registers, how much energy can have flowed between them: what power samples account for at the least, what is
//! measured, what is usual, and the most that can be. It uses the time since the register was last seen without the advance, the register's
//! step and update interval, `max_power`, and the power samples, as far as `trust` says that they have proved right.
//!
//! # The rules
//! published = max(floor, register + offset). Each rule is in one place. The first row that fits decides.
//!
//! | what the register may be doing | verdict | effect | where |
//! |---|---|---|---|
//! | it begins | `baseline` | published starts once three readings agree for 20 seconds; a register of 0 waits for 10 minutes (for a day while power flows); more than 30 years at full power, or a register near the end of its range, is `held` until the operator accepts it | `baseline` |
//! | there is none: the meter has no counter | `baseline`, `advanced` | power is integrated over pairs of samples at most two polls apart; a power that the connection cannot carry is no sample | `integral`, `power_fault` |
//! | its definition has changed | `held`, then `redefined` | a new epoch after three agreeing readings | `following`, `decisions` |
//! | it is another meter: another serial number | `held`, then `replaced` | a new epoch after 5 readings and 10 minutes | `judging`, `decisions` |
//! | it continues: equal, or lower by at most two steps | `unchanged` | the last register stays | `judging` |
//! | it continues, by no more than was measured | `advanced` | published rises by the change | `flow`, `judging` |
//! | it continues, by no more than is usual | `unchanged` (waiting), then `advanced` | taken after 3 readings and a minute, without an alarm | `flow`, `decisions` |
//! | it continues, against what was measured | waiting; after a minute `held`, then `advanced` | taken after 5 readings and 10 minutes | `flow`, `decisions` |
//! | it rose, and power, which had agreed with it and was sampled all along, denies that | waiting; after a minute `held`, then `stepped` | a new epoch after 5 readings and 10 minutes; the rise is not credited | `decisions` |
//! | it is 10, 100 or 1000 times what it would be | `held` | nothing is counted until it is back, or the operator accepts it | `decisions` |
//! | it rose, and the clock is not trusted to tell in what time | `held`, then `stepped` | not credited after a day; credited when the clock is trusted and makes it possible | `flow`, `decisions` |
//! | it rose by more than can be | `held`, then `stepped` | a new epoch after 5 readings and 10 minutes; the rise is not credited | `flow`, `decisions` |
//! | it jumped and counts otherwise than power, which had agreed before, or more than the connection can carry | `held` | nothing is credited until it is back, has counted for an hour as power says (then `stepped`), or the operator accepts it | `decisions`, `trust` |
//! | it was too low since a gap of more than five minutes, and is now where it can be | `held`, then `advanced` | taken after 5 readings and 10 minutes, and no sooner than it was low for | `lines`, `decisions` |
//! | it is back on the line before an advance that power did not explain | `held`, then `restored` | after 3 readings and a minute, or after 5 and 10 minutes where so much was unknown that any fall would fit; the offset stays, published stands still until the register has caught up | `lines`, `decisions` |
//! | it is back on the line of an earlier epoch | waiting or `held`, then `restored` | after 3 readings and a minute where power explains the line, else after 5 and 10 minutes; the earlier offset applies again; published never falls | `lines`, `decisions` |
//! | it rolled over | `held`, then `rollover` | published rises by the true change after three readings | `decisions` |
//! | it fell | `held`, then `reset` | a new epoch after 5 readings and 10 minutes; after a day where it stands still while power flows | `judging`, `decisions` |
//! | during a hold: back where the last register would be now, and not behind what power says | `glitch` | the readings of the hold are dropped | `following` |
//! | it answers at another place | as above | an unexplained advance is credited only to the same serial number | `judging` |
//!
//! A power that the connection cannot carry, or that the counter contradicts, is not reported: `power_fault`.
//!
//! What the operator decides is in `operator` and `remedy`; what should be checked at the meter in `advice`; what `replay --explain` prints
//! in `explain`.

#![deny(missing_docs)]

mod advice;
mod baseline;
mod decisions;
mod error;
mod explain;
mod flow;
mod following;
mod hold;
mod integral;
mod judging;
mod lines;
mod operator;
mod power;
mod power_fault;
mod reason;
mod remedy;
mod serial;
mod settings;
mod state;
mod stored;
#[cfg(test)]
pub(crate) mod testing;
mod trust;
mod verdict;

pub use advice::Advice;
pub use error::DecisionError;
pub use explain::{Explanation, HoldSummary, Hypothesis, PowerRecord, explain};
pub use flow::{Flow, RegisterPoint};
pub use hold::Cause;
pub use judging::Judgement;
pub use operator::{accept, credit};
pub use power::{EnergyBounds, PowerSample};
pub use power_fault::PowerFault;
pub use reason::{HeldRegister, Reason};
pub use remedy::{ahead, begin, go_on, moved, renamed, replace, set, undo};
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
    let carried = state.memory.power.measure(settings);
    let impossible = values.power.and_then(|power| power_fault::of(power, carried));
    let power_fault = impossible.or_else(|| state.contradicted(settings, power?));
    let pair = state.note_power(settings, at, power, impossible.is_some());
    if let (Some(taken), None) = (state.figure.taken, &state.memory.hold) {
        state.memory.power.note_overload(settings, taken.value, taken.step, &state.figure.totals);
    }
    let witness = state.figure.totals;
    let mut judging = Judging::new(state, settings, at, values.serial.as_deref(), power.is_some());
    judging.power_fault = power_fault;
    match (settings.counter, &values.register) {
        (CounterSettings::FromPower, _) => judging.integrate(pair),
        (CounterSettings::Register, None) => judging.pass(),
        (CounterSettings::Register, Some(register)) => {
            let read_at = judging.state.figure.read_at.replace(*at);
            let two_polls = judging.state.memory.power.two_polls(settings);
            let gap = read_at.and_then(|before| at.since(&before));
            judging.note_gap(gap);
            let to = RegisterPoint::new(register, at, witness, gap);
            let to = if gap.is_some_and(|gap| gap <= two_polls) { to } else { to.after(to.unseen) };
            if judging.state.figure.published.is_none() { judging.begin(to) } else { judging.go_on(to) }
        }
    }
}

#[cfg(test)]
mod tests;
