//! Applies an operator's command to the ledger's state. Like a decision, it has an entry of its own in the journal.

use super::{CommandError, CommandOutcome, CommandRequest, OperatorCommand, RENAME, SET};
use crate::clock::ClockReading;
use crate::guard::{self, CounterSettings, DecisionError, GuardEvent, Judgement, MeterSettings};
use crate::ledger::ReportingBlock;
use crate::ledger::names::{self, NameConflict};
use crate::ledger::state::{BEGUN, EntrySubject, JOINED, LEFT, LedgerState, MeterRecord};
use crate::ledger::wording;
use crate::units::Name;

impl LedgerState {
    /// Carries out the command, or in a dry run returns what it would do. A refusal changes nothing.
    pub(crate) fn apply(
        &mut self,
        request: &CommandRequest,
        now: &ClockReading,
    ) -> Result<CommandOutcome, CommandError> {
        if let Some(ReportingBlock::Retired(_)) = self.block
            && request.command != (OperatorCommand::Move {})
        {
            return Err(CommandError::Retired);
        }
        let meter = match &request.command {
            OperatorCommand::Adopt {} => return self.adopt(request, now),
            OperatorCommand::Move {} => return Ok(self.retire(request, now)),
            OperatorCommand::Rename { meter, to } => return self.apply_rename(request, meter, to, now),
            OperatorCommand::Undo { entry } => self.meter_of_entry(request, *entry)?,
            OperatorCommand::Accept { meter }
            | OperatorCommand::Credit { meter, .. }
            | OperatorCommand::Set { meter, .. }
            | OperatorCommand::Replace { meter, .. } => meter.clone(),
        };
        let Some(client) = self.client_alone(&meter) else { return self.apply_to_meter(request, meter, now) };
        match request.command {
            OperatorCommand::Set { energy, .. } => self.set_client(request, &client, energy, now),
            _ => {
                let members = names::listed(&client.meters.iter().map(Name::as_str).collect::<Vec<_>>());
                Err(CommandError::IsClient { client: meter, members })
            }
        }
    }

    fn apply_to_meter(
        &mut self,
        request: &CommandRequest,
        meter: Name,
        now: &ClockReading,
    ) -> Result<CommandOutcome, CommandError> {
        let record = self.meters.get(&meter);
        let known = record.and_then(|record| Some((record, record.settings.as_ref()?)));
        let (record, settings) = known.ok_or_else(|| self.unknown(meter.clone()))?;
        let id = record.id;
        let accepts = matches!(request.command, OperatorCommand::Accept { .. });
        let (judgement, confirms) = match self.conflict(&meter, None) {
            Some(NameConflict::Namesake(_)) if accepts => (guard::moved(&record.state, settings, now), false),
            Some(NameConflict::Left(other) | NameConflict::Renamed(other)) if accepts => {
                (guard::begin(&record.state, settings, now, &other), false)
            }
            _ => record.judge_command(settings, request, now)?,
        };
        let Some(event) = judgement.entry else { return Err(CommandError::NothingHeld(meter)) };
        let mut event = wording::in_words(event, &meter);
        let ahead = guard::ahead(&judgement.state).map(|ahead| format!("; {}", wording::ahead(ahead, settings)));
        let stands = ahead.unwrap_or_default();
        event.reason = request.signed(&format!("{}{stands}", event.reason));
        let mut outcome = CommandOutcome::of(&request.command, meter.clone(), &event);
        outcome.counted_after_mwh = judgement.state.counted();
        outcome.clients = self.clients_moved(&meter, judgement.state.published());
        if request.dry_run {
            return Ok(outcome);
        }
        if let Some(record) = self.meters.get_mut(&meter) {
            record.state = judgement.state;
            record.verdict = Some(judgement.verdict);
            record.confirmed |= confirms;
            record.conflict = None;
            record.updated = now.wall;
            record.dirty = true;
        }
        if let (OperatorCommand::Undo { entry: undone }, Some(subject)) = (&request.command, &request.subject) {
            self.undone.insert(*undone, self.journal.next_id());
            if let Some(again) = subject.entry.as_ref().and_then(|entry| entry.undoes) {
                self.undone.remove(&again);
            }
        }
        outcome.entry = Some(self.note_command(request, EntrySubject::Meter(id), Some(event), &outcome.reason, now));
        Ok(outcome)
    }

    /// Makes the ledger this machine's with the next commit.
    fn adopt(&mut self, request: &CommandRequest, now: &ClockReading) -> Result<CommandOutcome, CommandError> {
        if self.block.is_none() {
            return Err(CommandError::NotForeign);
        }
        let outcome = self.note_for_ledger(request, "this machine takes the ledger over and reports from now on", now);
        self.adopting |= !request.dry_run;
        Ok(outcome)
    }

    /// Stops all reports from this machine now, and durably with the next commit.
    fn retire(&mut self, request: &CommandRequest, now: &ClockReading) -> CommandOutcome {
        if let Some(block @ ReportingBlock::Retired(_)) = self.block {
            return CommandOutcome::of_ledger(&request.command, block.to_string());
        }
        let reason = "the ledger is moved away: this machine no longer counts or reports anything from it";
        let outcome = self.note_for_ledger(request, reason, now);
        if !request.dry_run {
            (self.retiring, self.block) = (true, Some(ReportingBlock::Retired(now.wall)));
        }
        outcome
    }

    /// The outcome of a command about the whole ledger, with its entry in the journal unless it is a dry run.
    fn note_for_ledger(&mut self, request: &CommandRequest, reason: &str, now: &ClockReading) -> CommandOutcome {
        let mut outcome = CommandOutcome::of_ledger(&request.command, request.signed(reason));
        if !request.dry_run {
            outcome.entry = Some(self.note_command(request, EntrySubject::Ledger, None, &outcome.reason, now));
        }
        outcome
    }

    fn apply_rename(
        &mut self,
        request: &CommandRequest,
        from: &Name,
        to: &Name,
        now: &ClockReading,
    ) -> Result<CommandOutcome, CommandError> {
        let (id, mut event) = self.check_rename(from, to, now)?;
        event.reason = request.signed(&event.reason);
        let mut outcome = CommandOutcome::of(&request.command, to.clone(), &event);
        if !request.dry_run {
            self.rename(from, to);
            // Before the command's own entry, which is the newest and the one that can be undone.
            self.note_client_changes(now);
            let subject = EntrySubject::Meter(id);
            outcome.entry = Some(self.note_command(request, subject, Some(event), &outcome.reason, now));
        }
        Ok(outcome)
    }

    /// Why the command cannot be applied to a meter of this name.
    fn unknown(&self, meter: Name) -> CommandError {
        if self.meters.get(&meter).is_some_and(|record| !record.state.is_blank()) {
            return CommandError::Left(meter);
        }
        let configured = self.meters.iter().filter(|(_, record)| record.settings.is_some()).map(|(name, _)| name);
        CommandError::UnknownMeter { near: names::nearest(&meter, configured), meter }
    }

    /// Enters a command in the journal; returns the entry's number.
    pub(in crate::ledger) fn note_command(
        &mut self,
        request: &CommandRequest,
        subject: EntrySubject,
        event: Option<GuardEvent>,
        reason: &str,
        now: &ClockReading,
    ) -> i64 {
        self.decided = true;
        self.dirty_since.get_or_insert(*now);
        self.journal.record(subject, request.command.word(), event, reason, now)
    }

    /// The meter whose entry is to be undone.
    fn meter_of_entry(&self, request: &CommandRequest, entry: i64) -> Result<Name, CommandError> {
        let row = request.subject.as_ref().ok_or(CommandError::NoEntry(entry))?;
        if let Some(by) = self.undone.get(&entry) {
            return Err(CommandError::Undone { entry, by: *by });
        }
        let moved = row.entry.as_ref().is_some_and(|event| event.correction.is_some());
        if let Some(instead) = instead(&row.word).filter(|_| !moved) {
            return Err(DecisionError::NothingToUndo { entry, word: row.word.clone(), instead }.into());
        }
        let Some(id) = row.meter.filter(|_| row.entry.is_some()) else {
            let instead = "it is about the whole ledger, or does not have what it changed";
            return Err(DecisionError::NothingToUndo { entry, word: row.word.clone(), instead }.into());
        };
        let name = self.name_of(id).ok_or(CommandError::NoEntry(entry))?;
        let here = self.meters.get(name).is_some_and(|record| record.settings.is_some());
        if here { Ok(name.clone()) } else { Err(CommandError::EntryOfGone { entry, meter: name.clone() }) }
    }
}

impl MeterRecord {
    /// The command's effect on this meter, and whether it confirms a figure that came from an older copy.
    fn judge_command(
        &self,
        settings: &MeterSettings,
        request: &CommandRequest,
        now: &ClockReading,
    ) -> Result<(Judgement, bool), CommandError> {
        let state = &self.state;
        let nothing_held = || CommandError::NothingHeld(settings.name.clone());
        let judgement = match &request.command {
            OperatorCommand::Accept { .. } if state.held().is_some() => {
                guard::accept(state, settings, now).ok_or_else(nothing_held)?
            }
            OperatorCommand::Accept { .. } => {
                let waits = settings.counter == CounterSettings::FromPower && !self.confirmed;
                let accepted = waits.then(|| (guard::go_on(state, settings, now), true));
                return accepted.ok_or_else(nothing_held);
            }
            OperatorCommand::Credit { .. } | OperatorCommand::Set { .. } | OperatorCommand::Replace { .. }
                if state.published().is_none() =>
            {
                return Err(DecisionError::NoBaseline(settings.name.clone()).into());
            }
            OperatorCommand::Credit { energy, .. } => guard::credit(state, settings, now, *energy)?,
            OperatorCommand::Set { energy, .. } => guard::set(state, settings, now, *energy)?,
            OperatorCommand::Replace { old_reading, new_reading, .. } => {
                guard::replace(state, settings, now, *old_reading, *new_reading)?
            }
            OperatorCommand::Undo { entry } => match request.subject.as_ref().and_then(|row| row.entry.as_ref()) {
                Some(event) => {
                    guard::undo(state, settings, now, *entry, event).map_err(|why| request.in_its_word(why))?
                }
                None => return Err(CommandError::NoEntry(*entry)),
            },
            OperatorCommand::Adopt {} | OperatorCommand::Move {} | OperatorCommand::Rename { .. } => {
                return Err(CommandError::NotForeign);
            }
        };
        Ok((judgement, false))
    }
}

/// What to do instead of undoing a command, or a change of a client, that moved no meter's figure.
fn instead(word: &str) -> Option<&'static str> {
    match word {
        RENAME => Some("`arkmeter ledger rename` with the names the other way round restores the old name"),
        SET => {
            Some("a published figure cannot fall, and this one rises again by itself once the counter has caught up")
        }
        BEGUN | JOINED | LEFT => Some(
            "change the members of the client in the configuration; what was consumed meanwhile can be added with `arkmeter ledger credit`",
        ),
        _ => None,
    }
}
