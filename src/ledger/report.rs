//! What the ledger says of itself.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::guard::Verdicts;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The ledger as of the last reading.
#[derive(Clone, Debug, Default)]
pub struct LedgerReport {
    pub meters: BTreeMap<Name, MeterLedger>,
    pub clients: BTreeMap<Name, ClientLedger>,
    /// Why the store cannot be written at the moment, for people.
    pub error: Option<String>,
    /// Why nothing at all is reported, for people.
    pub barred: Option<String>,
    pub commits: u64,
    pub failed_commits: u64,
    /// What was found in this run to be lost of the journal, for people. Everything else goes on.
    pub journal_error: Option<String>,
}

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

#[derive(Clone, Debug, Default)]
pub struct ClientLedger {
    /// The durable figure.
    pub energy: Option<MilliwattHours>,
    pub accepted: Option<MilliwattHours>,
    pub accepted_at: Option<Timestamp>,
}
