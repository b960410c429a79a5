//! The daemon: rooms wired together, signals, systemd, reload, and a stop that loses nothing.

mod listeners;
pub mod requests;
pub mod settings;
mod supervisor;
mod systemd;

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, Environment, Problems};
use crate::heartbeat::Hearts;
use crate::history::{self, HistoryHandle};
use crate::ledger;
use crate::recorder::{Recorder, record_to};
use crate::status::control::{ControlRequest, QUEUE};
use crate::status::{MeterState, StatusSources};
use listeners::Listeners;
use supervisor::TaskEnd;
pub use supervisor::{ReportMode, TaskSupervisor};

/// Why the daemon ended or could not start. Shown once, at the command line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Ledger(#[from] ledger::OpenError),
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    #[error("the task `{0}` ended by itself, which is a defect of arkmeter: please report it with the log above")]
    TaskEnded(String),
    #[error(transparent)]
    LedgerGone(#[from] ledger::Gone),
}

/// How often `STATUS=` is brought up to date.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// How often the hearts are listened to where systemd does not ask.
const LISTEN_EVERY: Duration = Duration::from_secs(10);
/// How long the ledger may take for its last commit.
const LAST_COMMIT_WITHIN: Duration = Duration::from_secs(2);
/// How long the history may take for its last slots.
const LAST_SLOTS_WITHIN: Duration = Duration::from_millis(750);

/// How long a recording may take for its last lines.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// Runs the daemon until it is told to stop. What the meters say is recorded to `record`, where that is asked for and can be.
pub async fn run(path: &Path, environment: &Environment, record: Option<&Path>) -> Result<(), Error> {
    let signals = Signals::new().map_err(Error::Signals)?;
    let (config, warnings) = Config::load(path, environment)?;
    warn_of(&warnings);
    let clock = Clock::system();
    let recorder = Recorder::new(clock.clone());
    let recording = record.and_then(|file| match record_to(file, &recorder, &clock) {
        Ok(thread) => Some(thread),
        Err(error) => {
            // A box is not left stopped for want of a recording.
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            error!("nothing is recorded: {error}{cause}");
            None
        }
    });
    let daemon = Daemon::start(config, recorder.clone(), clock).await?;
    let outcome = daemon.live(signals, path, environment).await;
    recorder.close();
    let until = tokio::time::Instant::now() + LAST_LINES_WITHIN;
    while recording.as_ref().is_some_and(|thread| !thread.is_finished()) && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    outcome
}

/// A running daemon.
struct Daemon {
    config: Arc<Config>,
    fleet: TaskSupervisor,
    ends: mpsc::UnboundedReceiver<TaskEnd>,
    ledger: ledger::Handle,
    history: HistoryHandle,
    sources: StatusSources,
    asked: mpsc::Receiver<ControlRequest>,
    requests: JoinSet<()>,
    doors: Listeners,
    hearts: Hearts,
}

impl Daemon {
    /// Opens the ledger and starts every task: polling has begun when this returns.
    async fn start(config: Config, recorder: Recorder, clock: Clock) -> Result<Self, Error> {
        let hearts = Hearts::default();
        let (ledger, task) = ledger::open(&config.state.path, settings::of_ledger(&config), clock.clone())?;
        let (history, feed, writer) =
            history::open(config.state.path.clone(), settings::of_history(&config), clock.clone());
        let (mut fleet, ends) = TaskSupervisor::new(ledger.clone(), recorder.clone(), clock.clone(), hearts.clone());
        fleet.start("ledger", task.with_history(feed).run(hearts.heart("ledger")));
        fleet.start("history", writer.run(hearts.heart("history")));
        fleet.apply(&config, ReportMode::OnSchedule).await?;
        let config = Arc::new(config);
        let sources = StatusSources::new(clock, hearts.clone(), history.clone(), fleet.current(config.clone()));
        let (sender, asked) = mpsc::channel(QUEUE);
        let mut doors = Listeners::new(sources.clone(), sender, recorder);
        doors.apply(&config.status, &mut fleet, &hearts).await;
        let requests = JoinSet::new();
        let daemon = Daemon { config, fleet, ends, ledger, history, sources, asked, requests, doors, hearts };
        info!(
            version = env!("CARGO_PKG_VERSION"),
            buses = daemon.config.buses.len(),
            meters = daemon.config.meters.len(),
            clients = daemon.config.clients.len(),
            "arkmeter is running"
        );
        Ok(daemon)
    }

    /// Lives until SIGTERM or SIGINT, or until a task ends by itself.
    async fn live(mut self, mut signals: Signals, path: &Path, environment: &Environment) -> Result<(), Error> {
        systemd::tell(&[NotifyState::Ready, NotifyState::Status(&self.sentence())]);
        let mut status = tokio::time::interval(STATUS_EVERY);
        let mut watchdog = tokio::time::interval(systemd::watchdog_every().unwrap_or(LISTEN_EVERY));
        let mut stalled = Vec::new();
        let outcome = loop {
            tokio::select! {
                told = signals.next() => match told {
                    SignalAction::Stop => break Ok(()),
                    SignalAction::Reload => self.reload(path, environment).await?,
                },
                Some(ended) = self.ends.recv() => if self.fleet.unexpected(&ended) {
                    break Err(Error::TaskEnded(ended.task));
                },
                Some(asked) = self.asked.recv() => self.serve(asked),
                Some(_) = self.requests.join_next() => {}
                _ = watchdog.tick() => self.listen(&mut stalled),
                _ = status.tick() => systemd::tell(&[NotifyState::Status(&self.sentence())]),
            }
        };
        self.stop().await;
        outcome
    }

    /// Tells the watchdog that all is well only while every task makes progress.
    fn listen(&self, stalled: &mut Vec<String>) {
        let now = self.hearts.stalled();
        match now.is_empty() {
            true => systemd::tell(&[NotifyState::Watchdog]),
            false if now != *stalled => {
                error!(tasks = now.join(", "), "tasks make no progress: the watchdog is not told that all is well")
            }
            false => {}
        }
        *stalled = now;
    }

    /// Takes up the file anew. One with an error changes nothing.
    async fn reload(&mut self, path: &Path, environment: &Environment) -> Result<(), ledger::Gone> {
        systemd::tell(&[NotifyState::Reloading, NotifyState::Status("Reloading the configuration")]);
        let refused = match Config::load(path, environment) {
            Ok((config, warnings)) => {
                warn_of(&warnings);
                self.take_up(config).await?;
                None
            }
            Err(error) => {
                error!("the configuration was not reloaded, the old one goes on: {}", error.render(false));
                Some(
                    "The configuration has an error and was not reloaded, the old one goes on: see `arkmeter check`."
                        .into(),
                )
            }
        };
        self.sources.remark("reload", refused);
        systemd::tell(&[NotifyState::Ready, NotifyState::Status(&self.sentence())]);
        Ok(())
    }

    async fn take_up(&mut self, config: Config) -> Result<(), ledger::Gone> {
        if config.state.path != self.config.state.path {
            warn!("[state] path is taken up at the next start only: systemctl restart arkmeter");
        }
        self.fleet.apply(&config, ReportMode::OnSchedule).await?;
        self.history.configure(settings::of_history(&config)).await;
        let state = config::StateConfig { path: self.config.state.path.clone(), ..config.state };
        self.config = Arc::new(Config { state, ..config });
        self.sources.replace(self.fleet.current(self.config.clone()));
        self.doors.apply(&self.config.status, &mut self.fleet, &self.hearts).await;
        info!(meters = self.config.meters.len(), "the configuration was reloaded");
        Ok(())
    }

    /// How things are, in one line.
    fn sentence(&self) -> String {
        let document = self.sources.document();
        let well = document.meters.values().filter(|meter| meter.state == MeterState::Ok).count();
        let meters = document.meters.len();
        match document.trouble.first() {
            None => format!("{well} of {meters} meters read well"),
            Some(first) => format!("{well} of {meters} meters read well. {first}"),
        }
    }

    /// Whoever asks while as many others are being served is told to come again, by the reply being dropped.
    fn serve(&mut self, asked: ControlRequest) {
        if self.requests.len() < QUEUE {
            self.requests.spawn(requests::answer(asked, &self.config, &self.fleet));
        }
    }

    /// Pollers first, reporters next, the ledger's commit last.
    async fn stop(mut self) {
        systemd::tell(&[NotifyState::Stopping, NotifyState::Status("Stopping: the ledger is being committed")]);
        info!("stopping");
        self.requests.shutdown().await;
        self.doors.close(&mut self.fleet).await;
        self.fleet.stop().await;
        if !matches!(tokio::time::timeout(LAST_COMMIT_WITHIN, self.ledger.close()).await, Ok(Ok(()))) {
            error!(
                "the ledger's last commit did not succeed: what the meters counted since the one before is read from them again"
            );
        }
        if tokio::time::timeout(LAST_SLOTS_WITHIN, self.history.close()).await.is_err() {
            warn!("the last slots of the history were not written in time");
        }
        info!("stopped");
    }
}

/// The signals that the daemon listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// What the next signal asks for.
    async fn next(&mut self) -> SignalAction {
        tokio::select! {
            _ = self.terminate.recv() => SignalAction::Stop,
            _ = self.interrupt.recv() => SignalAction::Stop,
            _ = self.hang_up.recv() => SignalAction::Reload,
        }
    }
}

enum SignalAction {
    Stop,
    Reload,
}

fn warn_of(warnings: &Problems) {
    if !warnings.is_empty() {
        warn!("the configuration has warnings\n{warnings}");
    }
}

#[cfg(test)]
mod tests;
