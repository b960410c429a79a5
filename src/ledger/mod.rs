//! The ledger: what each meter's counter is worth, on disk before anyone is told.
//!
//! One task owns the store. Readings come in, the guard judges them, and a report slot commits everything in one transaction.

pub mod guard;
mod report;
mod settings;

pub use report::{ClientLedger, LedgerReport, MeterLedger};
pub use settings::{ClientKey, ClientSettings, CounterSettings, MeterSettings, Settings};

use tokio::sync::{mpsc, watch};

use crate::clock::Stamp;
use crate::reading::{Held, Reading};
use crate::units::{MilliwattHours, Milliwatts, Name};

/// What may be reported for one client at a slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// On disk: power of the latest readings (0 or more) and the durable energy.
    Ready { power: Milliwatts, energy: MilliwattHours, read_at: Stamp },
    /// Not to be reported, and why, for people ("heat_pump has no baseline yet", "heat_pump was last read 3m ago").
    Waiting(String),
}

/// Arkreen took this figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub client: Name,
    pub energy: MilliwattHours,
    pub at: Stamp,
}

/// The ledger's task is gone; the daemon is about to end.
#[derive(Debug, thiserror::Error)]
#[error("the ledger has stopped")]
pub struct Gone;

/// How other tasks talk to the ledger.
#[derive(Clone, Debug)]
pub struct Handle {
    readings: mpsc::Sender<Reading>,
}

impl Handle {
    /// Where readings are sent.
    pub fn readings(&self) -> mpsc::Sender<Reading> {
        self.readings.clone()
    }

    /// A report slot: commits what is new, then gives these clients' figures as they are on disk.
    ///
    /// When the commit fails the figures are those of the last one that did not.
    pub async fn figures(&self, _clients: Vec<Name>) -> Result<Vec<(Name, Figure)>, Gone> {
        todo!()
    }

    /// Records what Arkreen took; on disk with the next commit.
    pub async fn accepted(&self, _accepted: Vec<Accepted>) -> Result<(), Gone> {
        todo!()
    }

    /// Takes up other meters and clients; what did not change goes on undisturbed.
    pub async fn reconfigure(&self, _settings: Settings) -> Result<(), Gone> {
        todo!()
    }

    /// Commits and ends the task.
    pub async fn close(&self) -> Result<(), Gone> {
        todo!()
    }

    pub fn report(&self) -> watch::Receiver<LedgerReport> {
        todo!()
    }

    pub fn held(&self) -> watch::Receiver<Held> {
        todo!()
    }
}
