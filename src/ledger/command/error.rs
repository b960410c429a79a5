//! Why a command is refused or fails, with the remedy.

use crate::guard::DecisionError;
use crate::units::Name;

/// Why a command is refused, and what can be done instead. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The guard refuses it.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// The configuration has no such meter.
    #[error(
        "the configuration has no meter `{meter}`{}: `arkmeter ledger show` lists the meters of the ledger",
        suggested(near)
    )]
    UnknownMeter {
        /// The name.
        meter: Name,
        /// A similar one that is known.
        near: Option<Name>,
    },
    /// The ledger has the meter, and the configuration does not.
    #[error(
        "the ledger has `{0}`, but the configuration does not, so its figure is not reported: add it there, or `arkmeter ledger rename {0} \
         NEW` if the meter has a new name"
    )]
    Left(Name),
    /// It can only be done for a meter.
    #[error("`{client}` is a client of several meters: name one of them, {members}")]
    IsClient {
        /// The client.
        client: Name,
        /// Its members' names.
        members: String,
    },
    /// The client has no figure yet.
    #[error("the client {0} has no figure yet: wait until `arkmeter status` shows one")]
    NoFigure(Name),
    /// Nothing of the meter is held.
    #[error("nothing of {0} is held, so there is nothing to accept: `arkmeter status` shows when something is")]
    NothingHeld(Name),
    /// The ledger already belongs to this machine.
    #[error("the ledger already belongs to this machine")]
    NotForeign,
    /// The journal has no such entry.
    #[error("the journal has no entry {0}: `arkmeter ledger journal` lists them with their numbers")]
    NoEntry(i64),
    /// The entry was undone already.
    #[error("entry {entry} was undone already, by entry {by}: to undo that, `arkmeter ledger undo {by}`")]
    Undone {
        /// The entry.
        entry: i64,
        /// The entry that undid it.
        by: i64,
    },
    /// The entry is about a meter that is not configured.
    #[error("entry {entry} is about {meter}, which the configuration does not name: add it there to undo the entry")]
    EntryOfGone {
        /// The entry.
        entry: i64,
        /// The meter.
        meter: Name,
    },
    /// The ledger has no such meter.
    #[error("the ledger has no meter `{meter}`{}: `arkmeter ledger show` lists its meters", suggested(near))]
    NoLedger {
        /// The name.
        meter: Name,
        /// A similar one that is known.
        near: Option<Name>,
    },
    /// Old and new name are the same.
    #[error("{0} is already its name")]
    SameName(Name),
    /// The new name has a figure of its own.
    #[error(
        "{to} already has a figure, and two figures cannot be merged: keep {to}, and add what was consumed between the \
         last register of {from} (`arkmeter ledger show`) and the first of {to} (`arkmeter ledger journal --meter {to}`) with `arkmeter \
         ledger credit {to} ENERGY`"
    )]
    NameTaken {
        /// The old name.
        from: Name,
        /// The new name.
        to: Name,
    },
    /// The ledger was moved away.
    #[error(
        "the ledger was moved away and must not change here: restore the file that `arkmeter ledger move` wrote, on the machine that \
         continues with it"
    )]
    Retired,
}

fn suggested(near: &Option<Name>) -> String {
    near.as_ref().map(|near| format!(", but `{near}`")).unwrap_or_default()
}
