//! Why nothing at all is reported from a ledger.

use std::fmt;

use jiff::Timestamp;

/// Why nothing at all is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportingBlock {
    /// It was begun on another machine: this may be a cloned disk.
    Cloned,
    /// It was given to another machine then.
    Retired(Timestamp),
}

impl ReportingBlock {
    /// What the store says. Who gave it away does not take it back by adopting it.
    pub(super) fn of(other_machine: bool, retired: Option<Timestamp>) -> Option<Self> {
        retired.map(ReportingBlock::Retired).or(other_machine.then_some(ReportingBlock::Cloned))
    }
}

impl fmt::Display for ReportingBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReportingBlock::Cloned => f.write_str(
                "the ledger was begun on another machine, and a clone must not report beside it: `arkmeter ledger adopt` makes it this \
                 machine's",
            ),
            ReportingBlock::Retired(at) => write!(
                f,
                "the ledger was moved away on {}: this machine counts and reports nothing of it any more; `arkmeter ledger restore` with \
                 the file that `ledger move` wrote brings it back, `ledger move` writes that file again",
                at.strftime("%Y-%m-%d at %H:%M:%SZ")
            ),
        }
    }
}
