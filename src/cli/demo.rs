//! `arkmeter demo`: simulated meters and a stand-in Arkreen on loopback, the real daemon between them, and what happens, in words.

mod house;
mod narrator;

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::exit;
use house::House;
use narrator::Narrator;

/// How often time passes for the simulated meters, and the narrator looks.
const TICK: Duration = Duration::from_millis(100);
/// How long the story takes where nobody says; without `--for` it begins anew.
const STORY: Duration = Duration::from_secs(40);
/// The daemon has to be done with SIGTERM in 5 s.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Runs the demo for so long, or until Ctrl-C. 0 when every promise was kept.
pub fn demo(duration: Option<Duration>) -> u8 {
    let code = super::runtime().map(|runtime| match runtime.block_on(run(duration)) {
        Ok(kept) => {
            if kept {
                0
            } else {
                exit::FAILED
            }
        }
        Err(error) => {
            super::complain(&format!("the demo cannot go on: {error}\n"));
            exit::FAILED
        }
    });
    code.unwrap_or_else(|code| code)
}

/// What happens to the house, at which part of the story.
const EVENTS: [(f64, Event); 3] = [(0.25, Event::ReadsZero), (0.45, Event::Killed), (0.7, Event::Replaced)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    ReadsZero,
    Killed,
    Replaced,
}

async fn run(duration: Option<Duration>) -> io::Result<bool> {
    let folder = tempfile::Builder::new().prefix("arkmeter-demo-").tempdir()?;
    let mut house = House::build(folder.path()).await?;
    let mut narrator = Narrator::new(&house);
    narrator.opening(duration, &house);
    let mut daemon = start(folder.path())?;
    let begun = Instant::now();
    let end = duration.map(|duration| begun + duration);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut story, mut told) = (begun, begun, 0);
    loop {
        tokio::select! {
            _ = &mut interrupted => break,
            () = sleep_until(end.unwrap_or(begun)), if end.is_some() => break,
            ended = daemon.wait() => return Err(io::Error::other(format!("the daemon ended by itself ({})", ended?))),
            _ = ticks.tick() => {}
        }
        let now = Instant::now();
        house.pass(now - last);
        last = now;
        let length = duration.unwrap_or(STORY);
        if let Some((_, event)) = EVENTS.get(told).filter(|(part, _)| now - story >= length.mul_f64(*part)) {
            narrator.event(*event, &house);
            match event {
                Event::ReadsZero => house.sauna_reads_zero(),
                Event::Replaced => house.replace_workshop(),
                Event::Killed => {
                    daemon.kill().await?;
                    daemon = start(folder.path())?;
                }
            }
            told += 1;
        } else if told == EVENTS.len() && now - story >= length && end.is_none() {
            (story, told) = (now, 0);
        }
        narrator.look(&house).await;
    }
    stop(&mut daemon, &mut narrator).await?;
    narrator.look(&house).await;
    Ok(narrator.summary(&house))
}

/// This very program as the daemon: its log goes into the folder, for whoever wants to see it.
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

/// As systemd stops it.
async fn stop(daemon: &mut Child, narrator: &mut Narrator) -> io::Result<()> {
    let Some(pid) = daemon.id() else { return Ok(()) };
    let asked = Instant::now();
    Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await?;
    let status =
        timeout(STOP_WITHIN, daemon.wait()).await.map_err(|_| io::Error::other("the daemon did not stop"))??;
    narrator.stopped(asked.elapsed(), status.success());
    Ok(())
}
