//! The task of an account: the IO around [`Account`] and [`ReportRound`]. It waits, reads figures from the ledger, makes the calls, and
//! publishes the state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::account::{Account, EndpointTexts, LogNote, ReportCause};
use super::agenda::DueReports;
use super::batching::{Batching, singly};
use super::client::{Credentials, HttpClient, HttpClientError};
use super::round::{ClientOutcome, ReportRound};
use super::rpc::{CallFailure, CallResult, ClientReport, ReportCall};
use super::schedule::ReportSchedule;
use super::token::{TokenCheck, TokenKeeper};
use super::trouble::LogLine;
use super::{AccountCommand, AccountReport, Reporter};
use crate::clock::{Clock, ClockReading};
use crate::command_queue::{CommandQueue, QueueClosed};
use crate::config;
use crate::heartbeat::{BEAT_EVERY, Heart};
use crate::ledger::{self, AcceptedReport, Figure, WaitingReason};
use crate::lookup::HostLookup;
use crate::text::chain;
use crate::units::{ClientId, Name};
use crate::worker::{self, Work};

/// The longest wait for the certificates.
const MADE_WITHIN: Duration = Duration::from_secs(5);

/// The results of a round, by client.
type Results = BTreeMap<Name, (ClientReport, ClientOutcome)>;

/// The reports that are ready, each with the time of its reading, and the other clients with the reason.
type Figures = (Vec<(ClientReport, ClockReading)>, Vec<(Name, WaitingReason)>);

/// One running account.
pub(crate) struct ReporterTask {
    settings: config::AccountConfig,
    clients: BTreeMap<Name, ClientId>,
    ledger: ledger::LedgerHandle,
    commands: CommandQueue<AccountCommand>,
    report: watch::Sender<AccountReport>,
    clock: Clock,
    heart: Heart,
    scheduled: bool,
    token: TokenKeeper,
    client: Option<HttpClient>,
    /// The next client, while its certificates are being read.
    making: Option<Work<Result<HttpClient, HttpClientError>>>,
    /// For the endpoint's name, and the proxy's.
    hosts: HostLookup,
    account: Account,
    batching: Batching,
    /// The clients whose first accepted report since the start is in the log.
    first_accepted: BTreeSet<Name>,
    /// The id of the last request. Each request of this task has its own.
    last_id: u64,
    calls: u64,
    rng: SmallRng,
}

/// Why the task ends.
enum TaskExit {
    /// Its command queue was closed.
    Closed,
    Ledger(ledger::LedgerStopped),
}

impl From<QueueClosed> for TaskExit {
    fn from(_: QueueClosed) -> Self {
        TaskExit::Closed
    }
}

impl ReporterTask {
    pub(crate) fn new(given: Reporter) -> Self {
        let Reporter { account: settings, clients, ledger, commands, report, clock, heart, scheduled } = given;
        let clients: BTreeMap<_, _> = clients.into_iter().map(|client| (client.name, client.client_id)).collect();
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into);
        let token = TokenKeeper::new(settings.token.clone(), credentials);
        let schedule = ReportSchedule::new(settings.report_every, settings.url.as_str(), clients.values().copied());
        let texts = EndpointTexts::new(settings.name.clone(), &settings.url, token.place());
        let reported_before = reported_before(&ledger.report().borrow());
        ReporterTask {
            account: Account::new(texts, schedule, clients.clone(), &reported_before, &clock.now()),
            batching: Batching::new(settings.batch, settings.batch_max),
            first_accepted: BTreeSet::new(),
            commands: CommandQueue::new(commands),
            last_id: 0,
            client: None,
            making: None,
            hosts: HostLookup::new(2),
            calls: 0,
            rng: SmallRng::seed_from_u64(rand::random()),
            settings,
            clients,
            ledger,
            report,
            clock,
            heart,
            scheduled,
            token,
        }
    }

    pub(crate) async fn run(mut self) {
        if let Err(TaskExit::Ledger(gone)) = self.serve().await {
            error!(account = %self.settings.name, "reporting ends: {gone}");
        }
    }

    async fn serve(&mut self) -> Result<(), TaskExit> {
        loop {
            self.heart.beat();
            self.check_token().await;
            if self.scheduled
                && let Some(due) = self.account.agenda.due(&self.clock.now())
            {
                self.round(due, ReportCause::Schedule).await?;
                self.plan_extra();
            }
            self.publish();
            let ahead = self.account.agenda.wake().saturating_sub(self.clock.now().since_boot);
            tokio::select! {
                command = self.commands.next() => self.execute(command?).await?,
                // At most one beat: a timer stands still while the box is suspended, the time since boot does not.
                () = sleep(ahead.min(BEAT_EVERY)) => {}
            }
        }
    }

    async fn execute(&mut self, command: AccountCommand) -> Result<(), TaskExit> {
        match command {
            AccountCommand::ReportNow { reply } => {
                let due = self.account.agenda.all_now();
                let results = self.round(due, ReportCause::Command).await?;
                self.plan_extra();
                let line = |name: &Name| (name.clone(), self.account.reply(name, results.get(name)));
                // The receiver may be gone.
                let _ = reply.send(self.clients.keys().map(line).collect());
            }
            AccountCommand::DryRun { reply } => {
                let all = self.clients.keys().cloned().collect();
                let (ready, _) = self.figures(all).await?;
                let ready = ready.into_iter().map(|(report, _)| report).collect();
                let calls = self.batching.clone().calls(ready, self.clock.now().since_boot);
                let _ = reply.send(calls.iter().map(ReportCall::pretty_body).collect());
            }
            AccountCommand::Reloaded => {
                let now = self.clock.now().since_boot;
                self.account.reloaded(now);
                self.batching.reloaded();
                // The certificates in ca_file may have changed.
                self.client = None;
                let check = self.token.read().await;
                self.use_token(check);
            }
        }
        Ok(())
    }

    async fn check_token(&mut self) {
        let check = self.token.check().await;
        self.use_token(check);
    }

    fn use_token(&mut self, check: TokenCheck) {
        if check == TokenCheck::New {
            self.account.new_token(self.clock.now().since_boot);
        }
        if check != TokenCheck::Unchanged {
            let notes = self.account.token_file(self.token.error());
            self.log(notes);
        }
    }

    /// Reads the figures that are due and sends those that may be sent.
    async fn round(&mut self, due: DueReports, cause: ReportCause) -> Result<Results, TaskExit> {
        let (ready, waiting) = self.figures(due.request.into_iter().collect()).await?;
        let fresh = self.account.sendable(ready, waiting, &due.send, cause, self.clock.now().since_boot);
        let Some((client, credentials)) = self.ready_to_call().await else { return Ok(Results::new()) };
        let now = self.clock.now().since_boot;
        let Some(mut round) = self.account.start_round(fresh, &mut self.batching, now) else {
            return Ok(Results::new());
        };
        self.exchange(&mut round, &client, &credentials).await?;
        let again: BTreeSet<_> = round.again().into_iter().collect();
        if !again.is_empty() {
            let (ready, waiting) = self.figures(again.iter().cloned().collect()).await?;
            let fresh = self.account.sendable(ready, waiting, &again, cause, self.clock.now().since_boot);
            round.enqueue(singly(fresh));
            self.exchange(&mut round, &client, &credentials).await?;
        }
        let finished = round.finish();
        let results = finished.results.clone();
        let notes = self.account.settle(finished, self.clock.now().since_boot, &mut self.rng);
        self.log(notes);
        Ok(results)
    }

    /// Makes the calls of a round and records at once what was accepted.
    async fn exchange(
        &mut self,
        round: &mut ReportRound,
        client: &HttpClient,
        credentials: &Credentials,
    ) -> Result<(), TaskExit> {
        let mut calls = FuturesUnordered::new();
        loop {
            while let Some(call) = round.next() {
                self.calls += 1;
                calls.push(async move {
                    let result = client.call(&call, credentials).await;
                    (call, result)
                });
            }
            let answer = self.heart.beating(self.commands.unless_closed(calls.next())).await?;
            let Some((call, result)) = answer else { return Ok(()) };
            self.accepted(&call, &result).await?;
            if let CallResult::Answered { strays: Some(strays), .. } = &result {
                let note = self.account.strays(strays);
                self.log(note.into_iter().collect());
            }
            round.finished(call, result, &mut self.batching, self.clock.now().since_boot);
        }
    }

    async fn accepted(&mut self, call: &ReportCall, result: &CallResult) -> Result<(), TaskExit> {
        let at = self.clock.now();
        for report in result.accepted(call) {
            if self.first_accepted.insert(report.client.clone()) {
                let energy = report.energy.in_words();
                tracing::info!(client = %report.client, "the first report since the start was accepted: {energy}");
            }
        }
        let accepted = result.accepted(call).into_iter();
        let accepted: Vec<_> = accepted
            .map(|report| AcceptedReport { client: report.client.clone(), energy: report.energy, at })
            .collect();
        if accepted.is_empty() {
            return Ok(());
        }
        self.account.accepted(accepted.len(), at.wall);
        let recorded = self.ledger.accepted(accepted);
        self.heart.beating(self.commands.unless_closed(recorded)).await?.map_err(TaskExit::Ledger)
    }

    /// Plans reports between two slots, for hours that would not be complete.
    fn plan_extra(&mut self) {
        let now = self.clock.now();
        let ledger = self.ledger.report();
        let ledger = ledger.borrow();
        let accepted = |name: &Name| ledger.clients.get(name).map_or(0, |client| client.hours.in_hour(now.wall));
        self.account.plan_extra(accepted, &now, &mut self.rng);
    }

    async fn figures(&mut self, clients: Vec<Name>) -> Result<Figures, TaskExit> {
        let request = self.ledger.figures(clients);
        let figures = self.heart.beating(self.commands.unless_closed(request)).await?.map_err(TaskExit::Ledger)?;
        let (mut ready, mut waiting) = (Vec::new(), Vec::new());
        for (client, figure) in figures {
            match (figure, self.clients.get(&client).copied()) {
                (Figure::Ready { power, energy, read_at }, Some(client_id)) => {
                    self.last_id += 1;
                    ready.push((ClientReport { id: self.last_id, client, client_id, power, energy }, read_at));
                }
                (Figure::Waiting(why), _) => waiting.push((client, why)),
                (Figure::Ready { .. }, None) => {}
            }
        }
        Ok((ready, waiting))
    }

    /// The client and the token for a call; notes what is missing.
    async fn ready_to_call(&mut self) -> Option<(HttpClient, Credentials)> {
        let credentials = self.token.token().and_then(Credentials::new)?;
        if self.client.is_none() {
            match self.new_client().await {
                Ok(client) => self.client = Some(client),
                Err(why) => {
                    let now = self.clock.now().since_boot;
                    let note = self.account.failed(&CallFailure::Unreachable(why), false, now, &mut self.rng);
                    self.log(note.into_iter().collect());
                }
            }
        }
        Some((self.client.clone()?, credentials))
    }

    /// A client with the certificates as they are on disk now. They are read in a thread of their own: the disk may hang.
    async fn new_client(&mut self) -> Result<HttpClient, String> {
        let making = self.making.get_or_insert_with(|| {
            let (settings, hosts, clock) = (self.settings.clone(), self.hosts.clone(), self.clock.clone());
            worker::once("certificates", move || HttpClient::new(&settings, &hosts, clock))
        });
        let made = timeout(MADE_WITHIN, making).await;
        let made = made.map_err(|_| "the certificates are not read: their disk does not answer".to_owned())?;
        self.making = None;
        made.map_err(|error| error.to_string())?.map_err(|error| chain(&error))
    }

    fn publish(&self) {
        self.report.send_replace(self.account.report(&self.clock.now(), self.calls));
    }

    fn log(&self, notes: Vec<LogNote>) {
        let account = &self.settings.name;
        for LogNote { client, line } in notes {
            let client = client.as_ref().map(Name::as_str);
            match line {
                LogLine::Warning(text) => warn!(%account, client, "{text}"),
                LogLine::Alert(text) => error!(%account, client, "{text}"),
                LogLine::Over(text) => info!(%account, client, "{text}"),
            }
        }
    }
}

/// The clients of which a report was accepted at any time.
fn reported_before(ledger: &ledger::LedgerReport) -> BTreeSet<Name> {
    let clients = ledger.clients.iter().filter(|(_, client)| client.accepted_at.is_some());
    clients.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests;
