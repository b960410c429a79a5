//! The ledger's meters and clients in memory: what readings made of them, what of that is on disk, and what may be reported. Pure.

mod clients;
mod figures;
mod journal_buffer;
mod names;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::client::ClientState;
use super::settings::{ClientKey, ClientSettings, LedgerSettings};
use super::store::{ClientRow, Commit, Contents, MeterId};
use super::{AcceptedReport, MeterLedger, ReportingBlock};
use crate::clock::ClockReading;
use crate::guard::{self, GuardEvent, Judgement, Verdict};
use crate::history::MeterRename;
use crate::reading::{Held, Reading, RegisterDefinition};
use crate::units::{MilliwattHours, Name};
use clients::ClientChange;
use journal_buffer::JournalBuffer;

pub(super) use clients::{BEGUN, JOINED, LEFT};
pub(super) use journal_buffer::EntrySubject;
pub(super) use record::MeterRecord;

/// What is not on disk is committed after this time at the latest, whether anybody reports or not.
pub(super) const COMMIT_WITHIN: Duration = Duration::from_secs(120);
/// What Arkreen accepted is written this often, and with other changes of the client: it is for display.
const ACCEPTED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Everything the ledger knows. The figures that it gives are those that [`LedgerState::committed`] was told are on disk.
#[derive(Debug)]
pub(crate) struct LedgerState {
    /// Also those that are not configured at the moment: they keep their rows.
    pub(super) meters: BTreeMap<Name, MeterRecord>,
    pub(super) clients: BTreeMap<ClientKey, ClientBalance>,
    pub(super) configured: Vec<ClientSettings>,
    pub(super) journal: JournalBuffer,
    next_meter: i64,
    next_client: i64,
    /// Counts the commits that were prepared: what is touched later is not in them.
    pub(super) epoch: u64,
    pub(super) dirty_since: Option<ClockReading>,
    /// The epoch of the last decision that an older copy of the store does not have; absent once it is on disk.
    pub(super) decided: Option<u64>,
    /// Why nothing at all may be reported.
    pub(super) block: Option<ReportingBlock>,
    /// An operator wants the ledger to be this machine's.
    pub(super) adopting: bool,
    /// An operator wants the ledger to be another machine's.
    pub(super) retiring: bool,
    /// New names, each with its epoch, until they are on disk.
    renames: Vec<(u64, MeterRename)>,
    /// Entries that were undone in this run, and by which.
    pub(super) undone: BTreeMap<i64, i64>,
    /// What happened to clients and is not in the journal yet.
    client_changes: Vec<ClientChange>,
}

/// One client.
#[derive(Debug)]
pub(super) struct ClientBalance {
    id: i64,
    pub state: ClientState,
    /// The energy on disk, as it follows from its row and its members': the only one that is ever reported.
    on_disk: Option<MilliwattHours>,
    /// The epoch of the last change that follows from no member's row.
    pub touched: Option<u64>,
    /// When what Arkreen accepted was last written.
    accepted_on_disk: Option<Timestamp>,
}

/// What a reading came to.
#[derive(Debug)]
pub(crate) struct ReadingOutcome {
    pub verdict: Verdict,
    pub event: Option<GuardEvent>,
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
    pub conflict: Option<String>,
}

/// A commit on its way to the disk.
#[derive(Debug)]
pub(crate) struct PendingCommit {
    pub commit: Commit,
    pub renames: Vec<MeterRename>,
    epoch: u64,
    /// The clients' figures that are on disk with it, as far as they differ from those before.
    figures: Vec<(ClientKey, Option<MilliwattHours>)>,
}

impl LedgerState {
    /// What the store held, under these settings. `block` says why nothing may be reported from it, if so.
    pub(crate) fn new(contents: Contents, settings: LedgerSettings, block: Option<ReportingBlock>) -> Self {
        let next_meter = contents.meters.values().map(|meter| meter.id.0).max().unwrap_or(0) + 1;
        let next_client = contents.clients.values().map(|client| client.id).max().unwrap_or(0) + 1;
        let balance = |ClientRow { id, key, state }| (key, ClientBalance::stored(id, state));
        let mut ledger = LedgerState {
            meters: contents.meters.into_iter().map(|(name, meter)| (name, MeterRecord::stored(meter))).collect(),
            clients: contents.clients.into_values().map(balance).collect(),
            configured: Vec::new(),
            journal: JournalBuffer::new(contents.next_journal),
            next_meter,
            next_client,
            epoch: 1,
            dirty_since: None,
            decided: None,
            block,
            adopting: false,
            retiring: false,
            renames: Vec::new(),
            undone: BTreeMap::new(),
            client_changes: Vec::new(),
        };
        ledger.configure(settings);
        ledger
    }

    /// Takes other meters and clients. A meter that is gone keeps its row; one that leaves a client keeps what it gave.
    pub(crate) fn reconfigure(&mut self, settings: LedgerSettings) {
        // Under the old membership first: what was counted until now belongs to it.
        self.settle();
        self.configure(settings);
    }

    fn configure(&mut self, settings: LedgerSettings) {
        for record in self.meters.values_mut() {
            (record.settings, record.conflict) = (None, None);
        }
        for meter in settings.meters {
            let next = &mut self.next_meter;
            let record =
                self.meters.entry(meter.name.clone()).or_insert_with(|| MeterRecord::new(MeterId(next_id(next))));
            record.settings = Some(meter);
        }
        for client in &settings.clients {
            let next = &mut self.next_client;
            let balance = || ClientBalance::stored(next_id(next), ClientState::default());
            self.clients.entry(client.key.clone()).or_insert_with(balance);
        }
        self.configured = settings.clients;
        self.settle();
    }

    /// Judges a reading; `None` where its meter is not configured (any more).
    pub(crate) fn take(&mut self, reading: &Reading) -> Option<ReadingOutcome> {
        if let Some(conflict) = self.conflict(&reading.meter, reading.values.serial.as_deref()) {
            return self.wait_for_operator(reading, conflict);
        }
        let record = self.meters.get_mut(&reading.meter)?;
        record.conflict = None;
        let settings = record.settings.as_mut()?;
        if matches!(self.block, Some(ReportingBlock::Retired(_))) {
            // Another machine counts on from here: what this one counted too would be in the way of coming back.
            record.see(reading, Verdict::Unchanged);
            return None;
        }
        if let Some(definition) = &reading.definition
            && settings.definition != **definition
        {
            settings.definition = RegisterDefinition::clone(definition);
        }
        let first = record.state.published().is_none();
        let state = std::mem::take(&mut record.state);
        let Judgement { state, verdict, entry: event } = guard::judge(state, settings, &reading.at, &reading.values);
        let (published, held, id) = (state.published(), state.is_held(), record.id);
        let begun = first && published.is_some();
        record.read(reading, verdict, state);
        record.touched = Some(self.epoch);
        self.dirty_since.get_or_insert(reading.at);
        let noted = event.as_ref().map(|event| self.journal.note(id, event, self.epoch));
        let news = noted.is_some_and(|noted| noted.first);
        if begun || verdict.moves_the_offset() && event.is_some() {
            self.decided = Some(self.epoch);
        }
        let spell_ended = noted.and_then(|noted| noted.ended);
        let commit_now = news || begun;
        Some(ReadingOutcome { verdict, event, published, held, commit_now, news, spell_ended, conflict: None })
    }

    /// Notes what Arkreen accepted.
    pub(crate) fn accept(&mut self, accepted: &AcceptedReport) {
        let Some(client) = self.configured.iter().find(|client| client.name == accepted.client) else { return };
        if let Some(balance) = self.clients.get_mut(&client.key) {
            balance.state.accepted = Some(accepted.energy);
            balance.state.accepted_at = Some(accepted.at.wall);
        }
    }

    /// Whether something has waited for a commit for [`COMMIT_WITHIN`].
    pub(crate) fn overdue(&self, now: &ClockReading) -> bool {
        self.dirty_since.is_some_and(|since| now.since(&since).is_none_or(|age| age >= COMMIT_WITHIN))
    }

    /// Everything that is not on disk yet; `None` when all of it is.
    ///
    /// Of a meter, the figure; the memory where it changed, or in any case if this is the `last` commit. A client's figure follows from
    /// its members', and is written when they change.
    pub(crate) fn prepare(&mut self, now: &ClockReading, last: bool) -> Option<PendingCommit> {
        self.settle();
        self.note_client_changes(now);
        let mut commit = Commit { at: *now, copy: self.decided.is_some(), ..Commit::empty(*now) };
        (commit.adopt, commit.retire) = (self.adopting, self.retiring);
        for (name, record) in &self.meters {
            let memory = record.is_memory_due(last);
            if record.touched.is_some() || memory {
                commit.meters.push(record.row(name));
                commit.memories.extend(memory.then_some(record.id));
            }
        }
        for (key, balance) in &self.clients {
            if balance.touched.is_some() || balance.accepted_since(last) {
                commit.clients.push(ClientRow { id: balance.id, key: key.clone(), state: balance.state.clone() });
            }
        }
        commit.journal = self.journal.waiting();
        if commit.meters.is_empty() && commit.clients.is_empty() && commit.journal.is_empty() {
            return None;
        }
        let ahead = self.clients.iter().filter(|(_, balance)| balance.on_disk != balance.state.energy);
        let figures = ahead.map(|(key, balance)| (key.clone(), balance.state.energy)).collect();
        let renames = self.renames.iter().map(|(_, rename)| rename.clone()).collect();
        let epoch = self.epoch;
        self.epoch += 1;
        Some(PendingCommit { commit, renames, epoch, figures })
    }

    /// That commit is on disk: from now on its figures are the ones that are given.
    pub(crate) fn committed(&mut self, pending: PendingCommit) {
        let done = |touched: Option<u64>| touched.filter(|epoch| *epoch > pending.epoch);
        let mut records: BTreeMap<_, _> = self.meters.values_mut().map(|record| (record.id, record)).collect();
        for row in pending.commit.meters {
            if let Some(record) = records.get_mut(&row.id) {
                record.confirmed_on_disk = row.confirmed;
                record.touched = done(record.touched);
                if pending.commit.memories.contains(&row.id) {
                    record.stored = Some(row.state.memory);
                }
            }
        }
        for row in pending.commit.clients {
            if let Some(balance) = self.clients.get_mut(&row.key) {
                balance.accepted_on_disk = row.state.accepted_at;
                balance.touched = done(balance.touched);
            }
        }
        for (key, figure) in pending.figures {
            if let Some(balance) = self.clients.get_mut(&key) {
                balance.on_disk = figure;
            }
        }
        if pending.commit.adopt {
            (self.adopting, self.block) = (false, None);
        }
        self.retiring &= !pending.commit.retire;
        self.renames.retain(|(epoch, _)| *epoch > pending.epoch);
        self.journal.committed(pending.epoch);
        self.decided = done(self.decided);
        self.dirty_since = if self.is_clean() { None } else { Some(pending.commit.at) };
    }

    fn is_clean(&self) -> bool {
        self.journal.is_clean()
            && self.meters.values().all(|record| record.touched.is_none())
            && self.clients.values().all(|balance| balance.touched.is_none())
    }

    /// The meters whose register is not taken at the moment.
    pub(crate) fn held(&self) -> Held {
        let configured = self.meters.iter().filter(|(_, record)| record.settings.is_some());
        configured.filter(|(_, record)| record.state.is_held()).map(|(name, _)| name.clone()).collect()
    }

    /// Brings the report of a configured meter up to date.
    pub(crate) fn update_report(&self, name: &Name, report: &mut MeterLedger) {
        let Some(record) = self.meters.get(name) else { return };
        report.verdict = record.verdict.map(Verdict::as_str);
        report.held = record.held(name);
        report.register = record.state.register();
        report.published = record.state.published();
        report.overload = record.settings.as_ref().and_then(|settings| record.state.overload(settings));
        report.stands = record.settings.as_ref().and_then(|settings| guard::stands(&record.state, settings));
        report.verdicts = record.verdicts;
    }

    /// The reports of all configured meters.
    pub(crate) fn meter_reports(&self) -> BTreeMap<Name, MeterLedger> {
        let configured = self.meters.iter().filter(|(_, record)| record.settings.is_some());
        let reports = configured.map(|(name, _)| {
            let mut report = MeterLedger::default();
            self.update_report(name, &mut report);
            (name.clone(), report)
        });
        reports.collect()
    }

    /// How often each configured meter is polled.
    pub(crate) fn poll_intervals(&self) -> impl Iterator<Item = (&Name, Duration)> {
        self.meters.iter().filter_map(|(name, record)| Some((name, record.settings.as_ref()?.poll_every)))
    }

    /// The meter with this id.
    pub(super) fn name_of(&self, id: MeterId) -> Option<&Name> {
        self.meters.iter().find(|(_, record)| record.id == id).map(|(name, _)| name)
    }
}

fn next_id(next: &mut i64) -> i64 {
    *next += 1;
    *next - 1
}

impl ClientBalance {
    fn stored(id: i64, state: ClientState) -> Self {
        let (on_disk, accepted_on_disk) = (state.energy, state.accepted_at);
        ClientBalance { id, state, on_disk, touched: None, accepted_on_disk }
    }

    /// Arkreen accepted something that is not on disk, and it is time to write it.
    fn accepted_since(&self, last: bool) -> bool {
        let Some(at) = self.state.accepted_at.filter(|at| Some(*at) != self.accepted_on_disk) else { return false };
        last || self.accepted_on_disk.is_none_or(|on_disk| at.duration_since(on_disk).abs() >= ACCEPTED_EVERY)
    }
}
