//! The cost of the daemon with little to do: one meter, polled every 10 s, reported every 2 minutes.

use std::io;
use std::time::Duration;

use crate::process;
use crate::site::Site;

const WARM_UP: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
pub async fn measure() -> io::Result<()> {
    let site = Site::build(1, "10s", "2m").await?;
    let daemon = site.daemon(None)?;
    let process = daemon.id().unwrap_or_default();
    tokio::time::sleep(WARM_UP).await;
    let used = process::watch(process, WINDOW).await?;
    let memory = process::memory(process)?;
    println!(
        "idle, 1 meter every 10 s: {:.4} % of one processor, {:.2} wake-ups a second, {} bytes resident, {} of them not the \
         program's file",
        used.cpu.as_secs_f64() / WINDOW.as_secs_f64() * 100.0,
        used.sleeps as f64 / WINDOW.as_secs_f64(),
        memory.resident,
        memory.own
    );
    Ok(())
}
