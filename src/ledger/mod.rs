//! The ledger: the energy of each meter and client, on disk before it is reported.
//!
//! One task owns the store. The guard judges the readings that arrive, and a report slot commits everything in one transaction. While the
//! daemon runs, the ledger is read through this task, because nobody else can open the file.

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
mod wording;

pub use rehearsal::Rehearsal;
pub use report::{ClientLedger, LedgerReport, MeterLedger, ReportingBlock};
pub use settings::{ClientKey, ClientSettings, LedgerSettings};
pub use store::{OpenError, StoreError};
pub use task::{LedgerTask, open};

use std::fmt;
use std::fs::File;

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::ClockReading;
use crate::reading::{Held, Reading};
use crate::recorder::Recorder;
use crate::units::{MilliwattHours, Milliwatts, Name};
use command::CommandError;
use shown::{Shown, ShownJournal};
use store::{JournalQuery, Store};
use task::{LedgerRequest, ReadJob};

/// What may be reported for a client at a slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// A figure that is on disk.
    Ready {
        /// The sum of the members' latest power, 0 or more.
        power: Milliwatts,
        /// The energy on disk.
        energy: MilliwattHours,
        /// When the oldest of these readings was made.
        read_at: ClockReading,
    },
    /// Why there is nothing to report.
    Waiting(WaitingReason),
}

/// Why there is nothing to report for a client. Its text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitingReason {
    /// These meters are new: their first readings have not agreed for long enough. This passes by itself.
    NoBaseline(Vec<Name>),
    /// Another reason, as a message ("heat_pump was last read 3m ago").
    Other(String),
}

impl fmt::Display for WaitingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitingReason::NoBaseline(meters) => f.write_str(&wording::no_baseline(meters)),
            WaitingReason::Other(why) => f.write_str(why),
        }
    }
}

impl From<String> for WaitingReason {
    fn from(why: String) -> Self {
        WaitingReason::Other(why)
    }
}

impl From<&str> for WaitingReason {
    fn from(why: &str) -> Self {
        WaitingReason::Other(why.to_owned())
    }
}

/// A figure that Arkreen accepted.
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

/// Why the ledger cannot be shown or saved, or why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The command is refused.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger's task has ended.
    #[error(transparent)]
    Stopped(#[from] LedgerStopped),
}

/// How other tasks use the ledger.
#[derive(Clone, Debug)]
pub struct LedgerHandle {
    readings: mpsc::Sender<Reading>,
    requests: mpsc::Sender<LedgerRequest>,
    report: watch::Receiver<LedgerReport>,
    held: watch::Receiver<Held>,
    /// Adds report slots to recordings.
    recorder: Option<Recorder>,
}

impl LedgerHandle {
    /// The queue for readings.
    pub fn readings(&self) -> mpsc::Sender<Reading> {
        self.readings.clone()
    }

    /// The same handle, which adds report slots to recordings.
    pub fn recorded_by(self, recorder: Recorder) -> Self {
        LedgerHandle { recorder: Some(recorder), ..self }
    }

    /// A report slot: commits what is new, then returns these clients' figures as they are on disk.
    ///
    /// If the commit fails, or the disk does not answer within 10 seconds, the figures are those of the last commit that succeeded.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn figures(&self, clients: Vec<Name>) -> Result<Vec<(Name, Figure)>, LedgerStopped> {
        if let Some(recorder) = self.recorder.as_ref().filter(|_| !clients.is_empty()) {
            recorder.slot();
        }
        self.ask(|reply| LedgerRequest::Figures { clients, reply }).await
    }

    /// Records what Arkreen accepted; on disk within an hour.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn accepted(&self, accepted: Vec<AcceptedReport>) -> Result<(), LedgerStopped> {
        self.ask(|reply| LedgerRequest::Accepted { accepted, reply }).await
    }

    /// Takes other meters and clients; those that did not change continue.
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
    pub async fn show(&self) -> Result<Shown, LedgerError> {
        Ok(self.read(Store::contents).await??.into())
    }

    /// Entries of the journal on disk.
    ///
    /// # Errors
    /// When they cannot be read, or the task has ended.
    pub async fn journal(&self, query: JournalQuery) -> Result<ShownJournal, LedgerError> {
        let read = move |store: &Store| Ok::<_, StoreError>((store.journal(&query)?, store.contents()?));
        let (rows, contents) = self.read(read).await??;
        Ok(ShownJournal::new(rows, &contents.names()))
    }

    /// A whole copy of the ledger in a file without a name.
    ///
    /// # Errors
    /// When the disk has no room for it, or the task has ended.
    pub async fn backup(&self) -> Result<File, LedgerError> {
        Ok(self.read(Store::unnamed_copy).await??)
    }

    /// Commits and ends the task.
    ///
    /// # Errors
    /// When the task has already ended.
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

    /// The meters whose register is held at the moment.
    pub fn held(&self) -> watch::Receiver<Held> {
        self.held.clone()
    }

    /// Runs `read` on the store, on a blocking thread, when no commit is running.
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
