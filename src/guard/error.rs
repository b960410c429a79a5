//! Why the guard refuses an operator's decision.

use crate::units::{MilliwattHours, Name};

/// Why a decision is refused, with what can be done instead. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// An energy of 0 was given.
    #[error("an energy of 0 changes nothing: give what was consumed")]
    Nothing,
    /// More than a connection can carry in 30 years at full power.
    #[error(
        "{energy} are more than the connection of {name} can have carried in 30 years at full power ({} kWh), and what was published \
         cannot be taken back: check the number and its unit, or `max_power` of {name}",
        most / 1_000_000, energy = energy.in_words()
    )]
    Absurd {
        /// The energy that was given.
        energy: MilliwattHours,
        /// The meter or the client.
        name: Name,
        /// The most that is possible, in mWh.
        most: u64,
    },
    /// The meter has no figure yet.
    #[error(
        "{0} has no baseline yet: wait until `arkmeter status` shows a published figure, or accept its first register"
    )]
    NoBaseline(Name),
    /// The meter has no counter, so no register can be given for it.
    #[error(
        "{0} has no counter, its energy is integrated from power: only `accept`, `credit`, `set` and `undo` can be done for it"
    )]
    NoCounter(Name),
    /// The figure would exceed [`MilliwattHours::MAX`].
    #[error("that would be more energy than can be reported (9007199254 kWh)")]
    TooMuch,
    /// A published figure never falls.
    #[error(
        "{name} is published with {} already, and a published figure never falls: give more than that, or leave it",
        published.in_words()
    )]
    Lower {
        /// The meter or the client.
        name: Name,
        /// Its figure.
        published: MilliwattHours,
    },
    /// The event moved no figure.
    #[error("entry {entry} ({word}) moved no figure that could go back: {instead}")]
    NothingToUndo {
        /// The number of the journal's entry.
        entry: i64,
        /// The entry's verdict or command.
        word: String,
        /// What can be done instead.
        instead: &'static str,
    },
    /// The register given for the end of the old meter is not possible.
    #[error(
        "the old meter cannot have ended at {}: the last register taken said {}, and the connection cannot have carried the difference \
         since; check --old-reading",
        old.in_words(), taken.in_words()
    )]
    OldReading {
        /// The register that was given.
        old: MilliwattHours,
        /// The last register taken.
        taken: MilliwattHours,
    },
    /// The register given for the start of the new meter is above what the new meter says now.
    #[error(
        "the new meter says {}, less than the {} at which it is said to have begun; check --new-reading",
        seen.in_words(), new.in_words()
    )]
    NewReadingTooHigh {
        /// The register that was given.
        new: MilliwattHours,
        /// The register as it was last read.
        seen: MilliwattHours,
    },
    /// The new meter cannot have counted from the given register to the present one.
    #[error(
        "the new meter says {} and cannot have counted from {} to there since the exchange; check --new-reading",
        taken.in_words(), new.in_words()
    )]
    NewReadingTooLow {
        /// The register that was given.
        new: MilliwattHours,
        /// The last register taken.
        taken: MilliwattHours,
    },
}
