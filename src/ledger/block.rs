//! Why nothing at all is reported from a ledger.

use std::fmt;

use jiff::Timestamp;

use super::store::LedgerRow;

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
