//! The first readings of a meter, until its figure begins.

use std::time::Duration;

use super::decisions::DAY;
use super::flow::RegisterPoint;
use super::hold::{Cause, Hold};
use super::judging::{Judgement, Judging};
use super::reason::Reason;
use super::serial;
use super::state::signed;
use super::verdict::Verdict;
use crate::units::MilliwattHours;

/// Readings in a row that must agree, and for how long at the least: right after a connection is made, a gateway may give another meter's
/// answers for a while, however fast it is polled.
const READINGS: u32 = 3;
const AGREE_FOR: Duration = Duration::from_secs(20);
/// How long a first register of 0 counts as a meter that is starting up.
const ZERO_FOR: Duration = Duration::from_secs(600);
/// The longest gap between two readings in a row; 20 polls where the meter is polled slowly.
const APART_MAX: Duration = Duration::from_secs(2 * 3600);
/// The longest time for which a meter can have counted at full power.
pub(super) const LIFETIME: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

impl Judging<'_> {
    /// Judges a reading while there is no baseline.
    pub(super) fn begin(mut self, to: RegisterPoint) -> Judgement {
        if self.state.memory.definition != self.settings.definition.text {
            self.state.memory.definition = self.settings.definition.text.clone();
            self.state.memory.hold = None;
        }
        let run = self.state.memory.hold.take().map(|hold| *hold).filter(|run| self.goes_on(run, &to));
        let known = run.as_ref().is_some_and(|run| run.cause == Cause::Higher);
        let run = match run {
            Some(mut run) => {
                run.push(&self.measure(), to, self.serial);
                run
            }
            None => Hold::new(Cause::Start, to, self.serial),
        };
        let needed = match run.last.value {
            MilliwattHours::ZERO if self.flows_since(&run.first) => DAY,
            MilliwattHours::ZERO => ZERO_FOR,
            _ => AGREE_FOR,
        };
        if !run.lasted(READINGS, needed) {
            self.state.memory.hold = Some(Box::new(run));
            return self.end(Verdict::Baseline, None);
        }
        if let Some(reason) = self.doubt_first(run.last.value, run.last.step) {
            let readings = run.readings;
            self.state.memory.hold = Some(Box::new(Hold { cause: Cause::Higher, announced: true, ..run }));
            return if known { self.end(Verdict::Held, None) } else { self.decided(Verdict::Held, readings, reason) };
        }
        self.found(run)
    }

    /// Why a first register is not plausible: it is more than a meter can have counted, or so near the end of its range that it is probably
    /// a negative one.
    fn doubt_first(&self, register: MilliwattHours, step: MilliwattHours) -> Option<Reason> {
        let lifetime = self.state.lifetime(self.settings);
        if register.get() > lifetime {
            let limit = MilliwattHours::new(lifetime).unwrap_or(MilliwattHours::MAX);
            return Some(Reason::FirstRegisterTooHigh { register, limit });
        }
        let definition = &self.settings.definition;
        let [range, rollover] = [definition.range, definition.rollover].map(|end| end.map_or(0, MilliwattHours::get));
        let ends = [(range, range / 16), (range / 2, range / 64), (rollover, 10 * step.get())];
        let near = ends.iter().find(|(end, near)| register.get() < *end && end - register.get() <= lifetime.min(*near));
        let end = near.and_then(|(end, _)| MilliwattHours::new(*end))?;
        Some(Reason::FirstRegisterNearEnd { register, end })
    }

    /// Takes the run as the baseline.
    pub(super) fn found(mut self, run: Hold) -> Judgement {
        self.state.figure.offset = if self.settings.start_at_zero { -signed(run.first.value) } else { 0 };
        self.state.figure.serial = run.serial.clone();
        self.settle(&run.founding());
        let (readings, register, at_zero) = (run.readings, run.last.value, self.settings.start_at_zero);
        let reason = Reason::FigureBegins { readings, register, at_zero };
        self.decided(Verdict::Baseline, run.readings, reason)
    }

    fn goes_on(&self, run: &Hold, to: &RegisterPoint) -> bool {
        let apart = APART_MAX.max(20 * self.settings.poll_every);
        let near = to.at.since(&run.seen_at).is_some_and(|gap| gap <= apart);
        let other = serial::differ(self.serial, run.serial.as_deref());
        near && !other && run.meets(&self.measure(), to)
    }
}
