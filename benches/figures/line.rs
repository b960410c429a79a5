//! The poll rate on a serial line compared with the physical limit, and whether every request keeps the silent interval before it.

use std::io;
use std::time::Duration;

use arkmeter::simulator::{LineSpeed, SimulatedSerialLine};

use crate::median::{at_least, median};
use crate::polling::{Polls, flat_out};
use crate::site::{REGISTERS, meter};

const ROUNDS: usize = 3;
const TIME: Duration = Duration::from_secs(5);
const SPEED: LineSpeed = LineSpeed { baud: 9600, bits: 10 };
/// The meter's response delay.
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

/// Polls per second, and the number of requests that came too early in all rounds.
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

/// The highest possible number of polls per second. A poll takes 8 characters for the request, 5 and two per register for the answer, the
/// meter's delay (or the silent interval, if that is longer), and the silent interval before the next request.
fn physics() -> f64 {
    let characters = SPEED.character() * (13 + 2 * u32::from(REGISTERS));
    let silence = SPEED.silence();
    1.0 / (characters + DELAY.max(silence) + silence).as_secs_f64()
}
