//! The ledger of one meter without its task, with the same state and the same store. For `replay`.

use std::path::Path;

use super::settings::LedgerSettings;
use super::state::LedgerState;
use super::store::{OpenError, Store, StoreError, StoreOptions};
use crate::clock::ClockReading;
use crate::guard::{Explanation, MeterSettings, Verdict};
use crate::reading::Reading;
use crate::units::MilliwattHours;

/// A ledger in a temporary folder.
#[derive(Debug)]
pub struct Rehearsal {
    ledger: LedgerState,
    store: Store,
}

impl Rehearsal {
    /// Opens the ledger in that folder, or creates one.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(folder: &Path, settings: MeterSettings) -> Result<Self, OpenError> {
        let opened = Store::open(folder, StoreOptions { durable: false, machine: None })?;
        let settings = LedgerSettings { meters: vec![settings], ..LedgerSettings::default() };
        Ok(Rehearsal { ledger: LedgerState::new(opened.contents, settings, None), store: opened.store })
    }

    /// Judges a reading and commits when the task would. Returns the verdict's word and the published figure.
    ///
    /// # Errors
    /// When the commit failed.
    pub fn take(&mut self, reading: &Reading) -> Result<(&'static str, Option<MilliwattHours>), StoreError> {
        let Some(taken) = self.ledger.take(reading) else { return Ok((Verdict::Unchanged.as_str(), None)) };
        if taken.commit_now || self.ledger.overdue(&reading.at) {
            self.commit(&reading.at)?;
        }
        Ok((taken.verdict.as_str(), taken.published))
    }

    /// What the guard will weigh when it judges this reading. `None` where the reading has no register, or the meter has no counter.
    pub fn explain(&self, reading: &Reading) -> Option<Explanation> {
        self.ledger.explain(reading)
    }

    /// Commits as at a report slot.
    ///
    /// # Errors
    /// When the commit failed.
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

    /// Commits and closes it. If it is dropped instead, as in a crash, what was not committed is lost.
    ///
    /// # Errors
    /// When the commit failed.
    pub fn close(mut self, now: &ClockReading) -> Result<(), StoreError> {
        self.write(now, true)?;
        self.store.close()
    }
}
