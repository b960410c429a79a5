//! What the guard weighs when it judges a reading, for `arkmeter replay --explain`. Changes nothing.

use serde::Serialize;

use super::flow::{Flow, Grade, RegisterPoint, falls};
use super::hold::{Cause, Hold};
use super::judging::Judging;
use super::settings::{CounterSettings, MeterSettings};
use super::state::GuardState;
use crate::clock::ClockReading;
use crate::reading::Values;
use crate::units::MilliwattHours;

/// What is known before a reading is judged, and how the reading fits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The last register taken, in mWh; absent before the baseline.
    pub from_mwh: Option<MilliwattHours>,
    /// The energy that can have flowed since, in mWh; absent before the baseline, and where the register fell.
    pub flow: Option<Flow>,
    /// What the register may be doing, the simplest first.
    pub hypotheses: Vec<Hypothesis>,
    /// The hold that the reading may belong to.
    pub hold: Option<HoldSummary>,
    /// The time between two updates of the register in seconds, once it is known.
    pub update_interval_s: Option<f64>,
    /// What the power register has proved.
    pub power: PowerRecord,
}

/// What a register may be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hypothesis {
    /// It begins: there is no figure yet.
    Begins,
    /// It continues, and power or its known rate explains the advance.
    Continues,
    /// It continues, and the connection can well have carried the advance.
    ContinuesUnmeasured,
    /// It continues, against what was measured.
    ContinuesDoubtful,
    /// It continues, but the measured power, which agreed with it before, denies that.
    Denied,
    /// It is 10, 100 or 1000 times what it would be.
    Scaled,
    /// It cannot have risen so far in this time.
    TooHigh,
    /// Nobody knows in what time it rose so far.
    Undated,
    /// It is lower: this reading is wrong, or the register was set back.
    Lower,
    /// It is back on a line that it had left: the last register on that line.
    BackOnItsLine(MilliwattHours),
    /// It began again at 0 after its highest value.
    RolledOver,
    /// Its serial number is another: it is another meter.
    AnotherMeter,
    /// It is read in another way than before.
    Redefined,
}

/// A hold, as it is before the reading.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HoldSummary {
    /// Why readings are not taken.
    pub cause: Cause,
    /// How many.
    pub readings: u32,
    /// For how long, in seconds.
    pub age_s: f64,
    /// Whether it was announced; else it may end by itself soon.
    pub announced: bool,
}

/// How far the power register has proved right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PowerRecord {
    /// Stretches that agreed with the counter.
    pub agreed: u32,
    /// Stretches in a row that did not.
    pub contradicted: u32,
    /// Nothing is concluded from it.
    pub wrong: bool,
}

/// Explains how this reading fits to what is known. `None` where the reading has no register, or the meter has no counter.
pub fn explain(
    state: &GuardState,
    settings: &MeterSettings,
    at: &ClockReading,
    values: &Values,
) -> Option<Explanation> {
    let register = values.register.as_ref().filter(|_| settings.counter == CounterSettings::Register)?;
    let mut state = state.clone();
    state.settle_stamps(at);
    let hold = state.memory.hold.as_deref().map(summary);
    let gap = state.figure.read_at.and_then(|before| at.since(&before));
    let two_polls = state.memory.power.two_polls(settings);
    state.note_power(settings, at, values.power, false);
    let to = RegisterPoint::new(register, at, state.figure.totals, gap);
    let to = if gap.is_some_and(|gap| gap <= two_polls) { to } else { to.after(to.unseen) };
    let (power, trust) = (&state.memory.power, state.memory.power.trust);
    let update_interval_s = power.longest_lump().map(|interval| interval.as_secs_f64());
    let record = PowerRecord { agreed: trust.agreed, contradicted: trust.contradicted, wrong: trust.wrong };
    let from = state.figure.taken;
    let judging = Judging::new(state, settings, at, values.serial.as_deref(), values.power.is_some());
    let flow = from.filter(|from| !falls(from, &to)).map(|from| judging.measure().flow(&from, &to));
    let hypotheses = from.map_or(vec![Hypothesis::Begins], |from| judging.hypotheses(&from, &to));
    let from_mwh = from.map(|from| from.value);
    Some(Explanation { from_mwh, flow, hypotheses, hold, update_interval_s, power: record })
}

fn summary(hold: &Hold) -> HoldSummary {
    HoldSummary { cause: hold.cause, readings: hold.readings, age_s: hold.age.as_secs_f64(), announced: hold.announced }
}

impl Judging<'_> {
    fn hypotheses(&self, from: &RegisterPoint, to: &RegisterPoint) -> Vec<Hypothesis> {
        if self.state.memory.definition != self.settings.definition.text {
            return vec![Hypothesis::Redefined];
        }
        let mut all = Vec::new();
        if self.state.is_other(self.serial) {
            all.push(Hypothesis::AnotherMeter);
        }
        all.push(match falls(from, to) {
            true => Hypothesis::Lower,
            false => match self.measure().grade(from, to) {
                Grade::Explained => Hypothesis::Continues,
                Grade::Possible => Hypothesis::ContinuesUnmeasured,
                Grade::Doubtful if self.is_denied(from, to) => Hypothesis::Denied,
                Grade::Doubtful => Hypothesis::ContinuesDoubtful,
                Grade::Beyond if self.is_scaled(from, to) => Hypothesis::Scaled,
                Grade::Beyond => Hypothesis::TooHigh,
                Grade::Untold => Hypothesis::Undated,
            },
        });
        let hold = Hold::new(Cause::Return, *to, self.serial);
        if let Some(index) = self.earlier_epoch(&hold, from) {
            all.push(Hypothesis::BackOnItsLine(self.state.memory.earlier[index].last.value));
        }
        if let Some(index) = self.doubted_advance(from, to).filter(|_| falls(from, to)) {
            all.push(Hypothesis::BackOnItsLine(self.state.memory.doubted[index].from.value));
        }
        if falls(from, to) && self.rolling_over(&hold, from).is_some() {
            all.push(Hypothesis::RolledOver);
        }
        all
    }
}
