//! What the ledger reports about itself, for the status document.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::guard::Verdicts;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The ledger as of the last reading.
#[derive(Clone, Debug, Default)]
pub struct LedgerReport {
    /// The configured meters.
    pub meters: BTreeMap<Name, MeterLedger>,
    /// The configured clients.
    pub clients: BTreeMap<Name, ClientLedger>,
    /// Why the store cannot be written at the moment, for people.
    pub error: Option<String>,
    /// Why nothing at all is reported, for people.
    pub block: Option<String>,
    /// Commits since the daemon started.
    pub commits: u64,
    /// Commits that failed since the daemon started.
    pub failed_commits: u64,
}

/// One meter.
#[derive(Clone, Debug, Default)]
pub struct MeterLedger {
    /// The last verdict: one of the words of `guard::Verdict`.
    pub verdict: Option<&'static str>,
    /// Why the register is not taken at the moment and what the operator can do, for people.
    pub held: Option<String>,
    /// The last register taken.
    pub register: Option<MilliwattHours>,
    /// Absent until there is a baseline. May be ahead of what is on disk; only figures are reported.
    pub published: Option<MilliwattHours>,
    /// The power that counter and power register have both shown, where it is above `max_power`: that is set too low.
    pub overload: Option<Milliwatts>,
    /// That published stands still for a while after a correction, where it does, for people.
    pub stands: Option<String>,
    /// Verdicts since the daemon started.
    pub verdicts: Verdicts,
}

/// One client.
#[derive(Clone, Debug, Default)]
pub struct ClientLedger {
    /// The durable figure.
    pub energy: Option<MilliwattHours>,
    /// What Arkreen accepted last.
    pub accepted: Option<MilliwattHours>,
    /// When that was.
    pub accepted_at: Option<Timestamp>,
}
