//! The running tasks: one per bus, one per account. A reload stops and starts only those whose configuration changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::warn;

use super::settings;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::heartbeat::Hearts;
use crate::ledger;
use crate::poller::{self, BusReport, Poller};
use crate::recorder::Recorder;
use crate::reporter::{self, AccountReport, ReportedClient, Reporter};
use crate::status::ActiveTasks;
use crate::units::Name;

/// The longest time for a task to end after its stop signal. A task that takes longer is aborted.
const STOP_WITHIN: Duration = Duration::from_millis(1500);
/// Depth of a task's command queue: commands come from people, one at a time.
const COMMANDS: usize = 4;

/// All tasks of a configuration.
pub struct TaskSupervisor {
    ledger: ledger::LedgerHandle,
    recorder: Recorder,
    clock: Clock,
    hearts: Hearts,
    ended: mpsc::UnboundedSender<TaskEnd>,
    running: BTreeSet<u64>,
    started: u64,
    buses: BTreeMap<Name, RunningBus>,
    accounts: BTreeMap<Name, RunningAccount>,
}

/// When accounts report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportMode {
    /// At each slot of the account's schedule.
    OnSchedule,
    /// Only by a command.
    OnCommand,
}

/// A task ended. This is expected only after its stop signal.
#[derive(Debug)]
pub struct TaskEnd {
    number: u64,
    /// The task's name.
    pub task: String,
}

struct RunningBus {
    bus: config::BusConfig,
    meters: Vec<config::MeterConfig>,
    commands: mpsc::Sender<poller::BusCommand>,
    report: watch::Receiver<BusReport>,
    task: RunningTask,
}

struct RunningAccount {
    account: config::AccountConfig,
    clients: Vec<ReportedClient>,
    commands: mpsc::Sender<reporter::AccountCommand>,
    report: watch::Receiver<AccountReport>,
    task: RunningTask,
}

/// One running task.
pub struct RunningTask {
    number: u64,
    name: String,
    handle: JoinHandle<()>,
}

impl TaskSupervisor {
    /// No task runs yet. The receiver gets the end of each task.
    pub fn new(
        ledger: ledger::LedgerHandle,
        recorder: Recorder,
        clock: Clock,
        hearts: Hearts,
    ) -> (Self, mpsc::UnboundedReceiver<TaskEnd>) {
        // Unbounded, but each task sends one message.
        let (ended, ends) = mpsc::unbounded_channel();
        let (buses, accounts, running) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let ledger = ledger.recorded_by(recorder.clone());
        (TaskSupervisor { ledger, recorder, clock, hearts, ended, running, started: 0, buses, accounts }, ends)
    }

    /// Stops the tasks that `config` no longer has or has changed, reconfigures the ledger, and starts the new ones. The others run on.
    ///
    /// # Errors
    /// The ledger's task has ended.
    pub async fn apply(&mut self, config: &Config, reports: ReportMode) -> Result<(), ledger::LedgerStopped> {
        let mut stopping = Vec::new();
        for (name, running) in std::mem::take(&mut self.buses) {
            let same = config.buses.get(&name) == Some(&running.bus) && meters_on(config, &name) == running.meters;
            match same {
                true => drop(self.buses.insert(name, running)),
                false => stopping.push(running.task),
            }
        }
        for (name, running) in std::mem::take(&mut self.accounts) {
            let same = config.accounts.get(&name) == Some(&running.account);
            match same && clients_of(config, &name) == running.clients {
                true => drop(self.accounts.insert(name, running)),
                false => stopping.push(running.task),
            }
        }
        self.finish(stopping).await;
        self.ledger.reconfigure(settings::of_ledger(config)).await?;
        for running in self.accounts.values() {
            // When the queue is full, earlier commands make the account reload soon enough.
            let _ = running.commands.try_send(reporter::AccountCommand::Reloaded);
        }
        for (name, bus) in &config.buses {
            let meters = meters_on(config, name);
            if !self.buses.contains_key(name) && !meters.is_empty() {
                self.start_bus(bus.clone(), meters);
            }
        }
        for (name, account) in &config.accounts {
            let clients = clients_of(config, name);
            if !self.accounts.contains_key(name) && !clients.is_empty() {
                self.start_account(account.clone(), clients, reports);
            }
        }
        Ok(())
    }

    /// Stops the pollers first and then the reporters, so that the ledger can commit last.
    pub async fn stop(&mut self) {
        let buses = std::mem::take(&mut self.buses).into_values().map(|bus| bus.task).collect();
        self.finish(buses).await;
        let accounts = std::mem::take(&mut self.accounts).into_values().map(|running| running.task).collect();
        self.finish(accounts).await;
    }

    /// Whether this task had no stop signal.
    pub fn unexpected(&self, ended: &TaskEnd) -> bool {
        self.running.contains(&ended.number)
    }

    /// The reports of all tasks, for the status.
    pub fn current(&self, config: Arc<Config>) -> ActiveTasks {
        ActiveTasks {
            config,
            buses: self.buses.iter().map(|(name, bus)| (name.clone(), bus.report.clone())).collect(),
            ledger: self.ledger.clone(),
            accounts: self.accounts.iter().map(|(name, running)| (name.clone(), running.report.clone())).collect(),
        }
    }

    /// The handle of the ledger.
    pub fn ledger(&self) -> ledger::LedgerHandle {
        self.ledger.clone()
    }

    /// Where each bus takes commands. Weak, because a bus ends when its last sender is dropped.
    pub fn bus_commands(&self) -> BTreeMap<Name, mpsc::WeakSender<poller::BusCommand>> {
        self.buses.iter().map(|(name, bus)| (name.clone(), bus.commands.downgrade())).collect()
    }

    /// Where each account takes commands. Weak, as for a bus.
    pub fn account_commands(&self) -> BTreeMap<Name, mpsc::WeakSender<reporter::AccountCommand>> {
        self.accounts.iter().map(|(name, running)| (name.clone(), running.commands.downgrade())).collect()
    }

    fn start_bus(&mut self, bus: config::BusConfig, meters: Vec<config::MeterConfig>) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (publish, report) = watch::channel(BusReport::default());
        let task = format!("bus {}", bus.name);
        let poller = Poller {
            bus: bus.clone(),
            meters: meters.clone(),
            readings: self.ledger.readings(),
            held: self.ledger.held(),
            commands,
            report: publish,
            recorder: self.recorder.clone(),
            clock: self.clock.clone(),
            heart: self.hearts.heart(task.clone()),
        };
        let task = self.start(task, poller.run());
        self.buses.insert(bus.name.clone(), RunningBus { bus, meters, commands: sender, report, task });
    }

    fn start_account(&mut self, account: config::AccountConfig, clients: Vec<ReportedClient>, reports: ReportMode) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (publish, report) = watch::channel(AccountReport::default());
        let task = format!("account {}", account.name);
        let reporter = Reporter {
            account: account.clone(),
            clients: clients.clone(),
            ledger: self.ledger.clone(),
            commands,
            report: publish,
            clock: self.clock.clone(),
            heart: self.hearts.heart(task.clone()),
            scheduled: reports == ReportMode::OnSchedule,
        };
        let task = self.start(task, reporter.run());
        self.accounts.insert(account.name.clone(), RunningAccount { account, clients, commands: sender, report, task });
    }

    /// Starts a task. Until [`TaskSupervisor::finish`] stops it, its end is unexpected.
    pub fn start(&mut self, name: impl Into<String>, future: impl Future<Output = ()> + Send + 'static) -> RunningTask {
        self.started += 1;
        let name = name.into();
        let (number, ended, task) = (self.started, self.ended.clone(), name.clone());
        self.running.insert(number);
        let handle = tokio::spawn(async move {
            future.await;
            let _ = ended.send(TaskEnd { number, task });
        });
        RunningTask { number, name, handle }
    }

    /// Waits for the tasks with a stop signal, all at the same time.
    pub async fn finish(&mut self, tasks: Vec<RunningTask>) {
        let until = tokio::time::Instant::now() + STOP_WITHIN;
        for mut task in tasks {
            self.running.remove(&task.number);
            if tokio::time::timeout_at(until, &mut task.handle).await.is_err() {
                warn!(task = task.name, "the task did not stop in time and was aborted");
                task.handle.abort();
            }
        }
    }
}

fn meters_on(config: &Config, bus: &Name) -> Vec<config::MeterConfig> {
    config.meters.values().filter(|meter| meter.bus == *bus).cloned().collect()
}

fn clients_of(config: &Config, account: &Name) -> Vec<ReportedClient> {
    let clients = config.clients.values().filter(|client| client.account == *account);
    clients.map(|client| ReportedClient { name: client.name.clone(), client_id: client.client_id }).collect()
}
