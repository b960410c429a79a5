//! An account's task: when to report, what to call, and what each answer means.

mod account;
mod agenda;
mod batch;
mod client;
mod mask;
mod report;
mod retry;
mod round;
mod rpc;
mod schedule;
mod task;
mod token;
mod trouble;

pub(crate) use mask::Mask;
pub use report::{AccountReport, AccountState};
pub use rpc::{Judged, judged};

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config;
use crate::heartbeat::Heart;
use crate::ledger;
use crate::units::{ClientId, Name};

/// What an account can be asked to do beside its schedule. The task ends when the last sender of these is dropped.
#[derive(Debug)]
pub enum Command {
    /// Reports now, whatever the schedule or a pause says; answers with one line a client, for people.
    ReportNow { reply: oneshot::Sender<Vec<(Name, Result<String, String>)>> },
    /// The JSON bodies that would be sent now, without the token.
    DryRun { reply: oneshot::Sender<Vec<String>> },
    /// The daemon was reloaded: ends every pause and reads the token anew.
    Reloaded,
}

/// One client of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    pub name: Name,
    pub client_id: ClientId,
}

/// What an account task is given.
pub struct Reporter {
    pub account: config::AccountConfig,
    pub clients: Vec<Reported>,
    pub ledger: ledger::Handle,
    pub commands: mpsc::Receiver<Command>,
    pub report: watch::Sender<AccountReport>,
    pub clock: Clock,
    pub heart: Heart,
    /// False where it reports only when a command says so.
    pub scheduled: bool,
}

impl Reporter {
    /// Reports on schedule until the commands' last sender is dropped.
    pub async fn run(self) {
        task::Task::new(self).run().await;
    }
}
