//! Commands from the control socket, carried out by the tasks that own the bus, the account or the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::supervisor::TaskSupervisor;
use crate::config::Config;
use crate::ledger::command::CommandRequest;
use crate::poller::{self, LiveReading};
use crate::reporter;
use crate::status::control::{ControlCommand, ControlRequest};
use crate::units::Name;

/// The outcome of a report by command: one line per client, or the bodies that would have been sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportResults {
    /// For each client what was accepted, or why it was not.
    pub clients: BTreeMap<Name, Result<String, String>>,
    /// The calls of a dry run, without the token: URL and body.
    pub calls: Vec<(String, Value)>,
    /// What prevented an account from reporting.
    pub errors: Vec<String>,
}

/// Carries out a command and sends its answer.
pub fn answer(
    request: ControlRequest,
    config: &Arc<Config>,
    supervisor: &TaskSupervisor,
) -> impl Future<Output = ()> + Send + 'static {
    let (config, buses, accounts) = (config.clone(), supervisor.bus_commands(), supervisor.account_commands());
    let ledger = supervisor.ledger();
    async move {
        let answer = match request.command {
            ControlCommand::Read { meters } => serde_json::to_value(read(&config, &buses, &meters).await),
            ControlCommand::Report { dry_run, account } => {
                serde_json::to_value(report(&config, &accounts, dry_run, account.as_ref()).await)
            }
            ControlCommand::Ledger { command, dry_run } => {
                let done = ledger.command(CommandRequest::new(command, dry_run, Some(request.uid))).await;
                serde_json::to_value(done.map_err(|error| error.to_string()))
            }
        };
        let _ = request.reply.send(answer.expect("answers are plain JSON"));
    }
}

/// Reads these meters now, each on its own bus; all meters if none is named.
pub async fn read(
    config: &Config,
    buses: &BTreeMap<Name, mpsc::WeakSender<poller::BusCommand>>,
    meters: &[Name],
) -> Vec<LiveReading> {
    let mut waiting = Vec::new();
    for (bus, commands) in buses {
        let on_bus = |meter: &&crate::config::MeterConfig| {
            meter.bus == *bus && (meters.is_empty() || meters.contains(&meter.name))
        };
        let names: Vec<_> = config.meters.values().filter(on_bus).map(|meter| meter.name.clone()).collect();
        if !names.is_empty() {
            waiting.push(send(commands, |reply| poller::BusCommand::ReadNow { meters: names, reply }).await);
        }
    }
    let mut replies = BTreeMap::new();
    for answer in waiting.into_iter().flatten() {
        replies.extend(answer.await.unwrap_or_default());
    }
    let requested = config.meters.values().filter(|meter| meters.is_empty() || meters.contains(&meter.name));
    let busy = || poller::PollReply::nothing("its bus is busy or being reloaded: try again");
    requested.map(|meter| LiveReading::new(meter, replies.remove(&meter.name).unwrap_or_else(busy))).collect()
}

/// Reports now, or returns what would be sent. `only` restricts it to one account.
pub async fn report(
    config: &Config,
    accounts: &BTreeMap<Name, mpsc::WeakSender<reporter::AccountCommand>>,
    dry_run: bool,
    only: Option<&Name>,
) -> ReportResults {
    let mut answer = ReportResults::default();
    for (name, commands) in accounts.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let done = match dry_run {
            true => answered(commands, |reply| reporter::AccountCommand::DryRun { reply }).await.map(|bodies| {
                let url = config.accounts.get(name).map(|account| account.url.to_string()).unwrap_or_default();
                let parsed = bodies.iter().map(|body| serde_json::from_str(body).unwrap_or_default());
                answer.calls.extend(parsed.map(|body| (url.clone(), body)));
            }),
            false => {
                let outcomes = answered(commands, |reply| reporter::AccountCommand::ReportNow { reply }).await;
                outcomes.map(|outcomes| answer.clients.extend(outcomes))
            }
        };
        if done.is_none() {
            answer.errors.push(format!("account {name} is busy or being reloaded: try again"));
        }
    }
    answer
}

/// The task's answer to this command; `None` if the task has ended or does not answer.
async fn answered<C, A>(commands: &mpsc::WeakSender<C>, command: impl FnOnce(oneshot::Sender<A>) -> C) -> Option<A> {
    send(commands, command).await?.await.ok()
}

/// Sends the command; `None` if the task has ended. The answer comes later.
async fn send<C, A>(
    commands: &mpsc::WeakSender<C>,
    command: impl FnOnce(oneshot::Sender<A>) -> C,
) -> Option<oneshot::Receiver<A>> {
    let (reply, answer) = oneshot::channel();
    commands.upgrade()?.send(command(reply)).await.ok()?;
    Some(answer)
}

#[cfg(test)]
mod tests;
