//! What the ledger reports about itself, for the status document, and why it reports no figures at all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::store::LedgerRow;
use crate::guard::Verdicts;
use crate::report_hours::ReportHours;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The ledger as of the last reading.
#[derive(Clone, Debug, Default)]
pub struct LedgerReport {
    /// The configured meters. Shared, so that a copy of the report costs little.
    pub meters: BTreeMap<Name, Arc<MeterLedger>>,
    /// The configured clients.
    pub clients: BTreeMap<Name, ClientLedger>,
    /// Why the store cannot be written at the moment, as a message.
    pub error: Option<String>,
    /// Why nothing at all is reported, as a message.
    pub block: Option<String>,
    /// Commits since the daemon started.
    pub commits: u64,
    /// Commits that failed since the daemon started.
    pub failed_commits: u64,
}

/// One meter.
#[derive(Clone, Debug, Default)]
pub struct MeterLedger {
    /// The last verdict: one of the words of `guard::Verdict`, or `waiting` while the register is not taken for a moment.
    pub verdict: Option<&'static str>,
    /// Why the register is not taken at the moment and what the operator can do, as a message.
    pub held: Option<String>,
    /// The last register taken.
    pub register: Option<MilliwattHours>,
    /// The published energy; absent until there is a baseline. It may be ahead of the disk; what is reported never is.
    pub published: Option<MilliwattHours>,
    /// The power that counter and power register have both shown, if it is above `max_power`: then that is too low.
    pub overload: Option<Milliwatts>,
    /// What is wrong at the meter, for people: its counter stands still, or its power cannot be.
    pub faults: Vec<String>,
    /// What should be checked at the meter, for people.
    pub advice: Vec<String>,
    /// How long published stands still after a correction, if it does, as a message.
    pub stands: Option<String>,
    /// The meter's serial number, as the meter says it.
    pub serial: Option<String>,
    /// Verdicts since the daemon started.
    pub verdicts: Verdicts,
}

/// One client.
#[derive(Clone, Debug, Default)]
pub struct ClientLedger {
    /// The energy on disk.
    pub energy: Option<MilliwattHours>,
    /// What Arkreen accepted last.
    pub accepted: Option<MilliwattHours>,
    /// When that was.
    pub accepted_at: Option<Timestamp>,
    /// Reports that Arkreen accepted since the daemon started.
    pub reports: u64,
    /// Reports that Arkreen accepted in each hour of the last week.
    pub hours: ReportHours,
}

/// Why nothing at all is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportingBlock {
    /// It belongs to another machine: this may be a cloned disk.
    Cloned,
    /// It was moved to another machine at this time.
    Retired(Timestamp),
}

impl ReportingBlock {
    /// Why nothing may be reported from this ledger on the machine `ours`. A ledger that was moved away cannot be adopted.
    pub(super) fn of(ledger: &LedgerRow, ours: Option<&str>) -> Option<Self> {
        let cloned = ledger.is_foreign(ours).then_some(ReportingBlock::Cloned);
        ledger.retired.map(ReportingBlock::Retired).or(cloned)
    }
}

impl fmt::Display for ReportingBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReportingBlock::Cloned => f.write_str(
                "the ledger was created on another machine, and a clone must not report beside it: `arkmeter ledger adopt` makes it this \
                 machine's",
            ),
            ReportingBlock::Retired(at) => write!(
                f,
                "the ledger was moved away on {}: this machine no longer counts or reports anything from it; `arkmeter ledger restore` \
                 with the file that `ledger move` wrote brings it back, `ledger move` writes that file again",
                at.strftime("%Y-%m-%d at %H:%M:%SZ")
            ),
        }
    }
}
