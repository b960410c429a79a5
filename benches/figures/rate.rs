//! The highest poll rate of one connection, compared with a plain tokio-modbus loop.
//!
//! The processors are kept awake during the measurement. Otherwise their wake-up time would be measured.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use arkmeter::simulator::SimulatedGateway;

use crate::median::{at_least, median};
use crate::polling::{Polls, flat_out};
use crate::site::meter;

const ROUNDS: usize = 7;
const TIME: Duration = Duration::from_secs(2);
const METERS: u8 = 10;
const LIMIT: f64 = 0.7;

#[tokio::main(flavor = "current_thread")]
pub async fn measure() -> io::Result<()> {
    let _awake = Awake::new()?;
    let gateway = SimulatedGateway::start((1..=METERS).map(meter)).await?;
    let address = gateway.address().to_string();
    let (mut bare, mut verified, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let reference = flat_out(Polls::Bare, &address, METERS, TIME).await?;
        let ours = flat_out(Polls::Verified, &address, METERS, TIME).await?;
        bare.push(reference);
        verified.push(ours);
        shares.push(ours / reference);
    }
    let share = median(shares);
    println!(
        "flat out on one connection: arkmeter's client {:.0} polls/s, bare tokio-modbus {:.0}: {share:.2} of it (limit {LIMIT}: {})",
        median(verified),
        median(bare),
        at_least(share, LIMIT)
    );
    Ok(())
}

/// Keeps every processor awake, at the lowest priority.
struct Awake(Vec<Child>);

impl Awake {
    fn new() -> io::Result<Self> {
        let mut awake = Awake(Vec::new());
        for _ in 0..std::thread::available_parallelism()?.get() {
            let mut spinner = Command::new("chrt");
            spinner.args(["--idle", "0", "sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
            awake.0.push(spinner.spawn()?);
        }
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for spinner in &mut self.0 {
            // A child that cannot be killed has already ended.
            let _ = spinner.kill();
            let _ = spinner.wait();
        }
    }
}
