//! The time from the daemon's start to its first poll and to its READY message.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::time::{Instant, sleep, timeout};

use crate::median::{at_most, median};
use crate::site::Site;

const METERS: u8 = 100;
const ROUNDS: usize = 7;
const POLL_LIMIT: f64 = 50.0;
const READY_LIMIT: f64 = 100.0;
const GIVE_UP: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
pub async fn measure() -> io::Result<()> {
    for (meters, label) in [(1, "1 meter"), (METERS, "100 meters")] {
        let site = Site::build(meters, "1s", "10s").await?;
        for new in [true, false] {
            let (mut polls, mut readies) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                if new {
                    site.forget()?;
                }
                let (poll, ready) = start(&site).await?;
                polls.push(poll.as_secs_f64() * 1000.0);
                readies.push(ready.as_secs_f64() * 1000.0);
            }
            let (poll, ready) = (median(polls), median(readies));
            println!(
                "start with {label}, {}: first poll after {poll:.1} ms (limit {POLL_LIMIT}: {}), READY after {ready:.1} ms \
                 (limit {READY_LIMIT}: {})",
                if new { "new ledger" } else { "ledger of before" },
                at_most(poll, POLL_LIMIT),
                at_most(ready, READY_LIMIT)
            );
        }
    }
    let versions = (0..ROUNDS).map(|_| version()).collect::<io::Result<Vec<_>>>()?;
    println!("start for scale: `arkmeter --version` takes {:.1} ms", median(versions));
    Ok(())
}

/// The times until the gateway receives the first request and until systemd receives READY.
async fn start(site: &Site) -> io::Result<(Duration, Duration)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path)?;
    let before = site.requests();
    let begun = Instant::now();
    let _daemon = site.daemon(Some(&path))?;
    let polled = async {
        while site.requests() == before {
            sleep(Duration::from_millis(1)).await;
        }
        Ok(begun.elapsed())
    };
    let ready = async {
        let mut message = [0; 4096];
        loop {
            let count = socket.recv(&mut message).await?;
            if message[..count].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                return Ok(begun.elapsed());
            }
        }
    };
    let both = timeout(GIVE_UP, async { tokio::try_join!(polled, ready) });
    both.await.map_err(|_| io::Error::other("the daemon did not start"))?
}

fn version() -> io::Result<f64> {
    let begun = Instant::now();
    Command::new(env!("CARGO_BIN_EXE_arkmeter")).arg("--version").stdout(Stdio::null()).status()?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}
