//! The daemon: it wires the modules together, and handles signals, systemd, reload and a stop that loses nothing.

mod daily;
mod listeners;
pub mod requests;
pub mod settings;
mod supervisor;
mod systemd;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, ConfigFiles, Environment, Problems};
use crate::heartbeat::Hearts;
use crate::history::{self, HistoryHandle};
use crate::ledger;
use crate::recorder::{Recorder, record_to};
use crate::status::control::{ControlRequest, QUEUE};
use crate::status::{MeterState, StatusSources};
use crate::text::chain;
use crate::units::Name;
use crate::writer_thread::DroppedCount;
use daily::DailyCounts;
use listeners::Listeners;
use supervisor::TaskEnd;
pub use supervisor::{ReportMode, TaskSupervisor};
use systemd::Notifier;

/// Why the daemon ended or could not start. Shown once, at the command line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be read or has errors.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] ledger::OpenError),
    /// The kernel refused a signal handler.
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    /// A task ended without a stop signal.
    #[error(
        "the task `{0}` ended unexpectedly, see the error above; if there is none, this is a defect of arkmeter: please report it with the log"
    )]
    TaskEnded(String),
    /// The ledger's task has ended.
    #[error(transparent)]
    LedgerGone(#[from] ledger::LedgerStopped),
}

/// How often `STATUS=` is updated, with up to 200 meters. With more it takes longer, because it is composed from all of them.
const STATUS_EVERY: Duration = Duration::from_secs(10);
const STATUS_METERS: usize = 200;
/// How often progress is checked if systemd sets no watchdog.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// The longest time for the ledger's last commit.
const LAST_COMMIT_WITHIN: Duration = Duration::from_secs(2);
/// The longest time from the stop signal to the end of the history's last write: the history may use what the other tasks leave.
const LAST_SLOTS_WITHIN: Duration = Duration::from_millis(4250);
/// The longest time for the last lines of a recording.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// Runs the daemon until it gets a stop signal. The meters' answers are recorded to the file `record`, if given and possible.
///
/// `log_dropped` counts the lines of the log that were dropped.
///
/// # Errors
/// The configuration has an error, the ledger cannot be opened, or a task ended unexpectedly.
pub async fn run(
    path: &Path,
    environment: &Environment,
    record: Option<&Path>,
    log_dropped: DroppedCount,
) -> Result<(), Error> {
    let signals = Signals::new().map_err(Error::Signals)?;
    let files = ConfigFiles::read(path)?;
    let (config, warnings) = files.parse(environment)?;
    warn_of(&warnings);
    let clock = Clock::system();
    let recorder = Recorder::new(clock.clone());
    let recording = record.and_then(|file| match record_to(file, &recorder, &clock) {
        Ok(thread) => Some(thread),
        Err(error) => {
            // The daemon also runs without a recording.
            error!("nothing is recorded: {}", chain(&error));
            None
        }
    });
    let own_thread = listeners::start_thread().unwrap_or_else(|error| {
        warn!(%error, "the page and the control socket have no thread of their own: many requests may delay polls");
        Handle::current()
    });
    let daemon = Daemon::start(config, recorder.clone(), clock, own_thread, log_dropped).await?;
    daemon.sources.configuration_read(Some(files.hash()));
    drop(files);
    let outcome = daemon.run(signals, path, environment).await;
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
    supervisor: TaskSupervisor,
    ends: mpsc::UnboundedReceiver<TaskEnd>,
    ledger: ledger::LedgerHandle,
    history: HistoryHandle,
    sources: StatusSources,
    commands: mpsc::Receiver<ControlRequest>,
    running_commands: JoinSet<()>,
    listeners: Listeners,
    hearts: Hearts,
    systemd: Notifier,
}

impl Daemon {
    /// Opens the ledger and starts every task: polling has begun when this returns.
    /// The page and the control socket are served on the runtime `serving`.
    async fn start(
        config: Config,
        recorder: Recorder,
        clock: Clock,
        serving: Handle,
        log_dropped: DroppedCount,
    ) -> Result<Self, Error> {
        let hearts = Hearts::default();
        let (ledger, task) = ledger::open(&config.state.path, settings::of_ledger(&config), clock.clone())?;
        check_elsewhere(&config, &ledger)?;
        let (history, feed, writer) =
            history::open(config.state.path.clone(), settings::of_history(&config), clock.clone());
        let (mut supervisor, ends) =
            TaskSupervisor::new(ledger.clone(), recorder.clone(), clock.clone(), hearts.clone());
        supervisor.start("ledger", task.with_history(feed).run(hearts.heart("ledger")));
        supervisor.start("history", writer.run(hearts.heart("history")));
        supervisor.apply(&config, ReportMode::OnSchedule).await?;
        let config = Arc::new(config);
        let current = supervisor.current(config.clone());
        let sources = StatusSources::new(clock, hearts.clone(), history.clone(), log_dropped, current);
        let (sender, commands) = mpsc::channel(QUEUE);
        let mut listeners = Listeners::new(serving, sources.clone(), sender, recorder);
        listeners.apply(&config.status, &mut supervisor, &hearts).await;
        let running_commands = JoinSet::new();
        let daemon = Daemon {
            config,
            supervisor,
            ends,
            ledger,
            history,
            sources,
            commands,
            running_commands,
            listeners,
            hearts,
            systemd: Notifier::new(),
        };
        info!(
            version = env!("CARGO_PKG_VERSION"),
            buses = daemon.config.buses.len(),
            meters = daemon.config.meters.len(),
            clients = daemon.config.clients.len(),
            "arkmeter is running"
        );
        Ok(daemon)
    }

    /// Runs until SIGTERM or SIGINT, or until a task ends unexpectedly.
    async fn run(mut self, mut signals: Signals, path: &Path, environment: &Environment) -> Result<(), Error> {
        self.systemd.notify(&[NotifyState::Ready, NotifyState::Status(&summary(&self.sources))]);
        let times = self.config.meters.len().div_ceil(STATUS_METERS).max(1);
        let mut status = tokio::time::interval(STATUS_EVERY * u32::try_from(times).unwrap_or(u32::MAX));
        let mut watchdog = tokio::time::interval(systemd::watchdog_every().unwrap_or(CHECK_EVERY));
        let mut stalled = Vec::new();
        let mut daily = tokio::time::interval_at(tokio::time::Instant::now() + daily::EVERY, daily::EVERY);
        let mut counted = DailyCounts::default();
        let outcome = loop {
            tokio::select! {
                action = signals.next() => match action {
                    SignalAction::Stop => break Ok(()),
                    SignalAction::Reload => self.reload(path, environment).await?,
                },
                Some(ended) = self.ends.recv() => if self.supervisor.unexpected(&ended) {
                    break Err(Error::TaskEnded(ended.task));
                },
                Some(request) = self.commands.recv() => self.serve(request),
                Some(_) = self.running_commands.join_next() => {}
                _ = daily.tick() => {
                    let counts = DailyCounts::of(&self.sources.document());
                    info!("{}", counts.since(&counted));
                    counted = counts;
                }
                _ = watchdog.tick() => self.check_progress(&mut stalled),
                _ = status.tick() => {
                    let (sources, systemd) = (self.sources.clone(), self.systemd.clone());
                    // Composing the status of many meters takes time that polls need.
                    self.listeners.runtime().spawn(async move {
                        systemd.notify(&[NotifyState::Status(&summary(&sources))]);
                    });
                }
            }
        };
        self.stop().await;
        outcome
    }

    /// Notifies the watchdog only if every task makes progress.
    fn check_progress(&self, stalled: &mut Vec<String>) {
        let now = self.hearts.stalled();
        match now.is_empty() {
            true => self.systemd.notify(&[NotifyState::Watchdog]),
            false if now != *stalled => {
                error!(tasks = now.join(", "), "tasks make no progress: the watchdog is not notified")
            }
            false => {}
        }
        *stalled = now;
    }

    /// Reads the configuration again. A configuration with an error changes nothing.
    async fn reload(&mut self, path: &Path, environment: &Environment) -> Result<(), ledger::LedgerStopped> {
        self.systemd.notify(&[NotifyState::Reloading, NotifyState::Status("Reloading the configuration")]);
        let read = ConfigFiles::read(path).and_then(|files| Ok((files.parse(environment)?, files.hash())));
        let refused = match read {
            Ok(((config, warnings), hash)) => match check_elsewhere(&config, &self.ledger) {
                Ok(()) => {
                    warn_of(&warnings);
                    self.apply(config).await?;
                    self.sources.configuration_read(Some(hash));
                    None
                }
                Err(error) => Some((
                    error.to_string(),
                    format!("The configuration was not reloaded, the old one stays in use: {error}."),
                )),
            },
            Err(error) => {
                let see = "The configuration has an error and was not reloaded, the old one stays in use: see `arkmeter check`.";
                Some((error.render(false), see.to_owned()))
            }
        };
        let refused = refused.map(|(why, remark)| {
            self.sources.configuration_read(None);
            error!("the configuration was not reloaded, the old one stays in use: {why}");
            remark
        });
        self.sources.remark("reload", refused);
        self.systemd.notify(&[NotifyState::Ready, NotifyState::Status(&summary(&self.sources))]);
        Ok(())
    }

    async fn apply(&mut self, config: Config) -> Result<(), ledger::LedgerStopped> {
        if config.state.path != self.config.state.path {
            warn!("a changed [state] path takes effect at the next start: systemctl restart arkmeter");
        }
        self.supervisor.apply(&config, ReportMode::OnSchedule).await?;
        self.history.configure(settings::of_history(&config)).await;
        let state = config::StateConfig { path: self.config.state.path.clone(), ..config.state };
        self.config = Arc::new(Config { state, ..config });
        self.sources.replace(self.supervisor.current(self.config.clone()));
        self.listeners.apply(&self.config.status, &mut self.supervisor, &self.hearts).await;
        info!(meters = self.config.meters.len(), "the configuration was reloaded");
        Ok(())
    }

    /// Starts a command. If [`QUEUE`] others are running, its reply is dropped: the sender has to try again later.
    fn serve(&mut self, request: ControlRequest) {
        if self.running_commands.len() < QUEUE {
            self.running_commands.spawn(requests::answer(request, &self.config, &self.supervisor));
        }
    }

    /// Stops the pollers first, then the reporters, and commits the ledger last.
    async fn stop(mut self) {
        self.systemd.notify(&[NotifyState::Stopping, NotifyState::Status("Stopping: the ledger is being committed")]);
        info!("stopping");
        let last_slots_until = tokio::time::Instant::now() + LAST_SLOTS_WITHIN;
        self.running_commands.shutdown().await;
        self.listeners.close(&mut self.supervisor).await;
        self.supervisor.stop().await;
        if !matches!(tokio::time::timeout(LAST_COMMIT_WITHIN, self.ledger.close()).await, Ok(Ok(()))) {
            error!(
                "the ledger's last commit failed: the meters still have what they counted since the commit before, so nothing is lost"
            );
        }
        if tokio::time::timeout_at(last_slots_until, self.history.close()).await.is_err() {
            warn!("the last slots of the history were not written in time");
        }
        info!("stopped");
        self.systemd.finish();
    }
}

/// Fails if the ledger lacks the figure of a meter that the ledger of another shard has (blocking).
fn check_elsewhere(config: &Config, ledger: &ledger::LedgerHandle) -> Result<(), ledger::OpenError> {
    let report = ledger.report();
    let lacks = |name: &&Name| report.borrow().meters.get(*name).is_none_or(|meter| meter.published.is_none());
    let lacking = config.meters.keys().filter(lacks).cloned().collect();
    ledger::store::check_elsewhere(&config.state.path, config.shard, &lacking)
}

/// The state of the meters and the worst trouble, in one line.
fn summary(sources: &StatusSources) -> String {
    let document = sources.document();
    let well = document.meters.values().filter(|meter| meter.state == MeterState::Ok).count();
    let meters = document.meters.len();
    match document.trouble.first() {
        None => format!("{well} of {meters} meters read well"),
        Some(first) => format!("{well} of {meters} meters read well. {first}"),
    }
}

/// The signals that the daemon handles.
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

    /// Waits for the next signal.
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
