//! Which ledger is whose: a meter's goes by its name, and one that may only have been renamed begins no other.

use super::{LedgerState, MeterRecord, ReadingOutcome, next_id};
use crate::clock::ClockReading;
use crate::guard::{self, GuardEvent, Verdict};
use crate::history::MeterRename;
use crate::ledger::command::CommandError;
use crate::ledger::names::{self, NameConflict};
use crate::ledger::store::MeterId;
use crate::reading::Reading;
use crate::units::Name;

impl LedgerState {
    /// Whether the ledger of `from` can go on as that of `to`, and what the journal keeps of it. Changes nothing.
    pub(in crate::ledger) fn check_rename(
        &self,
        from: &Name,
        to: &Name,
        now: &ClockReading,
    ) -> Result<(MeterId, GuardEvent), CommandError> {
        let known = self.meters.iter().filter(|(_, record)| !record.state.is_blank()).map(|(name, _)| name);
        let record = self.meters.get(from).filter(|record| !record.state.is_blank());
        let record =
            record.ok_or_else(|| CommandError::NoLedger { meter: from.clone(), near: names::nearest(from, known) })?;
        if from == to {
            return Err(CommandError::SameName(from.clone()));
        }
        if self.meters.get(to).is_some_and(|other| other.state.published().is_some()) {
            return Err(CommandError::NameTaken { from: from.clone(), to: to.clone() });
        }
        Ok((record.id, guard::renamed(&record.state, now, from)))
    }

    /// The meter `from` is called `to` from now on. Its journal, its history and its place in clients follow by its id. No figure moves.
    pub(in crate::ledger) fn rename(&mut self, from: &Name, to: &Name) {
        let Some(mut record) = self.meters.remove(from) else { return };
        record.state.rename();
        (record.touched, record.conflict, record.verdict) = (Some(self.epoch), None, None);
        let other = self.meters.remove(to);
        for id in [Some(record.id), other.as_ref().map(|other| other.id)].into_iter().flatten() {
            self.journal.end_spell(id);
        }
        let old_settings = record.settings.take();
        let new = MeterRecord::new(record.id);
        let (settings, read_at, power, verdicts, other) = match other {
            // What was read under the new name is of this meter.
            Some(other) => {
                let has_row = other.stored.is_some() || other.touched.is_some();
                (other.settings, other.read_at, other.power, other.verdicts, has_row.then_some(other.id))
            }
            None => (None, new.read_at, new.power, new.verdicts, None),
        };
        self.meters.insert(to.clone(), MeterRecord { settings, read_at, power, verdicts, ..record });
        // The meter that had the new name without a figure goes on under the old one, and begins again.
        if other.is_some() || old_settings.is_some() {
            let touched = other.map(|_| self.epoch);
            let id = other.unwrap_or_else(|| MeterId(next_id(&mut self.next_meter)));
            self.meters.insert(from.clone(), MeterRecord { settings: old_settings, touched, ..MeterRecord::new(id) });
        }
        self.renames.push((self.epoch, MeterRename { from: from.clone(), to: to.clone() }));
        // A client that has the new name as a member already takes it in as it stands now: what it advances from here on is counted.
        self.settle();
    }

    /// Which other ledger a reading of this meter may belong to instead of its own: it waits until somebody says so.
    pub(in crate::ledger) fn conflict(&self, name: &Name, serial: Option<&str>) -> Option<NameConflict> {
        let record = self.meters.get(name)?;
        if record.state.is_blank() { self.forerunner(record, serial) } else { self.namesake(record, serial) }
    }

    /// The meter that this one, of which no reading was judged yet, may have been before it was renamed: it answers where that one did, or
    /// with its serial number. That one is not configured any more; or it is, somewhere else, because only the ledger knows its new name.
    fn forerunner(&self, record: &MeterRecord, serial: Option<&str>) -> Option<NameConflict> {
        let place = &record.settings.as_ref()?.place;
        let left = |record: &MeterRecord| match record.settings {
            None => record.state.published().is_some() && record.state.may_be(place, serial),
            Some(_) => record.is_handed_on() && record.state.place() == place && !record.state.is_other(serial),
        };
        let found = self.meters.iter().filter(|(_, record)| left(record)).max_by_key(|(_, record)| record.updated);
        let found = found.map(|(name, record)| match record.settings {
            None => NameConflict::Left(name.clone()),
            Some(_) => NameConflict::Renamed(name.clone()),
        });
        record.conflict.clone().or(found)
    }

    /// The name that the configuration still has for the meter whose ledger was renamed to this one. There it answers as ever, and what
    /// answers here is another.
    fn namesake(&self, record: &MeterRecord, serial: Option<&str>) -> Option<NameConflict> {
        if !record.is_handed_on() || record.state.is_same(serial) {
            return None;
        }
        let there = |other: &MeterRecord| {
            other.settings.as_ref().is_some_and(|settings| settings.place == record.state.place())
        };
        self.meters.iter().find(|(_, other)| there(other)).map(|(name, _)| NameConflict::Namesake(name.clone()))
    }

    /// A reading of a meter that may have a ledger under another name: its register waits there, until somebody says whose it is.
    pub(super) fn wait_for_operator(&mut self, reading: &Reading, conflict: NameConflict) -> Option<ReadingOutcome> {
        let record = self.meters.get_mut(&reading.meter)?;
        let why = conflict.wording(&reading.meter);
        let news = record.conflict.replace(conflict).is_none();
        record.see(reading, Verdict::Held);
        Some(ReadingOutcome {
            verdict: Verdict::Held,
            event: None,
            published: record.state.published(),
            held: false,
            commit_now: false,
            news,
            spell_ended: None,
            conflict: news.then_some(why),
        })
    }

    /// What is to be said where the configuration names meters without a ledger and the ledger has some without a meter.
    pub(crate) fn strangers(&self) -> Option<String> {
        let configured = self.meters.iter().filter(|(_, record)| record.settings.is_some());
        let known = self.meters.iter().filter(|(_, record)| record.state.published().is_some());
        let [configured, known] = [configured.map(|(name, _)| name).collect(), known.map(|(name, _)| name).collect()];
        names::strangers(&configured, &known)
    }
}

impl MeterRecord {
    /// Why the register is not taken at the moment, for people.
    pub(in crate::ledger) fn held(&self, name: &Name) -> Option<String> {
        self.state.held().or_else(|| Some(self.conflict.as_ref()?.wording(name)))
    }

    /// It was renamed in the ledger, and the configuration has its name at another place.
    fn is_handed_on(&self) -> bool {
        let elsewhere = self.settings.as_ref().is_some_and(|settings| settings.place != self.state.place());
        self.state.is_renamed() && elsewhere && self.state.published().is_some()
    }
}
