//! Processor time, memory and wake-ups of a process, from the kernel.

use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How often threads are sampled. The time that a thread uses between its last sample and its end is not counted.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);

/// What a process used during the measurement.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub cpu: Duration,
    /// Times that a thread went to sleep.
    pub sleeps: u64,
}

/// Measures a process for this time. The processor time comes from the scheduler, in nanoseconds, over all threads.
pub async fn watch(process: u32, time: Duration) -> io::Result<Used> {
    let end = Instant::now() + time;
    let before = threads(process)?;
    let mut seen = before.clone();
    while Instant::now() < end {
        sleep(SAMPLE_EVERY.min(end - Instant::now())).await;
        seen.extend(threads(process)?);
    }
    let (cpu, sleeps) = seen.iter().fold((0, 0), |(cpu, sleeps), (thread, now)| {
        let then = before.get(thread).copied().unwrap_or_default();
        (cpu + now.0 - then.0, sleeps + now.1 - then.1)
    });
    Ok(Used { cpu: Duration::from_nanos(cpu), sleeps })
}

/// Processor time in nanoseconds and voluntary context switches of each running thread.
fn threads(process: u32) -> io::Result<BTreeMap<u32, (u64, u64)>> {
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let path = entry?.path();
        // A thread may end while it is sampled.
        let (Ok(times), Ok(status)) = (read_to_string(path.join("schedstat")), read_to_string(path.join("status")))
        else {
            continue;
        };
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        let nanoseconds = times.split_whitespace().next().and_then(|number| number.parse().ok());
        if let (Some(number), Some(nanoseconds)) = (number, nanoseconds) {
            threads.insert(number, (nanoseconds, field(&status, "voluntary_ctxt_switches")));
        }
    }
    Ok(threads)
}

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub resident: u64,
    /// The resident part that is not backed by the program's file.
    pub own: u64,
    /// The highest resident size so far.
    pub highest: u64,
    pub threads: u64,
}

pub fn memory(process: u32) -> io::Result<Memory> {
    let status = read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name| field(&status, name) * 1024;
    Ok(Memory {
        resident: bytes("VmRSS"),
        own: bytes("RssAnon"),
        highest: bytes("VmHWM"),
        threads: field(&status, "Threads"),
    })
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
