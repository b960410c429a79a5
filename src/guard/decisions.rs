//! What a hold becomes after its time: an advance, a new epoch, or an earlier epoch again.

use std::time::Duration;

use super::flow::{Grade, RegisterPoint, falls, steps};
use super::hold::{Cause, Hold};
use super::judging::{Judgement, Judging};
use super::power::{EnergyBounds, energy, rate};
use super::reason::Reason;
use super::state::{Epoch, Uncredited, signed};
use super::verdict::Verdict;
use crate::units::{MilliwattHours, Milliwatts};

/// How many readings must agree, and for how long, before a possible advance is taken.
const POSSIBLE: (u32, Duration) = (3, Duration::from_secs(60));
/// The same for a doubtful advance and for a new epoch.
const LONG: (u32, Duration) = (5, Duration::from_secs(600));
/// How long to wait for a trusted clock, and for a meter that reads 0 while power flows.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a register must count as power says before it is no longer held for contradicting it.
const HOUR: Duration = Duration::from_secs(3600);
/// A rate above this many times `max_power` is not an overload but a wrong register.
const OVERLOAD_MAX: i64 = 10;

impl Judging<'_> {
    /// Decides on a hold that has just grown by a reading.
    pub(super) fn decide(mut self, mut hold: Hold, anchor: &RegisterPoint) -> Judgement {
        self.learn_from(&hold, anchor);
        if hold.cause.rises() && !self.state.memory.moved {
            hold.cause = self.judge_again(&hold, anchor);
        }
        let lasted = |(readings, age): (u32, Duration)| hold.lasted(readings, age);
        match hold.cause {
            Cause::Return if lasted(POSSIBLE) => self.another_epoch(&hold, anchor),
            Cause::Unexplained if lasted(POSSIBLE) => self.advance(&hold, anchor),
            Cause::Doubtful | Cause::Denied if lasted(LONG) && self.state.memory.power.trust.is_suspect() => {
                self.announce(Hold { cause: Cause::Contradicts, ..hold })
            }
            Cause::Doubtful if lasted(LONG) => self.advance(&hold, anchor),
            Cause::Untold if lasted((LONG.0, DAY)) => self.step_untold(&hold, anchor),
            Cause::Lower if lasted(POSSIBLE) && self.takes_back(&hold, anchor, lasted(LONG)) => {
                self.go_back(&hold, anchor)
            }
            Cause::Lower if lasted(POSSIBLE) && self.is_back_on_line(&hold, anchor) => {
                self.another_epoch(&hold, anchor)
            }
            Cause::Lower if self.has_rolled_over(&hold, anchor) && self.earlier_epoch(&hold, anchor).is_none() => {
                self.roll_over(&hold)
            }
            Cause::Lower if lasted(LONG) && !self.is_starting(&hold, anchor) => self.another_epoch(&hold, anchor),
            Cause::Higher | Cause::Denied if lasted(LONG) && self.was_low_since_gap(&hold) => {
                self.advance(&hold, anchor)
            }
            Cause::Higher if lasted(LONG) && self.contradicts(&hold) && self.earlier_epoch(&hold, anchor).is_none() => {
                self.announce(Hold { cause: Cause::Contradicts, ..hold })
            }
            Cause::Higher | Cause::Denied | Cause::Serial if lasted(LONG) => self.another_epoch(&hold, anchor),
            Cause::Contradicts if lasted((LONG.0, HOUR)) && self.agrees_again(&hold) => {
                self.another_epoch(&hold, anchor)
            }
            _ if hold.is_quiet() && lasted(POSSIBLE) => self.announce(hold),
            _ => {
                let verdict = if hold.is_quiet() { Verdict::Unchanged } else { Verdict::Held };
                self.state.memory.hold = Some(Box::new(hold));
                self.end(verdict, None)
            }
        }
    }

    /// Learns from the readings of the hold what the connection carries.
    fn learn_from(&mut self, hold: &Hold, anchor: &RegisterPoint) {
        let watched = hold.seen_at.since(&hold.first.at).filter(|watched| *watched <= hold.age).unwrap_or_default();
        let grown = hold.last.value.saturating_sub(hold.first.value);
        let totals = self.state.figure.totals;
        let power = &mut self.state.memory.power;
        power.learn_rate(grown, hold.last.step, watched);
        power.note_overload(self.settings, hold.last.value, hold.last.step, &totals);
        if hold.lasted(LONG.0, LONG.1) && self.flows_on(hold, anchor, watched) {
            let carried = rate(grown.get(), watched);
            let power = &mut self.state.memory.power;
            let most = Milliwatts(self.settings.max_power.0.saturating_mul(OVERLOAD_MAX));
            if carried <= most && carried > power.measure(self.settings) {
                power.rates.overload = carried;
            }
        }
    }

    /// Whether no power is measured, and the register rises all the time at the rate at which it rose before the hold: the connection carries
    /// more than `max_power`.
    fn flows_on(&self, hold: &Hold, anchor: &RegisterPoint, watched: Duration) -> bool {
        let sampled = self.measure().sampled(anchor, &hold.last);
        let grown = hold.last.value.saturating_sub(hold.first.value).get();
        let jump = hold.first.value.saturating_sub(anchor.value).get();
        let before = hold.first.at.since(&anchor.at).unwrap_or_default() + anchor.unseen;
        let carried = energy(rate(grown, watched), before);
        sampled.covered.is_zero()
            && grown > 4 * hold.last.step.get()
            && jump <= carried + carried / 2 + 2 * hold.last.step.get()
    }

    /// Whether the register of the hold counts otherwise than power, which had agreed with it for long before, or more than the connection
    /// can carry: each advance is possible by itself, but not all of them together.
    fn contradicts(&self, hold: &Hold) -> bool {
        let grown = hold.last.value.saturating_sub(hold.first.value).get();
        let power = &self.state.memory.power;
        let lump = energy(power.recent(), power.longest_lump().unwrap_or_default());
        let watched = hold.last.at.since(&hold.first.at).unwrap_or_default();
        let uncovered = watched.saturating_sub(self.measure().sampled(&hold.first, &hold.last).covered);
        let unseen = energy(power.measure(self.settings), uncovered);
        let expected = self.measure().flow(&hold.first, &hold.last).expected + lump + unseen;
        let outruns = self.measure().grade(&hold.first, &hold.last) == Grade::Beyond;
        outruns || power.trust.is_proven() && 2 * grown > 3 * expected + 6 * hold.last.step.get()
    }

    /// Whether the register of the hold has counted what power says, within an eighth.
    fn agrees_again(&self, hold: &Hold) -> bool {
        let grown = hold.last.value.saturating_sub(hold.first.value).get();
        let watched = hold.last.at.since(&hold.first.at).unwrap_or_default();
        let sampled = self.measure().sampled(&hold.first, &hold.last);
        let near = 2 * hold.last.step.get()
            + energy(self.state.memory.power.recent(), self.state.memory.power.two_polls(self.settings));
        let (least, most) = (sampled.lower - sampled.lower / 8, sampled.upper + sampled.upper / 8);
        sampled.covered * 10 >= watched * 8 && grown > 8 * near && (least..=most).contains(&grown)
    }

    /// Whether power, which has agreed with the register before, denies the advance: even with full power for all the time until now that
    /// was not sampled, it explains less.
    pub(super) fn is_denied(&self, anchor: &RegisterPoint, to: &RegisterPoint) -> bool {
        let Some(elapsed) = self.at.since(&anchor.at) else { return false };
        let power = &self.state.memory.power;
        let covered = self.state.figure.totals.since(&anchor.witness).covered;
        // What flowed before it was read with its last value is not in the samples since then.
        let hidden = if anchor.fresh {
            anchor.unseen.min(power.longest_lump().unwrap_or(anchor.unseen))
        } else {
            Duration::ZERO
        };
        let unsampled = energy(power.measure(self.settings), elapsed.saturating_sub(covered) + hidden);
        let sampled = self.measure().sampled(anchor, to).upper;
        let explained = sampled + sampled / 4 + unsampled + 2 * steps(anchor, to);
        power.trust.agrees_now() && to.value.saturating_sub(anchor.value).get() > explained
    }

    /// Whether the register is 10, 100 or 1000 times what it would be now: its resolution or its scale has changed, and nobody knows since
    /// when. Where the two cannot be told from a jump, because much can have flowed, it is a jump.
    pub(super) fn is_scaled(&self, anchor: &RegisterPoint, to: &RegisterPoint) -> bool {
        let (least, step) = (anchor.value.get(), steps(anchor, to));
        let most = self.measure().flow(anchor, to).most.saturating_add(step);
        let fits = |factor: u64| {
            let (low, high) = (least.saturating_mul(factor), (least + most).saturating_mul(factor));
            (low.saturating_sub(2 * step)..=high.saturating_add(2 * step)).contains(&to.value.get())
        };
        let returns = || self.earlier_epoch(&Hold::new(Cause::Return, *to, self.serial), anchor).is_some();
        most <= least / 20 && [10, 100, 1000].into_iter().any(fits) && !returns()
    }

    /// Whether the reading continues a hold of a register that is 10, 100 or 1000 times what it would be: it is still that, or has risen by
    /// no more than as many times what can have flowed since the last reading.
    pub(super) fn stays_scaled(&self, hold: &Hold, anchor: &RegisterPoint, to: &RegisterPoint) -> bool {
        let (before, first) = (anchor.value.get().max(1), hold.first.value.get());
        let factor = (first + before / 2) / before;
        let most = self.measure().flow(&hold.last, to).most.saturating_add(steps(anchor, to));
        let rise = to.value.saturating_sub(hold.last.value).get();
        self.is_scaled(anchor, to) || !falls(&hold.last, to) && rise <= most.saturating_mul(factor)
    }

    /// Whether the register is back where an earlier epoch would be now, by no more than power explains.
    fn is_back_on_line(&self, hold: &Hold, anchor: &RegisterPoint) -> bool {
        self.earlier_epoch(hold, anchor).is_some_and(|index| {
            let last = &self.state.memory.earlier[index].last;
            self.measure().grade(last, &hold.first) <= Grade::Possible
        })
    }

    /// Grades the advance again, because more is known of the clock and of the connection than when the hold began.
    fn judge_again(&self, hold: &Hold, anchor: &RegisterPoint) -> Cause {
        let cause = match self.measure().grade(anchor, &hold.first) {
            Grade::Explained | Grade::Possible => Cause::Unexplained,
            Grade::Doubtful if self.is_denied(anchor, &hold.first) => Cause::Denied,
            Grade::Doubtful => Cause::Doubtful,
            Grade::Beyond => Cause::Higher,
            Grade::Untold => Cause::Untold,
        };
        let returns = self.earlier_epoch(hold, anchor).is_some();
        match cause {
            Cause::Unexplained if hold.cause == Cause::Return && returns => Cause::Return,
            Cause::Unexplained | Cause::Doubtful | Cause::Denied if returns => Cause::Return,
            cause => cause,
        }
    }

    /// Takes the hold as an advance.
    fn advance(mut self, hold: &Hold, anchor: &RegisterPoint) -> Judgement {
        let debt = self.measure().debt(anchor, &hold.confirmed);
        let run = Hold { confirmed: RegisterPoint { debt, ..hold.confirmed }, ..hold.clone() };
        if self.state.figure.serial.is_none() {
            self.state.figure.serial = run.serial.clone();
        }
        self.doubt(anchor, &run.confirmed);
        self.settle(&run);
        if hold.is_quiet() {
            return self.end(Verdict::Advanced, None);
        }
        let (before, now) = (anchor.value, self.state.register().unwrap_or(hold.last.value));
        self.decided(Verdict::Advanced, hold.readings, Reason::Agreed { before, now, readings: hold.readings })
    }

    /// A day has passed without a trusted clock: the advance is not credited, until a trusted clock shows that it was possible.
    fn step_untold(mut self, hold: &Hold, anchor: &RegisterPoint) -> Judgement {
        self.state.begin_epoch(hold.first.value, self.at);
        self.state.memory.uncredited = Some(Box::new(Uncredited { from: *anchor, to: hold.first }));
        self.settle(&hold.founding());
        let reason = Reason::UndatedStep { before: anchor.value, now: hold.first.value };
        self.decided(Verdict::Stepped, hold.readings, reason)
    }

    /// Credits a step that was not credited, if the clock is trusted now and the step was possible.
    pub(super) fn credit_untold(&mut self) -> Option<Judgement> {
        let step = self.state.memory.uncredited.as_deref().copied().filter(|_| self.state.memory.hold.is_none())?;
        step.to.at.since(&step.from.at)?;
        self.state.memory.uncredited = None;
        if self.measure().grade(&step.from, &step.to) >= Grade::Beyond {
            return None;
        }
        let change = step.to.value.saturating_sub(step.from.value);
        self.state.figure.offset = self.state.figure.offset.saturating_add(signed(change));
        self.state.publish();
        let judging = Judging::new(self.state.clone(), self.settings, self.at, self.serial, self.has_sample);
        Some(judging.decided(Verdict::Advanced, 0, Reason::Dated { energy: change }))
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
    pub(super) fn rolling_over(&self, hold: &Hold, anchor: &RegisterPoint) -> Option<Grade> {
        let size = self.settings.definition.rollover?;
        let value = hold.first.value.checked_add(size).filter(|_| anchor.value <= size)?;
        let grade = self.measure().grade(anchor, &RegisterPoint { value, ..hold.first });
        Some(grade).filter(|grade| *grade < Grade::Beyond)
    }

    fn has_rolled_over(&self, hold: &Hold, anchor: &RegisterPoint) -> bool {
        // A register of exactly 0 may be a meter that is starting up.
        let counts = hold.last.value > MilliwattHours::ZERO;
        let needed = match self.rolling_over(hold, anchor) {
            Some(Grade::Explained) if counts => (POSSIBLE.0, Duration::ZERO),
            Some(Grade::Possible) if counts => POSSIBLE,
            Some(Grade::Explained | Grade::Possible) => LONG,
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
        self.decided(Verdict::Rollover, hold.readings, Reason::RolledOver { size })
    }

    /// Restores the earlier epoch that fits the register, or begins a new one.
    pub(super) fn another_epoch(mut self, hold: &Hold, anchor: &RegisterPoint) -> Judgement {
        let earlier = self.earlier_epoch(hold, anchor);
        if let Some(index) = earlier {
            let epoch = self.state.memory.earlier.remove(index);
            return self.restore(epoch, hold);
        }
        let before = anchor.value;
        self.state.begin_epoch(hold.first.value, self.at);
        if matches!(hold.cause, Cause::Higher | Cause::Denied) {
            self.state.memory.power.trust.note_jump();
        }
        self.state.figure.serial = hold.serial.clone();
        self.state.memory.uncredited = None;
        self.settle(&hold.founding());
        let now = hold.first.value;
        let (verdict, reason) = match hold.cause {
            Cause::Serial => (Verdict::Replaced, Reason::AnotherMeter { before, now, serial: hold.serial.clone() }),
            Cause::Lower => (Verdict::Reset, Reason::Fell { before, now }),
            Cause::Denied => (Verdict::Stepped, Reason::Denied { before, now }),
            _ => (Verdict::Stepped, Reason::Jumped { before, now }),
        };
        self.decided(verdict, hold.readings, reason)
    }

    /// The register has fallen back to the line before an advance that was doubted: it was wrong in between. The offset stays as it is, and
    /// published stands still until the register has caught up.
    fn go_back(mut self, hold: &Hold, anchor: &RegisterPoint) -> Judgement {
        let Some(index) = self.doubted_advance(anchor, &hold.first) else {
            return self.end(Verdict::Held, None);
        };
        let from = self.state.memory.doubted[index].from;
        let before = from.value;
        self.state.memory.doubted.truncate(index);
        self.state.memory.power.forget_stretch();
        self.state.memory.power.trust.forgive();
        self.settle(&hold.founding());
        self.continue_from(&from);
        let now = hold.last.value;
        self.decided(Verdict::Restored, hold.readings, Reason::BackOnItsLine { before, now })
    }

    fn restore(mut self, epoch: Epoch, hold: &Hold) -> Judgement {
        // The register in between was another one, or none: it must not be restored later.
        self.state.memory.power.forget_stretch();
        self.state.memory.power.trust.forgive();
        self.state.figure.offset = epoch.offset;
        self.state.figure.serial = hold.serial.clone().or(epoch.serial);
        self.state.memory.uncredited = None;
        self.settle(&hold.founding());
        self.continue_from(&epoch.last);
        let reason = Reason::BackOnItsLine { before: epoch.last.value, now: hold.last.value };
        self.decided(Verdict::Restored, hold.readings, reason)
    }

    /// The register is back on the line on which it was at `last`: what power has said since then, and the register has not counted yet, is
    /// still to come. So is what may have flowed while nothing was sampled.
    fn continue_from(&mut self, last: &RegisterPoint) {
        let now = self.state.figure.totals;
        let Some(taken) = &mut self.state.figure.taken else { return };
        if taken.value == last.value {
            *taken = *last;
        } else if taken.value > last.value {
            let passed = taken.at.since(&last.at).unwrap_or_default();
            let unsampled = passed.saturating_sub(now.since(&last.witness).covered);
            let counted = last.witness.after(taken.value.saturating_sub(last.value), &now);
            taken.witness = EnergyBounds { covered: now.covered.saturating_add(unsampled), ..counted };
        }
    }

    /// Decides on readings under a new definition.
    pub(super) fn decide_redefined(mut self, run: Hold) -> Judgement {
        if !run.lasted(POSSIBLE.0, Duration::ZERO) {
            self.state.memory.hold = Some(Box::new(run));
            return self.end(Verdict::Held, None);
        }
        self.state.begin_epoch(run.first.value, self.at);
        self.state.memory.earlier.clear();
        self.state.memory.definition = self.settings.definition.text.clone();
        self.state.figure.serial = run.serial.clone();
        self.state.memory.uncredited = None;
        self.state.figure.integral = Default::default();
        self.settle(&run.founding());
        let reason = Reason::Redefined { now: run.first.value };
        self.decided(Verdict::Redefined, run.readings, reason)
    }
}
