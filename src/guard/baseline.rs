//! The first readings of a meter, until its figure begins.

use std::time::Duration;

use super::decisions::DAY;
use super::hold::{Cause, Hold};
use super::judging::{Judgement, Judging};
use super::plausible::RegisterPoint;
use super::verdict::Verdict;
use super::{state::signed, wording};
use crate::units::MilliwattHours;

/// Readings in a row that must agree.
const READINGS: u32 = 3;
/// How long a first register of 0 counts as a meter that is starting up.
const ZERO_FOR: Duration = Duration::from_secs(600);
/// The longest gap between two readings in a row.
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
        let run = self.state.memory.hold.take().filter(|run| self.goes_on(run, &to));
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
            _ => Duration::ZERO,
        };
        if !run.lasted(READINGS, needed) {
            self.state.memory.hold = Some(run);
            return self.end(Verdict::Baseline, None);
        }
        let limit = self.state.lifetime(self.settings);
        if run.last.value.get() > limit {
            let reason = wording::too_high_to_begin(&self.settings.name, &run, limit);
            let readings = run.readings;
            self.state.memory.hold = Some(Hold { cause: Cause::Higher, ..run });
            return if known { self.end(Verdict::Held, None) } else { self.decided(Verdict::Held, readings, reason) };
        }
        self.found(run)
    }

    /// Takes the run as the baseline.
    pub(super) fn found(mut self, run: Hold) -> Judgement {
        self.state.figure.offset = if self.settings.start_at_zero { -signed(run.first.value) } else { 0 };
        self.state.figure.serial = run.serial.clone();
        self.settle(&run.founding());
        let reason = wording::baseline(&run, self.settings.start_at_zero);
        self.decided(Verdict::Baseline, run.readings, reason)
    }

    fn goes_on(&self, run: &Hold, to: &RegisterPoint) -> bool {
        let near = to.at.since(&run.seen_at).is_some_and(|gap| gap <= APART_MAX);
        let other = matches!((self.serial, run.serial.as_deref()), (Some(read), Some(known)) if read != known);
        near && !other && run.meets(&self.measure(), to)
    }
}
