//! What a hold becomes after its time: an advance, a new epoch, or an earlier epoch again.

use std::time::Duration;

use super::hold::{Cause, Hold};
use super::judging::{Judgement, Judging};
use super::plausible::{Grade, RegisterPoint, falls, steps};
use super::state::{Epoch, Uncredited, signed};
use super::verdict::Verdict;
use super::wording;
use crate::units::MilliwattHours;

/// How many readings must agree, and for how long, before a possible advance is taken.
const POSSIBLE: (u32, Duration) = (3, Duration::from_secs(60));
/// The same for a doubtful advance and for a new epoch.
const LONG: (u32, Duration) = (5, Duration::from_secs(600));
/// How long to wait for a trusted clock, and for a meter that reads 0 while power flows.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long after its end an earlier epoch can be restored.
const RESTORED_WITHIN: Duration = Duration::from_secs(30 * 24 * 3600);

impl Judging<'_> {
    /// Decides on a hold that has just grown by a reading.
    pub(super) fn decide(mut self, mut hold: Hold, anchor: &RegisterPoint) -> Judgement {
        self.learn_from(&hold);
        if matches!(hold.cause, Cause::Untold | Cause::Higher) && !self.state.memory.moved {
            hold.cause = self.judge_again(&hold, anchor);
        }
        if matches!(hold.cause, Cause::Unexplained | Cause::Doubtful) && self.earlier_epoch(&hold, anchor).is_some() {
            hold.cause = Cause::Higher;
        }
        let lasted = |(readings, age): (u32, Duration)| hold.lasted(readings, age);
        match hold.cause {
            Cause::Slight | Cause::Unexplained if lasted(POSSIBLE) => self.advance(&hold, anchor),
            Cause::Doubtful if lasted(LONG) => self.advance(&hold, anchor),
            Cause::Untold if lasted((LONG.0, DAY)) => self.step_untold(&hold, anchor),
            Cause::Lower if self.has_rolled_over(&hold, anchor) && self.earlier_epoch(&hold, anchor).is_none() => {
                self.roll_over(&hold)
            }
            Cause::Lower if lasted(LONG) && !self.is_starting(&hold, anchor) => self.another_epoch(&hold, anchor),
            Cause::Higher | Cause::Serial if lasted(LONG) => self.another_epoch(&hold, anchor),
            _ => {
                let verdict = if hold.is_quiet() { Verdict::Unchanged } else { Verdict::Held };
                self.state.memory.hold = Some(hold);
                self.end(verdict, None)
            }
        }
    }

    /// Learns from the readings of the hold what the connection carries.
    fn learn_from(&mut self, hold: &Hold) {
        let watched = hold.seen_at.since(&hold.first.at).filter(|watched| *watched <= hold.age);
        let grown = hold.last.value.saturating_sub(hold.first.value);
        let watched = watched.unwrap_or_default();
        let totals = self.state.figure.totals;
        let power = &mut self.state.memory.power;
        power.learn_rate(grown, hold.last.step, watched, &totals.since(&hold.first.witness));
        power.note_overload(self.settings, hold.last.value, hold.last.step, &totals);
    }

    /// Grades the advance again: what was too much when the hold began may be possible now, because more is known of the clock and of the
    /// connection.
    fn judge_again(&self, hold: &Hold, anchor: &RegisterPoint) -> Cause {
        match self.measure().grade(anchor, &hold.first) {
            Grade::Explained | Grade::Slight | Grade::Possible => Cause::Unexplained,
            Grade::Doubtful => Cause::Doubtful,
            Grade::Beyond => Cause::Higher,
            Grade::Untold => Cause::Untold,
        }
    }

    /// Takes the hold as an advance.
    fn advance(mut self, hold: &Hold, anchor: &RegisterPoint) -> Judgement {
        let debt = self.measure().debt(anchor, &hold.confirmed);
        let run = Hold { confirmed: RegisterPoint { debt, ..hold.confirmed }, ..hold.clone() };
        if self.state.figure.serial.is_none() {
            self.state.figure.serial = run.serial.clone();
        }
        self.settle(&run);
        if hold.is_quiet() {
            return self.end(Verdict::Advanced, None);
        }
        let reason = wording::advanced(anchor, hold, self.state.register());
        self.decided(Verdict::Advanced, hold.readings, reason)
    }

    /// A day has passed without a trusted clock: the advance is not credited, until a trusted clock shows that it was possible.
    fn step_untold(mut self, hold: &Hold, anchor: &RegisterPoint) -> Judgement {
        self.state.begin_epoch(hold.first.value, self.at);
        self.state.memory.uncredited = Some(Uncredited { from: *anchor, to: hold.first });
        self.settle(&hold.founding());
        let reason = wording::stepped_untold(&self.settings.name, anchor, hold);
        self.decided(Verdict::Stepped, hold.readings, reason)
    }

    /// Credits a step that was not credited, if the clock is trusted now and the step was possible.
    pub(super) fn credit_untold(&mut self) -> Option<Judgement> {
        let step = self.state.memory.uncredited.filter(|_| self.state.memory.hold.is_none())?;
        step.to.at.since(&step.from.at)?;
        self.state.memory.uncredited = None;
        if self.measure().grade(&step.from, &step.to) >= Grade::Beyond {
            return None;
        }
        let change = step.to.value.saturating_sub(step.from.value);
        self.state.figure.offset = self.state.figure.offset.saturating_add(signed(change));
        let taken = self.state.figure.taken?;
        self.state.take(taken);
        let judging = Judging::new(self.state.clone(), self.settings, self.at, self.serial, self.has_sample);
        Some(judging.decided(Verdict::Advanced, 0, wording::credited(change)))
    }

    /// Whether the measured power says that the register must have advanced since that point.
    pub(super) fn flows_since(&self, point: &RegisterPoint) -> bool {
        let lower = self.state.figure.totals.since(&point.witness).lower;
        lower > 2 * point.step.get()
    }

    /// Whether the meter may still be starting up: its register stands still while power flows, or is 0 where a rollover is possible.
    fn is_starting(&self, hold: &Hold, anchor: &RegisterPoint) -> bool {
        let stands = hold.last.value == hold.first.value && self.flows_since(&hold.first);
        let zeros = hold.last.value == MilliwattHours::ZERO && self.rolling_over(hold, anchor).is_some();
        (stands || zeros) && hold.age < DAY
    }

    /// The grade of the advance if the register has rolled over to 0.
    fn rolling_over(&self, hold: &Hold, anchor: &RegisterPoint) -> Option<Grade> {
        let size = self.settings.definition.rollover?;
        let value = hold.first.value.checked_add(size).filter(|_| anchor.value <= size)?;
        let grade = self.measure().grade(anchor, &RegisterPoint { value, ..hold.first });
        Some(grade).filter(|grade| *grade < Grade::Beyond)
    }

    fn has_rolled_over(&self, hold: &Hold, anchor: &RegisterPoint) -> bool {
        // A register of exactly 0 may be a meter that is starting up.
        let counts = hold.last.value > MilliwattHours::ZERO;
        let needed = match self.rolling_over(hold, anchor) {
            Some(Grade::Explained | Grade::Slight) if counts => (POSSIBLE.0, Duration::ZERO),
            Some(Grade::Explained | Grade::Slight) => LONG,
            Some(Grade::Possible) if counts => POSSIBLE,
            // A register that was read without a gap does not advance by more than is likely between two readings.
            Some(_) if counts && hold.first.fresh => LONG,
            _ => return false,
        };
        hold.lasted(needed.0, needed.1)
    }

    fn roll_over(mut self, hold: &Hold) -> Judgement {
        let Some(size) = self.settings.definition.rollover else {
            return self.end(Verdict::Held, None);
        };
        self.state.close_epoch(self.at);
        self.state.figure.offset = self.state.figure.offset.saturating_add(signed(size));
        self.settle(hold);
        self.decided(Verdict::Rollover, hold.readings, wording::rollover(size))
    }

    /// Restores the earlier epoch that fits the register, or begins a new one.
    fn another_epoch(mut self, hold: &Hold, anchor: &RegisterPoint) -> Judgement {
        let earlier = self.earlier_epoch(hold, anchor);
        if let Some(index) = earlier {
            let epoch = self.state.memory.earlier.remove(index);
            return self.restore(epoch, hold);
        }
        let before = self.state.register();
        self.state.begin_epoch(hold.first.value, self.at);
        self.state.figure.serial = hold.serial.clone();
        self.state.memory.uncredited = None;
        self.settle(&hold.founding());
        let verdict = match hold.cause {
            Cause::Serial => Verdict::Replaced,
            Cause::Lower => Verdict::Reset,
            _ => Verdict::Stepped,
        };
        let reason = wording::another_epoch(&self.settings.name, verdict, before, hold);
        self.decided(verdict, hold.readings, reason)
    }

    /// The index of the earlier epoch that the hold continues: the one with the smallest credit, and only if that is less than a rise from
    /// `anchor` would credit.
    fn earlier_epoch(&self, hold: &Hold, anchor: &RegisterPoint) -> Option<usize> {
        let worth =
            |epoch: &Epoch| signed(hold.first.value).saturating_add(epoch.offset).saturating_sub(self.state.figure());
        let rise = signed(hold.first.value) - signed(anchor.value);
        let most = if falls(anchor, &hold.first) { i64::MAX } else { rise };
        let epochs = self.state.memory.earlier.iter().enumerate();
        let fitting = epochs.filter(|(_, epoch)| self.continues(epoch, hold) && worth(epoch) < most);
        fitting.min_by_key(|(_, epoch)| worth(epoch)).map(|(index, _)| index)
    }

    fn restore(mut self, epoch: Epoch, hold: &Hold) -> Judgement {
        // The register in between was another one, or none: it must not be restored later.
        self.state.memory.power.forget_stretch();
        self.state.figure.offset = epoch.offset;
        self.state.figure.serial = hold.serial.clone().or(epoch.serial);
        self.state.memory.uncredited = None;
        self.settle(&hold.founding());
        let reason = wording::restored(epoch.last.value, hold);
        self.decided(Verdict::Restored, hold.readings, reason)
    }

    /// Whether the hold is where this epoch would be now: possible since the epoch ended, and not below what was counted since.
    fn continues(&self, epoch: &Epoch, hold: &Hold) -> bool {
        let other = matches!((&epoch.serial, &hold.serial), (Some(then), Some(now)) if then != now);
        let recent = self.at.since(&epoch.ended).is_none_or(|ago| ago <= RESTORED_WITHIN);
        if other || !recent || falls(&epoch.last, &hold.first) {
            return false;
        }
        let grown = signed(hold.first.value) - signed(epoch.last.value);
        let interim = self.state.figure() - signed(epoch.last.value).saturating_add(epoch.offset);
        let grace = i64::try_from(2 * steps(&epoch.last, &hold.first)).unwrap_or(i64::MAX);
        let possible = self.measure().grade(&epoch.last, &hold.first) < Grade::Beyond;
        possible && grown.saturating_add(grace) >= interim
    }

    /// Decides on readings under a new definition.
    pub(super) fn decide_redefined(mut self, run: Hold) -> Judgement {
        if !run.lasted(POSSIBLE.0, Duration::ZERO) {
            self.state.memory.hold = Some(run);
            return self.end(Verdict::Held, None);
        }
        self.state.begin_epoch(run.first.value, self.at);
        self.state.memory.earlier.clear();
        self.state.memory.definition = self.settings.definition.text.clone();
        self.state.figure.serial = run.serial.clone();
        self.state.memory.uncredited = None;
        self.state.figure.integral = Default::default();
        self.settle(&run.founding());
        let reason = wording::redefined(&run);
        self.decided(Verdict::Redefined, run.readings, reason)
    }
}
