//! The memory of a daemon with 100 meters. Fails above the limit, because memory depends little on the machine.

use std::io;
use std::time::Duration;

use crate::process;
use crate::site::Site;

const METERS: u8 = 100;
/// After this time the baselines, the first reports and some commits are over.
const RUN_FOR: Duration = Duration::from_secs(45);
/// In bytes.
const LIMIT: u64 = 24_000_000;

#[tokio::main(flavor = "current_thread")]
pub async fn measure() -> io::Result<()> {
    let site = Site::build(METERS, "1s", "10s").await?;
    let daemon = site.daemon(None)?;
    tokio::time::sleep(RUN_FOR).await;
    let memory = process::memory(daemon.id().unwrap_or_default())?;
    site.inspect()?;
    println!(
        "memory with {METERS} meters: {} bytes resident at most (limit {LIMIT}), {} now, {} of them not the program's file, {} threads",
        memory.highest, memory.resident, memory.own, memory.threads
    );
    if memory.highest > LIMIT { Err(io::Error::other("the daemon takes more memory than the limit")) } else { Ok(()) }
}
