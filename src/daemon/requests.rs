//! What is asked through the control socket, done by the tasks that own the bus or the account.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::supervisor::TaskSupervisor;
use crate::config::Config;
use crate::ledger::remedy::Order;
use crate::poller::{self, Live};
use crate::reporter;
use crate::status::control::{ControlCommand, ControlRequest};
use crate::units::Name;

/// What one account did when it was asked to report: one line a client, or the bodies that it would have sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportResults {
    /// What became of each client's report.
    pub clients: BTreeMap<Name, Result<String, String>>,
    /// The calls of a dry run, without the token: `POST URL` and the body.
    pub calls: Vec<(String, Value)>,
    /// Accounts that could not do it.
    pub errors: Vec<String>,
}

/// Does what was asked and answers.
pub fn answer(
    request: ControlRequest,
    config: &Arc<Config>,
    fleet: &TaskSupervisor,
) -> impl Future<Output = ()> + Send + 'static {
    let (config, buses, accounts) = (config.clone(), fleet.bus_commands(), fleet.account_commands());
    let ledger = fleet.ledger();
    async move {
        let answer = match request.command {
            ControlCommand::Read { meters } => serde_json::to_value(read(&config, &buses, &meters).await),
            ControlCommand::Report { dry_run, account } => {
                serde_json::to_value(report(&config, &accounts, dry_run, account.as_ref()).await)
            }
            ControlCommand::Ledger { remedy, dry_run } => {
                let done = ledger.order(Order::new(remedy, dry_run, Some(request.uid))).await;
                serde_json::to_value(done.map_err(|error| error.to_string()))
            }
        };
        let _ = request.reply.send(answer.expect("answers are plain JSON"));
    }
}

/// Reads these meters now (all when none is named), each on its own bus.
pub async fn read(
    config: &Config,
    buses: &BTreeMap<Name, mpsc::WeakSender<poller::Command>>,
    meters: &[Name],
) -> Vec<Live> {
    let mut waiting = Vec::new();
    for (bus, commands) in buses {
        let wanted = |meter: &&crate::config::MeterConfig| {
            meter.bus == *bus && (meters.is_empty() || meters.contains(&meter.name))
        };
        let names: Vec<_> = config.meters.values().filter(wanted).map(|meter| meter.name.clone()).collect();
        if !names.is_empty() {
            let (reply, answer) = oneshot::channel();
            let told = tell(commands, poller::Command::ReadNow { meters: names, reply }).await;
            waiting.push(told.then_some(answer));
        }
    }
    let mut said = BTreeMap::new();
    for answer in waiting.into_iter().flatten() {
        said.extend(answer.await.unwrap_or_default());
    }
    let wanted = config.meters.values().filter(|meter| meters.is_empty() || meters.contains(&meter.name));
    let busy = || poller::Said::nothing("its bus is busy or being reloaded: try again");
    wanted.map(|meter| Live::new(meter, said.remove(&meter.name).unwrap_or_else(busy))).collect()
}

/// Reports now, or says what would be sent.
pub async fn report(
    config: &Config,
    accounts: &BTreeMap<Name, mpsc::WeakSender<reporter::AccountCommand>>,
    dry_run: bool,
    only: Option<&Name>,
) -> ReportResults {
    let mut answer = ReportResults::default();
    for (name, commands) in accounts.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let done = match dry_run {
            true => calls(commands).await.map(|bodies| {
                let url = config.accounts.get(name).map(|account| account.url.to_string()).unwrap_or_default();
                let parsed = bodies.iter().map(|body| serde_json::from_str(body).unwrap_or_default());
                answer.calls.extend(parsed.map(|body| (url.clone(), body)));
            }),
            false => outcomes(commands).await.map(|outcomes| answer.clients.extend(outcomes)),
        };
        if done.is_none() {
            answer.errors.push(format!("account {name} is busy or being reloaded: try again"));
        }
    }
    answer
}

async fn calls(commands: &mpsc::WeakSender<reporter::AccountCommand>) -> Option<Vec<String>> {
    let (reply, answer) = oneshot::channel();
    tell(commands, reporter::AccountCommand::DryRun { reply }).await.then_some(())?;
    answer.await.ok()
}

async fn outcomes(
    commands: &mpsc::WeakSender<reporter::AccountCommand>,
) -> Option<Vec<(Name, Result<String, String>)>> {
    let (reply, answer) = oneshot::channel();
    tell(commands, reporter::AccountCommand::ReportNow { reply }).await.then_some(())?;
    answer.await.ok()
}

/// Whether the task is still there to hear it.
async fn tell<T>(commands: &mpsc::WeakSender<T>, command: T) -> bool {
    match commands.upgrade() {
        Some(sender) => sender.send(command).await.is_ok(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
