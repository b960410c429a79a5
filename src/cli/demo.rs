//! `arkmeter demo`: simulated meters and a simulated endpoint on loopback, the real daemon between them, and a report of what happens.

mod narrator;
mod site;

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::context::runtime;
use super::exit;
use super::output::print_error;
use narrator::Narrator;
use site::DemoSite;

/// How often the simulated meters advance and the narrator checks for news.
const TICK: Duration = Duration::from_millis(100);
/// The length of one round of events, the first of which begins with the last meter's first report. Without `--for` the rounds repeat.
const ROUND: Duration = Duration::from_secs(40);
/// The daemon must stop within this time after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Runs the demo for this time, or until Ctrl-C. The exit code: 0 if every promise was kept.
pub(super) fn demo(duration: Option<Duration>) -> u8 {
    let code = runtime().map(|runtime| match runtime.block_on(run(duration)) {
        Ok(true) => 0,
        Ok(false) => exit::FAILED,
        Err(error) => {
            print_error(&format!("the demo cannot continue: {error}"));
            exit::FAILED
        }
    });
    code.unwrap_or_else(|code| code)
}

/// The events of a round, each at its part of the round.
const EVENTS: [(f64, DemoEvent); 4] = [
    (0.2, DemoEvent::MeterReadsZero),
    (0.4, DemoEvent::DaemonKilled),
    (0.6, DemoEvent::MeterReplaced),
    (0.75, DemoEvent::ReplacementEntered),
];
/// At the end, how long the last event may take to settle.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DemoEvent {
    MeterReadsZero,
    DaemonKilled,
    MeterReplaced,
    ReplacementEntered,
}

async fn run(duration: Option<Duration>) -> io::Result<bool> {
    let folder = tempfile::Builder::new().prefix("arkmeter-demo-").tempdir()?;
    let mut site = DemoSite::start(folder.path()).await?;
    let mut narrator = Narrator::new(&site);
    narrator.opening(duration, &site);
    let mut daemon = start(folder.path())?;
    let begun = Instant::now();
    let end = duration.map(|duration| begun + duration);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut round, mut happened) = (begun, None, 0);
    loop {
        tokio::select! {
            _ = &mut interrupted => break,
            () = sleep_until(end.unwrap_or(begun)), if end.is_some_and(|end| settled(&narrator, happened, end)) => break,
            ended = daemon.wait() => return Err(io::Error::other(format!("the daemon ended unexpectedly ({})", ended?))),
            _ = ticks.tick() => {}
        }
        let now = Instant::now();
        site.advance(now - last);
        last = now;
        narrator.report_news(&site).await;
        if round.is_none() && !narrator.has_all() {
            continue;
        }
        let round_begun = *round.get_or_insert(now);
        let length = end.map_or(ROUND, |end| end.saturating_duration_since(round_begun));
        if let Some((_, event)) = EVENTS.get(happened).filter(|(part, _)| now - round_begun >= length.mul_f64(*part)) {
            narrator.event(*event, &site);
            match event {
                DemoEvent::MeterReadsZero => site.sauna_reads_zero(),
                DemoEvent::MeterReplaced => site.replace_workshop(),
                DemoEvent::ReplacementEntered => enter_replacement(folder.path(), &site).await?,
                DemoEvent::DaemonKilled => {
                    daemon.kill().await?;
                    daemon = start(folder.path())?;
                }
            }
            happened += 1;
        } else if happened == EVENTS.len() && now - round_begun >= length && end.is_none() {
            (round, happened) = (Some(now), 0);
        }
    }
    stop(&mut daemon, &mut narrator).await?;
    narrator.report_news(&site).await;
    Ok(narrator.summary(&site))
}

/// Whether a demo with this end can stop: all events happened and all meters are well again, or that takes too long.
fn settled(narrator: &Narrator, happened: usize, end: Instant) -> bool {
    (happened == EVENTS.len() && narrator.all_are_well()) || Instant::now() > end + SETTLED_WITHIN
}

/// Enters what the displays of the old and of the new meter showed, as an installer does.
async fn enter_replacement(folder: &Path, site: &DemoSite) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(site.replacement_command()).arg("--config").arg(folder.join("arkmeter.toml"));
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// Starts this program as the daemon, with its log in the folder.
fn start(folder: &Path) -> io::Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("daemon.log"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").arg("--config").arg(folder.join("arkmeter.toml"));
    for variable in ["STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC"]
    {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()
}

/// Stops the daemon as systemd does.
async fn stop(daemon: &mut Child, narrator: &mut Narrator) -> io::Result<()> {
    let Some(pid) = daemon.id() else { return Ok(()) };
    let begin = Instant::now();
    // Not with the program `kill`: a container has none.
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::TERM)?;
    }
    let status =
        timeout(STOP_WITHIN, daemon.wait()).await.map_err(|_| io::Error::other("the daemon did not stop"))??;
    narrator.stopped(begin.elapsed(), status.success());
    Ok(())
}
