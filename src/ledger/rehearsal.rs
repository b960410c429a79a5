//! The ledger of one meter without its task: the same book over the same store, commit by commit. For `replay`.

use std::path::Path;

use super::settings::LedgerSettings;
use super::state::LedgerState;
use super::store::{OpenError, Store, StoreError, StoreOptions};
use crate::clock::ClockReading;
use crate::guard::MeterSettings;
use crate::guard::Verdict;
use crate::reading::Reading;
use crate::units::MilliwattHours;

/// One run of the ledger over a folder that nobody needs to outlive the process.
#[derive(Debug)]
pub struct Rehearsal {
    ledger: LedgerState,
    store: Store,
}

impl Rehearsal {
    /// Opens the ledger in that folder, or begins one.
    pub fn open(folder: &Path, settings: MeterSettings) -> Result<Self, OpenError> {
        let opened = Store::open(folder, StoreOptions { durable: false, machine: None })?;
        let settings = LedgerSettings { meters: vec![settings], ..LedgerSettings::default() };
        Ok(Rehearsal { ledger: LedgerState::new(opened.contents, settings, None), store: opened.store })
    }

    /// Judges a reading and commits when the task would: the verdict's word, and the figure that a slot would publish now.
    pub fn take(&mut self, reading: &Reading) -> Result<(&'static str, Option<MilliwattHours>), StoreError> {
        let Some(taken) = self.ledger.take(reading) else { return Ok((Verdict::Unchanged.as_str(), None)) };
        if taken.commit_now || self.ledger.overdue(&reading.at) {
            self.commit(&reading.at)?;
        }
        Ok((taken.verdict.as_str(), taken.published))
    }

    /// A report slot.
    pub fn commit(&mut self, now: &ClockReading) -> Result<(), StoreError> {
        self.write(now, false)
    }

    fn write(&mut self, now: &ClockReading, last: bool) -> Result<(), StoreError> {
        if let Some(pending) = self.ledger.prepare(now, last) {
            self.store.commit(&pending.commit)?;
            self.ledger.committed(pending);
        }
        Ok(())
    }

    /// An orderly end. Dropping it instead is a crash: what was not committed is gone.
    pub fn close(mut self, now: &ClockReading) -> Result<(), StoreError> {
        self.write(now, true)?;
        self.store.close()
    }
}
