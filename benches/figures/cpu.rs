//! The processor time of 100 meters behind one gateway, polled every second: the daemon with ledger and reports, compared with loops that
//! only poll.

use std::io;
use std::time::Duration;

use tokio::process::Child;

use crate::median::{at_most, median};
use crate::polling::{self, Polls};
use crate::process;
use crate::site::Site;

const METERS: u8 = 100;
const ROUNDS: usize = 3;
/// After this time the baselines, the first reports and the start-up are over.
const WARM_UP: Duration = Duration::from_secs(12);
/// A whole number of report intervals.
const WINDOW: Duration = Duration::from_secs(20);
/// Limit of the processor time, user and system, in seconds.
const CPU_LIMIT: f64 = 0.03;

#[tokio::main(flavor = "current_thread")]
pub async fn measure() -> io::Result<()> {
    let site = Site::build(METERS, "1s", "10s").await?;
    let (mut daemon, mut bare, mut verified) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let running = site.daemon(None)?;
        daemon.push(cost(&site, &running, WARM_UP).await?);
        drop(running);
        site.inspect()?;
        for (polls, costs) in [(Polls::Bare, &mut bare), (Polls::Verified, &mut verified)] {
            let running = polling::each_second(polls, site.address(), METERS)?;
            costs.push(cost(&site, &running, Duration::from_secs(2)).await?);
        }
    }
    let (daemon, bare, verified) = (median(daemon), median(bare), median(verified));
    println!(
        "cpu per 1000 polls: arkmeter {daemon:.4} s, bare tokio-modbus {bare:.4} s, arkmeter's client alone {verified:.4} s \
         (limit {CPU_LIMIT}: {})",
        at_most(daemon, CPU_LIMIT)
    );
    Ok(())
}

/// Processor seconds per 1000 requests that the gateway receives.
async fn cost(site: &Site, running: &Child, warm_up: Duration) -> io::Result<f64> {
    tokio::time::sleep(warm_up).await;
    let before = site.requests();
    let used = process::watch(running.id().unwrap_or_default(), WINDOW).await?;
    let polls = site.requests() - before;
    Ok(used.cpu.as_secs_f64() / polls as f64 * 1000.0)
}
