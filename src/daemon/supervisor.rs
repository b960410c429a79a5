//! The running tasks: one per bus, one per account. A reload stops and starts only those whose configuration changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::warn;

use super::settings;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::descriptors::DescriptorBudget;
use crate::heartbeat::Hearts;
use crate::ledger;
use crate::lookup::HostLookup;
use crate::poller::{self, BusReport, Poller};
use crate::recorder::Recorder;
use crate::reporter::{self, AccountReport, ReportedClient, Reporter};
use crate::status::ActiveTasks;
use crate::units::Name;

/// The longest time for a task to end after its stop signal. A task that takes longer is aborted.
const STOP_WITHIN: Duration = Duration::from_millis(1500);
/// Depth of a task's command queue: commands come from people, one at a time.
const COMMANDS: usize = 4;

/// Names of gateways that are looked up at once.
const LOOKUPS_AT_ONCE: usize = 8;

/// All tasks of a configuration.
pub struct TaskSupervisor {
    ledger: ledger::LedgerHandle,
    recorder: Recorder,
    /// For the names of all buses.
    hosts: HostLookup,
    clock: Clock,
    hearts: Hearts,
    descriptors: DescriptorBudget,
    ended: mpsc::UnboundedSender<TaskEnd>,
    running: BTreeSet<u64>,
    started: u64,
    buses: BTreeMap<Name, Running<BusSettings, poller::BusCommand, BusReport>>,
    accounts: BTreeMap<Name, Running<AccountSettings, reporter::AccountCommand, AccountReport>>,
}

/// A bus with the meters on it.
type BusSettings = (config::BusConfig, Vec<config::MeterConfig>);
/// An account with its clients.
type AccountSettings = (config::AccountConfig, Vec<ReportedClient>);

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

/// The task of one bus or account, with its settings, commands and report.
struct Running<S, C, R> {
    settings: S,
    commands: mpsc::Sender<C>,
    report: watch::Receiver<R>,
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
        let hosts = HostLookup::new(LOOKUPS_AT_ONCE);
        let descriptors = DescriptorBudget::of_process();
        (
            TaskSupervisor {
                ledger,
                recorder,
                hosts,
                clock,
                hearts,
                descriptors,
                ended,
                running,
                started: 0,
                buses,
                accounts,
            },
            ends,
        )
    }

    /// Stops the tasks that `config` no longer has or has changed, reconfigures the ledger, and starts the new ones. The others run on.
    ///
    /// # Errors
    /// The ledger's task has ended.
    pub async fn apply(&mut self, config: &Config, reports: ReportMode) -> Result<(), ledger::LedgerStopped> {
        let (buses, accounts) = (bus_settings(config), account_settings(config));
        let mut stopping = take_changed(&mut self.buses, &buses);
        stopping.extend(take_changed(&mut self.accounts, &accounts));
        self.finish(stopping).await;
        self.ledger.reconfigure(settings::of_ledger(config)).await?;
        for running in self.accounts.values() {
            // When the queue is full, earlier commands make the account reload soon enough.
            let _ = running.commands.try_send(reporter::AccountCommand::Reloaded);
        }
        let count = buses.len();
        for (index, (name, settings)) in buses.into_iter().enumerate() {
            if !self.buses.contains_key(&name) {
                let poll_every = settings.1.iter().map(|meter| meter.poll_every).min().unwrap_or_default();
                self.start_bus(settings, poller::starts_after(index, count, poll_every));
            }
        }
        for (name, settings) in accounts {
            if !self.accounts.contains_key(&name) {
                self.start_account(settings, reports);
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
            bus_commands: self.bus_commands(),
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

    fn start_bus(&mut self, settings: BusSettings, starts_after: Duration) {
        let (bus, meters) = settings.clone();
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (publish, report) = watch::channel(BusReport::default());
        let (name, task) = (bus.name.clone(), format!("bus {}", bus.name));
        let poller = Poller {
            bus,
            descriptors: self.descriptors.clone(),
            meters,
            starts_after,
            readings: self.ledger.readings(),
            held: self.ledger.held(),
            commands,
            report: publish,
            recorder: self.recorder.clone(),
            hosts: self.hosts.clone(),
            clock: self.clock.clone(),
            heart: self.hearts.heart(task.clone()),
        };
        let task = self.start(task, poller.run());
        self.buses.insert(name, Running { settings, commands: sender, report, task });
    }

    fn start_account(&mut self, settings: AccountSettings, reports: ReportMode) {
        let (account, clients) = settings.clone();
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (publish, report) = watch::channel(AccountReport::default());
        let (name, task) = (account.name.clone(), format!("account {}", account.name));
        let reporter = Reporter {
            account,
            clients,
            ledger: self.ledger.clone(),
            commands,
            report: publish,
            clock: self.clock.clone(),
            heart: self.hearts.heart(task.clone()),
            scheduled: reports == ReportMode::OnSchedule,
        };
        let task = self.start(task, reporter.run());
        self.accounts.insert(name, Running { settings, commands: sender, report, task });
    }

    /// Starts a task. Until [`TaskSupervisor::finish`] stops it, its end is unexpected.
    pub fn start(&mut self, name: impl Into<String>, future: impl Future<Output = ()> + Send + 'static) -> RunningTask {
        self.start_on(&Handle::current(), name, future)
    }

    /// The same on another runtime.
    pub fn start_on(
        &mut self,
        runtime: &Handle,
        name: impl Into<String>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> RunningTask {
        self.started += 1;
        let name = name.into();
        let (number, ended, task) = (self.started, self.ended.clone(), name.clone());
        self.running.insert(number);
        // Boxed: a future that another one takes and awaits has its size twice.
        let future = Box::pin(future);
        let handle = runtime.spawn(async move {
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

/// Takes out the tasks that `wanted` no longer has, or has with other settings.
fn take_changed<S: PartialEq, C, R>(
    running: &mut BTreeMap<Name, Running<S, C, R>>,
    wanted: &BTreeMap<Name, S>,
) -> Vec<RunningTask> {
    let changed = running.extract_if(.., |name, running| wanted.get(name) != Some(&running.settings));
    changed.map(|(_, running)| running.task).collect()
}

/// The buses with at least one meter.
fn bus_settings(config: &Config) -> BTreeMap<Name, BusSettings> {
    let mut buses: BTreeMap<Name, BusSettings> = BTreeMap::new();
    for meter in config.meters.values() {
        let Some(bus) = config.buses.get(&meter.bus) else { continue };
        let (_, meters) = buses.entry(bus.name.clone()).or_insert_with(|| (bus.clone(), Vec::new()));
        meters.push(meter.clone());
    }
    buses
}

/// The accounts with at least one client.
fn account_settings(config: &Config) -> BTreeMap<Name, AccountSettings> {
    let accounts = config.accounts.iter().map(|(name, account)| {
        let clients = config.clients.values().filter(|client| client.account == *name);
        let clients: Vec<_> =
            clients.map(|client| ReportedClient { name: client.name.clone(), client_id: client.client_id }).collect();
        (name.clone(), (account.clone(), clients))
    });
    accounts.filter(|(_, (_, clients))| !clients.is_empty()).collect()
}
