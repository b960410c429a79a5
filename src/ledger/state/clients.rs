//! Clients: their figures follow those of their members, the journal has who joined and left, and an operator can set a figure.

use std::collections::BTreeMap;

use super::journal_buffer::EntrySubject;
use super::{LedgerState, MeterRecord};
use crate::clock::ClockReading;
use crate::guard::{DecisionError, GuardEvent, Verdict};
use crate::ledger::client::{ClientState, Settled};
use crate::ledger::command::{ClientMoved, CommandError, CommandOutcome, CommandRequest};
use crate::ledger::settings::{ClientKey, ClientSettings};
use crate::ledger::store::MeterId;
use crate::ledger::{ClientLedger, LedgerReport};
use crate::units::{MilliwattHours, Name};

/// The journal's word for a figure that begins.
pub(in crate::ledger) const BEGUN: &str = "begun";
/// The journal's word for a new member.
pub(in crate::ledger) const JOINED: &str = "joined";
/// The journal's word for a member that left.
pub(in crate::ledger) const LEFT: &str = "left";

/// A change of a client that is not in the journal yet.
#[derive(Debug)]
pub(super) struct ClientChange {
    /// Absent if the configuration no longer names it.
    client: Option<Name>,
    word: &'static str,
    reason: String,
    energy: Option<MilliwattHours>,
}

impl ClientChange {
    /// The changes by [`ClientState::settle`]. `meter` returns a member's name and figure in words.
    fn of(
        key: &ClientKey,
        client: Option<&ClientSettings>,
        state: &ClientState,
        settled: &Settled,
        meter: impl Fn(MeterId) -> (String, String),
    ) -> Vec<Self> {
        let named = client.map(|client| format!("{} ", client.name)).unwrap_or_default();
        // The journal is shown in plain ASCII.
        let subject = format!("client {named}{}", key.client_id.to_string().replace('…', "..."));
        let stands = state.energy.unwrap_or_default().in_words();
        let change = |word, reason| {
            let client = client.map(|client| client.name.clone());
            ClientChange { client, word, reason, energy: state.energy }
        };
        let mut all = Vec::new();
        // A client of one meter begins as that meter does.
        if settled.begun && state.counted.len() > 1 {
            let mut members: Vec<_> =
                state.counted.iter().map(|(id, at)| format!("{} {}", meter(*id).0, at.in_words())).collect();
            members.sort();
            let members = members.join(", ");
            all.push(change(BEGUN, format!("{subject} begins at {stands}, the sum of its members: {members}")));
        }
        for id in &settled.left {
            let (name, at) = meter(*id);
            let reason = format!(
                "{name} is no longer a member of {subject}: its energy up to {at} remains, the client is at {stands}"
            );
            all.push(change(LEFT, reason));
        }
        for id in &settled.joined {
            let (name, at) = meter(*id);
            let reason = format!(
                "{name} is a member of {subject} from {at} on: only energy above that is added, the client is at {stands}"
            );
            all.push(change(JOINED, reason));
        }
        all
    }
}

impl LedgerState {
    /// Updates the clients' figures from their members'. A client that is not configured has no members.
    pub(in crate::ledger) fn settle(&mut self) {
        let LedgerState { meters, clients, configured, client_changes, decided, .. } = self;
        let figures = figures_by_id(meters);
        let published = |id: MeterId| figures.get(&id)?.1;
        let by_key: BTreeMap<_, _> = configured.values().map(|client| (&client.key, client)).collect();
        for (key, balance) in clients {
            let client = by_key.get(key).copied();
            let members = client.map(|client| ids(meters, client)).unwrap_or_default();
            let settled = balance.state.settle(&members, published);
            if settled.regrouped() {
                // An older copy of the store does not have it.
                (balance.dirty, *decided) = (true, true);
                let meter = |id: MeterId| {
                    let (name, published) = figures.get(&id).copied().unzip();
                    let published = published.flatten().unwrap_or_default();
                    (name.map(Name::to_string).unwrap_or_default(), published.in_words())
                };
                client_changes.extend(ClientChange::of(key, client, &balance.state, &settled, meter));
            }
        }
    }

    /// The reports of all configured clients.
    pub(crate) fn client_reports(&self) -> BTreeMap<Name, ClientLedger> {
        let reports =
            self.configured.iter().filter_map(|(name, client)| Some((name.clone(), self.client_report(client)?)));
        reports.collect()
    }

    /// Updates the reports of these clients.
    pub(crate) fn update_clients<'n>(&self, report: &mut LedgerReport, clients: impl Iterator<Item = &'n Name>) {
        for name in clients {
            let now = self.configured.get(name).and_then(|client| self.client_report(client));
            if let (Some(client), Some(now)) = (report.clients.get_mut(name), now) {
                *client = now;
            }
        }
    }

    /// Updates what a commit changes in the reports of the clients.
    pub(crate) fn update_energies(&self, report: &mut LedgerReport) {
        for (name, client) in &self.configured {
            if let (Some(shown), Some(balance)) = (report.clients.get_mut(name), self.clients.get(&client.key)) {
                shown.energy = balance.on_disk;
            }
        }
    }

    /// The report of one configured client.
    fn client_report(&self, client: &ClientSettings) -> Option<ClientLedger> {
        let balance = self.clients.get(&client.key)?;
        let ClientState { accepted, accepted_at, .. } = balance.state;
        let (energy, reports, hours) = (balance.on_disk, balance.reports, balance.hours.clone());
        Some(ClientLedger { energy, accepted, accepted_at, reports, hours })
    }

    /// Enters the changes of clients in the journal.
    pub(in crate::ledger) fn note_client_changes(&mut self, now: &ClockReading) {
        for ClientChange { client, word, reason, energy } in std::mem::take(&mut self.client_changes) {
            tracing::info!(client = client.as_ref().map(Name::as_str), "{reason}");
            let event = client_event(energy, energy, &reason, now);
            self.journal.record(EntrySubject::Client(client), word, Some(event), &reason, now);
        }
    }

    /// The client of this name, if no configured meter has the name.
    pub(in crate::ledger) fn client_alone(&self, name: &Name) -> Option<ClientSettings> {
        let meter = self.meters.get(name).is_some_and(|record| record.settings.is_some());
        self.configured.get(name).filter(|_| !meter).cloned()
    }

    /// Arkreen has this figure of a client: the client rises to it, and stands still until its members have consumed as much.
    pub(in crate::ledger) fn set_client(
        &mut self,
        request: &CommandRequest,
        client: &ClientSettings,
        energy: MilliwattHours,
        now: &ClockReading,
    ) -> Result<CommandOutcome, CommandError> {
        self.settle();
        let name = &client.name;
        let figures = figures_by_id(&self.meters);
        let balance = self.clients.get(&client.key);
        let mut state = balance.map(|balance| balance.state.clone()).unwrap_or_default();
        let before = state.energy.ok_or_else(|| CommandError::NoFigure(name.clone()))?;
        self.within_lifetimes(client, energy.saturating_sub(before))?;
        if !state.set(energy) {
            return Err(DecisionError::Lower { name: name.clone(), published: before }.into());
        }
        let ahead = state.ahead(|id| figures.get(&id)?.1).in_words();
        let reason = format!(
            "set by the operator: nothing below {} is reported of the client {name}; it stands still until its members have consumed {ahead} \
             together",
            energy.in_words()
        );
        let event = client_event(Some(before), Some(energy), &request.signed(&reason), now);
        let mut outcome = CommandOutcome::of(&request.command, name.clone(), &event);
        if !request.dry_run {
            if let Some(balance) = self.clients.get_mut(&client.key) {
                (balance.state, balance.dirty) = (state, true);
            }
            let subject = EntrySubject::Client(Some(name.clone()));
            outcome.entry = Some(self.note_command(request, subject, Some(event), &outcome.reason, now));
        }
        Ok(outcome)
    }

    /// Refuses more than the connections of all members can have carried.
    fn within_lifetimes(&self, client: &ClientSettings, more: MilliwattHours) -> Result<(), CommandError> {
        let records = client.meters.iter().filter_map(|name| self.meters.get(name));
        let most = records.filter_map(|record| record.lifetime()).fold(0, u64::saturating_add);
        let absurd = || DecisionError::Absurd { energy: more, name: client.name.clone(), most };
        if more.get() <= most { Ok(()) } else { Err(absurd().into()) }
    }

    /// How a meter's new figure `after` changes the clients of several meters to which it belongs.
    pub(in crate::ledger) fn clients_moved(&self, meter: &Name, after: Option<MilliwattHours>) -> Vec<ClientMoved> {
        let Some((subject, before)) = self.meters.get(meter).map(|record| (record.id, record.state.published())) else {
            return Vec::new();
        };
        let figures = figures_by_id(&self.meters);
        let now = |id: MeterId| figures.get(&id)?.1;
        let then = |id: MeterId| if id == subject { after } else { now(id) };
        let moved = self.configured.values().filter(|client| client.meters.contains(meter)).filter_map(|client| {
            let members = ids(&self.meters, client);
            let mut state = self.clients.get(&client.key)?.state.clone();
            state.settle(&members, now);
            let before_mwh = state.energy?;
            state.settle(&members, then);
            let after_mwh = state.energy?;
            let alone = Some(before_mwh) == before && Some(after_mwh) == after;
            (!alone).then(|| ClientMoved { client: client.name.clone(), before_mwh, after_mwh })
        });
        moved.collect()
    }
}

/// Each meter's name and figure.
fn figures_by_id(meters: &BTreeMap<Name, Box<MeterRecord>>) -> BTreeMap<MeterId, (&Name, Option<MilliwattHours>)> {
    meters.iter().map(|(name, record)| (record.id, (name, record.state.published()))).collect()
}

/// The members of a client.
fn ids(meters: &BTreeMap<Name, Box<MeterRecord>>, client: &ClientSettings) -> Vec<MeterId> {
    client.meters.iter().filter_map(|name| meters.get(name)).map(|record| record.id).collect()
}

impl MeterRecord {
    /// The energy that its connection can carry in the lifetime of a meter, in mWh.
    fn lifetime(&self) -> Option<u64> {
        self.settings.as_ref().map(|settings| self.state.lifetime(settings))
    }
}

/// The journal's event for a client.
fn client_event(
    before: Option<MilliwattHours>,
    after: Option<MilliwattHours>,
    reason: &str,
    at: &ClockReading,
) -> GuardEvent {
    GuardEvent {
        at: *at,
        verdict: Verdict::Unchanged,
        register_before: None,
        register_after: None,
        published_before: before,
        published_after: after,
        reason: reason.to_owned(),
        readings: 0,
        serial_before: None,
        serial_after: None,
        correction: None,
        undoes: None,
    }
}
