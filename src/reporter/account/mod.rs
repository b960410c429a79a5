//! What each answer means for an account and its clients: what is tried again when, what is said, and to whom.
//!
//! A pure state machine: a round's outcome in; the agenda, the report and the log's lines out.

mod client;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;

use super::agenda::{Agenda, Due};
use super::batch::Fresh;
use super::report::{AccountReport, AccountState};
use super::retry::RetryWaits;
use super::round::{Came, Finished};
use super::rpc::{Entry, Failure, Outcome};
use super::schedule::Schedule;
use super::trouble::{self, Grade, Line, Trouble};
use crate::clock::ClockReading;
use crate::units::{ClientId, Name};
use client::{Client, Refused, wait};

pub(crate) use words::Place;

/// After this many refusals of a kind in a row the operator is told with emphasis.
const ALERT_AFTER: u32 = 3;

/// One account.
#[derive(Debug)]
pub(crate) struct Account {
    place: Place,
    agenda: Agenda,
    clients: BTreeMap<Name, Client>,
    waits: RetryWaits,
    trouble: Option<Trouble>,
    /// Why there is no token, or why the new one is not used.
    token_error: Option<String>,
    has_token: bool,
    odd_result_said: bool,
    strays_said: bool,
    accepted: u64,
    rejected: u64,
    last_report_at: Option<Timestamp>,
}

/// A line for the log, about the account or one of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) client: Option<Name>,
    pub(crate) line: Line,
}

impl Account {
    pub(crate) fn new(place: Place, schedule: Schedule, clients: BTreeMap<Name, ClientId>, now: &ClockReading) -> Self {
        let names: BTreeSet<_> = clients.keys().cloned().collect();
        Account {
            place,
            agenda: Agenda::new(schedule, names, now),
            clients: clients.into_iter().map(|(name, id)| (name, Client::new(id))).collect(),
            waits: RetryWaits::default(),
            trouble: None,
            token_error: None,
            has_token: false,
            odd_result_said: false,
            strays_said: false,
            accepted: 0,
            rejected: 0,
            last_report_at: None,
        }
    }

    /// When something is due next, since the boot.
    pub(crate) fn wake(&self) -> Duration {
        self.agenda.wake()
    }

    /// What is due at `now`; it counts as done.
    pub(crate) fn due(&mut self, now: &ClockReading) -> Option<Due> {
        self.agenda.due(now)
    }

    /// Everything, whatever the schedule or a pause says; it counts as done.
    pub(crate) fn all_now(&mut self) -> Due {
        self.agenda.all_now()
    }

    /// The operator reloaded: every pause ends, and figures that were refused are tried once more.
    pub(crate) fn reloaded(&mut self, now: Duration) {
        self.agenda.end_all_pauses(now);
        self.waits = RetryWaits::default();
        for client in self.clients.values_mut() {
            client.waits = RetryWaits::default();
            client.malformed = None;
        }
    }

    /// There is another token: the account's pause ends.
    pub(crate) fn new_token(&mut self, now: Duration) {
        self.has_token = true;
        if self.token_error.is_some() {
            // Until now nothing could be sent.
            self.agenda.pause(now);
        }
        self.agenda.end_pause(now);
        self.waits = RetryWaits::default();
    }

    /// What is wrong with the token's file, or that nothing is.
    pub(crate) fn token_file(&mut self, error: Option<String>) -> Vec<Note> {
        let changed = self.token_error != error;
        let line = match (&self.token_error, &error) {
            (_, Some(text)) if changed => Some(Line::Alert(text.clone())),
            (Some(_), None) => Some(Line::Over("the token can be read".into())),
            _ => None,
        };
        self.token_error = error;
        line.map(Note::account).into_iter().collect()
    }

    /// Of these figures, those that are to be sent. A client that is not among them is waiting for `why`.
    pub(crate) fn sendable(&mut self, ready: Vec<Fresh>, waiting: Vec<(Name, String)>) -> Vec<Fresh> {
        for (name, why) in waiting {
            if let Some(client) = self.clients.get_mut(&name) {
                client.waiting = Some(why);
            }
        }
        let mut sendable = Vec::new();
        for fresh in ready {
            let Some(client) = self.clients.get_mut(&fresh.client) else { continue };
            client.waiting = None;
            if client.malformed != Some((fresh.power, fresh.energy)) {
                sendable.push(fresh);
            }
        }
        sendable
    }

    /// These figures are sent now.
    pub(crate) fn sent<'a>(&mut self, clients: impl IntoIterator<Item = &'a Name>) {
        self.agenda.sent(clients);
    }

    /// Some entries of a call were accepted.
    pub(crate) fn accepted(&mut self, entries: usize, at: Timestamp) {
        if entries > 0 {
            self.accepted += entries as u64;
            self.last_report_at = Some(at);
        }
    }

    /// An answer held more than was asked for: said once.
    pub(crate) fn strays(&mut self, strays: &str) -> Option<Note> {
        let said = std::mem::replace(&mut self.strays_said, true);
        (!said).then(|| Note::account(Line::Warning(format!("{}: {strays}", self.place.host()))))
    }

    /// Takes up what came of a round.
    pub(crate) fn settle(&mut self, round: Finished, now: Duration, rng: &mut impl Rng) -> Vec<Note> {
        let mut notes = Vec::new();
        for (name, (entry, came)) in &round.results {
            match came {
                Came::Failed(Failure::Token(_)) => self.rejected += 1,
                Came::Heard(outcome) => notes.extend(self.client_heard(name, entry, outcome, now, rng)),
                Came::Failed(failure) if round.account.is_none() => {
                    notes.extend(self.client_failed(name, failure, now, rng));
                }
                Came::Failed(_) | Came::NotSent => {}
            }
        }
        match round.account {
            Some(failure) => notes.extend(self.failed(&failure, round.understood, now, rng)),
            None if round.understood => {
                self.waits = RetryWaits::default();
                let line = trouble::end(&mut self.trouble, &format!("{} answers again", self.place.host()));
                notes.extend(line.map(Note::account));
            }
            None => {}
        }
        notes
    }

    /// The endpoint could not even be called.
    pub(crate) fn failed(
        &mut self,
        failure: &Failure,
        understood: bool,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Option<Note> {
        let (mut grade, text) = self.place.failure(failure);
        if understood && !about_account(failure) {
            // Others were answered in the same round: whatever it is, it may pass soon.
            grade = Grade::Retrying;
        }
        let wait = match failure {
            Failure::Wait(Some(wait), _) => *wait,
            _ => wait(&mut self.waits, grade.into(), rng),
        };
        self.agenda.pause(now + wait);
        trouble::note(&mut self.trouble, grade, text).map(Note::account)
    }

    /// What the account says of itself; `calls` were made since the start.
    pub(crate) fn report(&self, now: &ClockReading, calls: u64) -> AccountReport {
        let client_text = |client: &Client| {
            let trouble = client.trouble.as_ref().map(|trouble| trouble.text().to_owned());
            trouble.or_else(|| client.waiting.clone())
        };
        let clients = self.clients.iter().filter_map(|(name, client)| Some((name.clone(), client_text(client)?)));
        let ahead = self.agenda.next_report().saturating_sub(now.since_boot);
        let trouble = self.trouble.as_ref().map(|trouble| trouble.text().to_owned());
        AccountReport {
            state: self.state(),
            last_report_at: self.last_report_at,
            next_report_at: (!self.clients.is_empty()).then(|| now.wall.saturating_add(ahead).unwrap_or(now.wall)),
            accepted: self.accepted,
            rejected: self.rejected,
            calls,
            error: self.token_error.clone().or(trouble),
            clients: clients.collect(),
        }
    }

    /// What is to be told of one client after a round that was asked for.
    pub(crate) fn verdict(&self, name: &Name, came: Option<&(Entry, Came)>) -> Result<String, String> {
        let client = self.clients.get(name);
        let trouble = client.and_then(|client| client.trouble.as_ref()).map(|trouble| trouble.text().to_owned());
        let waiting = client.and_then(|client| client.waiting.clone());
        let account = self.token_error.clone().or(self.trouble.as_ref().map(|trouble| trouble.text().to_owned()));
        match came {
            Some((entry, Came::Heard(Outcome::Accepted { .. }))) => Ok(words::accepted(entry)),
            Some((_, Came::Heard(_))) => Err(trouble.or(account).unwrap_or_else(words::not_sent)),
            Some(_) => Err(account.or(trouble).unwrap_or_else(words::not_sent)),
            None => Err(waiting.or(account).or(trouble).unwrap_or_else(words::not_sent)),
        }
    }

    fn state(&self) -> AccountState {
        let retrying = |client: &Client| client.trouble.as_ref().is_some_and(|it| it.grade() == Grade::Retrying);
        match self.trouble.as_ref().map(Trouble::grade) {
            _ if self.token_error.is_some() && !self.has_token => AccountState::Refused,
            Some(Grade::Refused | Grade::Alert) => AccountState::Refused,
            Some(Grade::Watched | Grade::Retrying) => AccountState::Retrying,
            None if self.clients.values().any(retrying) => AccountState::Retrying,
            None if self.last_report_at.is_some() => AccountState::Ok,
            None => AccountState::NeverReported,
        }
    }

    fn client_heard(
        &mut self,
        name: &Name,
        entry: &Entry,
        outcome: &Outcome,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Vec<Note> {
        let Some(client) = self.clients.get_mut(name) else { return Vec::new() };
        match outcome {
            Outcome::Accepted { odd } => {
                let odd = odd.as_ref().filter(|_| !std::mem::replace(&mut self.odd_result_said, true));
                let odd = odd.map(|odd| Note::account(Line::Warning(self.place.odd_result(odd))));
                let over = client.accepted().map(|line| Note::client(name, line));
                odd.into_iter().chain(over).collect()
            }
            Outcome::Refused { code, message } => {
                self.rejected += 1;
                let Some(refused) = client.refused(*code, entry) else { return Vec::new() };
                let text = self.place.refusal(name, client.id, *code, message, entry.energy, client.too_low);
                client.hold(&mut self.agenda, name, refused, now, rng);
                let line = trouble::note(&mut client.trouble, refused.grade, text);
                line.map(|line| Note::client(name, line)).into_iter().collect()
            }
            Outcome::Indeterminate(why) => {
                let line = client.watch(self.place.unclear(why));
                line.map(|line| Note::client(name, line)).into_iter().collect()
            }
            Outcome::Missing => {
                let line = client.watch(self.place.unclear("no word of this client"));
                line.map(|line| Note::client(name, line)).into_iter().collect()
            }
        }
    }

    fn client_failed(&mut self, name: &Name, failure: &Failure, now: Duration, rng: &mut impl Rng) -> Option<Note> {
        let client = self.clients.get_mut(name)?;
        let (grade, text) = self.place.failure(failure);
        client.hold(&mut self.agenda, name, Refused { grade, again: grade.into() }, now, rng);
        trouble::note(&mut client.trouble, grade, text).map(|line| Note::client(name, line))
    }
}

impl Note {
    fn account(line: Line) -> Self {
        Note { client: None, line }
    }

    fn client(name: &Name, line: Line) -> Self {
        Note { client: Some(name.clone()), line }
    }
}

fn about_account(failure: &Failure) -> bool {
    matches!(failure, Failure::Token(_) | Failure::WrongMethod(_))
}

#[cfg(test)]
mod tests;
