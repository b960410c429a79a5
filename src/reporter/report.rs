//! What an account task says of itself.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::units::Name;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportingState {
    Ok,
    /// A transient failure: tried again on its own.
    Retrying,
    /// The endpoint refuses the account (token, URL): probed slowly.
    Refused,
    #[default]
    NeverReported,
}

#[derive(Clone, Debug, Default)]
pub struct AccountReport {
    pub state: ReportingState,
    /// When a call was last answered with at least one acceptance.
    pub last_report_at: Option<Timestamp>,
    pub next_report_at: Option<Timestamp>,
    /// Entries that Arkreen accepted since the daemon started.
    pub accepted: u64,
    /// Entries that Arkreen refused since the daemon started.
    pub rejected: u64,
    /// HTTP calls made since the daemon started.
    pub calls: u64,
    /// What is wrong and what to do, for people.
    pub error: Option<String>,
    /// The same a client.
    pub clients: BTreeMap<Name, String>,
}
