//! The duration of a scan compared with the physical minimum: 5 meters among 247 units at one known baud rate.

use std::io;
use std::time::Duration;

use arkmeter::config::Parity;
use arkmeter::simulator::{LineSpeed, SimulatedSerialLine};
use arkmeter::survey::{LineSettings, Sweep, settings, units};
use tokio::time::Instant;

use crate::median::at_most;
use crate::site::meter;

const SPEED: LineSpeed = LineSpeed { baud: 9600, bits: 10 };
const METERS: [u8; 5] = [1, 2, 17, 100, 247];
/// A meter's response delay, and the timeout for a missing unit.
const DELAY: Duration = Duration::from_millis(10);
const TIMEOUT: Duration = Duration::from_millis(150);
const LIMIT: f64 = 1.15;

#[tokio::main(flavor = "current_thread")]
pub async fn measure() -> io::Result<()> {
    let meters = METERS.map(meter);
    meters.iter().for_each(|meter| meter.set_delay(DELAY));
    let line = SimulatedSerialLine::start(meters, Some(SPEED))?;
    let settings = settings(&[SPEED.baud], &[Parity::None], 1);
    let mut sweep = Sweep::new(TIMEOUT, false, |_| {});
    let begin = Instant::now();
    sweep.serial(line.path(), &settings, &units(&[])).await.map_err(io::Error::other)?;
    let taken = begin.elapsed().as_secs_f64();
    let physics = physics(settings[0]);
    let ratio = taken / physics;
    println!(
        "scan of 247 units at {} baud: {} of {} meters found in {taken:.1} s, {physics:.1} s by the line's physics: {ratio:.3} (limit \
         {LIMIT}: {}), {} requests early",
        SPEED.baud,
        sweep.found.len(),
        METERS.len(),
        at_most(ratio, LIMIT),
        line.early()
    );
    Ok(())
}

/// The physical minimum in seconds. A missing unit takes a request, a timeout and the silent interval. A unit that answers takes a request,
/// the meter's delay, an answer with one register or an exception, and the silent interval.
fn physics(setting: LineSettings) -> f64 {
    let absent = setting.missing_unit(TIMEOUT) * (247 - METERS.len() as u32);
    let answer = setting.missing_unit(DELAY.max(SPEED.silence())) + SPEED.character() * 5;
    (absent + answer * METERS.len() as u32).as_secs_f64()
}
