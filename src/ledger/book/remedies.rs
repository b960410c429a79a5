//! An operator's orders, taken down like decisions: the state they lead to, and a row of their own in the journal.

use super::{Book, Page, clients};
use crate::clock::ClockReading;
use crate::guard::{self, DecisionError, GuardEvent, Judgement};
use crate::guard::{CounterSettings, MeterSettings};
use crate::ledger::Barred;
use crate::ledger::names::{self, Whose};
use crate::ledger::remedy::{CommandError, Order, Outcome, RENAME, Remedy, SET};
use crate::units::Name;

impl Book {
    /// Carries the order out, or in a dry run says what it would do. A refusal changes nothing.
    pub(crate) fn order(&mut self, order: &Order, now: &ClockReading) -> Result<Outcome, CommandError> {
        if let Some(Barred::Retired(_)) = self.barred
            && order.remedy != (Remedy::Move {})
        {
            return Err(CommandError::Retired);
        }
        let meter = match &order.remedy {
            Remedy::Adopt {} => return self.adopt(order, now),
            Remedy::Move {} => return Ok(self.retire(order, now)),
            Remedy::Rename { meter, to } => return self.order_rename(order, meter, to, now),
            Remedy::Undo { entry } => self.undone_meter(order, *entry)?,
            Remedy::Accept { meter }
            | Remedy::Credit { meter, .. }
            | Remedy::Set { meter, .. }
            | Remedy::Replace { meter, .. } => meter.clone(),
        };
        if let Some(client) = self.client_alone(&meter) {
            return match order.remedy {
                Remedy::Set { energy, .. } => self.set_client(order, &client, energy, now),
                _ => Err(CommandError::IsClient {
                    client: meter,
                    members: names::listed(&client.meters.iter().map(Name::as_str).collect::<Vec<_>>()),
                }),
            };
        }
        let page = self.meters.get(&meter);
        let known = page.and_then(|page| Some((page, page.settings.as_ref()?)));
        let (page, settings) = known.ok_or_else(|| self.unknown(meter.clone()))?;
        let accepts = matches!(order.remedy, Remedy::Accept { .. });
        let (judged, confirms) = match self.whose(&meter, None) {
            Some(Whose::Namesake(_)) if accepts => (guard::moved(&page.state, settings, now), false),
            Some(Whose::Left(other) | Whose::Renamed(other)) if accepts => {
                (guard::begin(&page.state, settings, now, &other), false)
            }
            _ => page.remedied(settings, order, now)?,
        };
        let Some(mut entry) = judged.entry else { return Err(CommandError::NothingHeld(meter)) };
        let stands = guard::stands(&judged.state, settings).map(|stands| format!("; {stands}")).unwrap_or_default();
        entry.reason = signed(order, &format!("{}{stands}", entry.reason));
        let mut outcome = Outcome::of(&order.remedy, meter.clone(), &entry);
        outcome.counted_after_mwh = judged.state.counted();
        outcome.clients = self.clients_moved(&meter, judged.state.published());
        if order.dry_run {
            return Ok(outcome);
        }
        if let Some(page) = self.meters.get_mut(&meter) {
            page.state = judged.state;
            page.verdict = Some(judged.verdict);
            page.confirmed |= confirms;
            page.put_off = None;
            page.updated = now.wall;
            page.touched = Some(self.epoch);
        }
        if let (Remedy::Undo { entry: id }, Some(subject)) = (&order.remedy, &order.subject) {
            self.undone.insert(*id, self.diary.next_id());
            if let Some(again) = subject.entry.as_ref().and_then(|entry| entry.undoes) {
                self.undone.remove(&again);
            }
        }
        outcome.entry = Some(self.note(order, Some(&meter), Some(entry), &outcome.reason, now));
        Ok(outcome)
    }

    /// The ledger is this machine's from the next commit on.
    fn adopt(&mut self, order: &Order, now: &ClockReading) -> Result<Outcome, CommandError> {
        if self.barred.is_none() {
            return Err(CommandError::NotForeign);
        }
        let reason = signed(order, "this machine takes the ledger over and reports from now on");
        let mut outcome = Outcome::of_all(&order.remedy, reason);
        if !order.dry_run {
            self.adopting = true;
            outcome.entry = Some(self.note(order, None, None, &outcome.reason, now));
        }
        Ok(outcome)
    }

    /// Another machine reports from now on: nothing is given to anybody any more, and from the next commit on for good.
    fn retire(&mut self, order: &Order, now: &ClockReading) -> Outcome {
        if let Some(barred @ Barred::Retired(_)) = self.barred {
            return Outcome::of_all(&order.remedy, barred.to_string());
        }
        let reason = "this machine gives the ledger away and counts and reports nothing of it any more";
        let mut outcome = Outcome::of_all(&order.remedy, signed(order, reason));
        if !order.dry_run {
            (self.retiring, self.barred) = (true, Some(Barred::Retired(now.wall)));
            outcome.entry = Some(self.note(order, None, None, &outcome.reason, now));
        }
        outcome
    }

    fn order_rename(
        &mut self,
        order: &Order,
        from: &Name,
        to: &Name,
        now: &ClockReading,
    ) -> Result<Outcome, CommandError> {
        let mut entry = self.check_rename(from, to, now)?;
        entry.reason = signed(order, &entry.reason);
        let mut outcome = Outcome::of(&order.remedy, to.clone(), &entry);
        if !order.dry_run {
            self.rename(from, to);
            // What it makes of clients first: the order is the newest entry, and the one that can be taken back.
            self.note_regrouped(now);
            outcome.entry = Some(self.note(order, Some(to), Some(entry), &outcome.reason, now));
        }
        Ok(outcome)
    }

    /// Why nothing can be done with a meter of this name.
    fn unknown(&self, meter: Name) -> CommandError {
        if self.meters.get(&meter).is_some_and(|page| !page.state.is_blank()) {
            return CommandError::Left(meter);
        }
        let configured = self.meters.iter().filter(|(_, page)| page.settings.is_some()).map(|(name, _)| name);
        CommandError::UnknownMeter { near: names::nearest(&meter, configured), meter }
    }

    pub(super) fn note(
        &mut self,
        order: &Order,
        meter: Option<&Name>,
        entry: Option<GuardEvent>,
        reason: &str,
        now: &ClockReading,
    ) -> i64 {
        self.decided = Some(self.epoch);
        self.dirty_since.get_or_insert(*now);
        self.diary.record(meter, order.remedy.word(), entry, reason, now, self.epoch)
    }

    /// The meter whose entry is to be undone.
    fn undone_meter(&self, order: &Order, id: i64) -> Result<Name, CommandError> {
        let row = order.subject.as_ref().ok_or(CommandError::NoEntry(id))?;
        if let Some(by) = self.undone.get(&id) {
            return Err(CommandError::Undone { entry: id, by: *by });
        }
        let moved = row.entry.as_ref().is_some_and(|entry| entry.correction.is_some());
        if let Some(instead) = instead(&row.word).filter(|_| !moved) {
            return Err(DecisionError::NothingToUndo { entry: id, word: row.word.clone(), instead }.into());
        }
        let Some(meter) = row.meter.clone().filter(|_| row.entry.is_some()) else {
            let instead = "it concerns the whole ledger, or tells too little of what it did";
            return Err(DecisionError::NothingToUndo { entry: id, word: row.word.clone(), instead }.into());
        };
        let here = self.meters.get(&meter).is_some_and(|page| page.settings.is_some());
        if here { Ok(meter) } else { Err(CommandError::EntryOfGone { entry: id, meter }) }
    }
}

impl Page {
    /// What the order makes of this meter, and whether it confirms a figure that an older copy held.
    fn remedied(
        &self,
        settings: &MeterSettings,
        order: &Order,
        now: &ClockReading,
    ) -> Result<(Judgement, bool), CommandError> {
        let state = &self.state;
        let name = || settings.name.clone();
        let judged = match &order.remedy {
            Remedy::Accept { .. } if state.held().is_some() => {
                return guard::accept(state, settings, now)
                    .map(|judged| (judged, false))
                    .ok_or_else(|| CommandError::NothingHeld(name()));
            }
            Remedy::Accept { .. } => {
                let waits = settings.counter == CounterSettings::FromPower && !self.confirmed;
                return waits
                    .then(|| (guard::go_on(state, settings, now), true))
                    .ok_or_else(|| CommandError::NothingHeld(name()));
            }
            Remedy::Credit { .. } | Remedy::Set { .. } | Remedy::Replace { .. } if state.published().is_none() => {
                return Err(DecisionError::NoBaseline(name()).into());
            }
            Remedy::Credit { energy, .. } => guard::credit(state, settings, now, *energy)?,
            Remedy::Set { energy, .. } => guard::set(state, settings, now, *energy)?,
            Remedy::Replace { old_reading, new_reading, .. } => {
                guard::replace(state, settings, now, *old_reading, *new_reading)?
            }
            Remedy::Undo { entry: id } => match order.subject.as_ref().and_then(|row| row.entry.as_ref()) {
                Some(entry) => {
                    guard::undo(state, settings, now, *id, entry).map_err(|why| order.in_its_word(why.into()))?
                }
                None => return Err(CommandError::NoEntry(*id)),
            },
            Remedy::Adopt {} | Remedy::Move {} | Remedy::Rename { .. } => return Err(CommandError::NotForeign),
        };
        Ok((judged, false))
    }
}

/// What to do about an operator's order, or a change of a client, that moved no meter's figure.
fn instead(word: &str) -> Option<&'static str> {
    match word {
        RENAME => Some("`arkmeter ledger rename` with the names the other way round gives the old name back"),
        SET => Some(
            "what is published stands, and the counter's own figure goes on from there by itself once it has caught up",
        ),
        clients::BEGUN | clients::JOINED | clients::LEFT => Some(
            "change the members of the client in the configuration; what was consumed meanwhile can be added with `arkmeter ledger credit`",
        ),
        _ => None,
    }
}

/// The reason with who it was.
pub(super) fn signed(order: &Order, reason: &str) -> String {
    match order.uid {
        Some(uid) => format!("uid {uid}: {reason}"),
        None => reason.to_owned(),
    }
}
