//! Which ledger is whose: a meter's goes by its name, and one that may only have been renamed begins no other.

use super::{Book, Page, Taken};
use crate::clock::ClockReading;
use crate::guard::{self, GuardEvent, Verdict};
use crate::ledger::names::{self, Whose};
use crate::ledger::remedy::CommandError;
use crate::ledger::store::Rename;
use crate::reading::Reading;
use crate::units::Name;

impl Book {
    /// Whether the ledger of `from` can go on as that of `to`, and what the journal keeps of it. Changes nothing.
    pub(super) fn check_rename(&self, from: &Name, to: &Name, now: &ClockReading) -> Result<GuardEvent, CommandError> {
        let known = self.meters.iter().filter(|(_, page)| !page.state.is_blank()).map(|(name, _)| name);
        let page = self.meters.get(from).filter(|page| !page.state.is_blank());
        let page =
            page.ok_or_else(|| CommandError::NoLedger { meter: from.clone(), near: names::nearest(from, known) })?;
        if from == to {
            return Err(CommandError::SameName(from.clone()));
        }
        if self.meters.get(to).is_some_and(|other| other.state.published().is_some()) {
            return Err(CommandError::NameTaken { from: from.clone(), to: to.clone() });
        }
        Ok(guard::renamed(&page.state, now, from))
    }

    /// Hands the ledger of `from` on to `to`: state, journal, and its place in the clients that count it. No figure moves.
    ///
    /// History, where there is one, is handed on by whoever carries out [`Commit::renames`](crate::ledger::store::Commit).
    pub(super) fn rename(&mut self, from: &Name, to: &Name) {
        let Some(page) = self.meters.remove(from) else { return };
        let Page { settings, mut state, confirmed, confirmed_on_disk, updated, .. } = *page;
        state.rename();
        // What the meter says under its new name already is as true as ever.
        let seen = self.meters.remove(to).unwrap_or_default();
        let touched = Some(self.epoch);
        let whole = None;
        let page = Page {
            state,
            confirmed,
            confirmed_on_disk,
            updated,
            put_off: None,
            verdict: None,
            touched,
            whole,
            ..*seen
        };
        self.meters.insert(to.clone(), page.into());
        if settings.is_some() {
            self.meters.insert(from.clone(), Page { settings, ..Page::default() }.into());
        }
        for account in self.clients.values_mut() {
            if let Some(counted) = account.state.counted.remove(from) {
                account.state.counted.insert(to.clone(), counted);
                account.touched = touched;
            }
        }
        self.diary.rename(from, to);
        self.renames.push((self.epoch, Rename { from: from.clone(), to: to.clone() }));
        // A client that has the new name as a member already takes it in as it stands now: what it advances from here on is counted.
        self.settle();
    }

    /// Whether this meter's page is not the one any more that was prepared for a commit in that epoch.
    pub(super) fn renamed_since(&self, name: &Name, epoch: u64) -> bool {
        let later = self.renames.iter().filter(|(renamed, _)| *renamed > epoch);
        later.map(|(_, rename)| rename).any(|rename| rename.from == *name || rename.to == *name)
    }

    /// Whose ledger a reading of this meter may belong to instead of its own: it waits until somebody says so.
    pub(super) fn whose(&self, name: &Name, serial: Option<&str>) -> Option<Whose> {
        let page = self.meters.get(name)?;
        if page.state.is_blank() { self.forerunner(page, serial) } else { self.namesake(page, serial) }
    }

    /// The meter that this one, of which no reading was judged yet, may have been before it was renamed: it answers where that one did, or
    /// with its serial number. That one is not configured any more; or it is, somewhere else, because only the ledger knows its new name.
    fn forerunner(&self, page: &Page, serial: Option<&str>) -> Option<Whose> {
        let place = &page.settings.as_ref()?.place;
        let left = |page: &Page| match page.settings {
            None => page.state.published().is_some() && page.state.may_be(place, serial),
            Some(_) => page.is_handed_on() && page.state.place() == place && !page.state.is_other(serial),
        };
        let found = self.meters.iter().filter(|(_, page)| left(page)).max_by_key(|(_, page)| page.updated);
        let found = found.map(|(name, page)| match page.settings {
            None => Whose::Left(name.clone()),
            Some(_) => Whose::Renamed(name.clone()),
        });
        page.put_off.clone().or(found)
    }

    /// The name that the configuration still has for the meter whose ledger was renamed to this one. There it answers as ever, and what
    /// answers here is another.
    fn namesake(&self, page: &Page, serial: Option<&str>) -> Option<Whose> {
        if !page.is_handed_on() || page.state.is_same(serial) {
            return None;
        }
        let there = |other: &Page| other.settings.as_ref().is_some_and(|settings| settings.place == page.state.place());
        self.meters.iter().find(|(_, other)| there(other)).map(|(name, _)| Whose::Namesake(name.clone()))
    }

    /// A reading of a meter that may have a ledger under another name: its register waits there, until somebody says whose it is.
    pub(super) fn put_off(&mut self, reading: &Reading, whose: Whose) -> Option<Taken> {
        let page = self.meters.get_mut(&reading.meter)?;
        let why = whose.wording(&reading.meter);
        let news = page.put_off.replace(whose).is_none();
        page.see(reading, Verdict::Held);
        Some(Taken {
            verdict: Verdict::Held,
            entry: None,
            published: page.state.published(),
            held: false,
            commit_now: false,
            news,
            spell_ended: None,
            put_off: news.then_some(why),
        })
    }

    /// What is to be said where the configuration names meters without a ledger and the ledger has some without a meter.
    pub(crate) fn strangers(&self) -> Option<String> {
        let configured = self.meters.iter().filter(|(_, page)| page.settings.is_some());
        let known = self.meters.iter().filter(|(_, page)| page.state.published().is_some());
        let [configured, known] = [configured.map(|(name, _)| name).collect(), known.map(|(name, _)| name).collect()];
        names::strangers(&configured, &known)
    }
}

impl Page {
    /// Why the register is not taken at the moment, for people.
    pub(super) fn held(&self, name: &Name) -> Option<String> {
        self.state.held().or_else(|| Some(self.put_off.as_ref()?.wording(name)))
    }

    /// It was renamed in the ledger, and the configuration has its name at another place.
    fn is_handed_on(&self) -> bool {
        let elsewhere = self.settings.as_ref().is_some_and(|settings| settings.place != self.state.place());
        self.state.is_renamed() && elsewhere && self.state.published().is_some()
    }
}
