//! The judgement of one reading: what all rules use, and how a judgement ends.

use super::flow::{FIRST_UPDATE, Grade, Measure, RegisterPoint, falls, steps};
use super::hold::{Cause, Hold};
use super::lines::{self, DoubtedAdvance};
use super::power_fault::PowerFault;
use super::reason::Reason;
use super::settings::MeterSettings;
use super::state::GuardState;
use super::verdict::{GuardEvent, Verdict};
use crate::clock::ClockReading;
use crate::units::MilliwattHours;

/// The result of judging one reading, or of one decision by the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The state afterwards.
    pub state: GuardState,
    /// What happened.
    pub verdict: Verdict,
    /// Why the power of this poll is not used, if so.
    pub power_fault: Option<PowerFault>,
    /// The event for the journal; with one, the state is committed at once. Absent for an ordinary `advanced` or `unchanged`, and for
    /// readings in the middle of a hold or a baseline.
    pub entry: Option<GuardEvent<Reason>>,
}

/// The state while a reading is judged, and the values before it for the journal.
pub(super) struct Judging<'a> {
    pub(super) state: GuardState,
    pub(super) settings: &'a MeterSettings,
    pub(super) at: &'a ClockReading,
    pub(super) serial: Option<&'a str>,
    /// Whether the poll gave a power.
    pub(super) has_sample: bool,
    pub(super) power_fault: Option<PowerFault>,
    before: Before,
}

struct Before {
    register: Option<MilliwattHours>,
    published: Option<MilliwattHours>,
    serial: Option<String>,
    figure: i64,
    offset: i64,
}

impl<'a> Judging<'a> {
    pub(super) fn new(
        state: GuardState,
        settings: &'a MeterSettings,
        at: &'a ClockReading,
        serial: Option<&'a str>,
        has_sample: bool,
    ) -> Self {
        let before = Before {
            register: state.register(),
            published: state.figure.published,
            serial: state.figure.serial.clone(),
            figure: state.figure(),
            offset: state.figure.offset,
        };
        Judging { state, settings, at, serial, has_sample, power_fault: None, before }
    }

    pub(super) fn measure(&self) -> Measure<'_> {
        Measure::new(&self.state.memory.power, &self.state.figure.totals, self.settings)
    }

    /// Why this value cannot be taken at once after `anchor`; `None` if it can.
    pub(super) fn objection(&self, anchor: &RegisterPoint, to: &RegisterPoint) -> Option<Cause> {
        if self.state.is_other(self.serial) {
            return Some(Cause::Serial);
        }
        if falls(anchor, to) {
            return Some(Cause::Lower);
        }
        let grade = self.measure().grade(anchor, to);
        let elsewhere = self.state.memory.moved && !self.state.is_same(self.serial);
        match grade {
            Grade::Explained | Grade::Possible if self.returns(anchor, to) => Some(Cause::Return),
            Grade::Explained => None,
            _ if elsewhere => Some(Cause::Higher),
            Grade::Possible => Some(Cause::Unexplained),
            Grade::Doubtful if self.is_denied(anchor, to) => Some(Cause::Denied),
            Grade::Doubtful => Some(Cause::Doubtful),
            Grade::Beyond if self.is_scaled(anchor, to) => Some(Cause::Scaled),
            Grade::Beyond => Some(Cause::Higher),
            Grade::Untold => Some(Cause::Untold),
        }
    }

    /// Takes the register as the successor of the last one taken.
    pub(super) fn follow(&mut self, anchor: &RegisterPoint, to: RegisterPoint) -> Verdict {
        if self.state.figure.serial.is_none() {
            self.state.figure.serial = self.serial.map(str::to_owned);
        }
        self.state.memory.moved = false;
        if to.value <= anchor.value {
            self.state.memory.power.rates.noisy |= to.value < anchor.value;
            return Verdict::Unchanged;
        }
        let debt = self.measure().debt(anchor, &to);
        if self.is_noise(anchor, &to) {
            // Its time stays, but what it counted is not there to be counted again.
            let change = to.value.saturating_sub(anchor.value);
            let witness = anchor.witness.after(change, &to.witness);
            self.state.memory.power.wobbled += change.get();
            self.state.figure.taken = Some(RegisterPoint { value: to.value, debt, witness, ..*anchor });
            self.state.publish();
            return Verdict::Advanced;
        }
        self.doubt(anchor, &to);
        self.state.take(self.settings, RegisterPoint { debt, ..to });
        Verdict::Advanced
    }

    /// Whether the advance may be noise of the last digits: it does not tell when the register was updated.
    fn is_noise(&self, anchor: &RegisterPoint, to: &RegisterPoint) -> bool {
        let power = &self.state.memory.power;
        let risen = power.wobbled + to.value.saturating_sub(anchor.value).get();
        let small = risen <= 2 * steps(anchor, to);
        let update = power.longest_lump().unwrap_or_default().max(FIRST_UPDATE);
        small && power.rates.noisy && to.at.since(&anchor.at).is_some_and(|elapsed| elapsed <= update)
    }

    /// Remembers an advance that is taken, if power does not explain all of it.
    pub(super) fn doubt(&mut self, anchor: &RegisterPoint, to: &RegisterPoint) {
        let flow = self.measure().flow(anchor, to);
        if let Some(advance) = DoubtedAdvance::of(anchor, to, &flow) {
            // A second one in a row is no passing fault, but the load.
            let again = self.state.memory.doubted.iter().any(|before| before.taken == anchor.at);
            if !again {
                self.state.memory.power.forget_rate();
            }
            lines::remember(&mut self.state.memory.doubted, advance);
        }
    }

    /// Takes the register of a hold: the value that a later reading has confirmed, and the last value if power explains it.
    pub(super) fn settle(&mut self, run: &Hold) {
        self.state.take(self.settings, run.confirmed);
        self.state.memory.moved = false;
        let objection = self.objection(&run.confirmed, &run.last);
        self.state.memory.hold = objection.map(|cause| Box::new(Hold::new(cause, run.last, self.serial)));
        if objection.is_none() && run.last.value > run.confirmed.value {
            self.state.take(self.settings, run.last);
        }
    }

    /// Judges a poll without a register.
    pub(super) fn pass(self) -> Judgement {
        let verdict = match (&self.state.memory.hold, self.state.figure.published) {
            (Some(hold), _) if !hold.is_quiet() => Verdict::Held,
            (_, None) => Verdict::Baseline,
            _ => Verdict::Unchanged,
        };
        self.end(verdict, None)
    }

    pub(super) fn end(self, verdict: Verdict, entry: Option<GuardEvent<Reason>>) -> Judgement {
        Judgement { state: self.state, verdict, power_fault: self.power_fault, entry }
    }

    /// Ends with an event for the journal.
    pub(super) fn decided(self, verdict: Verdict, readings: u32, reason: Reason) -> Judgement {
        let register = self.state.memory.hold.as_ref().filter(|_| verdict == Verdict::Held).map(|hold| hold.last.value);
        let entry = GuardEvent {
            at: *self.at,
            verdict,
            register_before: self.before.register,
            register_after: register.or(self.state.register()),
            published_before: self.before.published,
            published_after: self.state.figure.published,
            reason,
            readings,
            serial_before: self.before.serial.clone(),
            serial_after: self.serial.map(str::to_owned).or_else(|| self.state.figure.serial.clone()),
            correction: self.correction(verdict),
            undoes: None,
        };
        self.end(verdict, Some(entry))
    }

    /// What undoing this decision adds to the offset, in mWh.
    fn correction(&self, verdict: Verdict) -> Option<i64> {
        let moved = match verdict {
            Verdict::Advanced => self.state.figure().saturating_sub(self.before.figure),
            Verdict::Rollover | Verdict::Replaced | Verdict::Reset | Verdict::Stepped | Verdict::Restored => {
                self.state.figure.offset.saturating_sub(self.before.offset)
            }
            _ => 0,
        };
        (moved != 0).then_some(-moved)
    }
}
