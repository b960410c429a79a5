//! The rules one by one. Whole histories are in `tests/guard`.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::reading::{Register, RegisterDefinition};
use crate::units::{MilliwattHours, Milliwatts, Name};

mod beginning;
mod clocks;
mod power;
mod register;
mod state;

const KWH: u64 = 1_000_000;

/// A meter under test: its state, its settings, and a clock that the test sets.
struct Bench {
    state: GuardState,
    settings: MeterSettings,
    boot: u64,
    second: u64,
    /// How long the box was off before this boot, in seconds.
    off: i64,
    trusted: bool,
    power: Option<i64>,
    serial: Option<&'static str>,
}

impl Bench {
    fn new() -> Self {
        let settings = MeterSettings {
            name: Name::new("heat_pump").unwrap(),
            max_power: Milliwatts(20_000_000),
            poll_every: Duration::from_secs(10),
            counter: CounterSettings::Register,
            start_at_zero: false,
            definition: RegisterDefinition { text: "holding 0 u32 0.01 kWh".to_owned(), rollover: None, range: None },
            place: "cabinet 1".to_owned(),
        };
        let state = GuardState::default();
        Bench { state, settings, boot: 1, second: 0, off: 0, trusted: true, power: None, serial: None }
    }

    /// A meter that has been read three times at this register.
    fn at(register: u64) -> Self {
        let mut bench = Bench::new();
        bench.read_for(20, register);
        assert_eq!(bench.published(), Some(register));
        bench
    }

    fn stamp(&self) -> ClockReading {
        ClockReading {
            boot: serde_json::from_value(serde_json::json!(self.boot)).unwrap(),
            since_boot: Duration::from_secs(60 + self.second),
            wall: Timestamp::from_second(1_700_000_000 + self.off + self.second as i64).unwrap(),
            trusted: self.trusted,
        }
    }

    fn poll(&mut self, register: Option<u64>) -> Judgement {
        let register = register.map(|value| Register {
            value: MilliwattHours::new(value).unwrap(),
            step: MilliwattHours::new(10_000).unwrap(),
        });
        let values = Values { power: self.power.map(Milliwatts), register, serial: self.serial.map(str::to_owned) };
        let judged = judge(self.state.clone(), &self.settings, &self.stamp(), &values);
        // The whole state survives the store.
        self.state = testing::stored(&judged.state);
        assert_eq!(self.state, judged.state);
        judged
    }

    /// Reads this register every ten seconds, including the first and the last second; returns the last verdict.
    fn read_for(&mut self, seconds: u64, register: u64) -> Verdict {
        let end = self.second + seconds;
        loop {
            let verdict = self.poll(Some(register)).verdict;
            if self.second >= end {
                return verdict;
            }
            self.second += 10;
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.second += seconds;
    }

    fn published(&self) -> Option<u64> {
        self.state.published().map(u64::from)
    }
}
