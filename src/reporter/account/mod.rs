//! What each answer means for an account and its clients: what is tried again when, what is said, and to whom.
//!
//! A pure state machine: a round's outcome in; the agenda, the report and the log's lines out.

mod client;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;

use super::agenda::{Agenda, DueReports};
use super::report::{AccountReport, ReportingState};
use super::retry::RetryWaits;
use super::round::{ClientOutcome, RoundResult};
use super::rpc::{CallFailure, ClientReport, ReportOutcome};
use super::schedule::ReportSchedule;
use super::trouble::{self, LogLine, Trouble, TroubleLevel};
use crate::clock::ClockReading;
use crate::units::{ClientId, Name};
use client::{ClientProgress, Rejection, wait};

pub(crate) use texts::EndpointTexts;

/// After this many refusals of a kind in a row the operator is told with emphasis.
const ALERT_AFTER: u32 = 3;

/// One account.
#[derive(Debug)]
pub(crate) struct Account {
    place: EndpointTexts,
    agenda: Agenda,
    clients: BTreeMap<Name, ClientProgress>,
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
pub(crate) struct LogNote {
    pub(crate) client: Option<Name>,
    pub(crate) line: LogLine,
}

impl Account {
    pub(crate) fn new(
        place: EndpointTexts,
        schedule: ReportSchedule,
        clients: BTreeMap<Name, ClientId>,
        now: &ClockReading,
    ) -> Self {
        let names: BTreeSet<_> = clients.keys().cloned().collect();
        Account {
            place,
            agenda: Agenda::new(schedule, names, now),
            clients: clients.into_iter().map(|(name, id)| (name, ClientProgress::new(id))).collect(),
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
    pub(crate) fn due(&mut self, now: &ClockReading) -> Option<DueReports> {
        self.agenda.due(now)
    }

    /// Everything, whatever the schedule or a pause says; it counts as done.
    pub(crate) fn all_now(&mut self) -> DueReports {
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
    pub(crate) fn token_file(&mut self, error: Option<String>) -> Vec<LogNote> {
        let changed = self.token_error != error;
        let line = match (&self.token_error, &error) {
            (_, Some(text)) if changed => Some(LogLine::Alert(text.clone())),
            (Some(_), None) => Some(LogLine::Over("the token can be read".into())),
            _ => None,
        };
        self.token_error = error;
        line.map(LogNote::account).into_iter().collect()
    }

    /// Of these figures, those that are to be sent. A client that is not among them is waiting for `why`.
    pub(crate) fn sendable(&mut self, ready: Vec<ClientReport>, waiting: Vec<(Name, String)>) -> Vec<ClientReport> {
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
    pub(crate) fn strays(&mut self, strays: &str) -> Option<LogNote> {
        let said = std::mem::replace(&mut self.strays_said, true);
        (!said).then(|| LogNote::account(LogLine::Warning(format!("{}: {strays}", self.place.host()))))
    }

    /// Takes up what came of a round.
    pub(crate) fn settle(&mut self, round: RoundResult, now: Duration, rng: &mut impl Rng) -> Vec<LogNote> {
        let mut notes = Vec::new();
        for (name, (entry, came)) in &round.results {
            match came {
                ClientOutcome::Failed(CallFailure::Token(_)) => self.rejected += 1,
                ClientOutcome::Answered(outcome) => notes.extend(self.client_heard(name, entry, outcome, now, rng)),
                ClientOutcome::Failed(failure) if round.account.is_none() => {
                    notes.extend(self.client_failed(name, failure, now, rng));
                }
                ClientOutcome::Failed(_) | ClientOutcome::NotSent => {}
            }
        }
        match round.account {
            Some(failure) => notes.extend(self.failed(&failure, round.understood, now, rng)),
            None if round.understood => {
                self.waits = RetryWaits::default();
                let line = trouble::end(&mut self.trouble, &format!("{} answers again", self.place.host()));
                notes.extend(line.map(LogNote::account));
            }
            None => {}
        }
        notes
    }

    /// The endpoint could not even be called.
    pub(crate) fn failed(
        &mut self,
        failure: &CallFailure,
        understood: bool,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Option<LogNote> {
        let (mut grade, text) = self.place.failure(failure);
        if understood && !about_account(failure) {
            // Others were answered in the same round: whatever it is, it may pass soon.
            grade = TroubleLevel::Retrying;
        }
        let wait = match failure {
            CallFailure::Wait(Some(wait), _) => *wait,
            _ => wait(&mut self.waits, grade.into(), rng),
        };
        self.agenda.pause(now + wait);
        trouble::note(&mut self.trouble, grade, text).map(LogNote::account)
    }

    /// What the account says of itself; `calls` were made since the start.
    pub(crate) fn report(&self, now: &ClockReading, calls: u64) -> AccountReport {
        let client_text = |client: &ClientProgress| {
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
    pub(crate) fn verdict(&self, name: &Name, came: Option<&(ClientReport, ClientOutcome)>) -> Result<String, String> {
        let client = self.clients.get(name);
        let trouble = client.and_then(|client| client.trouble.as_ref()).map(|trouble| trouble.text().to_owned());
        let waiting = client.and_then(|client| client.waiting.clone());
        let account = self.token_error.clone().or(self.trouble.as_ref().map(|trouble| trouble.text().to_owned()));
        match came {
            Some((entry, ClientOutcome::Answered(ReportOutcome::Accepted { .. }))) => Ok(texts::accepted(entry)),
            Some((_, ClientOutcome::Answered(_))) => Err(trouble.or(account).unwrap_or_else(texts::not_sent)),
            Some(_) => Err(account.or(trouble).unwrap_or_else(texts::not_sent)),
            None => Err(waiting.or(account).or(trouble).unwrap_or_else(texts::not_sent)),
        }
    }

    fn state(&self) -> ReportingState {
        let retrying =
            |client: &ClientProgress| client.trouble.as_ref().is_some_and(|it| it.grade() == TroubleLevel::Retrying);
        match self.trouble.as_ref().map(Trouble::grade) {
            _ if self.token_error.is_some() && !self.has_token => ReportingState::Refused,
            Some(TroubleLevel::Refused | TroubleLevel::Alert) => ReportingState::Refused,
            Some(TroubleLevel::Watched | TroubleLevel::Retrying) => ReportingState::Retrying,
            None if self.clients.values().any(retrying) => ReportingState::Retrying,
            None if self.last_report_at.is_some() => ReportingState::Ok,
            None => ReportingState::NeverReported,
        }
    }

    fn client_heard(
        &mut self,
        name: &Name,
        entry: &ClientReport,
        outcome: &ReportOutcome,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Vec<LogNote> {
        let Some(client) = self.clients.get_mut(name) else { return Vec::new() };
        match outcome {
            ReportOutcome::Accepted { odd } => {
                let odd = odd.as_ref().filter(|_| !std::mem::replace(&mut self.odd_result_said, true));
                let odd = odd.map(|odd| LogNote::account(LogLine::Warning(self.place.odd_result(odd))));
                let over = client.accepted().map(|line| LogNote::client(name, line));
                odd.into_iter().chain(over).collect()
            }
            ReportOutcome::Refused { code, message } => {
                self.rejected += 1;
                let Some(refused) = client.refused(*code, entry) else { return Vec::new() };
                let text = self.place.refusal(name, client.id, *code, message, entry.energy, client.too_low);
                client.hold(&mut self.agenda, name, refused, now, rng);
                let line = trouble::note(&mut client.trouble, refused.grade, text);
                line.map(|line| LogNote::client(name, line)).into_iter().collect()
            }
            ReportOutcome::Indeterminate(why) => {
                let line = client.watch(self.place.unclear(why));
                line.map(|line| LogNote::client(name, line)).into_iter().collect()
            }
            ReportOutcome::Missing => {
                let line = client.watch(self.place.unclear("no word of this client"));
                line.map(|line| LogNote::client(name, line)).into_iter().collect()
            }
        }
    }

    fn client_failed(
        &mut self,
        name: &Name,
        failure: &CallFailure,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Option<LogNote> {
        let client = self.clients.get_mut(name)?;
        let (grade, text) = self.place.failure(failure);
        client.hold(&mut self.agenda, name, Rejection { grade, again: grade.into() }, now, rng);
        trouble::note(&mut client.trouble, grade, text).map(|line| LogNote::client(name, line))
    }
}

impl LogNote {
    fn account(line: LogLine) -> Self {
        LogNote { client: None, line }
    }

    fn client(name: &Name, line: LogLine) -> Self {
        LogNote { client: Some(name.clone()), line }
    }
}

fn about_account(failure: &CallFailure) -> bool {
    matches!(failure, CallFailure::Token(_) | CallFailure::WrongMethod(_))
}

#[cfg(test)]
mod tests;
