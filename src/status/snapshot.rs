//! Holds the latest report of every task. The daemon fills it and replaces it at a reload; every view is composed from it.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use tokio::sync::{mpsc, watch};

use super::compose::{ReloadReport, StatusInputs, compose};
use super::document::Document;
use crate::clock::{Clock, ClockReading};
use crate::config::Config;
use crate::heartbeat::Hearts;
use crate::history::HistoryHandle;
use crate::ledger::LedgerHandle;
use crate::poller::{BusCommand, BusReport};
use crate::reporter::AccountReport;
use crate::units::Name;
use crate::writer_thread::DroppedCount;

/// The configuration in use and its tasks' reports.
#[derive(Clone, Debug)]
pub struct ActiveTasks {
    /// The configuration in use.
    pub config: Arc<Config>,
    /// The buses' reports.
    pub buses: BTreeMap<Name, watch::Receiver<BusReport>>,
    /// Where each bus takes commands. Weak, because a bus ends when its last sender is dropped.
    pub bus_commands: BTreeMap<Name, mpsc::WeakSender<BusCommand>>,
    /// The ledger's report.
    pub ledger: LedgerHandle,
    /// The accounts' reports.
    pub accounts: BTreeMap<Name, watch::Receiver<AccountReport>>,
}

/// The latest report of every task. Clones are cheap and share the same reports.
#[derive(Clone, Debug)]
pub struct StatusSources(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    hearts: Hearts,
    started: ClockReading,
    history: HistoryHandle,
    log_dropped: DroppedCount,
    current: RwLock<ActiveTasks>,
    remarks: RwLock<BTreeMap<&'static str, String>>,
    reload: RwLock<ReloadReport>,
}

impl StatusSources {
    /// The daemon counts as started now. `log_dropped` counts the lines of the log that were dropped.
    pub fn new(
        clock: Clock,
        hearts: Hearts,
        history: HistoryHandle,
        log_dropped: DroppedCount,
        current: ActiveTasks,
    ) -> Self {
        let started = clock.now();
        let (current, remarks) = (RwLock::new(current), RwLock::default());
        let reload = RwLock::default();
        StatusSources(Arc::new(Shared { clock, hearts, started, history, log_dropped, current, remarks, reload }))
    }

    /// Replaces the tasks by those of another configuration.
    pub fn replace(&self, current: ActiveTasks) {
        *self.0.current.write().expect("no panic while the lock is held") = current;
    }

    /// Notes that the configuration was read: now the one with this hash is in use, or `None` if there was an error and the former one stays.
    pub fn configuration_read(&self, hash: Option<String>) {
        let mut reload = self.0.reload.write().expect("no panic while the lock is held");
        reload.at = Some(self.0.clock.now());
        reload.succeeded = hash.is_some();
        reload.hash = hash.or_else(|| reload.hash.take());
    }

    /// Sets one sentence of trouble that no task reports; `None` removes it. Each `subject` has one remark.
    pub fn remark(&self, subject: &'static str, remark: Option<String>) {
        let mut remarks = self.0.remarks.write().expect("no panic while the lock is held");
        match remark {
            Some(remark) => remarks.insert(subject, remark),
            None => remarks.remove(subject),
        };
    }

    /// The tasks that make no progress: the criterion of the watchdog and of `/healthz`.
    pub fn stalled(&self) -> Vec<String> {
        self.0.hearts.stalled()
    }

    /// The handle of the ledger.
    pub(super) fn ledger(&self) -> LedgerHandle {
        self.0.current.read().expect("no panic while the lock is held").ledger.clone()
    }

    /// Where this bus takes commands, and its device or address. `None` for a bus without a task.
    pub(super) fn bus(&self, name: &Name) -> Option<(mpsc::WeakSender<BusCommand>, String)> {
        let current = self.0.current.read().expect("no panic while the lock is held");
        let link = current.config.buses.get(name)?.link.to_string();
        Some((current.bus_commands.get(name)?.clone(), link))
    }

    /// The handle of the history.
    pub(super) fn history(&self) -> &HistoryHandle {
        &self.0.history
    }

    /// The document as of now.
    pub fn document(&self) -> Document {
        compose(&self.inputs(), self.0.clock.now())
    }

    /// The configuration in use.
    pub(super) fn config(&self) -> Arc<Config> {
        self.0.current.read().expect("no panic while the lock is held").config.clone()
    }

    /// The serial number of a meter that the ledger has.
    pub(super) fn serial(&self, meter: &Name) -> Option<String> {
        let report = self.ledger().report();
        let report = report.borrow();
        report.meters.get(meter)?.serial.as_deref().map(|serial| crate::text::foreign(serial, 64))
    }

    fn inputs(&self) -> StatusInputs {
        let current = self.0.current.read().expect("no panic while the lock is held");
        let buses = current.buses.iter().map(|(name, report)| (name.clone(), report.borrow().clone()));
        let accounts = current.accounts.iter().map(|(name, report)| (name.clone(), report.borrow().clone()));
        StatusInputs {
            config: current.config.clone(),
            buses: buses.collect(),
            ledger: current.ledger.report().borrow().clone(),
            history: self.0.history.report(),
            accounts: accounts.collect(),
            stalled: self.stalled(),
            remarks: self.0.remarks.read().expect("no panic while the lock is held").values().cloned().collect(),
            started: self.0.started,
            log_dropped: self.0.log_dropped.get(),
            reload: self.0.reload.read().expect("no panic while the lock is held").clone(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
