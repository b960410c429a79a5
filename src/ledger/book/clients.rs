//! Clients: their figures brought up to their members', who joined and left in the journal, and a figure that Arkreen holds already.

use std::collections::BTreeMap;

use super::remedies::signed;
use super::{Book, Page};
use crate::clock::ClockReading;
use crate::guard::{DecisionError, GuardEvent, Verdict};
use crate::ledger::ClientLedger;
use crate::ledger::client::{ClientState, Settled};
use crate::ledger::remedy::{ClientMoved, CommandError, Order, Outcome};
use crate::ledger::settings::{ClientKey, ClientSettings};
use crate::units::{MilliwattHours, Name};

/// The journal's words for a figure that begins, and for members that are counted from then on or not any more.
pub(super) const BEGUN: &str = "begun";
pub(super) const JOINED: &str = "joined";
pub(super) const LEFT: &str = "left";

/// What happened to a client and is not in the journal yet.
#[derive(Debug)]
pub(super) struct Regrouped {
    /// Absent where the configuration does not name it any more.
    client: Option<Name>,
    word: &'static str,
    reason: String,
    energy: Option<MilliwattHours>,
}

impl Regrouped {
    /// What settling this client did, for people.
    pub(super) fn of(
        key: &ClientKey,
        client: Option<&ClientSettings>,
        state: &ClientState,
        settled: &Settled,
        published: impl Fn(&Name) -> Option<MilliwattHours>,
    ) -> Vec<Self> {
        let called = client.map(|client| format!("{} ", client.name)).unwrap_or_default();
        // The journal is shown in plain ASCII.
        let subject = format!("client {called}{}", key.client_id.to_string().replace('…', "..."));
        let stands = state.energy.unwrap_or_default().in_words();
        let at = |name: &Name| published(name).unwrap_or_default().in_words();
        let told = |word, reason| Regrouped {
            client: client.map(|client| client.name.clone()),
            word,
            reason,
            energy: state.energy,
        };
        let mut all = Vec::new();
        // A client of one meter begins as that meter does.
        if settled.begun && state.counted.len() > 1 {
            let members: Vec<_> = state.counted.iter().map(|(name, at)| format!("{name} {}", at.in_words())).collect();
            all.push(told(
                BEGUN,
                format!("{subject} begins at {stands}, the sum of its members: {}", members.join(", ")),
            ));
        }
        all.extend(settled.left.iter().map(|name| {
            told(LEFT, format!("{name} is no member of {subject} any more: what it gave up to {} stays, the client stands at {stands}", at(name)))
        }));
        all.extend(settled.joined.iter().map(|name| {
            told(JOINED, format!("{name} is a member of {subject} from {} on: only what it counts beyond that is added, the client stands at {stands}", at(name)))
        }));
        all
    }
}

impl Book {
    /// Brings the clients' figures up to their members'. One that is not configured has no members.
    pub(super) fn settle(&mut self) {
        for (key, account) in &mut self.clients {
            let client = self.configured.iter().find(|client| client.key == *key);
            let members = client.map(|client| &client.meters[..]).unwrap_or_default();
            let published = |name: &Name| self.meters.get(name)?.state.published();
            let settled = account.state.settle(members, published);
            if settled.regrouped() {
                // What an older copy of the store cannot know.
                (account.touched, self.decided) = (Some(self.epoch), Some(self.epoch));
                self.regrouped.extend(Regrouped::of(key, client, &account.state, &settled, published));
            }
        }
    }

    /// What is to be said of all configured clients.
    pub(crate) fn clients(&self) -> BTreeMap<Name, ClientLedger> {
        let told = self.configured.iter().filter_map(|client| {
            let account = self.clients.get(&client.key)?;
            let ClientState { accepted, accepted_at, .. } = account.state;
            Some((client.name.clone(), ClientLedger { energy: account.on_disk, accepted, accepted_at }))
        });
        told.collect()
    }

    /// Takes down what happened to clients.
    pub(super) fn note_regrouped(&mut self, now: &ClockReading) {
        for Regrouped { client, word, reason, energy } in std::mem::take(&mut self.regrouped) {
            tracing::info!(client = client.as_ref().map(Name::as_str), "{reason}");
            let entry = entry(energy, energy, &reason, now);
            self.diary.record(client.as_ref(), word, Some(entry), &reason, now, self.epoch);
        }
    }

    /// The client of this name, where no meter has it.
    pub(super) fn client_alone(&self, name: &Name) -> Option<ClientSettings> {
        let meter = self.meters.get(name).is_some_and(|page| page.settings.is_some());
        self.configured.iter().find(|client| client.name == *name).filter(|_| !meter).cloned()
    }

    /// Arkreen holds this of a client: it rises to there, and stands until its members have made up for it.
    pub(super) fn set_client(
        &mut self,
        order: &Order,
        client: &ClientSettings,
        energy: MilliwattHours,
        now: &ClockReading,
    ) -> Result<Outcome, CommandError> {
        self.settle();
        let name = &client.name;
        let published = |name: &Name| self.meters.get(name).and_then(|page| page.state.published());
        let account = self.clients.get(&client.key);
        let mut state = account.map(|account| account.state.clone()).unwrap_or_default();
        let before = state.energy.ok_or_else(|| CommandError::NoFigure(name.clone()))?;
        self.within_lifetimes(client, energy.saturating_sub(before))?;
        if !state.set(energy) {
            return Err(DecisionError::Lower { name: name.clone(), published: before }.into());
        }
        let ahead = state.ahead(published).in_words();
        let reason = format!(
            "set by the operator: nothing below {} is given for the client {name}; it stands still until its members have made up for {ahead} \
             together",
            energy.in_words()
        );
        let entry = entry(Some(before), Some(energy), &signed(order, &reason), now);
        let mut outcome = Outcome::of(&order.remedy, name.clone(), &entry);
        if !order.dry_run {
            if let Some(account) = self.clients.get_mut(&client.key) {
                (account.state, account.touched) = (state, Some(self.epoch));
            }
            outcome.entry = Some(self.note(order, Some(name), Some(entry), &outcome.reason, now));
        }
        Ok(outcome)
    }

    /// Refuses what all members together cannot have carried.
    fn within_lifetimes(&self, client: &ClientSettings, more: MilliwattHours) -> Result<(), CommandError> {
        let pages = client.meters.iter().filter_map(|name| self.meters.get(name));
        let most = pages.filter_map(|page| page.lifetime()).fold(0, u64::saturating_add);
        let absurd = || DecisionError::Absurd { energy: more, name: client.name.clone(), most };
        if more.get() <= most { Ok(()) } else { Err(absurd().into()) }
    }

    /// What a meter's figure makes of the clients that it is a part of, and that do not go by it alone.
    pub(super) fn clients_moved(&self, meter: &Name, after: Option<MilliwattHours>) -> Vec<ClientMoved> {
        let now = |name: &Name| self.meters.get(name).and_then(|page| page.state.published());
        let then = |name: &Name| if name == meter { after } else { now(name) };
        let moved = self.configured.iter().filter(|client| client.meters.contains(meter)).filter_map(|client| {
            let mut state = self.clients.get(&client.key)?.state.clone();
            state.settle(&client.meters, now);
            let before_mwh = state.energy?;
            state.settle(&client.meters, then);
            let after_mwh = state.energy?;
            let alone = Some(before_mwh) == now(meter) && Some(after_mwh) == after;
            (!alone).then(|| ClientMoved { client: client.name.clone(), before_mwh, after_mwh })
        });
        moved.collect()
    }
}

impl Page {
    /// What its connection carries in a meter's life, in mWh.
    fn lifetime(&self) -> Option<u64> {
        self.settings.as_ref().map(|settings| self.state.lifetime(settings))
    }
}

/// What the journal keeps of a client.
fn entry(before: Option<MilliwattHours>, after: Option<MilliwattHours>, reason: &str, at: &ClockReading) -> GuardEvent {
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
