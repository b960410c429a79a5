//! One meter in memory: its state, and what of it is on disk.

use jiff::Timestamp;

use crate::clock::ClockReading;
use crate::guard::{Advice, CounterSettings, GuardMemory, GuardState, MeterSettings, PowerFault, Verdict, Verdicts};
use crate::ledger::names::NameConflict;
use crate::ledger::store::{MeterId, MeterRow};
use crate::ledger::wording;
use crate::reading::Reading;
use crate::units::{Milliwatts, Name};

/// One meter.
#[derive(Debug)]
pub(in crate::ledger) struct MeterRecord {
    pub id: MeterId,
    pub settings: Option<MeterSettings>,
    pub state: GuardState,
    /// The memory that is on disk; absent if the meter has no row yet.
    pub stored: Option<GuardMemory>,
    pub confirmed: bool,
    /// The same, on disk.
    pub confirmed_on_disk: bool,
    pub updated: Timestamp,
    /// When the latest reading of this run was made.
    pub read_at: Option<ClockReading>,
    /// The latest power that the connection can carry.
    pub power: Option<(Milliwatts, ClockReading)>,
    /// Why the power of the latest reading is not used, if so.
    pub power_fault: Option<PowerFault>,
    pub verdict: Option<Verdict>,
    pub verdicts: Verdicts,
    /// Its figure or name is not on disk.
    pub dirty: bool,
    /// Why its readings may belong to another meter: none of them is taken.
    pub conflict: Option<NameConflict>,
}

impl MeterRecord {
    pub(super) fn stored(MeterRow { id, state, confirmed, updated, .. }: MeterRow) -> Self {
        let (new, stored) = (MeterRecord::new(id), Some(state.memory.clone()));
        MeterRecord { state, stored, confirmed, confirmed_on_disk: confirmed, updated, ..new }
    }

    /// A meter without a reading.
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
            power_fault: None,
            verdict: None,
            verdicts: Verdicts::default(),
            dirty: false,
            conflict: None,
        }
    }

    /// Records a judged reading.
    pub(super) fn read(&mut self, reading: &Reading, verdict: Verdict, state: GuardState) {
        let counts = self.settings.as_ref().is_some_and(|settings| settings.counter == CounterSettings::Register);
        // A register that is lower by at most two steps counts as the last one; a higher one may still be held.
        let taken = reading.values.register.is_some_and(|register| {
            let behind = state.register().and_then(|stands| stands.checked_sub(register.value));
            behind.is_some_and(|behind| behind.get() <= 2 * register.step.get())
        });
        // A counter that is taken again has all that an older copy lacks. Integrated energy waits for the operator.
        self.confirmed |= counts && taken;
        self.state = state;
        self.see(reading, verdict);
    }

    /// Records the parts of a reading that do not change the figure.
    pub(super) fn see(&mut self, reading: &Reading, verdict: Verdict) {
        self.read_at = Some(reading.at);
        self.updated = reading.at.wall;
        if let Some(power) = reading.values.power.filter(|_| self.power_fault.is_none()) {
            self.power = Some((power, reading.at));
        }
        self.verdict = Some(verdict);
        self.verdicts.count(verdict);
    }

    /// What is wrong at the meter, and what should be checked there, for people.
    pub(super) fn faults_and_advice(&self) -> (Vec<String>, Vec<String>) {
        let (Some(settings), Some(now)) = (&self.settings, &self.read_at) else { return Default::default() };
        let advice = self.state.advice(settings, now);
        let (faults, advice): (Vec<_>, Vec<_>) =
            advice.iter().partition(|advice| matches!(advice, Advice::RegisterStands { .. }));
        let faults = faults.into_iter().map(wording::advice).chain(self.power_fault.as_ref().map(wording::power_fault));
        (faults.collect(), advice.into_iter().map(wording::advice).collect())
    }

    /// The row of a commit; its memory is written only `with_memory`, and empty otherwise.
    pub(super) fn row(&self, name: &Name, with_memory: bool) -> MeterRow {
        let MeterRecord { id, confirmed, updated, ref state, .. } = *self;
        let memory = if with_memory { state.memory.clone() } else { GuardMemory::default() };
        let state = GuardState { figure: state.figure.clone(), memory };
        MeterRow { id, name: name.clone(), confirmed, updated, state }
    }

    /// Whether the memory has to be written: it changed, it is the first, or this is the last commit and anything at all changed.
    pub(super) fn is_memory_due(&self, last: bool) -> bool {
        let memory = &self.state.memory;
        match &self.stored {
            None => self.dirty,
            Some(stored) => self.dirty && memory.differs_from(stored) || last && memory != stored,
        }
    }
}
