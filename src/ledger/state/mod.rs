//! The ledger's meters and clients in memory: what readings have made of them, what of that is on disk, and what may be reported. Pure.

mod clients;
mod figures;
mod journal_buffer;
mod names;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::client::ClientState;
use super::settings::{ClientKey, ClientSettings, LedgerSettings};
use super::store::{ClientRow, Commit, Contents, MeterId};
use super::wording;
use super::{AcceptedReport, MeterLedger, ReportingBlock};
use crate::clock::ClockReading;
use crate::guard::{self, Explanation, GuardEvent, Judgement, Verdict};
use crate::history::{HoursByClient, MeterRename};
use crate::reading::{Held, Reading, RegisterDefinition};
use crate::report_hours::ReportHours;
use crate::units::{MilliwattHours, Name};
use clients::ClientChange;
use journal_buffer::JournalBuffer;

pub(super) use clients::{BEGUN, JOINED, LEFT};
pub(super) use journal_buffer::EntrySubject;
pub(super) use record::MeterRecord;

/// What is not on disk is committed after this time at the latest, even if nothing is reported.
pub(super) const COMMIT_WITHIN: Duration = Duration::from_secs(120);
/// What Arkreen accepted is only shown, so it is written this often, and with other changes of the client.
const ACCEPTED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Everything the ledger knows. The figures to report are only those of commits that [`LedgerState::committed`] confirmed.
#[derive(Debug)]
pub(crate) struct LedgerState {
    /// Also those that are not configured at the moment: they keep their rows.
    pub(super) meters: BTreeMap<Name, Box<MeterRecord>>,
    pub(super) clients: BTreeMap<ClientKey, ClientBalance>,
    pub(super) configured: BTreeMap<Name, ClientSettings>,
    pub(super) journal: JournalBuffer,
    next_meter: i64,
    next_client: i64,
    pub(super) dirty_since: Option<ClockReading>,
    /// There was a decision that an older copy of the store does not have.
    pub(super) decided: bool,
    /// Why nothing at all may be reported.
    pub(super) block: Option<ReportingBlock>,
    /// An operator made the ledger this machine's.
    pub(super) adopting: bool,
    /// An operator moved the ledger to another machine.
    pub(super) retiring: bool,
    /// Meters that are not configured, or that were renamed since they were last read.
    renamable: Vec<Name>,
    /// New names that are not on disk.
    renames: Vec<MeterRename>,
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
    /// It has a change that does not follow from its members' rows and is not on disk.
    pub dirty: bool,
    /// When what Arkreen accepted was last written.
    accepted_on_disk: Option<Timestamp>,
    /// Reports that Arkreen accepted since the start.
    reports: u64,
    /// The same in each hour of the last week. The history keeps them: no figure depends on them.
    hours: ReportHours,
}

/// The result of a reading.
#[derive(Debug)]
pub(crate) struct ReadingOutcome {
    pub verdict: Verdict,
    pub event: Option<GuardEvent>,
    /// The figure now; ahead of the disk until the next commit.
    pub published: Option<MilliwattHours>,
    /// The register is not taken at the moment, or waits to be taken: the poller reads it again soon.
    pub held: bool,
    /// It is a decision, which is committed at once instead of at the next slot.
    pub commit_now: bool,
    /// It is worth a log line: neither ordinary nor one more of a series.
    pub news: bool,
    /// The number of holds and glitches in the series that it ends.
    pub series_ended: Option<u64>,
    /// Why the operator has to say to which meter it belongs, if it is the first such reading.
    pub conflict: Option<String>,
}

/// A commit that is being written.
#[derive(Debug)]
pub(crate) struct PendingCommit {
    pub commit: Commit,
    pub renames: Vec<MeterRename>,
    /// The clients' figures that are on disk with it, if they differ from those before.
    figures: Vec<(ClientKey, Option<MilliwattHours>)>,
}

impl LedgerState {
    /// The contents of a store under these settings. `block` is why nothing may be reported from it.
    pub(crate) fn new(contents: Contents, settings: LedgerSettings, block: Option<ReportingBlock>) -> Self {
        let next_meter = contents.meters.values().map(|meter| meter.id.0).max().unwrap_or(0) + 1;
        let next_client = contents.clients.values().map(|client| client.id).max().unwrap_or(0) + 1;
        let balance = |ClientRow { id, key, state }| (key, ClientBalance::stored(id, state));
        let mut ledger = LedgerState {
            meters: contents
                .meters
                .into_iter()
                .map(|(name, meter)| (name, Box::new(MeterRecord::stored(meter))))
                .collect(),
            clients: contents.clients.into_values().map(balance).collect(),
            configured: BTreeMap::new(),
            journal: JournalBuffer::new(contents.next_journal),
            next_meter,
            next_client,
            dirty_since: None,
            decided: false,
            block,
            adopting: false,
            retiring: false,
            renamable: Vec::new(),
            renames: Vec::new(),
            undone: BTreeMap::new(),
            client_changes: Vec::new(),
        };
        ledger.configure(settings);
        ledger
    }

    /// Takes other meters and clients. A meter that is gone keeps its row; one that leaves a client keeps what it gave.
    pub(crate) fn reconfigure(&mut self, settings: LedgerSettings) {
        // First with the old members: what was counted until now belongs to them.
        self.settle();
        self.configure(settings);
    }

    fn configure(&mut self, settings: LedgerSettings) {
        for record in self.meters.values_mut() {
            (record.settings, record.conflict) = (None, None);
        }
        for meter in settings.meters {
            let next = &mut self.next_meter;
            let record = self
                .meters
                .entry(meter.name.clone())
                .or_insert_with(|| Box::new(MeterRecord::new(MeterId(next_id(next)))));
            record.settings = Some(meter);
        }
        for client in &settings.clients {
            let next = &mut self.next_client;
            let balance = || ClientBalance::stored(next_id(next), ClientState::default());
            self.clients.entry(client.key.clone()).or_insert_with(balance);
        }
        self.configured = settings.clients.into_iter().map(|client| (client.name.clone(), client)).collect();
        self.find_renamable();
        self.settle();
    }

    /// Judges a reading; `None` if its meter is not configured.
    pub(crate) fn take(&mut self, reading: &Reading) -> Option<ReadingOutcome> {
        let mut record = self.meters.get_mut(&reading.meter)?;
        if record.may_be_another() {
            if let Some(conflict) = self.conflict(&reading.meter, reading.values.serial.as_deref()) {
                return self.wait_for_operator(reading, conflict);
            }
            record = self.meters.get_mut(&reading.meter)?;
        }
        record.conflict = None;
        let settings = record.settings.as_mut()?;
        if matches!(self.block, Some(ReportingBlock::Retired(_))) {
            // Another machine continues from here. What this one counted would prevent the ledger from coming back.
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
        let Judgement { state, verdict, power_fault, entry } =
            guard::judge(state, settings, &reading.at, &reading.values);
        let event = entry.map(|event| wording::in_words(event, &reading.meter));
        let (published, id) = (state.published(), record.id);
        let held = state.is_held() || state.is_waiting();
        let begun = first && published.is_some();
        record.power_fault = power_fault;
        record.read(reading, verdict, state);
        record.dirty = true;
        self.dirty_since.get_or_insert(reading.at);
        let noted = event.as_ref().map(|event| self.journal.note(id, event));
        let news = noted.is_some_and(|noted| noted.first);
        self.decided |= begun || verdict.moves_the_offset() && event.is_some();
        let series_ended = noted.and_then(|noted| noted.ended);
        let commit_now = news || begun;
        Some(ReadingOutcome { verdict, event, published, held, commit_now, news, series_ended, conflict: None })
    }

    /// What the guard will weigh when it judges this reading.
    pub(super) fn explain(&self, reading: &Reading) -> Option<Explanation> {
        let record = self.meters.get(&reading.meter)?;
        guard::explain(&record.state, record.settings.as_ref()?, &reading.at, &reading.values)
    }

    /// Records what Arkreen accepted, and returns the client's hours.
    pub(crate) fn accept(&mut self, accepted: &AcceptedReport) -> Option<(&ClientKey, &ReportHours)> {
        let client = self.configured.get(&accepted.client)?;
        let balance = self.clients.get_mut(&client.key)?;
        balance.state.accepted = Some(accepted.energy);
        balance.state.accepted_at = Some(accepted.at.wall);
        balance.reports += 1;
        balance.hours.count(accepted.at.wall);
        Some((&client.key, &balance.hours))
    }

    /// Adds what was counted before the start to each client's hours; returns those of the clients with such counts.
    pub(crate) fn add_stored_hours(&mut self, mut stored: HoursByClient) -> HoursByClient {
        for (key, balance) in &mut self.clients {
            if let Some(hours) = stored.get_mut(&key.in_history()) {
                balance.hours.add_earlier(hours);
                hours.clone_from(&balance.hours);
            }
        }
        stored
    }

    /// Whether a change has waited for a commit for [`COMMIT_WITHIN`].
    pub(crate) fn overdue(&self, now: &ClockReading) -> bool {
        self.dirty_since.is_some_and(|since| now.since(&since).is_none_or(|age| age >= COMMIT_WITHIN))
    }

    /// Takes everything that is not on disk yet; `None` if there is nothing. [`committed`](Self::committed) or [`failed`](Self::failed) must
    /// follow before the next one.
    ///
    /// It has the figures of all meters that advanced, and a memory if it changed, or in any case if this is the `last` commit. A client's
    /// figure follows from its members' and is written when they change.
    pub(crate) fn prepare(&mut self, now: &ClockReading, last: bool) -> Option<PendingCommit> {
        self.settle();
        self.note_client_changes(now);
        let mut commit = Commit::empty(*now);
        (commit.adopt, commit.retire) = (self.adopting, self.retiring);
        commit.meters.reserve(self.meters.values().filter(|record| record.dirty).count());
        for (name, record) in &mut self.meters {
            let memory = record.is_memory_due(last);
            if std::mem::take(&mut record.dirty) || memory {
                commit.meters.push(record.row(name, memory));
                commit.memories.extend(memory.then_some(record.id));
            }
        }
        for (key, balance) in &mut self.clients {
            if std::mem::take(&mut balance.dirty) || balance.accepted_since(last) {
                commit.clients.push(ClientRow { id: balance.id, key: key.clone(), state: balance.state.clone() });
            }
        }
        commit.journal = self.journal.take();
        if commit.meters.is_empty() && commit.clients.is_empty() && commit.journal.is_empty() {
            return None;
        }
        commit.copy = std::mem::take(&mut self.decided);
        let ahead = self.clients.iter().filter(|(_, balance)| balance.on_disk != balance.state.energy);
        let figures = ahead.map(|(key, balance)| (key.clone(), balance.state.energy)).collect();
        Some(PendingCommit { commit, renames: std::mem::take(&mut self.renames), figures })
    }

    /// That commit is on disk: its figures can be reported.
    pub(crate) fn committed(&mut self, pending: PendingCommit) {
        let PendingCommit { commit, figures, .. } = pending;
        let mut records: BTreeMap<_, _> = self.meters.values_mut().map(|record| (record.id, record)).collect();
        for row in commit.meters {
            if let Some(record) = records.get_mut(&row.id) {
                record.confirmed_on_disk = row.confirmed;
                if commit.memories.contains(&row.id) {
                    record.stored = Some(row.state.memory);
                }
            }
        }
        for row in commit.clients {
            if let Some(balance) = self.clients.get_mut(&row.key) {
                balance.accepted_on_disk = row.state.accepted_at;
            }
        }
        for (key, figure) in figures {
            if let Some(balance) = self.clients.get_mut(&key) {
                balance.on_disk = figure;
            }
        }
        if commit.adopt {
            (self.adopting, self.block) = (false, None);
        }
        self.retiring &= !commit.retire;
        self.dirty_since = if self.is_clean() { None } else { Some(commit.at) };
    }

    /// That commit is not on disk: the next one has its changes too.
    pub(crate) fn failed(&mut self, pending: PendingCommit) {
        let PendingCommit { commit, renames, .. } = pending;
        self.decided |= commit.copy;
        self.renames.splice(..0, renames);
        let ids: BTreeSet<_> = commit.meters.iter().map(|row| row.id).collect();
        self.meters.values_mut().for_each(|record| record.dirty |= ids.contains(&record.id));
        for row in &commit.clients {
            if let Some(balance) = self.clients.get_mut(&row.key) {
                balance.dirty = true;
            }
        }
        self.journal.put_back(commit.journal);
    }

    fn is_clean(&self) -> bool {
        self.journal.is_empty()
            && !self.meters.values().any(|record| record.dirty)
            && !self.clients.values().any(|balance| balance.dirty)
    }

    /// The meters whose register is not taken at the moment, or waits to be taken.
    pub(crate) fn held(&self) -> Held {
        let configured = self.meters.iter().filter(|(_, record)| record.settings.is_some());
        configured
            .filter(|(_, record)| record.state.is_held() || record.state.is_waiting())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Updates the report of a configured meter.
    pub(crate) fn update_report(&self, name: &Name, report: &mut MeterLedger) {
        let Some(record) = self.meters.get(name) else { return };
        let waiting = record.state.is_waiting();
        report.verdict = if waiting { Some("waiting") } else { record.verdict.map(Verdict::as_str) };
        report.held = record.held(name);
        report.register = record.state.register();
        report.published = record.state.published();
        let settings = record.settings.as_ref();
        report.stands = settings.and_then(|settings| Some(wording::ahead(guard::ahead(&record.state)?, settings)));
        report.overload = settings.and_then(|settings| record.state.overload(settings));
        (report.faults, report.advice) = record.faults_and_advice();
        report.verdicts = record.verdicts;
        if report.serial.as_deref() != record.state.serial() {
            report.serial = record.state.serial().map(str::to_owned);
        }
    }

    /// The reports of all configured meters.
    pub(crate) fn meter_reports(&self) -> BTreeMap<Name, Arc<MeterLedger>> {
        let configured = self.meters.iter().filter(|(_, record)| record.settings.is_some());
        let reports = configured.map(|(name, _)| {
            let mut report = MeterLedger::default();
            self.update_report(name, &mut report);
            (name.clone(), Arc::new(report))
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
        let hours = ReportHours::default();
        ClientBalance { id, state, on_disk, dirty: false, accepted_on_disk, reports: 0, hours }
    }

    /// Whether Arkreen accepted something that is not on disk, and it is time to write it.
    fn accepted_since(&self, last: bool) -> bool {
        let Some(at) = self.state.accepted_at.filter(|at| Some(*at) != self.accepted_on_disk) else { return false };
        last || self.accepted_on_disk.is_none_or(|on_disk| at.duration_since(on_disk).abs() >= ACCEPTED_EVERY)
    }
}
