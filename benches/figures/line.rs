//! How much of what a serial line's physics allows is used, and whether any request comes before the line has been silent for long enough.

use std::io;
use std::time::Duration;

use arkmeter::simulator::{LineSpeed, SimulatedSerialLine};

use crate::median::{at_least, median};
use crate::polling::{Polls, flat_out};
use crate::site::{REGISTERS, meter};

const ROUNDS: usize = 3;
const TIME: Duration = Duration::from_secs(5);
const SPEED: LineSpeed = LineSpeed { baud: 9600, bits: 10 };
/// How long the meter thinks.
const DELAY: Duration = Duration::from_millis(10);
const LIMIT: f64 = 0.97;

#[tokio::main(flavor = "current_thread")]
pub async fn measure() -> io::Result<()> {
    let (bare, bare_early) = rate(Polls::Bare).await?;
    let (ours, early) = rate(Polls::Verified).await?;
    let physics = physics();
    println!(
        "serial line at {} baud: arkmeter's client {ours:.2} polls/s of {physics:.2}: {:.3} (limit {LIMIT}: {}), {early} requests \
         early (limit 0: {}); bare tokio-modbus {bare:.2}, {bare_early} early",
        SPEED.baud,
        ours / physics,
        at_least(ours / physics, LIMIT),
        if early == 0 { "within" } else { "OVER" }
    );
    Ok(())
}

/// Polls in a second, and requests that came too early in all rounds.
async fn rate(polls: Polls) -> io::Result<(f64, u64)> {
    let unit = meter(1);
    unit.set_delay(DELAY);
    let line = SimulatedSerialLine::start([unit], Some(SPEED))?;
    let path = line.path().display().to_string();
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        rates.push(flat_out(polls, &path, 1, TIME).await?);
    }
    Ok((median(rates), line.early()))
}

/// The most polls in a second: 8 characters there, 5 and two a register back, the meter's delay (or silence, if that is longer), and
/// silence before the next request.
fn physics() -> f64 {
    let characters = SPEED.character() * (13 + 2 * u32::from(REGISTERS));
    let silence = SPEED.silence();
    1.0 / (characters + DELAY.max(silence) + silence).as_secs_f64()
}
