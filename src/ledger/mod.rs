//! The ledger: what each meter's counter is worth, on disk before it is reported.
//!
//! One task owns the store. Readings come in, the guard judges them, and a report slot commits everything in one transaction. Whoever wants
//! to read the ledger while the daemon runs asks this task, as nobody else can open the file.
#![deny(missing_docs)]

mod block;
mod client;
pub mod command;
pub mod machine;
pub mod names;
mod rehearsal;
mod report;
pub(crate) mod settings;
pub mod shown;
mod state;
pub mod store;
mod task;
#[cfg(test)]
pub(crate) mod testing;

pub use block::ReportingBlock;
pub use rehearsal::Rehearsal;
pub use report::{ClientLedger, LedgerReport, MeterLedger};
pub use settings::{ClientKey, ClientSettings, LedgerSettings};
pub use store::OpenError;
pub use task::{LedgerTask, open};

use std::fs::File;

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::ClockReading;
use crate::reading::{Held, Reading};
use crate::recorder::Recorder;
use crate::units::{MilliwattHours, Milliwatts, Name};
use shown::{ShowError, Shown, ShownJournal, WantedEntries};
use store::{Store, StoreError};
use task::{LedgerRequest, ReadJob};

/// What may be reported for one client at a slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// On disk.
    Ready {
        /// Of the latest readings, 0 or more.
        power: Milliwatts,
        /// The durable energy.
        energy: MilliwattHours,
        /// When the oldest of these readings was made.
        read_at: ClockReading,
    },
    /// Not to be reported, and why, for people ("heat_pump has no baseline yet", "heat_pump was last read 3m ago").
    Waiting(String),
}

/// Arkreen accepted this figure.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptedReport {
    /// The client.
    pub client: Name,
    /// Its energy.
    pub energy: MilliwattHours,
    /// When the answer arrived.
    pub at: ClockReading,
}

/// The ledger's task has ended; the daemon is about to end.
#[derive(Debug, thiserror::Error)]
#[error("the ledger has stopped")]
pub struct LedgerStopped;

/// How other tasks talk to the ledger.
#[derive(Clone, Debug)]
pub struct LedgerHandle {
    readings: mpsc::Sender<Reading>,
    requests: mpsc::Sender<LedgerRequest>,
    report: watch::Receiver<LedgerReport>,
    held: watch::Receiver<Held>,
    /// Notes report slots in recordings.
    recorder: Option<Recorder>,
}

impl LedgerHandle {
    /// Where readings are sent.
    pub fn readings(&self) -> mpsc::Sender<Reading> {
        self.readings.clone()
    }

    /// The same handle, which notes report slots in recordings.
    pub fn recorded_by(self, recorder: Recorder) -> Self {
        LedgerHandle { recorder: Some(recorder), ..self }
    }

    /// A report slot: commits what is new, then gives these clients' figures as they are on disk.
    ///
    /// When the commit fails, or the disk does not answer within some seconds, the figures are those of the last commit that succeeded.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn figures(&self, clients: Vec<Name>) -> Result<Vec<(Name, Figure)>, LedgerStopped> {
        if let Some(recorder) = self.recorder.as_ref().filter(|_| !clients.is_empty()) {
            recorder.slot();
        }
        self.ask(|reply| LedgerRequest::Figures { clients, reply }).await
    }

    /// Notes what Arkreen accepted; on disk within an hour.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn accepted(&self, accepted: Vec<AcceptedReport>) -> Result<(), LedgerStopped> {
        self.ask(|reply| LedgerRequest::Accepted { accepted, reply }).await
    }

    /// Takes other meters and clients; what did not change goes on undisturbed.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn reconfigure(&self, settings: LedgerSettings) -> Result<(), LedgerStopped> {
        self.ask(|reply| LedgerRequest::Reconfigure { settings, reply }).await
    }

    /// The ledger as it is on disk.
    ///
    /// # Errors
    /// When it cannot be read, or the task has ended.
    pub async fn show(&self) -> Result<Shown, ShowError> {
        Ok(self.read(|store| store.view().map(Shown::from)).await??)
    }

    /// Entries of the journal on disk.
    ///
    /// # Errors
    /// When they cannot be read, or the task has ended.
    pub async fn journal(&self, wanted: WantedEntries) -> Result<ShownJournal, ShowError> {
        let read = move |store: &Store| {
            let rows = store.journal(&wanted.query())?;
            Ok::<_, StoreError>(ShownJournal::new(rows, &store.names()?))
        };
        Ok(self.read(read).await??)
    }

    /// A whole copy of the ledger in a file without a name.
    ///
    /// # Errors
    /// When the disk has no room for it, or the task has ended.
    pub async fn backup(&self) -> Result<File, ShowError> {
        Ok(self.read(Store::unnamed_copy).await??)
    }

    /// Commits and ends the task.
    ///
    /// # Errors
    /// When the task has ended already.
    pub async fn close(&self) -> Result<(), LedgerStopped> {
        self.ask(|reply| LedgerRequest::Close { reply }).await
    }

    /// A handle without a task, which reports this.
    #[cfg(test)]
    pub(crate) fn reporting(report: LedgerReport) -> Self {
        let (readings, requests) = (mpsc::channel(1).0, mpsc::channel(1).0);
        let (report, held) = (watch::channel(report).1, watch::channel(Held::default()).1);
        LedgerHandle { readings, requests, report, held, recorder: None }
    }

    /// The current report.
    pub fn report(&self) -> watch::Receiver<LedgerReport> {
        self.report.clone()
    }

    /// The meters whose register is not taken at the moment.
    pub fn held(&self) -> watch::Receiver<Held> {
        self.held.clone()
    }

    /// Runs `read` on the store, on a thread of its own, when no commit is under way.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Result<T, LedgerStopped> {
        self.ask(|reply| LedgerRequest::Read(ReadJob::new(move |store| drop(reply.send(read(store)))))).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> LedgerRequest) -> Result<T, LedgerStopped> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| LedgerStopped)?;
        answer.await.map_err(|_| LedgerStopped)
    }
}
