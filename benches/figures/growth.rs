//! How the daemon's cost grows from 100 meters to 10,000: a table, and a plot for docs/performance.md. The reference polls the same gateways
//! at the same time with libmodbus and nothing else.

mod plot;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::process;
use crate::site::{Extent, Site};

/// A size of a site.
struct Size {
    meters: usize,
    gateways: usize,
    poll_s: u32,
}

const SIZES: [Size; 5] = [
    Size { meters: 100, gateways: 1, poll_s: 1 },
    Size { meters: 1_000, gateways: 50, poll_s: 1 },
    Size { meters: 2_000, gateways: 100, poll_s: 2 },
    Size { meters: 5_000, gateways: 250, poll_s: 10 },
    Size { meters: 10_000, gateways: 500, poll_s: 10 },
];
/// The meters of the largest size that is measured, if this variable is set: the whole table takes ten minutes.
const UP_TO: &str = "GROWTH_UP_TO";
/// One report and what follows from it is in each window.
const REPORT: &str = "60s";
const WINDOW: Duration = Duration::from_secs(60);
const ACCEPTED_WITHIN: Duration = Duration::from_secs(240);

/// What one size costs.
struct Cost {
    meters: usize,
    gateways: usize,
    poll_s: u32,
    /// Processor microseconds of the daemon for each poll.
    poll_us: f64,
    /// The same of the reference.
    reference_us: f64,
    /// The highest resident memory before the metrics were read, in bytes, and after it.
    memory: [u64; 2],
    dropped: u64,
    /// From the start of the daemon until each client was accepted.
    accepted: Duration,
    metrics: Duration,
}

#[tokio::main(flavor = "current_thread")]
pub async fn measure() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(reference) = compile(folder.path()) else {
        println!("SKIPPED growth: no C compiler, or no libmodbus (Debian: gcc, libmodbus-dev)");
        return Ok(());
    };
    let most = std::env::var(UP_TO).ok().and_then(|meters| meters.parse().ok()).unwrap_or(usize::MAX);
    let mut costs = Vec::new();
    println!(
        "| meters | gateways | poll | CPU per poll | libmodbus | ratio | MB | MB with /metrics | dropped | all accepted | /metrics |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    for size in SIZES.iter().filter(|size| size.meters <= most) {
        let cost = measured(size, &reference).await?;
        println!("{}", row(&cost));
        costs.push(cost);
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("growth.svg");
    std::fs::write(&file, plot::svg(&costs))?;
    println!("the plot: {}", file.display());
    Ok(())
}

/// The reference as a program; `None` where it cannot be built.
fn compile(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("loop");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/figures/growth/loop.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-pthread", "-I/usr/include/modbus", source, "-lmodbus", "-o"]).arg(&program);
    let built = compiler.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    built.then_some(program)
}

async fn measured(size: &Size, reference: &Path) -> io::Result<Cost> {
    let extent = Extent { meters: size.meters, gateways: size.gateways };
    let site = Site::spread(extent, &format!("{}s", size.poll_s), REPORT).await?;
    let begun = Instant::now();
    let daemon = site.daemon(None)?;
    let process = daemon.id().unwrap_or_default();
    while site.accepted() < size.meters {
        if begun.elapsed() > ACCEPTED_WITHIN {
            site.inspect()?;
            return Err(io::Error::other(format!("{} of {} clients were accepted", site.accepted(), size.meters)));
        }
        sleep(Duration::from_millis(200)).await;
    }
    let accepted = begun.elapsed();
    let before = site.requests();
    let mut bare = tokio::process::Command::new(reference);
    bare.args([extent.units().to_string(), (size.poll_s * 1000).to_string(), WINDOW.as_secs().to_string()]);
    let bare =
        bare.args(site.ports().map(|port| port.to_string())).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let used = process::watch(process, WINDOW).await?;
    let polls = site.requests() - before;
    let output = bare.wait_with_output().await?;
    let (bare_polls, bare_cpu) = counted(&String::from_utf8_lossy(&output.stdout))?;
    let memory = process::memory(process)?.highest;
    let asked = Instant::now();
    let metrics = site.metrics().await?;
    let answered = asked.elapsed();
    Ok(Cost {
        meters: size.meters,
        gateways: size.gateways,
        poll_s: size.poll_s,
        poll_us: used.cpu.as_secs_f64() * 1e6 / polls.saturating_sub(bare_polls).max(1) as f64,
        reference_us: bare_cpu * 1e6 / bare_polls.max(1) as f64,
        memory: [memory, process::memory(process)?.highest],
        dropped: dropped(&metrics),
        accepted,
        metrics: answered,
    })
}

/// What the reference prints: its polls and its processor seconds.
fn counted(line: &str) -> io::Result<(u64, f64)> {
    let numbers = line.trim().split_once(' ');
    numbers
        .and_then(|(polls, cpu)| Some((polls.parse().ok()?, cpu.parse().ok()?)))
        .ok_or_else(|| io::Error::other(format!("the reference printed {line:?}")))
}

/// The readings that were dropped, of all buses.
fn dropped(metrics: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with("arkmeter_bus_dropped_readings_total"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

fn row(cost: &Cost) -> String {
    let mb = |bytes: u64| format!("{:.0}", bytes as f64 / 1e6);
    format!(
        "| {} | {} | {} s | {:.0} µs | {:.0} µs | {:.2} | {} | {} | {} | {:.0} s | {:.0} ms |",
        cost.meters,
        cost.gateways,
        cost.poll_s,
        cost.poll_us,
        cost.reference_us,
        cost.ratio(),
        mb(cost.memory[0]),
        mb(cost.memory[1]),
        cost.dropped,
        cost.accepted.as_secs_f64(),
        cost.metrics.as_secs_f64() * 1e3
    )
}

impl Cost {
    /// How much a poll costs in multiples of the reference's.
    fn ratio(&self) -> f64 {
        self.poll_us / self.reference_us.max(f64::EPSILON)
    }
}
