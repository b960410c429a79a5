//! The ledger: what each meter's counter is worth, on disk before anyone is told.
//!
//! One task owns the store. Readings come in, the guard judges them, and a report slot commits everything in one transaction.

mod barred;
mod book;
mod client;

pub mod machine;
pub mod names;
pub mod orders;
mod rehearsal;
pub mod remedy;
mod report;
pub(crate) mod settings;
pub mod shown;
pub mod store;
mod task;
#[cfg(test)]
pub(crate) mod testing;

pub use barred::Barred;
pub use rehearsal::Rehearsal;
pub use report::{ClientLedger, LedgerReport, MeterLedger};
pub use settings::{ClientKey, ClientSettings, Settings};
pub use store::OpenError;
pub use task::{Ledger, open};

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::ClockReading;
use crate::reading::{Held, Reading};
use crate::recorder::Recorder;
use crate::units::{MilliwattHours, Milliwatts, Name};
use task::Request;

/// What may be reported for one client at a slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// On disk: power of the latest readings (0 or more) and the durable energy.
    Ready { power: Milliwatts, energy: MilliwattHours, read_at: ClockReading },
    /// Not to be reported, and why, for people ("heat_pump has no baseline yet", "heat_pump was last read 3m ago").
    Waiting(String),
}

/// Arkreen took this figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub client: Name,
    pub energy: MilliwattHours,
    pub at: ClockReading,
}

/// The ledger's task is gone; the daemon is about to end.
#[derive(Debug, thiserror::Error)]
#[error("the ledger has stopped")]
pub struct Gone;

/// How other tasks talk to the ledger.
#[derive(Clone, Debug)]
pub struct Handle {
    readings: mpsc::Sender<Reading>,
    requests: mpsc::Sender<Request>,
    report: watch::Receiver<LedgerReport>,
    held: watch::Receiver<Held>,
    /// Where the store lies.
    folder: PathBuf,
    /// Who is told of report slots.
    recorder: Option<Recorder>,
}

impl Handle {
    /// Where readings are sent.
    pub fn readings(&self) -> mpsc::Sender<Reading> {
        self.readings.clone()
    }

    /// The same handle, which tells of report slots.
    pub fn recorded_by(self, recorder: Recorder) -> Self {
        Handle { recorder: Some(recorder), ..self }
    }

    /// A report slot: commits what is new, then gives these clients' figures as they are on disk.
    ///
    /// When the commit fails, or the disk does not answer within some seconds, the figures are those of the last one that did not.
    pub async fn figures(&self, clients: Vec<Name>) -> Result<Vec<(Name, Figure)>, Gone> {
        if let Some(recorder) = self.recorder.as_ref().filter(|_| !clients.is_empty()) {
            recorder.slot();
        }
        self.ask(|reply| Request::Figures { clients, reply }).await
    }

    /// Records what Arkreen took; on disk with the next commit.
    pub async fn accepted(&self, accepted: Vec<Accepted>) -> Result<(), Gone> {
        self.ask(|reply| Request::Accepted { accepted, reply }).await
    }

    /// Takes up other meters and clients; what did not change goes on undisturbed.
    pub async fn reconfigure(&self, settings: Settings) -> Result<(), Gone> {
        self.ask(|reply| Request::Reconfigure { settings, reply }).await
    }

    /// Commits and ends the task.
    pub async fn close(&self) -> Result<(), Gone> {
        self.ask(|reply| Request::Close { reply }).await
    }

    pub fn report(&self) -> watch::Receiver<LedgerReport> {
        self.report.clone()
    }

    pub fn held(&self) -> watch::Receiver<Held> {
        self.held.clone()
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}
