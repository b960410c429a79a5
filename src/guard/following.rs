//! Readings after the baseline: each is taken, begins or continues a hold, or ends it.

use super::flow::{Grade, RegisterPoint, falls, steps};
use super::hold::{Cause, Hold};
use super::judging::{Judgement, Judging};
use super::power::energy;
use super::reason::Reason;
use super::serial;
use super::verdict::Verdict;
use crate::units::MilliwattHours;

impl Judging<'_> {
    /// Judges a reading after the baseline.
    pub(super) fn go_on(mut self, to: RegisterPoint) -> Judgement {
        let Some(anchor) =
            self.state.figure.taken.filter(|_| self.state.memory.definition == self.settings.definition.text)
        else {
            return self.redefine(to);
        };
        if let Some(credited) = self.credit_untold() {
            return credited;
        }
        match self.state.memory.hold.take().map(|hold| *hold) {
            Some(hold) if !self.is_stale(&hold, &anchor, &to) => self.go_on_held(hold, &anchor, to),
            _ => self.judge_afresh(&anchor, to),
        }
    }

    /// Whether the hold no longer proves anything: it is short and was interrupted, and this reading is possible after the time that has
    /// passed.
    fn is_stale(&self, hold: &Hold, anchor: &RegisterPoint, to: &RegisterPoint) -> bool {
        let two_polls = self.state.memory.power.two_polls(self.settings);
        let other = hold.cause == Cause::Serial || self.state.is_other(self.serial);
        let possible = !other && !falls(anchor, to) && self.measure().grade(anchor, to) < Grade::Beyond;
        // A reading that agrees with the hold and would have to wait too continues it: few readings get through on a bad line.
        let waits = matches!(hold.cause, Cause::Unexplained | Cause::Doubtful | Cause::Denied | Cause::Return);
        let agrees = waits && self.joins(hold, to) && self.objection(anchor, to).is_some();
        hold.cause == Cause::Redefined || (possible && hold.is_stale(two_polls, self.at) && !agrees)
    }

    /// Judges a reading only against the last register taken.
    fn judge_afresh(mut self, anchor: &RegisterPoint, to: RegisterPoint) -> Judgement {
        match self.objection(anchor, &to) {
            None => {
                let verdict = self.follow(anchor, to);
                self.end(verdict, None)
            }
            Some(cause) => {
                let hold = Hold::new(cause, to, self.serial);
                self.begin_hold(hold)
            }
        }
    }

    fn begin_hold(mut self, hold: Hold) -> Judgement {
        if hold.is_quiet() {
            self.state.memory.hold = Some(Box::new(hold));
            return self.end(Verdict::Unchanged, None);
        }
        self.announce(hold)
    }

    /// The hold has not ended by itself: somebody may have to look.
    pub(super) fn announce(mut self, hold: Hold) -> Judgement {
        let (readings, reason) = (hold.readings, Reason::Held(hold.register(self.state.register())));
        self.state.memory.hold = Some(Box::new(Hold { announced: true, ..hold }));
        self.decided(Verdict::Held, readings, reason)
    }

    /// Judges a reading during a hold.
    fn go_on_held(mut self, mut hold: Hold, anchor: &RegisterPoint, to: RegisterPoint) -> Judgement {
        if self.is_back(&hold, anchor, &to) {
            return self.drop_hold(&hold, anchor, to);
        }
        if self.joins(&hold, &to) {
            let another = self.state.is_other(self.serial) && hold.cause != Cause::Serial;
            hold.push(&self.measure(), to, self.serial);
            if another {
                return self.announce(Hold { cause: Cause::Serial, ..hold });
            }
            return self.decide(hold, anchor);
        }
        let Some(stray) = hold.stray else {
            hold.grow_older(self.at);
            hold.stray = Some(to);
            let verdict = if hold.is_quiet() { Verdict::Unchanged } else { Verdict::Held };
            self.state.memory.hold = Some(Box::new(hold));
            return self.end(verdict, None);
        };
        match self.objection(anchor, &stray) {
            Some(cause) if self.objection(anchor, &to).is_some() => {
                let again = hold.begin_again(&self.measure(), cause, to, self.serial);
                let cause = self.objection(anchor, &again.first).unwrap_or(cause);
                self.begin_hold(Hold { cause, announced: !cause.may_pass(), ..again })
            }
            _ => {
                let to = self.after_hold(&hold, to);
                self.judge_afresh(anchor, to)
            }
        }
    }

    /// The reading after a hold: nobody knows when the register advanced meanwhile.
    fn after_hold(&self, hold: &Hold, to: RegisterPoint) -> RegisterPoint {
        let two_polls = self.state.memory.power.two_polls(self.settings);
        let hidden = self.at.since(&hold.first.at).map(|hidden| hidden + two_polls + hold.first.unseen);
        to.after(hidden.unwrap_or_default())
    }

    /// Drops the readings of the hold as a passing fault.
    fn drop_hold(mut self, hold: &Hold, anchor: &RegisterPoint, to: RegisterPoint) -> Judgement {
        let to = self.after_hold(hold, to);
        let verdict = match self.objection(anchor, &to) {
            None => self.follow(anchor, to),
            Some(cause) => {
                self.state.memory.hold = Some(Box::new(Hold::new(cause, to, self.serial)));
                Verdict::Unchanged
            }
        };
        if hold.is_quiet() {
            return self.end(verdict, None);
        }
        let (before, seen, now, readings) = (anchor.value, hold.last.value, to.value, hold.readings);
        self.decided(Verdict::Glitch, readings, Reason::Glitch { before, seen, readings, now })
    }

    /// Whether the reading is where the last register taken would be now, and does not belong to the hold.
    fn is_back(&self, hold: &Hold, anchor: &RegisterPoint, to: &RegisterPoint) -> bool {
        if self.state.is_other(self.serial) || falls(anchor, to) {
            return false;
        }
        if matches!(self.measure().grade(anchor, to), Grade::Beyond | Grade::Untold) {
            return false;
        }
        match hold.cause {
            Cause::Serial => self.state.is_same(self.serial) || !hold.meets(&self.measure(), to),
            Cause::Lower => !self.has_grown(hold, anchor, to) && !self.lags(anchor, to),
            _ if falls(&hold.first, to) => true,
            _ => falls(&hold.last, to) && self.measure().grade(anchor, to) == Grade::Explained,
        }
    }

    /// Whether a register that fell has reached the old one by counting, not by a jump.
    fn has_grown(&self, hold: &Hold, anchor: &RegisterPoint, to: &RegisterPoint) -> bool {
        let depth = anchor.value.saturating_sub(hold.first.value).get();
        let half = MilliwattHours::new(hold.last.value.get() + depth / 2).unwrap_or(MilliwattHours::MAX);
        let jump = RegisterPoint { value: half, ..*to };
        let deep = depth > 8 * steps(anchor, to) && !hold.flows_into(&self.measure(), &jump);
        // On a line that it had left, a register that fell by a few steps is no fault that has ended either.
        let rise = to.value.saturating_sub(hold.last.value).get();
        let on_line =
            || self.earlier_epoch(hold, anchor).is_some() || self.doubted_advance(anchor, &hold.first).is_some();
        let counted = deep || 2 * rise <= depth && on_line();
        hold.readings >= 3 && counted && hold.flows_into(&self.measure(), to)
    }

    /// Whether power, which has agreed with the register before, says that the register should be higher by now.
    fn lags(&self, anchor: &RegisterPoint, to: &RegisterPoint) -> bool {
        let power = &self.state.memory.power;
        let Some(lump) = power.longest_lump().filter(|_| power.trust.agrees_now()) else { return false };
        let said = self.measure().sampled(anchor, to).lower;
        let counted = to.value.saturating_sub(anchor.value).get();
        let below = anchor.value.saturating_sub(to.value).get();
        let unread = energy(power.recent(), lump + power.two_polls(self.settings));
        said + below > counted + said / 8 + unread + 2 * steps(anchor, to)
    }

    fn joins(&self, hold: &Hold, to: &RegisterPoint) -> bool {
        let other = serial::differ(self.serial, hold.serial.as_deref());
        let old = hold.cause == Cause::Serial && self.state.is_same(self.serial);
        let scaled = hold.cause == Cause::Scaled
            && self
                .state
                .figure
                .taken
                .is_some_and(|anchor| !falls(&hold.first, to) && self.stays_scaled(hold, &anchor, to));
        !other && !old && (scaled || hold.meets(&self.measure(), to))
    }

    /// Judges a reading under a new definition: the register cannot be compared with the earlier one.
    fn redefine(mut self, to: RegisterPoint) -> Judgement {
        let run = self.state.memory.hold.take().map(|hold| *hold).filter(|hold| hold.cause == Cause::Redefined);
        let Some(mut run) = run.filter(|run| run.meets(&self.measure(), &to)) else {
            self.state.memory.power.forget_samples();
            let run = Hold::new(Cause::Redefined, to, self.serial);
            return self.begin_hold(run);
        };
        run.push(&self.measure(), to, self.serial);
        self.decide_redefined(run)
    }
}
