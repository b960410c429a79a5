//! What of a state has to reach the disk when nothing but ordinary advances happened since it was stored whole: a few bytes a slot.

use super::plausible::RegisterPoint;
use super::power::{EnergyBounds, PowerSample};
use super::state::{GuardMemory, GuardState, Integral, MeterFigure};
use crate::clock::ClockReading;
use crate::reading::Register;
use crate::units::{MilliwattHours, Milliwatts};

/// What an ordinary advance changes for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The figure.
    pub published: MilliwattHours,
    /// What it was counted from.
    pub kind: AdvanceKind,
}

/// How the figure came there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvanceKind {
    /// From a register.
    Counter {
        /// The last register taken.
        register: MilliwattHours,
        /// Its resolution.
        step: MilliwattHours,
        /// When the register was first seen at this value.
        at: ClockReading,
        /// What power has said since.
        since: EnergyBounds,
    },
    /// From power.
    Integral {
        /// Less than a mWh, in half mW·ns.
        rest: u64,
        /// The last sample, with which the next one makes a pair.
        power: Milliwatts,
        /// The time of that sample.
        at: ClockReading,
    },
}

impl GuardState {
    /// Where the meter has got to; absent before its baseline.
    pub fn advance(&self) -> Option<Advance> {
        let published = self.figure.published?;
        let kind = match self.figure.taken {
            Some(RegisterPoint { value: register, step, at, witness, .. }) => {
                AdvanceKind::Counter { register, step, at, since: self.figure.totals.minus(&witness) }
            }
            None => {
                let PowerSample { power, at } = self.figure.integral.last.filter(|_| self.figure.integral.counts)?;
                AdvanceKind::Integral { rest: self.figure.integral.rest, power, at }
            }
        };
        Some(Advance { published, kind })
    }

    /// Whether only ordinary advances lead from `stored` to this state: [`GuardState::resume`] then brings the one to the other, but for
    /// when it was last read, what was [learned](GuardState::learned) in between, and an advance that waits for its confirmation.
    pub fn only_advanced(&self, stored: &GuardState) -> bool {
        let quiet = self.memory.hold.as_ref().is_none_or(|hold| hold.is_quiet()) && stored.memory.hold.is_none();
        let counted = self.figure.taken.is_some() == stored.figure.taken.is_some() && self.advance().is_some();
        if !quiet || !counted {
            return false;
        }
        let integral =
            Integral { rest: stored.figure.integral.rest, last: stored.figure.integral.last, ..self.figure.integral };
        let figure = MeterFigure {
            offset: self.figure.offset,
            serial: self.figure.serial.clone(),
            integral,
            ..stored.figure.clone()
        };
        let memory = GuardMemory { hold: None, power: stored.memory.power.clone(), ..self.memory.clone() };
        GuardState { figure, memory } == *stored
    }

    /// Whether more is known of what the connection carries than `stored` says, by so much that it would be missed.
    pub fn learned(&self, stored: &GuardState) -> bool {
        self.memory.power.knows_more_than(&stored.memory.power)
    }

    /// Goes on from where the meter had got to when the whole state was not stored again.
    pub fn resume(&mut self, advance: Advance) {
        if self.advance() == Some(advance) {
            return;
        }
        let figure = &mut self.figure;
        figure.published = figure.published.max(Some(advance.published));
        match advance.kind {
            AdvanceKind::Counter { register: value, step, at, since } => {
                let stands = figure.taken.filter(|taken| (taken.value, taken.at) == (value, at));
                let begun = RegisterPoint::new(&Register { value, step }, &at, figure.totals);
                let begun = RegisterPoint { debt: 2 * step.get(), ..begun };
                let witness = figure.totals;
                figure.totals = witness.plus(&since);
                figure.read_at = Some(at);
                figure.taken = Some(RegisterPoint { step, witness, ..stands.unwrap_or(begun) });
            }
            AdvanceKind::Integral { rest, power, at } => {
                figure.integral.rest = rest;
                figure.integral.last = Some(PowerSample { power, at });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::judge;
    use crate::guard::settings::{CounterSettings, MeterSettings};
    use crate::guard::testing::{energy, meter, reading, state};
    use crate::reading::Values;

    #[test]
    fn a_resumed_state_continues_from_the_last_advance() {
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
        assert!(!stored.only_advanced(&GuardState::default()));
        assert!(stored.only_advanced(&stored));
        let mut elsewhere = stored.clone();
        elsewhere.figure.offset = 5;
        assert!(!elsewhere.only_advanced(&stored));
    }

    #[test]
    fn a_hold_without_a_journal_entry_is_stored_as_an_advance() {
        let settings = meter("a");
        let stored = state(&settings, 1_000_000);
        let quiet = reading("a", 100, 1_000_000 + 200_000);
        let waits = judge(stored.clone(), &settings, &quiet.at, &quiet.values).state;
        assert!(waits.memory.hold.is_some() && !waits.is_held() && waits.only_advanced(&stored));
        assert!(!stored.only_advanced(&waits), "what is on disk still waits");
    }

    #[test]
    fn an_overload_and_a_much_higher_power_are_learned_and_a_little_more_is_not() {
        let settings = meter("a");
        let mut learned = state(&settings, 1_000_000);
        let stored = learned.clone();
        assert!(!learned.learned(&stored));
        for (seconds, watts, more) in [(100, 3_700, false), (200, 5_000, true)] {
            for seconds in (seconds..seconds + 40).step_by(10) {
                let mut reading = reading("a", seconds, 1_000_000);
                reading.values.power = Some(Milliwatts(watts * 1000));
                learned = judge(learned, &settings, &reading.at, &reading.values).state;
            }
            assert_eq!(learned.learned(&stored), more, "{watts} W");
        }
    }

    #[test]
    fn integrated_energy_resumes_exactly_to_half_a_milliwatt_hour() {
        let settings = MeterSettings { counter: CounterSettings::FromPower, ..meter("a") };
        let judged = |state: &GuardState, seconds: u64| {
            let mut reading = reading("a", seconds, 0);
            reading.values = Values { power: Some(Milliwatts(1_234_567)), register: None, serial: None };
            judge(state.clone(), &settings, &reading.at, &reading.values).state
        };
        let stored = (0..10).fold(GuardState::default(), |state, poll| judged(&state, 10 * poll));
        let later = (10..50).fold(stored.clone(), |state, poll| judged(&state, 10 * poll));
        assert!(later.only_advanced(&stored));
        let mut resumed = stored.clone();
        resumed.resume(later.advance().unwrap());
        assert_eq!(resumed.advance(), later.advance());
        let [resumed, later] =
            [resumed, later].map(|state| (50..90).fold(state, |state, poll| judged(&state, 10 * poll)));
        assert_eq!(resumed.advance(), later.advance());
    }
}
