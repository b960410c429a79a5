//! The lines on which the register has been. A fault ends when the register is back on its line: then the earlier offset applies again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::flow::{Flow, Grade, RegisterPoint, falls, steps};
use super::hold::Hold;
use super::judging::Judging;
use super::serial;
use super::state::{Epoch, Gap, signed};
use crate::clock::ClockReading;

/// How long after its end an earlier epoch can be restored.
const RESTORED_WITHIN: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a doubted advance is remembered.
const DOUBTED_FOR: Duration = Duration::from_secs(24 * 3600);
/// A shorter time between two readings is no gap to be remembered.
const GAP_MIN: Duration = Duration::from_secs(300);
/// An advance that was doubted within bounds this many times as wide as a fall explains any such fall.
const VAGUE: u64 = 50;
/// How many doubted advances are remembered: those that exceeded the most.
const DOUBTED_MAX: usize = 4;

/// An advance that was taken although power does not explain all of it. If the register comes back to the line before, it was wrong in
/// between.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DoubtedAdvance {
    /// The register before.
    pub(super) from: RegisterPoint,
    /// By how much the register rose beyond what power explains, in mWh: at least, and at most.
    pub(super) excess: (u64, u64),
    /// When it was taken.
    pub(super) taken: ClockReading,
}

impl DoubtedAdvance {
    /// The advance from `from` to `to`, if something of it is unexplained.
    pub(super) fn of(from: &RegisterPoint, to: &RegisterPoint, flow: &Flow) -> Option<Self> {
        let change = to.value.saturating_sub(from.value).get();
        let excess = (change.saturating_sub(flow.usual), change.saturating_sub(flow.least));
        (change > flow.expected + 2 * steps(from, to)).then_some(DoubtedAdvance { from: *from, excess, taken: to.at })
    }
}

/// Keeps the advance with the others that exceeded the most.
pub(super) fn remember(doubted: &mut Vec<DoubtedAdvance>, advance: DoubtedAdvance) {
    doubted.retain(|other| advance.taken.since(&other.taken).is_none_or(|age| age <= DOUBTED_FOR));
    doubted.push(advance);
    if doubted.len() > DOUBTED_MAX
        && let Some(index) = (0..doubted.len()).min_by_key(|index| doubted[*index].excess)
    {
        doubted.remove(index);
    }
}

impl Judging<'_> {
    /// Remembers the register before a gap in reading.
    pub(super) fn note_gap(&mut self, gap: Option<Duration>) {
        let two_polls = self.state.memory.power.two_polls(self.settings);
        if gap.is_none_or(|gap| gap > GAP_MIN.max(2 * two_polls)) && self.state.memory.hold.is_none() {
            let gap = self.state.figure.taken.map(|before| Box::new(Gap { before, over: *self.at }));
            self.state.memory.gap = gap;
        }
    }

    /// Whether the register has risen to where it can be if the readings since the last gap were wrong: they were read for no longer than
    /// the hold has lasted.
    pub(super) fn was_low_since_gap(&self, hold: &Hold) -> bool {
        let Some(gap) = self.state.memory.gap.as_deref() else { return false };
        let low_for = hold.first.at.since(&gap.over);
        let to = RegisterPoint { fresh: true, ..hold.first };
        !self.state.memory.moved
            && low_for.is_some_and(|low_for| low_for <= hold.age)
            && !falls(&gap.before, &to)
            && self.measure().grade(&gap.before, &to) < Grade::Beyond
    }

    /// The doubted advance before which the register would now be where it fell to.
    pub(super) fn doubted_advance(&self, anchor: &RegisterPoint, to: &RegisterPoint) -> Option<usize> {
        let doubted = &self.state.memory.doubted;
        (0..doubted.len()).rev().find(|index| self.is_back_before(&doubted[*index], anchor, to))
    }

    /// Whether the hold takes a doubted advance back. One that was doubted within wide bounds, after an outage, explains any fall: it takes
    /// `long` to tell such a fall from a passing fault.
    pub(super) fn takes_back(&self, hold: &Hold, anchor: &RegisterPoint, long: bool) -> bool {
        let fall = anchor.value.saturating_sub(hold.first.value).get();
        self.doubted_advance(anchor, &hold.first).is_some_and(|index| {
            let (least, most) = self.state.memory.doubted[index].excess;
            long || most - least <= fall.saturating_mul(VAGUE)
        })
    }

    fn is_back_before(&self, advance: &DoubtedAdvance, anchor: &RegisterPoint, to: &RegisterPoint) -> bool {
        let (from, noise) = (&advance.from, 2 * steps(&advance.from, to));
        if falls(from, to) || self.measure().grade(from, to) > Grade::Possible {
            return false;
        }
        // What it fell by, and what can have flowed meanwhile, is what it had risen too much by.
        let fallen = anchor.value.saturating_sub(to.value).get();
        let meanwhile = self.measure().flow(anchor, to).usual;
        fallen <= advance.excess.1 + noise && fallen + meanwhile + noise >= advance.excess.0
    }

    /// The index of the earlier epoch that the hold continues: the one with the smallest credit, and only if that is less than a rise from
    /// `anchor` would credit.
    pub(super) fn earlier_epoch(&self, hold: &Hold, anchor: &RegisterPoint) -> Option<usize> {
        let rise = signed(hold.first.value) - signed(anchor.value);
        let most = if falls(anchor, &hold.first) { i64::MAX } else { rise };
        let epochs = self.state.memory.earlier.iter().enumerate();
        let fitting = epochs.filter(|(_, epoch)| self.continues(epoch, hold) && self.worth(epoch, &hold.first) < most);
        fitting.min_by_key(|(_, epoch)| self.worth(epoch, &hold.first)).map(|(index, _)| index)
    }

    /// Whether an advance looks more like the return to an earlier epoch than like an advance of this one: there, the register would have
    /// risen by about what power says, or the known rate of the register where power was not sampled; here by more.
    pub(super) fn returns(&self, anchor: &RegisterPoint, to: &RegisterPoint) -> bool {
        if self.state.memory.earlier.is_empty() {
            return false;
        }
        let flow = self.measure().flow(anchor, to);
        let sampled = self.measure().sampled(anchor, to);
        let elapsed = to.at.since(&anchor.at).unwrap_or_default();
        let hold = Hold::new(super::hold::Cause::Return, *to, self.serial);
        let Some(index) = self.earlier_epoch(&hold, anchor) else { return false };
        let noise = signed_energy(2 * steps(anchor, to));
        let worth = self.worth(&self.state.memory.earlier[index], to);
        let rise = signed(to.value) - signed(anchor.value);
        let (least, most) = match sampled.covered * 10 < elapsed * 8 {
            true => (0, self.measure().at_known_rate(elapsed)),
            false => (flow.least, flow.expected),
        };
        let (least, most) = (signed_energy(least), signed_energy(most));
        worth + noise >= 0 && rise > most + noise / 2 && rise + worth > least + most
    }

    /// What the figure would rise by if the register were on that epoch's line, in mWh.
    fn worth(&self, epoch: &Epoch, to: &RegisterPoint) -> i64 {
        signed(to.value).saturating_add(epoch.offset).saturating_sub(self.state.figure())
    }

    /// Whether the hold is where this epoch would be now: possible since the epoch ended, and not below what was counted since.
    fn continues(&self, epoch: &Epoch, hold: &Hold) -> bool {
        let other = serial::differ(epoch.serial.as_deref(), hold.serial.as_deref());
        let recent = self.at.since(&epoch.ended).is_none_or(|ago| ago <= RESTORED_WITHIN);
        if other || !recent || falls(&epoch.last, &hold.first) {
            return false;
        }
        let grown = signed(hold.first.value) - signed(epoch.last.value);
        let interim = self.state.figure() - signed(epoch.last.value).saturating_add(epoch.offset);
        let grace = signed_energy(2 * steps(&epoch.last, &hold.first));
        let possible = self.measure().grade(&epoch.last, &hold.first) < Grade::Beyond;
        possible && grown.saturating_add(grace) >= interim
    }
}

fn signed_energy(energy: u64) -> i64 {
    i64::try_from(energy).unwrap_or(i64::MAX)
}
