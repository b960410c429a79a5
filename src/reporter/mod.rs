//! An account's task: when it reports, which calls it makes, and what each answer means.

pub(crate) mod account;
mod agenda;
pub(crate) mod batching;
mod catch_up;
mod client;
mod mask;
mod report;
mod retry;
pub(crate) mod round;
pub(crate) mod rpc;
pub(crate) mod schedule;
mod task;
mod token;
mod trouble;

pub(crate) use agenda::DueReports;
pub(crate) use client::{IDLE, certificates};
pub(crate) use mask::TokenMask;
pub use report::{AccountReport, ClientTrouble, ReportingState};
pub use rpc::{AnswerSummary, summarize};

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config;
use crate::heartbeat::Heart;
use crate::ledger;
use crate::units::{ClientId, Name};

/// A command to an account, in addition to its schedule. The task ends when the last sender of commands is dropped.
#[derive(Debug)]
pub enum AccountCommand {
    /// Reports now, regardless of the schedule and of pauses.
    ReportNow {
        /// Receives one line of text per client.
        reply: oneshot::Sender<Vec<(Name, Result<String, String>)>>,
    },
    /// Prepares the calls that would be made now.
    DryRun {
        /// Receives the JSON bodies, without the token.
        reply: oneshot::Sender<Vec<String>>,
    },
    /// The daemon was reloaded: ends every pause and reads the token again.
    Reloaded,
}

/// One client of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportedClient {
    /// Its name in the configuration.
    pub name: Name,
    /// Its identifier at Arkreen.
    pub client_id: ClientId,
}

/// Everything that an account's task needs.
pub struct Reporter {
    /// The account's configuration.
    pub account: config::AccountConfig,
    /// The clients that it reports.
    pub clients: Vec<ReportedClient>,
    /// Gives the figures and records what was accepted.
    pub ledger: ledger::LedgerHandle,
    /// The task ends when the last sender is dropped.
    pub commands: mpsc::Receiver<AccountCommand>,
    /// Where the task publishes its state.
    pub report: watch::Sender<AccountReport>,
    /// The clock of slots and times.
    pub clock: Clock,
    /// Shows that the task makes progress.
    pub heart: Heart,
    /// False if it reports only by command.
    pub scheduled: bool,
}

impl Reporter {
    /// Reports on schedule until the last sender of commands is dropped.
    pub async fn run(self) {
        task::ReporterTask::new(self).run().await;
    }
}
