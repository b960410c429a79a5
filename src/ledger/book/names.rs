//! Which ledger is whose: a meter's goes by its name, and one that may only have been renamed begins no other.

use super::{Book, Page, Taken};
use crate::clock::Stamp;
use crate::ledger::guard::{self, Entry, Verdict};
use crate::ledger::names;
use crate::ledger::remedy::Refusal;
use crate::ledger::store::Rename;
use crate::one_by_one::OneByOne;
use crate::reading::Reading;
use crate::units::Name;

impl Book {
    /// Whether the ledger of `from` can go on as that of `to`, and what the journal keeps of it. Changes nothing.
    pub(super) fn check_rename(&self, from: &Name, to: &Name, now: &Stamp) -> Result<Entry, Refusal> {
        let known = self.meters.iter().filter(|(_, page)| !page.state.is_blank()).map(|(name, _)| name);
        let page = self.meters.get(from).filter(|page| !page.state.is_blank());
        let page = page.ok_or_else(|| Refusal::NoLedger { meter: from.clone(), near: names::nearest(from, known) })?;
        if from == to {
            return Err(Refusal::SameName(from.clone()));
        }
        if self.meters.get(to).is_some_and(|other| other.state.published().is_some()) {
            return Err(Refusal::NameTaken { from: from.clone(), to: to.clone() });
        }
        Ok(guard::renamed(&page.state, now, from))
    }

    /// Hands the ledger of `from` on to `to`: state, journal, and its place in the clients that count it. No figure moves.
    ///
    /// History, where there is one, is handed on by whoever carries out [`Commit::renames`](crate::ledger::store::Commit).
    pub(super) fn rename(&mut self, from: &Name, to: &Name) {
        let Some(page) = self.meters.remove(from) else { return };
        let Page { settings, state, confirmed, confirmed_on_disk, updated, .. } = *page;
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

    /// The meter that this one may have been before it was renamed: it answers where that one did, or with its serial number, and no
    /// reading of it was judged yet.
    pub(super) fn forerunner(&self, name: &Name, serial: Option<&str>) -> Option<Name> {
        let page = self.meters.get(name).filter(|page| page.state.is_blank())?;
        let place = &page.settings.as_ref()?.place;
        let left = |page: &Page| page.settings.is_none() && page.state.published().is_some();
        let candidates = self.meters.iter().filter(|(_, page)| left(page));
        let found = candidates.filter(|(_, page)| page.state.may_be(place, serial)).map(|(name, _)| name.clone());
        page.put_off.clone().or(found.max_by_key(|name| self.meters.get(name).map(|page| page.updated)))
    }

    /// A reading of a meter that may have a ledger under another name: its register waits there, until somebody says whose it is.
    pub(super) fn put_off(&mut self, reading: &Reading, forerunner: Name) -> Option<Taken> {
        let page = self.meters.get_mut(&reading.meter)?;
        let news = page.put_off.is_none();
        let why = names::put_off(&reading.meter, &forerunner);
        page.put_off = Some(forerunner);
        page.see(reading, Verdict::Held);
        Some(Taken {
            verdict: Verdict::Held,
            entry: None,
            published: None,
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
        let [configured, known] =
            [configured.map(|(name, _)| name).one_by_one(), known.map(|(name, _)| name).one_by_one()];
        names::strangers(&configured, &known)
    }
}

impl Page {
    /// Why the register is not taken at the moment, for people.
    pub(super) fn held(&self, name: &Name) -> Option<String> {
        self.state.held().or_else(|| Some(names::put_off(name, self.put_off.as_ref()?)))
    }
}
