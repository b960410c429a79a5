//! The time of one judgement of the guard: a meter of 3.6 kW, polled every second, whose register advances at every poll.

use std::hint::black_box;
use std::io;
use std::time::Duration;

use arkmeter::clock::{Clock, ClockReading};
use arkmeter::guard::{CounterSettings, GuardState, MeterSettings, judge};
use arkmeter::reading::{Register, RegisterDefinition, Values};
use arkmeter::units::{MilliwattHours, Milliwatts, Name};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::median::{at_most, median};

const ROUNDS: usize = 9;
const JUDGEMENTS: u64 = 100_000;
/// In nanoseconds.
const LIMIT: f64 = 1000.0;

pub fn measure() -> io::Result<()> {
    let settings = settings()?;
    let nanoseconds = median((0..ROUNDS).map(|_| once(&settings)).collect());
    println!("one judgement of the guard: {nanoseconds:.0} ns, {} {LIMIT:.0} ns", at_most(nanoseconds, LIMIT));
    Ok(())
}

/// Nanoseconds for each judgement.
fn once(settings: &MeterSettings) -> f64 {
    let start = Clock::simulated(7, Timestamp::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).now();
    let mut state = GuardState::default();
    let begun = Instant::now();
    for second in 0..JUDGEMENTS {
        let passed = Duration::from_secs(second);
        let at = ClockReading { since_boot: start.since_boot + passed, wall: start.wall + passed, ..start };
        state = judge(state, settings, &at, &values(second)).state;
    }
    let elapsed = begun.elapsed();
    black_box(&state);
    elapsed.as_nanos() as f64 / JUDGEMENTS as f64
}

fn values(second: u64) -> Values {
    let energy = |value| MilliwattHours::new(value).unwrap_or(MilliwattHours::ZERO);
    let register = Register { value: energy(180_000_000 + 1000 * second), step: energy(1000) };
    Values { power: Some(Milliwatts(3_600_000)), register: Some(register), serial: None }
}

fn settings() -> io::Result<MeterSettings> {
    Ok(MeterSettings {
        name: Name::new("meter").ok_or_else(|| io::Error::other("no name"))?,
        max_power: Milliwatts(20_000_000),
        poll_every: Duration::from_secs(1),
        counter: CounterSettings::Register,
        start_at_zero: false,
        definition: RegisterDefinition { text: "input 0x48 u32 Wh".into(), rollover: None, range: None },
        place: "cabinet 1".into(),
    })
}
