//! What of a state has to reach the disk when nothing but ordinary advances happened since it was stored whole: a few bytes a slot.

use super::plausible::Point;
use super::state::MeterState;
use crate::clock::Stamp;
use crate::units::MilliwattHours;

/// What an ordinary advance changes for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    pub published: MilliwattHours,
    pub register: MilliwattHours,
    pub step: MilliwattHours,
    /// When the register was first seen at this value.
    pub at: Stamp,
}

impl MeterState {
    /// Where the meter has got to; absent before its baseline, and where it has no counter.
    pub fn advance(&self) -> Option<Advance> {
        let (taken, published) = (self.taken?, self.published?);
        Some(Advance { published, register: taken.value, step: taken.step, at: taken.at })
    }

    /// Whether only ordinary advances lead from `stored` to this state: [`MeterState::resume`] then brings the one to the other, but for
    /// when it was last read and what its power register said in between.
    pub fn only_advanced(&self, stored: &MeterState) -> bool {
        let (published, taken, power) = (stored.published, stored.taken, stored.power.clone());
        let otherwise = MeterState { published, taken, read_at: stored.read_at, power, ..self.clone() };
        self.hold.is_none() && self.advance().is_some() && taken.is_some() && otherwise == *stored
    }

    /// Goes on from where the meter had got to when the whole state was not stored again. What power testified since then is not known:
    /// the next large advance has to show itself as after an outage.
    pub fn resume(&mut self, advance: Advance) {
        if self.advance() == Some(advance) {
            return;
        }
        let Advance { published, register: value, step, at } = advance;
        let (witness, debt) = (self.power.totals, 2 * step.get());
        self.published = self.published.max(Some(published));
        self.read_at = Some(at);
        self.taken = Some(Point { value, step, at, witness, debt, fresh: false });
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
