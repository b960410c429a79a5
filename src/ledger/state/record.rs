//! One meter in memory: its state, and what of it is on disk.

use jiff::Timestamp;

use crate::clock::ClockReading;
use crate::guard::{CounterSettings, GuardMemory, GuardState, MeterSettings, Verdict, Verdicts};
use crate::ledger::names::NameConflict;
use crate::ledger::store::{MeterId, MeterRow};
use crate::reading::Reading;
use crate::units::{Milliwatts, Name};

/// One meter.
#[derive(Debug)]
pub(in crate::ledger) struct MeterRecord {
    pub id: MeterId,
    pub settings: Option<MeterSettings>,
    pub state: GuardState,
    /// The memory that is on disk; absent where no row of this meter is.
    pub stored: Option<GuardMemory>,
    pub confirmed: bool,
    /// As far as the disk knows.
    pub confirmed_on_disk: bool,
    pub updated: Timestamp,
    /// The latest reading of this run, whatever it held.
    pub read_at: Option<ClockReading>,
    pub power: Option<(Milliwatts, ClockReading)>,
    pub verdict: Option<Verdict>,
    pub verdicts: Verdicts,
    pub touched: Option<u64>,
    /// Whose ledger its readings may belong to instead: nothing of them is taken.
    pub conflict: Option<NameConflict>,
}

impl MeterRecord {
    pub(super) fn stored(MeterRow { id, state, confirmed, updated, .. }: MeterRow) -> Self {
        let (new, stored) = (MeterRecord::new(id), Some(state.memory.clone()));
        MeterRecord { state, stored, confirmed, confirmed_on_disk: confirmed, updated, ..new }
    }

    /// A meter of which nothing is known.
    pub(super) fn new(id: MeterId) -> Self {
        MeterRecord {
            id,
            settings: None,
            state: GuardState::default(),
            stored: None,
            confirmed: true,
            confirmed_on_disk: true,
            updated: Timestamp::UNIX_EPOCH,
            read_at: None,
            power: None,
            verdict: None,
            verdicts: Verdicts::default(),
            touched: None,
            conflict: None,
        }
    }

    /// Notes a judged reading.
    pub(super) fn read(&mut self, reading: &Reading, verdict: Verdict, state: GuardState) {
        let counts = self.settings.as_ref().is_some_and(|settings| settings.counter == CounterSettings::Register);
        // A lower register within the noise of its last digits is taken as the last one; a higher one may wait to be believed.
        let taken = reading.values.register.is_some_and(|register| {
            let behind = state.register().and_then(|stands| stands.checked_sub(register.value));
            behind.is_some_and(|behind| behind.get() <= 2 * register.step.get())
        });
        // A counter that is taken again gives all that an older copy did not know. Integrated energy waits for the operator.
        self.confirmed |= counts && taken;
        self.state = state;
        self.see(reading, verdict);
    }

    /// Notes what is known of the meter without its ledger.
    pub(super) fn see(&mut self, reading: &Reading, verdict: Verdict) {
        self.read_at = Some(reading.at);
        self.updated = reading.at.wall;
        if let Some(power) = reading.values.power {
            self.power = Some((power, reading.at));
        }
        self.verdict = Some(verdict);
        self.verdicts.count(verdict);
    }

    pub(super) fn row(&self, name: &Name) -> MeterRow {
        let MeterRecord { id, confirmed, updated, ref state, .. } = *self;
        MeterRow { id, name: name.clone(), confirmed, updated, state: state.clone() }
    }

    /// Whether the memory has to be written: it changed, it is the first, or this is the last commit and anything at all changed.
    pub(super) fn is_memory_due(&self, last: bool) -> bool {
        let memory = &self.state.memory;
        match &self.stored {
            None => self.touched.is_some(),
            Some(stored) => self.touched.is_some() && memory.differs_from(stored) || last && memory != stored,
        }
    }
}
