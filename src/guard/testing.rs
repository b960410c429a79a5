//! Readings, meters and clock readings for tests: one boot, meters of 20 kW that are polled every 10 s.

use std::time::Duration;

use jiff::Timestamp;

use super::{CounterSettings, GuardState, MeterSettings, judge};
use crate::clock::{Clock, ClockReading};
use crate::reading::{Reading, Register, RegisterDefinition, Values};
use crate::units::{MilliwattHours, Milliwatts, Name};

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn energy(value: u64) -> MilliwattHours {
    MilliwattHours::new(value).unwrap()
}

/// The clock this many seconds after the test began.
pub(crate) fn at(seconds: u64) -> ClockReading {
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    let since = Duration::new(seconds, 123_456_789);
    let (since_boot, wall) = (Duration::from_secs(3600) + since, start.saturating_add(since).unwrap());
    ClockReading { since_boot, wall, trusted: true, ..Clock::simulated(u128::MAX / 3, start).now() }
}

pub(crate) fn meter(text: &str) -> MeterSettings {
    MeterSettings {
        name: name(text),
        max_power: Milliwatts(20_000_000),
        poll_every: Duration::from_secs(10),
        counter: CounterSettings::Register,
        start_at_zero: false,
        definition: RegisterDefinition { text: "input 0x48 u32 Wh".into(), rollover: None, range: None },
        place: "cabinet 1".into(),
    }
}

/// A reading with 3.6 kW: 10 Wh in 10 s.
pub(crate) fn reading(meter: &str, seconds: u64, register: u64) -> Reading {
    let register = Register { value: energy(register), step: energy(1) };
    let values = Values { power: Some(Milliwatts(3_600_000)), register: Some(register), serial: None };
    Reading { meter: name(meter), at: at(seconds), values, definition: None }
}

/// The state as it comes back from the store.
pub(crate) fn stored(state: &GuardState) -> GuardState {
    let figure = serde_json::from_str(&serde_json::to_string(&state.figure).unwrap()).unwrap();
    let memory = serde_json::from_str(&serde_json::to_string(&state.memory).unwrap()).unwrap();
    GuardState { figure, memory }
}

/// The state of a meter after its baseline at this register.
pub(crate) fn state(meter: &MeterSettings, register: u64) -> GuardState {
    let mut state = GuardState::default();
    for poll in 0..10 {
        let reading = reading("any", 10 * poll, register);
        state = judge(state, meter, &reading.at, &reading.values).state;
    }
    assert_eq!(state.published(), Some(energy(register)), "ten equal readings are a baseline");
    state
}
