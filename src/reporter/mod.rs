//! An account's task: when to report, what to call, and what each answer means.

mod account;
mod agenda;
mod batching;
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

pub(crate) use mask::TokenMask;
pub use report::{AccountReport, ReportingState};
pub use rpc::{AnswerSummary, summarize};

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config;
use crate::heartbeat::Heart;
use crate::ledger;
use crate::units::{ClientId, Name};

/// What an account can be asked to do beside its schedule. The task ends when the last sender of these is dropped.
#[derive(Debug)]
pub enum AccountCommand {
    /// Reports now, whatever the schedule or a pause says; answers with one line a client, for people.
    ReportNow { reply: oneshot::Sender<Vec<(Name, Result<String, String>)>> },
    /// The JSON bodies that would be sent now, without the token.
    DryRun { reply: oneshot::Sender<Vec<String>> },
    /// The daemon was reloaded: ends every pause and reads the token anew.
    Reloaded,
}

/// One client of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportedClient {
    pub name: Name,
    pub client_id: ClientId,
}

/// What an account task is given.
pub struct Reporter {
    pub account: config::AccountConfig,
    pub clients: Vec<ReportedClient>,
    pub ledger: ledger::Handle,
    pub commands: mpsc::Receiver<AccountCommand>,
    pub report: watch::Sender<AccountReport>,
    pub clock: Clock,
    pub heart: Heart,
    /// False where it reports only when a command says so.
    pub scheduled: bool,
}

impl Reporter {
    /// Reports on schedule until the commands' last sender is dropped.
    pub async fn run(self) {
        task::ReporterTask::new(self).run().await;
    }
}
