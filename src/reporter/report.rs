//! The state that an account's task publishes.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::WaitingReason;
use crate::units::Name;

/// Whether an account can report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportingState {
    /// The last report was accepted.
    Ok,
    /// A temporary failure: arkmeter tries again.
    Retrying,
    /// The endpoint refuses the account (token, URL): probed slowly.
    Refused,
    /// No report yet since the daemon started.
    #[default]
    NeverReported,
}

impl ReportingState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Retrying, Self::Refused, Self::NeverReported];
}

/// The state of an account and its clients, also as it is in the status document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccountReport {
    /// Whether it can report.
    pub state: ReportingState,
    /// When a call was last answered with at least one acceptance.
    pub last_report_at: Option<Timestamp>,
    /// When the next report is due; absent without clients.
    pub next_report_at: Option<Timestamp>,
    /// Reports that Arkreen accepted since the daemon started.
    pub accepted: u64,
    /// Reports that Arkreen refused since the daemon started.
    pub rejected: u64,
    /// HTTP calls made since the daemon started.
    pub calls: u64,
    /// What is wrong with the account and what to do.
    pub error: Option<String>,
    /// What is wrong with single clients and what to do. The document shows it with the clients.
    #[serde(skip)]
    pub clients: BTreeMap<Name, ClientTrouble>,
}

/// Why a client is not reported as it should be. Its text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientTrouble {
    /// It has no figure.
    Waiting(WaitingReason),
    /// Arkreen refused its report or gave no clear answer, and what to do, as a message.
    Answer(String),
}

impl fmt::Display for ClientTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientTrouble::Waiting(why) => why.fmt(f),
            ClientTrouble::Answer(text) => f.write_str(text),
        }
    }
}
