//! What each answer means for an account and its clients: what is tried again and when, and what is logged and shown.
//!
//! A pure state machine: the input is the result of a round; the output is the agenda, the published state and lines for the log.

mod client;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng, RngExt};

use super::agenda::{Agenda, HourCandidate};
use super::batching::Batching;
use super::catch_up::CLOSEST;
use super::report::{AccountReport, ReportingState};
use super::retry::{NextAttempt, RetryWaits};
use super::round::{ClientOutcome, ReportRound, RoundResult};
use super::rpc::{CallFailure, ClientReport, ReportOutcome};
use super::schedule::ReportSchedule;
use super::trouble::{LogLine, TroubleLevel, TroubleLog};
use crate::clock::ClockReading;
use crate::ledger::WaitingReason;
use crate::units::{ClientId, Name};
use client::{ClientProgress, Rejection, Retry, next_attempt};

pub(crate) use texts::EndpointTexts;

/// A reading that was not there yet is looked for again after this time.
const NEW_READING_WITHIN: Duration = Duration::from_secs(5);
/// After an answer that asks for fewer calls there are only slots for this time.
const QUIET_FOR: Duration = Duration::from_secs(3600);
/// After a start or a failure that other boxes may share, extra reports are few for this time: then the hour is over.
const SHARED_FOR: Duration = Duration::from_secs(3600);
/// After this many refusals of one kind in a row the log line becomes an error.
const ALERT_AFTER: u32 = 3;

/// Why a report is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportCause {
    /// It is due.
    Schedule,
    /// An operator asked for it.
    Command,
}

/// One account.
#[derive(Debug)]
pub(crate) struct Account {
    texts: EndpointTexts,
    pub(crate) agenda: Agenda,
    clients: BTreeMap<Name, ClientProgress>,
    waits: RetryWaits,
    trouble: TroubleLog,
    /// There are only slots until then.
    quiet_until: Option<Duration>,
    /// Until then other boxes may be catching up as well.
    shared_until: Option<Duration>,
    /// Redirected calls since the last answer.
    redirects: u32,
    /// Why there is no token, or why the new one is not used.
    token_error: Option<String>,
    has_token: bool,
    /// Warnings that are logged once.
    odd_result_logged: bool,
    strays_logged: bool,
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
    /// `reported_before`: the clients of which a report was accepted before this start.
    pub(crate) fn new(
        texts: EndpointTexts,
        schedule: ReportSchedule,
        clients: BTreeMap<Name, ClientId>,
        reported_before: &BTreeSet<Name>,
        now: &ClockReading,
    ) -> Self {
        let names: BTreeSet<_> = clients.keys().cloned().collect();
        Account {
            texts,
            agenda: Agenda::new(schedule, names, reported_before, now),
            clients: clients.into_iter().map(|(name, id)| (name, ClientProgress::new(id))).collect(),
            waits: RetryWaits::default(),
            trouble: TroubleLog::default(),
            quiet_until: None,
            shared_until: (!reported_before.is_empty()).then(|| now.since_boot + SHARED_FOR),
            redirects: 0,
            token_error: None,
            has_token: false,
            odd_result_logged: false,
            strays_logged: false,
            accepted: 0,
            rejected: 0,
            last_report_at: None,
        }
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

    /// The token changed: every pause ends. Clients that were unknown under the old token may belong to the new one.
    pub(crate) fn new_token(&mut self, now: Duration) {
        self.has_token = true;
        if self.token_error.is_some() {
            self.agenda.pause(now);
        }
        self.agenda.end_all_pauses(now);
        self.waits = RetryWaits::default();
        self.clients.values_mut().for_each(|client| client.waits = RetryWaits::default());
    }

    /// Takes the present error of the token's file, if any.
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

    /// Those of these figures that are to be sent, of the clients in `send`. Each has the time of its reading. `waiting`: the other clients,
    /// with the reason why they have no figure.
    ///
    /// A reading that was accepted is not sent again, unless an operator asks: the client is tried again when the next one may be there.
    pub(crate) fn sendable(
        &mut self,
        ready: Vec<(ClientReport, ClockReading)>,
        waiting: Vec<(Name, WaitingReason)>,
        send: &BTreeSet<Name>,
        cause: ReportCause,
        now: Duration,
    ) -> Vec<ClientReport> {
        for (name, why) in waiting {
            if let Some(client) = self.clients.get_mut(&name) {
                client.waiting = Some(why);
            }
        }
        let closest = CLOSEST.min(self.agenda.every() / 2);
        let mut sendable = Vec::new();
        for (report, read_at) in ready {
            let Some(client) = self.clients.get_mut(&report.client) else { continue };
            client.waiting = None;
            if !send.contains(&report.client) || client.malformed == Some((report.power, report.energy)) {
                continue;
            }
            if let (ReportCause::Schedule, Some((reported, at))) = (cause, client.reported) {
                if reported == read_at {
                    self.agenda.hold(&report.client, now + closest.min(NEW_READING_WITHIN));
                    continue;
                }
                if now < at + closest {
                    continue;
                }
            }
            client.offered = Some(read_at);
            sendable.push(report);
        }
        sendable
    }

    /// The calls for these reports; `None` without any. Their clients then count as reported for the first time.
    pub(crate) fn start_round(
        &mut self,
        fresh: Vec<ClientReport>,
        batching: &mut Batching,
        now: Duration,
    ) -> Option<ReportRound> {
        let calls = batching.calls(fresh, now);
        if calls.is_empty() {
            return None;
        }
        self.agenda.sent(calls.iter().flat_map(|call| call.reports.iter().map(|report| &report.client)));
        Some(ReportRound::new(calls))
    }

    /// Plans the reports between two slots with which each client's hour becomes complete. `accepted`: the reports of a client that were
    /// accepted in this hour.
    ///
    /// A client or account in trouble has none: its next slot or attempt comes first. Nor has an account that was asked for fewer calls.
    pub(crate) fn plan_extra(&mut self, accepted: impl Fn(&Name) -> u32, now: &ClockReading, rng: &mut impl Rng) {
        let quiet = self.quiet_until.is_some_and(|until| now.since_boot < until);
        let healthy = !quiet && self.trouble.level().is_none();
        let clients = self.clients.iter().filter(|(_, client)| {
            healthy && client.trouble.level().is_none() && client.malformed.is_none() && client.waiting.is_none()
        });
        let candidates = clients.map(|(name, client)| HourCandidate {
            client: name.clone(),
            accepted: accepted(name),
            last: client.reported.map(|(_, at)| at),
        });
        let candidates = candidates.collect();
        let shared = self.shared_until.is_some_and(|until| now.since_boot < until);
        self.agenda.plan_extra(candidates, shared, now, rng.random());
    }

    /// Counts accepted reports of a call.
    pub(crate) fn accepted(&mut self, reports: usize, at: Timestamp) {
        if reports > 0 {
            self.accepted += reports as u64;
            self.last_report_at = Some(at);
        }
    }

    /// An answer held results for unknown requests: logged once.
    pub(crate) fn strays(&mut self, strays: &str) -> Option<LogNote> {
        let logged = std::mem::replace(&mut self.strays_logged, true);
        (!logged).then(|| LogNote::account(LogLine::Warning(format!("{}: {strays}", self.texts.host()))))
    }

    /// Takes the result of a round.
    pub(crate) fn settle(&mut self, round: RoundResult, now: Duration, rng: &mut impl Rng) -> Vec<LogNote> {
        let mut notes = Vec::new();
        let accepted = |outcome| matches!(outcome, &ClientOutcome::Answered(ReportOutcome::Accepted { .. }));
        if !round.results.values().all(|(_, outcome)| accepted(outcome)) {
            self.shared_until = Some(now + SHARED_FOR);
        }
        for (name, (report, outcome)) in &round.results {
            match outcome {
                ClientOutcome::Failed(CallFailure::Token(_)) => self.rejected += 1,
                ClientOutcome::Answered(outcome) => notes.extend(self.client_answered(name, report, outcome, now, rng)),
                ClientOutcome::Failed(failure) if round.account.is_none() => {
                    notes.extend(self.client_failed(name, failure, now, rng));
                }
                ClientOutcome::Failed(_) | ClientOutcome::NotSent => {}
            }
        }
        match round.account {
            Some(failure) => notes.extend(self.failed(&failure, round.understood, now, rng)),
            None if round.understood => {
                self.redirects = 0;
                self.waits = RetryWaits::default();
                let line = self.trouble.end(&format!("{} answers again", self.texts.host()));
                notes.extend(line.map(LogNote::account));
            }
            None => {}
        }
        notes
    }

    /// Calls failed for the whole account. `understood`: others in the same round were answered.
    pub(crate) fn failed(
        &mut self,
        failure: &CallFailure,
        understood: bool,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Option<LogNote> {
        self.note_quiet(failure, now);
        let (mut level, text) = self.texts.failure(failure);
        if understood && !about_account(failure) {
            // Others were answered in the same round: this may pass soon.
            level = TroubleLevel::Retrying;
        }
        if is_stray_redirect(failure, &mut self.redirects) {
            return self.trouble.note(TroubleLevel::Watched, text, now).map(LogNote::account);
        }
        let attempt = match failure {
            // Many boxes may have been given the same date: each then takes its own slot.
            CallFailure::Wait(Some(wait), _) => NextAttempt::SlotAfter(*wait),
            _ => next_attempt(&mut self.waits, level.into(), self.agenda.every(), rng),
        };
        let until = self.agenda.time_of(attempt, now);
        self.agenda.pause(until);
        self.shared_until = Some(until + SHARED_FOR);
        self.trouble.note(level, text, now).map(LogNote::account)
    }

    /// The state to publish; `calls` were made since the start.
    pub(crate) fn report(&self, now: &ClockReading, calls: u64) -> AccountReport {
        let clients = self.clients.iter().filter_map(|(name, client)| Some((name.clone(), client.shown_trouble()?)));
        let ahead = self.agenda.next_report().saturating_sub(now.since_boot);
        AccountReport {
            state: self.state(),
            last_report_at: self.last_report_at,
            next_report_at: (!self.clients.is_empty()).then(|| now.wall.saturating_add(ahead).unwrap_or(now.wall)),
            accepted: self.accepted,
            rejected: self.rejected,
            calls,
            error: self.error(),
            clients: clients.collect(),
        }
    }

    /// The reply for one client after a round by command: `outcome` is absent if nothing was sent for it.
    pub(crate) fn reply(&self, name: &Name, outcome: Option<&(ClientReport, ClientOutcome)>) -> Result<String, String> {
        let client = self.clients.get(name);
        let trouble = client.and_then(|client| client.trouble.text());
        let waiting = client.and_then(|client| Some(client.waiting.as_ref()?.to_string()));
        let account = self.error();
        match outcome {
            Some((report, ClientOutcome::Answered(ReportOutcome::Accepted { .. }))) => Ok(texts::accepted(report)),
            Some((_, ClientOutcome::Answered(_))) => Err(trouble.or(account).unwrap_or_else(texts::not_sent)),
            Some(_) => Err(account.or(trouble).unwrap_or_else(texts::not_sent)),
            None => Err(waiting.or(account).or(trouble).unwrap_or_else(texts::not_sent)),
        }
    }

    fn note_quiet(&mut self, failure: &CallFailure, now: Duration) {
        if matches!(failure, CallFailure::Wait(..)) {
            self.quiet_until = Some(now + QUIET_FOR);
        }
    }

    /// What is wrong with the account.
    fn error(&self) -> Option<String> {
        self.token_error.clone().or_else(|| self.trouble.text())
    }

    fn state(&self) -> ReportingState {
        let retrying = |client: &ClientProgress| client.trouble.level() == Some(TroubleLevel::Retrying);
        match self.trouble.level() {
            _ if self.token_error.is_some() && !self.has_token => ReportingState::Refused,
            Some(TroubleLevel::Refused | TroubleLevel::Alert) => ReportingState::Refused,
            Some(TroubleLevel::Watched | TroubleLevel::Retrying) => ReportingState::Retrying,
            None if self.clients.values().any(retrying) => ReportingState::Retrying,
            None if self.last_report_at.is_some() => ReportingState::Ok,
            None => ReportingState::NeverReported,
        }
    }

    fn client_answered(
        &mut self,
        name: &Name,
        report: &ClientReport,
        outcome: &ReportOutcome,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Vec<LogNote> {
        let Some(client) = self.clients.get_mut(name) else { return Vec::new() };
        match outcome {
            ReportOutcome::Accepted { odd } => {
                let odd = odd.as_ref().filter(|_| !std::mem::replace(&mut self.odd_result_logged, true));
                let odd = odd.map(|odd| LogNote::account(LogLine::Warning(self.texts.odd_result(odd))));
                let over = client.accepted(now).map(|line| LogNote::client(name, line));
                odd.into_iter().chain(over).collect()
            }
            ReportOutcome::Refused { code, message } => {
                self.rejected += 1;
                let Some(rejection) = client.refused(*code, report) else { return Vec::new() };
                let text = self.texts.refusal(name, client.id, *code, message, report.energy, client.too_low);
                client.hold(&mut self.agenda, name, rejection, now, rng);
                let line = client.trouble.note(rejection.level, text, now);
                line.map(|line| LogNote::client(name, line)).into_iter().collect()
            }
            ReportOutcome::Indeterminate(_) | ReportOutcome::Missing => {
                let why = match outcome {
                    ReportOutcome::Indeterminate(why) => why,
                    _ => "no result for this client",
                };
                // It is not known whether the figure was accepted: the next slot decides.
                let line = client.trouble.note(TroubleLevel::Watched, self.texts.unclear(why), now);
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
        self.note_quiet(failure, now);
        let client = self.clients.get_mut(name)?;
        let (level, text) = self.texts.failure(failure);
        let is_stray = is_stray_redirect(failure, &mut client.redirects);
        let level = if is_stray { TroubleLevel::Watched } else { level };
        let retry = if is_stray { Retry::AtNextSlot } else { level.into() };
        client.hold(&mut self.agenda, name, Rejection { level, retry }, now, rng);
        client.trouble.note(level, text, now).map(|line| LogNote::client(name, line))
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

/// Whether it is the first redirect in a row: a proxy that restarts or a captive portal. The next slot tries again. Counts redirects.
fn is_stray_redirect(failure: &CallFailure, redirects: &mut u32) -> bool {
    if !matches!(failure, CallFailure::Redirected(_)) {
        return false;
    }
    *redirects = redirects.saturating_add(1);
    *redirects == 1
}

fn about_account(failure: &CallFailure) -> bool {
    matches!(failure, CallFailure::Token(_) | CallFailure::WrongMethod(_))
}

#[cfg(test)]
mod tests;
