//! The task of an account: the shell around [`Account`] and [`Round`]. It waits, asks the ledger, calls, and says what came of it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::account::{Account, Note, Place};
use super::agenda::Due;
use super::batch::{Batching, Fresh, Ids, singly};
use super::client::{Client, Credentials};
use super::round::{Came, Round};
use super::rpc::{Call, Entry, Failure, Heard};
use super::schedule::Schedule;
use super::token::{Look, TokenKeeper};
use super::trouble::Line;
use super::{AccountReport, Command, Reporter};
use crate::clock::Clock;
use crate::command_queue::{CommandQueue, QueueClosed};
use crate::config;
use crate::heartbeat::{BEAT_EVERY, Heart};
use crate::ledger::{self, Accepted, Figure};
use crate::units::{ClientId, Name};

/// What a round came to, a client.
type Results = BTreeMap<Name, (Entry, Came)>;

/// One running account.
pub(crate) struct Task {
    settings: config::AccountConfig,
    ids: BTreeMap<Name, ClientId>,
    ledger: ledger::Handle,
    commands: CommandQueue<Command>,
    report: watch::Sender<AccountReport>,
    clock: Clock,
    heart: Heart,
    scheduled: bool,
    token: TokenKeeper,
    client: Option<Client>,
    account: Account,
    batching: Batching,
    next_id: Ids,
    calls: u64,
    rng: SmallRng,
}

/// Why the task ends.
enum End {
    /// It was asked to.
    Closed,
    Ledger(ledger::Gone),
}

impl From<QueueClosed> for End {
    fn from(_: QueueClosed) -> Self {
        End::Closed
    }
}

impl Task {
    pub(crate) fn new(given: Reporter) -> Self {
        let Reporter { account: settings, clients, ledger, commands, report, clock, heart, scheduled } = given;
        let ids: BTreeMap<_, _> = clients.into_iter().map(|client| (client.name, client.client_id)).collect();
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into);
        let token = TokenKeeper::new(settings.token.clone(), credentials);
        let schedule = Schedule::new(settings.report_every, settings.url.as_str(), ids.values().copied());
        let place = Place::new(settings.name.clone(), &settings.url, token.place());
        Task {
            account: Account::new(place, schedule, ids.clone(), &clock.now()),
            batching: Batching::new(settings.batch, settings.batch_max),
            commands: CommandQueue::new(commands),
            next_id: Ids::default(),
            client: None,
            calls: 0,
            rng: SmallRng::seed_from_u64(rand::random()),
            settings,
            ids,
            ledger,
            report,
            clock,
            heart,
            scheduled,
            token,
        }
    }

    pub(crate) async fn run(mut self) {
        if let Err(End::Ledger(gone)) = self.go_on().await {
            error!(account = %self.settings.name, "reporting ends: {gone}");
        }
    }

    async fn go_on(&mut self) -> Result<(), End> {
        loop {
            self.heart.beat();
            self.look_at_token();
            if self.scheduled
                && let Some(due) = self.account.due(&self.clock.now())
            {
                self.round(due).await?;
            }
            self.say();
            let ahead = self.account.wake().saturating_sub(self.clock.now().since_boot);
            tokio::select! {
                command = self.commands.next() => self.obey(command?).await?,
                // No longer than a beat: the time since the boot goes on through suspend, a timer does not.
                () = sleep(ahead.min(BEAT_EVERY)) => {}
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::ReportNow { reply } => {
                let due = self.account.all_now();
                let results = self.round(due).await?;
                let verdict = |name: &Name| (name.clone(), self.account.verdict(name, results.get(name)));
                // Whoever asked may have gone.
                let _ = reply.send(self.ids.keys().map(verdict).collect());
            }
            Command::DryRun { reply } => {
                let all = self.ids.keys().cloned().collect();
                let (ready, _) = self.figures(all).await?;
                let calls = self.batching.clone().calls(ready, &mut self.next_id.clone(), self.clock.now().since_boot);
                let _ = reply.send(calls.iter().map(Call::pretty_body).collect());
            }
            Command::Reloaded => {
                let now = self.clock.now().since_boot;
                self.account.reloaded(now);
                self.batching.reloaded();
                // The certificates in ca_file may be others.
                self.client = None;
                let look = self.token.read();
                self.take_up_token(look);
            }
        }
        Ok(())
    }

    fn look_at_token(&mut self) {
        let look = self.token.look();
        self.take_up_token(look);
    }

    fn take_up_token(&mut self, look: Look) {
        if look == Look::New {
            self.account.new_token(self.clock.now().since_boot);
        }
        if look != Look::Same {
            let notes = self.account.token_file(self.token.error());
            self.log(notes);
        }
    }

    /// Asks for figures and sends those that may be sent.
    async fn round(&mut self, due: Due) -> Result<Results, End> {
        let send = due.send;
        let fresh = self.sendable(due.ask).await?.into_iter().filter(|fresh| send.contains(&fresh.client)).collect();
        let Some((client, credentials)) = self.ready_to_call() else { return Ok(Results::new()) };
        let calls = self.batching.calls(fresh, &mut self.next_id, self.clock.now().since_boot);
        if calls.is_empty() {
            return Ok(Results::new());
        }
        self.account.sent(calls.iter().flat_map(|call| call.entries.iter().map(|entry| &entry.client)));
        let mut round = Round::new(calls);
        self.exchange(&mut round, &client, &credentials).await?;
        let again: BTreeSet<_> = round.again().into_iter().collect();
        if !again.is_empty() {
            let fresh = self.sendable(again).await?;
            round.enqueue(singly(fresh, &mut self.next_id));
            self.exchange(&mut round, &client, &credentials).await?;
        }
        let finished = round.finish();
        let results = finished.results.clone();
        let notes = self.account.settle(finished, self.clock.now().since_boot, &mut self.rng);
        self.log(notes);
        Ok(results)
    }

    /// Makes the calls of a round as it gives them, and hands on at once what was accepted.
    async fn exchange(&mut self, round: &mut Round, client: &Client, credentials: &Credentials) -> Result<(), End> {
        let mut under_way = FuturesUnordered::new();
        loop {
            while let Some(call) = round.next() {
                self.calls += 1;
                under_way.push(async move {
                    let heard = client.call(&call, credentials).await;
                    (call, heard)
                });
            }
            let answer = self.heart.beating(self.commands.unless_closed(under_way.next())).await?;
            let Some((call, heard)) = answer else { return Ok(()) };
            self.accepted(&call, &heard).await?;
            if let Heard::Entries { strays: Some(strays), .. } = &heard {
                let note = self.account.strays(strays);
                self.log(note.into_iter().collect());
            }
            round.heard(call, heard, &mut self.batching, self.clock.now().since_boot);
        }
    }

    async fn accepted(&mut self, call: &Call, heard: &Heard) -> Result<(), End> {
        let at = self.clock.now();
        let taken = heard.accepted(call).into_iter();
        let taken: Vec<_> =
            taken.map(|entry| Accepted { client: entry.client.clone(), energy: entry.energy, at }).collect();
        if taken.is_empty() {
            return Ok(());
        }
        self.account.accepted(taken.len(), at.wall);
        let recorded = self.ledger.accepted(taken);
        self.heart.beating(self.commands.unless_closed(recorded)).await?.map_err(End::Ledger)
    }

    /// The figures of these clients that can be sent; the others' reasons are taken down.
    async fn sendable(&mut self, clients: BTreeSet<Name>) -> Result<Vec<Fresh>, End> {
        let (ready, waiting) = self.figures(clients.into_iter().collect()).await?;
        Ok(self.account.sendable(ready, waiting))
    }

    async fn figures(&mut self, clients: Vec<Name>) -> Result<(Vec<Fresh>, Vec<(Name, String)>), End> {
        let asked = self.ledger.figures(clients);
        let figures = self.heart.beating(self.commands.unless_closed(asked)).await?.map_err(End::Ledger)?;
        let (mut ready, mut waiting) = (Vec::new(), Vec::new());
        for (client, figure) in figures {
            match (figure, self.ids.get(&client).copied()) {
                (Figure::Ready { power, energy, .. }, Some(client_id)) => {
                    ready.push(Fresh { client, client_id, power, energy });
                }
                (Figure::Waiting(why), _) => waiting.push((client, why)),
                (Figure::Ready { .. }, None) => {}
            }
        }
        Ok((ready, waiting))
    }

    /// What is needed for a call; says what is missing.
    fn ready_to_call(&mut self) -> Option<(Client, Credentials)> {
        let credentials = self.token.token().and_then(Credentials::new)?;
        if self.client.is_none() {
            match Client::new(&self.settings, self.clock.clone()) {
                Ok(client) => self.client = Some(client),
                Err(error) => {
                    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
                    let failure = Failure::Unreachable(format!("{error}{}", source.unwrap_or_default()));
                    let now = self.clock.now().since_boot;
                    let note = self.account.failed(&failure, false, now, &mut self.rng);
                    self.log(note.into_iter().collect());
                }
            }
        }
        Some((self.client.clone()?, credentials))
    }

    fn say(&self) {
        self.report.send_replace(self.account.report(&self.clock.now(), self.calls));
    }

    fn log(&self, notes: Vec<Note>) {
        let account = &self.settings.name;
        for Note { client, line } in notes {
            let client = client.as_ref().map(Name::as_str);
            match line {
                Line::Warning(text) => warn!(%account, client, "{text}"),
                Line::Alert(text) => error!(%account, client, "{text}"),
                Line::Over(text) => info!(%account, client, "{text}"),
            }
        }
    }
}

#[cfg(test)]
mod tests;
