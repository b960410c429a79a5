//! The ledger's picture of its meters and clients: what readings made of it, what of that is on disk, and what may be reported. Pure.

mod clients;
mod diary;
mod figures;
mod names;
mod remedies;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::client::ClientState;
use super::names::Whose;
use super::settings::{ClientKey, ClientSettings, Settings};
use super::store::{ClientRow, Commit, Contents, MeterRow, Rename};
use super::{Accepted, Barred, MeterLedger};
use crate::clock::ClockReading;
use crate::guard::{self, GuardEvent, GuardState, Judgement, Verdict, Verdicts};
use crate::guard::{CounterSettings, MeterSettings};
use crate::reading::{Held, Reading, RegisterDefinition};
use crate::units::{MilliwattHours, Milliwatts, Name};
use clients::Regrouped;
use diary::Diary;

/// What is not on disk is committed at the latest after this long, whether anybody reports or not.
pub(super) const COMMIT_WITHIN: Duration = Duration::from_secs(120);

/// One among so many meters is written whole with a commit for what was learned of it alone: no slot writes much more than another.
const LEARNED_SHARE: usize = 64;
/// What Arkreen took is written this often, and with whatever else is: it is there to be looked at.
const ACCEPTED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Everything the ledger knows. The figures it gives are those that [`Book::committed`] said are on disk.
#[derive(Debug)]
pub(crate) struct Book {
    /// Also those that are not configured at the moment: they keep their rows. In boxes, for half of a map's own room stands empty.
    meters: BTreeMap<Name, Box<Page>>,
    clients: BTreeMap<ClientKey, Account>,
    configured: Vec<ClientSettings>,
    diary: Diary,
    /// Counts the commits that were prepared: what is touched later is not in them.
    epoch: u64,
    dirty_since: Option<ClockReading>,
    /// When (in epochs) there was last a decision that an older copy of the store does not know; absent once it is on disk.
    decided: Option<u64>,
    /// Why nothing at all may be reported.
    barred: Option<Barred>,
    /// An operator wants the ledger to be this machine's.
    adopting: bool,
    /// An operator wants the ledger to be another machine's.
    retiring: bool,
    /// Names that meters have left, each with its epoch, until that is on disk.
    renames: Vec<(u64, Rename)>,
    /// Entries that were undone in this run, and by which.
    undone: BTreeMap<i64, i64>,
    /// What happened to clients and is not in the journal yet.
    regrouped: Vec<Regrouped>,
}

/// One meter's page.
#[derive(Debug)]
struct Page {
    settings: Option<MeterSettings>,
    state: GuardState,
    confirmed: bool,
    /// As far as the disk knows.
    confirmed_on_disk: bool,
    updated: Timestamp,
    /// The latest reading of this run, whatever it held.
    read_at: Option<ClockReading>,
    power: Option<(Milliwatts, ClockReading)>,
    verdict: Option<Verdict>,
    verdicts: Verdicts,
    touched: Option<u64>,
    /// Whose ledger its readings may belong to instead: nothing of them is taken.
    put_off: Option<Whose>,
    /// The whole state as it is on disk, but for how far the meter got; absent where it has to be written.
    whole: Option<GuardState>,
}

/// One client's account.
#[derive(Debug, Default)]
struct Account {
    state: ClientState,
    /// The energy on disk, as it follows from its row and its members': the only one that is ever reported.
    on_disk: Option<MilliwattHours>,
    /// When (in epochs) something came that follows from no member's row.
    touched: Option<u64>,
    /// When what Arkreen took was last written.
    accepted_on_disk: Option<Timestamp>,
}

/// What a reading came to.
#[derive(Debug)]
pub(crate) struct Taken {
    pub verdict: Verdict,
    pub entry: Option<GuardEvent>,
    /// The figure now; ahead of the disk until the next commit.
    pub published: Option<MilliwattHours>,
    /// The register is not taken at the moment.
    pub held: bool,
    /// A decision: it goes to the disk now, not with the next slot.
    pub commit_now: bool,
    /// It is news: neither ordinary nor one more of a spell.
    pub news: bool,
    /// Entries of the spell of holds and glitches that it ends.
    pub spell_ended: Option<u64>,
    /// It is the first that waits for an operator to say whose ledger it belongs to, and why.
    pub put_off: Option<String>,
}

/// A commit on its way to the disk.
#[derive(Debug)]
pub(crate) struct Pending {
    pub commit: Commit,
    epoch: u64,
    /// The clients' figures that are on disk with it, as far as they are others than before.
    figures: Vec<(ClientKey, Option<MilliwattHours>)>,
}

impl Book {
    /// What the store held, under these settings. `barred` says why nothing may be reported from it, if so.
    pub(crate) fn new(contents: Contents, settings: Settings, barred: Option<Barred>) -> Self {
        let page = |row: MeterRow| (row.name.clone(), Box::new(Page::stored(row)));
        let account = |(key, state): (_, ClientState)| {
            let (on_disk, accepted_on_disk) = (state.energy, state.accepted_at);
            (key, Account { state, on_disk, touched: None, accepted_on_disk })
        };
        let mut book = Book {
            meters: contents.meters.into_values().map(page).collect(),
            clients: contents.clients.into_iter().map(account).collect(),
            configured: Vec::new(),
            diary: Diary::new(contents.next_journal),
            epoch: 1,
            dirty_since: None,
            decided: None,
            barred,
            adopting: false,
            retiring: false,
            renames: Vec::new(),
            undone: BTreeMap::new(),
            regrouped: Vec::new(),
        };
        book.take_up(settings);
        book
    }

    /// Takes up other meters and clients. Who is gone keeps its row; who leaves a client keeps what it gave.
    pub(crate) fn reconfigure(&mut self, settings: Settings) {
        // Under the old membership first: what was counted until now belongs to it.
        self.settle();
        self.take_up(settings);
    }

    fn take_up(&mut self, settings: Settings) {
        for page in self.meters.values_mut() {
            (page.settings, page.put_off) = (None, None);
        }
        for meter in settings.meters {
            let page = self.meters.entry(meter.name.clone()).or_default();
            page.settings = Some(meter);
        }
        for client in &settings.clients {
            self.clients.entry(client.key.clone()).or_default();
        }
        self.configured = settings.clients;
        self.settle();
    }

    /// The configured meters, each with its poll interval.
    pub(crate) fn poll_intervals(&self) -> impl Iterator<Item = (&Name, Duration)> {
        self.meters.iter().filter_map(|(name, page)| Some((name, page.settings.as_ref()?.poll_every)))
    }

    /// Judges a reading; `None` where its meter is not configured (any more).
    pub(crate) fn take(&mut self, reading: &Reading) -> Option<Taken> {
        if let Some(whose) = self.whose(&reading.meter, reading.values.serial.as_deref()) {
            return self.put_off(reading, whose);
        }
        let page = self.meters.get_mut(&reading.meter)?;
        page.put_off = None;
        let settings = page.settings.as_mut()?;
        if matches!(self.barred, Some(Barred::Retired(_))) {
            // Another machine counts on from what is here: what this one counted beside it would be in the way of coming back.
            page.see(reading, Verdict::Unchanged);
            return None;
        }
        if let Some(definition) = &reading.definition {
            settings.definition = RegisterDefinition::clone(definition);
        }
        let first = page.state.published().is_none();
        let state = std::mem::take(&mut page.state);
        let Judgement { state, verdict, entry } = guard::judge(state, settings, &reading.at, &reading.values);
        let (published, held) = (state.published(), state.is_held());
        let begun = first && published.is_some();
        page.read(reading, verdict, state);
        page.touched = Some(self.epoch);
        self.dirty_since.get_or_insert(reading.at);
        let noted = entry.as_ref().map(|entry| self.diary.note(&reading.meter, entry, self.epoch));
        let news = noted.is_some_and(|noted| noted.first);
        if begun || verdict.moves_the_offset() && entry.is_some() {
            self.decided = Some(self.epoch);
        }
        let spell_ended = noted.and_then(|noted| noted.ended);
        Some(Taken { verdict, entry, published, held, commit_now: news || begun, news, spell_ended, put_off: None })
    }

    /// Notes what Arkreen took.
    pub(crate) fn accept(&mut self, accepted: &Accepted) {
        let Some(client) = self.configured.iter().find(|client| client.name == accepted.client) else { return };
        if let Some(account) = self.clients.get_mut(&client.key) {
            account.state.accepted = Some(accepted.energy);
            account.state.accepted_at = Some(accepted.at.wall);
        }
    }

    /// Whether something has waited for a commit for [`COMMIT_WITHIN`].
    pub(crate) fn overdue(&self, now: &ClockReading) -> bool {
        self.dirty_since.is_some_and(|since| now.since(&since).is_none_or(|age| age >= COMMIT_WITHIN))
    }

    /// Everything that is not on disk yet; `None` when all of it is.
    ///
    /// Of a meter that only advanced, how far it got is enough. What was learned of it on the way is written in its turn, and what its
    /// power said since with its next decision; all of it now if `last`. A client's figure follows from its members', and is written when
    /// they are others.
    pub(crate) fn prepare(&mut self, now: &ClockReading, last: bool) -> Option<Pending> {
        self.settle();
        self.note_regrouped(now);
        let lacks = |page: &Page| last && page.whole.as_ref().is_some_and(|whole| *whole != page.state);
        let meters = self.meters.iter().filter(|(_, page)| page.touched.is_some() || lacks(page));
        let clients = self.clients.iter().filter(|(_, account)| account.touched.is_some() || account.heard_since(last));
        let ahead = self.clients.iter().filter(|(_, account)| account.on_disk != account.state.energy);
        let figures = ahead.map(|(key, account)| (key.clone(), account.state.energy)).collect();
        let learned = self.learned();
        let commit = Commit {
            at: *now,
            renames: self.renames.iter().map(|(_, rename)| rename.clone()).collect(),
            meters: meters.map(|(name, page)| page.row(name, last || learned.contains(name))).collect(),
            clients: clients
                .map(|(key, account)| ClientRow { key: key.clone(), state: account.state.clone() })
                .collect(),
            journal: self.diary.waiting(),
            copy: self.decided.is_some(),
            adopt: self.adopting,
            retire: self.retiring,
        };
        if commit.meters.is_empty() && commit.clients.is_empty() && commit.journal.is_empty() {
            return None;
        }
        let epoch = self.epoch;
        self.epoch += 1;
        Some(Pending { commit, epoch, figures })
    }

    /// That commit is on disk: from now on its figures are the ones that are given.
    pub(crate) fn committed(&mut self, pending: Pending) {
        let done = |touched: Option<u64>| touched.filter(|epoch| *epoch > pending.epoch);
        for row in pending.commit.meters {
            if self.renamed_since(&row.name, pending.epoch) {
                continue;
            }
            if let Some(page) = self.meters.get_mut(&row.name) {
                page.confirmed_on_disk = row.confirmed;
                if row.whole {
                    page.whole = Some(row.state);
                }
                page.touched = done(page.touched);
            }
        }
        for row in pending.commit.clients {
            if let Some(account) = self.clients.get_mut(&row.key) {
                account.accepted_on_disk = row.state.accepted_at;
                account.touched = done(account.touched);
            }
        }
        for (key, figure) in pending.figures {
            if let Some(account) = self.clients.get_mut(&key) {
                account.on_disk = figure;
            }
        }
        if pending.commit.adopt {
            (self.adopting, self.barred) = (false, None);
        }
        self.retiring &= !pending.commit.retire;
        self.renames.retain(|(epoch, _)| *epoch > pending.epoch);
        self.diary.committed(pending.epoch);
        self.decided = done(self.decided);
        self.dirty_since = if self.is_clean() { None } else { Some(pending.commit.at) };
    }

    /// The meters whose turn it is to be written whole, because more is known of them than is on disk.
    fn learned(&self) -> BTreeSet<Name> {
        let touched = self.meters.iter().filter(|(_, page)| page.touched.is_some());
        let learned = touched.filter(|(_, page)| page.whole.as_ref().is_some_and(|whole| page.state.learned(whole)));
        learned.map(|(name, _)| name.clone()).take(self.meters.len().div_ceil(LEARNED_SHARE)).collect()
    }

    fn is_clean(&self) -> bool {
        self.diary.is_clean()
            && self.meters.values().all(|page| page.touched.is_none())
            && self.clients.values().all(|account| account.touched.is_none())
    }

    /// The meters whose counter is not taken at the moment.
    pub(crate) fn held(&self) -> Held {
        let configured = self.meters.iter().filter(|(_, page)| page.settings.is_some());
        configured.filter(|(_, page)| page.state.is_held()).map(|(name, _)| name.clone()).collect()
    }

    /// Brings what is said of a configured meter up to date.
    pub(crate) fn tell(&self, name: &Name, told: &mut MeterLedger) {
        let Some(page) = self.meters.get(name) else { return };
        told.verdict = page.verdict.map(Verdict::as_str);
        told.held = page.held(name);
        told.register = page.state.register();
        told.published = page.state.published();
        told.overload = page.settings.as_ref().and_then(|settings| page.state.overload(settings));
        told.stands = page.settings.as_ref().and_then(|settings| guard::stands(&page.state, settings));
        told.verdicts = page.verdicts;
    }

    /// What is to be said of all configured meters.
    pub(crate) fn meters(&self) -> BTreeMap<Name, MeterLedger> {
        let configured = self.meters.iter().filter(|(_, page)| page.settings.is_some());
        let told = configured.map(|(name, _)| {
            let mut told = MeterLedger::default();
            self.tell(name, &mut told);
            (name.clone(), told)
        });
        told.collect()
    }
}

impl Account {
    /// Arkreen took something that is not on disk, and it is time that it was.
    fn heard_since(&self, last: bool) -> bool {
        let Some(at) = self.state.accepted_at.filter(|at| Some(*at) != self.accepted_on_disk) else { return false };
        last || self.accepted_on_disk.is_none_or(|on_disk| at.duration_since(on_disk).abs() >= ACCEPTED_EVERY)
    }
}

impl Page {
    fn stored(row: MeterRow) -> Self {
        let MeterRow { state, confirmed, updated, .. } = row;
        let whole = Some(state.clone());
        Page { state, confirmed, confirmed_on_disk: confirmed, updated, whole, ..Page::default() }
    }

    /// Takes a judged reading down.
    fn read(&mut self, reading: &Reading, verdict: Verdict, state: GuardState) {
        let counts = matches!(self.settings, Some(MeterSettings { counter: CounterSettings::Register, .. }));
        // A lower register within the noise of its last digits is taken as the one that stands; a higher one may wait to be believed.
        let taken = reading.values.register.is_some_and(|register| {
            let behind = state.register().and_then(|stands| stands.checked_sub(register.value));
            behind.is_some_and(|behind| behind.get() <= 2 * register.step.get())
        });
        // A counter that is taken again says all that an older copy did not know. Integrated energy waits for the operator.
        self.confirmed |= counts && taken;
        self.state = state;
        self.see(reading, verdict);
    }

    /// What is known of the meter without its ledger.
    fn see(&mut self, reading: &Reading, verdict: Verdict) {
        self.read_at = Some(reading.at);
        self.updated = reading.at.wall;
        if let Some(power) = reading.values.power {
            self.power = Some((power, reading.at));
        }
        self.verdict = Some(verdict);
        self.verdicts.count(verdict);
    }

    fn row(&self, name: &Name, whole: bool) -> MeterRow {
        let ordinary = self.whole.as_ref().is_some_and(|whole| self.state.only_advanced(whole));
        let brief = ordinary && !whole && self.confirmed == self.confirmed_on_disk;
        let (state, confirmed, updated) = (self.state.clone(), self.confirmed, self.updated);
        MeterRow { name: name.clone(), state, confirmed, updated, whole: !brief }
    }
}

impl Default for Page {
    fn default() -> Self {
        Page {
            settings: None,
            state: GuardState::default(),
            confirmed: true,
            confirmed_on_disk: true,
            updated: Timestamp::UNIX_EPOCH,
            read_at: None,
            power: None,
            verdict: None,
            verdicts: Verdicts::default(),
            touched: None,
            put_off: None,
            whole: None,
        }
    }
}
