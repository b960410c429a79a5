//! Which figure belongs to which meter. It is found by the meter's name, so a meter that may have been renamed must not begin another.

use super::{LedgerState, MeterRecord, ReadingOutcome, next_id};
use crate::clock::ClockReading;
use crate::guard::{self, GuardEvent, Verdict};
use crate::history::MeterRename;
use crate::ledger::command::CommandError;
use crate::ledger::names::{self, NameConflict};
use crate::ledger::store::MeterId;
use crate::ledger::wording;
use crate::reading::Reading;
use crate::units::Name;

impl LedgerState {
    /// Whether `from` can be renamed to `to`: its id and the event for the journal. Changes nothing.
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
        Ok((record.id, wording::in_words(guard::renamed(&record.state, now, from), from)))
    }

    /// The meter `from` is called `to` from now on. Its journal, its history and its place in clients follow by its id. No figure moves.
    pub(in crate::ledger) fn rename(&mut self, from: &Name, to: &Name) {
        let Some(mut record) = self.meters.remove(from) else { return };
        record.state.rename();
        (record.dirty, record.conflict, record.verdict) = (true, None, None);
        let other = self.meters.remove(to);
        for id in [Some(record.id), other.as_ref().map(|other| other.id)].into_iter().flatten() {
            self.journal.end_series(id);
        }
        let old_settings = record.settings.take();
        let new = MeterRecord::new(record.id);
        let (settings, read_at, power, verdicts, other) = match other {
            // Readings under the new name were of this meter.
            Some(other) => {
                let has_row = other.stored.is_some() || other.dirty;
                (other.settings, other.read_at, other.power, other.verdicts, has_row.then_some(other.id))
            }
            None => (None, new.read_at, new.power, new.verdicts, None),
        };
        self.meters.insert(to.clone(), Box::new(MeterRecord { settings, read_at, power, verdicts, ..*record }));
        // The meter that had the new name without a figure gets the old one, and begins again.
        if other.is_some() || old_settings.is_some() {
            let dirty = other.is_some();
            let id = other.unwrap_or_else(|| MeterId(next_id(&mut self.next_meter)));
            let begun_again = MeterRecord { settings: old_settings, dirty, ..MeterRecord::new(id) };
            self.meters.insert(from.clone(), Box::new(begun_again));
        }
        self.find_renamable();
        self.renames.push(MeterRename { from: from.clone(), to: to.clone() });
        // A client that already has the new name as a member counts it from its present figure.
        self.settle();
    }

    /// Why a reading of this meter may belong to another meter, if it may. It then waits for the operator.
    pub(in crate::ledger) fn conflict(&self, name: &Name, serial: Option<&str>) -> Option<NameConflict> {
        let record = self.meters.get(name)?;
        if record.state.is_blank() {
            self.earlier_name(record, serial)
        } else {
            self.other_meter_of_this_name(record, serial)
        }
    }

    /// The meter that this one, of which no reading was judged yet, may have been before it was renamed: it answers at the same place, or
    /// with the same serial number. That one is no longer configured; or it is configured at another place, because it was renamed only in
    /// the ledger.
    fn earlier_name(&self, record: &MeterRecord, serial: Option<&str>) -> Option<NameConflict> {
        let place = &record.settings.as_ref()?.place;
        let left = |record: &MeterRecord| match record.settings {
            None => record.state.published().is_some() && record.state.may_be(place, serial),
            Some(_) => {
                record.has_new_name_elsewhere() && record.state.place() == place && !record.state.is_other(serial)
            }
        };
        let known = self.renamable.iter().filter_map(|name| self.meters.get_key_value(name));
        let found = known.filter(|(_, record)| left(record)).max_by_key(|(_, record)| record.updated);
        let found = found.map(|(name, record)| match record.settings {
            None => NameConflict::Left(name.clone()),
            Some(_) => NameConflict::Renamed(name.clone()),
        });
        record.conflict.clone().or(found)
    }

    /// Finds the meters that may have been renamed. The first reading of each meter is compared with them, so they are not searched then.
    pub(super) fn find_renamable(&mut self) {
        let may_be = self.meters.iter().filter(|(_, record)| record.settings.is_none() || record.state.is_renamed());
        self.renamable = may_be.map(|(name, _)| name.clone()).collect();
    }

    /// The name that the configuration still has for the meter that was renamed to this one in the ledger. That meter still answers there,
    /// so the one that answers here is another.
    fn other_meter_of_this_name(&self, record: &MeterRecord, serial: Option<&str>) -> Option<NameConflict> {
        if !record.has_new_name_elsewhere() || record.state.is_same(serial) {
            return None;
        }
        let there = |other: &MeterRecord| {
            other.settings.as_ref().is_some_and(|settings| settings.place == record.state.place())
        };
        self.meters.iter().find(|(_, other)| there(other)).map(|(name, _)| NameConflict::Namesake(name.clone()))
    }

    /// Takes a reading that may belong to another meter: its register is not taken until the operator decides.
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
            series_ended: None,
            conflict: news.then_some(why),
        })
    }

    /// See [`names::unmatched`].
    pub(crate) fn unmatched_names(&self) -> Option<String> {
        let configured = self.meters.iter().filter(|(_, record)| record.settings.is_some());
        let known = self.meters.iter().filter(|(_, record)| record.state.published().is_some());
        let [configured, known] = [configured.map(|(name, _)| name).collect(), known.map(|(name, _)| name).collect()];
        names::unmatched(&configured, &known)
    }
}

impl MeterRecord {
    /// Why the register is not taken at the moment, as a message.
    pub(in crate::ledger) fn held(&self, name: &Name) -> Option<String> {
        self.state.held().map(|held| wording::standing(&held)).or_else(|| Some(self.conflict.as_ref()?.wording(name)))
    }

    /// Whether its readings may belong to another meter ([`LedgerState::conflict`]). Those of nearly all meters do not.
    pub(super) fn may_be_another(&self) -> bool {
        self.state.is_blank() || self.has_new_name_elsewhere()
    }

    /// Whether it was renamed in the ledger, and the configuration has its new name at another place.
    fn has_new_name_elsewhere(&self) -> bool {
        let elsewhere = self.settings.as_ref().is_some_and(|settings| settings.place != self.state.place());
        self.state.is_renamed() && elsewhere && self.state.published().is_some()
    }
}
