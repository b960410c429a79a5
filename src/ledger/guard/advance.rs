//! What of a state has to reach the disk when nothing but ordinary advances happened since it was stored whole: a few bytes a slot.

use super::hold::Hold;
use super::integral::Integral;
use super::plausible::Point;
use super::power::Sample;
use super::state::MeterState;
use crate::clock::Stamp;
use crate::units::{MilliwattHours, Milliwatts};

/// What an ordinary advance changes for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    pub published: MilliwattHours,
    pub way: Way,
}

/// How the figure came there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Counter {
        register: MilliwattHours,
        step: MilliwattHours,
        /// When the register was first seen at this value.
        at: Stamp,
    },
    Integral {
        /// Less than a mWh, in half mW·ns.
        rest: u64,
        /// The last sample, with which the next one makes a pair.
        power: Milliwatts,
        at: Stamp,
    },
}

impl MeterState {
    /// Where the meter has got to; absent before its baseline.
    pub fn advance(&self) -> Option<Advance> {
        let published = self.published?;
        let way = match self.taken {
            Some(taken) => Way::Counter { register: taken.value, step: taken.step, at: taken.at },
            None => {
                let Sample { power, at } = self.power.last().filter(|_| self.integral.counts)?;
                Way::Integral { rest: self.integral.rest, power, at }
            }
        };
        Some(Advance { published, way })
    }

    /// Whether only ordinary advances lead from `stored` to this state: [`MeterState::resume`] then brings the one to the other, but for
    /// when it was last read, what was [learned](MeterState::learned) of its power in between, and an advance that waits for its
    /// confirmation.
    pub fn only_advanced(&self, stored: &MeterState) -> bool {
        let quiet = self.hold.as_ref().is_none_or(Hold::is_quiet) && stored.hold.is_none();
        let counted = self.taken.is_some() == stored.taken.is_some() && self.advance().is_some();
        if !quiet || !counted {
            return false;
        }
        let (published, taken, power) = (stored.published, stored.taken, stored.power.clone());
        let integral = Integral { rest: stored.integral.rest, ..self.integral };
        let read_at = stored.read_at;
        let otherwise = MeterState { published, taken, hold: None, read_at, power, integral, ..self.clone() };
        otherwise == *stored
    }

    /// Whether more is known of what the connection carries than `stored` says, by so much that it would be missed.
    pub fn learned(&self, stored: &MeterState) -> bool {
        self.power.knows_more_than(&stored.power)
    }

    /// Goes on from where the meter had got to when the whole state was not stored again. What power testified since then is not known:
    /// the next large advance has to show itself as after an outage.
    pub fn resume(&mut self, advance: Advance) {
        if self.advance() == Some(advance) {
            return;
        }
        self.published = self.published.max(Some(advance.published));
        match advance.way {
            Way::Counter { register: value, step, at } => {
                let (witness, debt) = (self.power.totals, 2 * step.get());
                self.read_at = Some(at);
                self.taken = Some(Point { value, step, at, witness, debt, fresh: false });
            }
            Way::Integral { rest, power, at } => {
                self.integral.rest = rest;
                self.power.resume(Sample { power, at });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::guard::judge;
    use crate::ledger::testing::{energy, meter, reading, state};

    #[test]
    fn a_state_resumed_stands_where_the_meter_had_got_to_and_goes_on() {
        let settings = meter("a");
        let stored = state(&settings, 1_000_000);
        let mut later = stored.clone();
        for seconds in (100..300).step_by(10) {
            let reading = reading("a", seconds, 1_000_000 + seconds * 1000);
            later = judge(later, &settings, &reading.at, &reading.values).state;
        }
        assert!(later.only_advanced(&stored));
        let mut resumed = stored.clone();
        resumed.resume(later.advance().unwrap());
        assert_eq!(resumed.advance(), later.advance());
        for seconds in (420..600).step_by(10) {
            let reading = reading("a", seconds, 1_000_000 + seconds * 1000);
            let judged = judge(resumed.clone(), &settings, &reading.at, &reading.values);
            assert!(judged.state.published() >= resumed.published());
            resumed = judged.state;
        }
        assert_eq!(resumed.published(), Some(energy(1_590_000)));
    }

    #[test]
    fn a_hold_or_a_decision_is_more_than_an_advance() {
        let settings = meter("a");
        let stored = state(&settings, 1_000_000);
        let zero = reading("a", 100, 0);
        let held = judge(stored.clone(), &settings, &zero.at, &zero.values).state;
        assert!(held.held().is_some() && !held.only_advanced(&stored));
        assert!(!stored.only_advanced(&MeterState::default()));
        assert!(stored.only_advanced(&stored));
        let elsewhere = MeterState { offset: 5, ..stored.clone() };
        assert!(!elsewhere.only_advanced(&stored));
    }
}
