//! What an operator can order: what it is called, what comes of it, and why it can be refused.

use serde::{Deserialize, Serialize};

use super::store::{JournalRow, Look, StoreError};
use crate::guard::{DecisionError, GuardEvent};
use crate::units::{MilliwattHours, Name};

/// What an operator knows and the guard cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Remedy {
    /// The register that is held is right; or a figure that an older copy of the ledger held is to go on.
    Accept { meter: Name },
    /// This machine reports from now on.
    Adopt {},
    /// This energy was consumed, though no register credited it.
    Credit { meter: Name, energy: MilliwattHours },
    /// Arkreen holds this already: nothing below it is published, of a meter, or given, of a client of several.
    Set { meter: Name, energy: MilliwattHours },
    /// The meter was exchanged: the old one ended at one register, the new one began at the other.
    Replace { meter: Name, old_reading: MilliwattHours, new_reading: MilliwattHours },
    /// This entry of the journal was a wrong judgement.
    Undo { entry: i64 },
    /// The meter is called otherwise now: its ledger goes on under that name.
    Rename { meter: Name, to: Name },
    /// Another machine takes the ledger up: this one reports nothing of it any more.
    Move {},
}

/// Entries of the journal that are looked through at a time.
const PAGE: u32 = 1000;

/// The journal's word for a new name.
pub(super) const RENAME: &str = "rename";
/// The journal's word for what Arkreen holds already.
pub(super) const SET: &str = "set";

impl Remedy {
    /// The command's word, which is the journal's.
    pub fn word(&self) -> &'static str {
        match self {
            Remedy::Accept { .. } => "accept",
            Remedy::Adopt {} => "adopt",
            Remedy::Credit { .. } => "credit",
            Remedy::Set { .. } => SET,
            Remedy::Replace { .. } => "replace",
            Remedy::Undo { .. } => "undo",
            Remedy::Rename { .. } => RENAME,
            Remedy::Move {} => "move",
        }
    }
}

/// A remedy, and who orders it.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub remedy: Remedy,
    /// Only say what it would do.
    pub dry_run: bool,
    /// The user who asked, where that is known.
    pub uid: Option<u32>,
    /// The entry that is to be undone.
    pub(super) subject: Option<JournalRow>,
}

impl Order {
    pub fn new(remedy: Remedy, dry_run: bool, uid: Option<u32>) -> Self {
        Order { remedy, dry_run, uid, subject: None }
    }

    /// Whether it is about an entry of the journal.
    pub(super) fn needs_journal(&self) -> bool {
        matches!(self.remedy, Remedy::Undo { .. })
    }

    /// A refusal to undo, in the word that the journal has for the entry.
    pub(super) fn in_its_word(&self, refusal: CommandError) -> CommandError {
        match (refusal, &self.subject) {
            (CommandError::Decision(DecisionError::NothingToUndo { entry, instead, .. }), Some(row)) => {
                DecisionError::NothingToUndo { entry, word: row.word.clone(), instead }.into()
            }
            (other, _) => other,
        }
    }

    /// Finds the entry that is to be undone, where there is one to find.
    pub(super) fn find(&mut self, look: &Look) -> Result<(), OrderError> {
        let Remedy::Undo { entry } = self.remedy else { return Ok(()) };
        let rows = concerning(look, entry)?;
        let row = rows.iter().find(|row| row.id == entry).ok_or(CommandError::NoEntry(entry))?;
        if let Some(by) = undone_by(&rows, entry) {
            return Err(CommandError::Undone { entry, by }.into());
        }
        self.subject = Some(row.clone());
        Ok(())
    }
}

/// That entry, and all later ones that undo one: of what may be a hundred thousand only these are kept in memory.
fn concerning(look: &Look, id: i64) -> Result<Vec<JournalRow>, StoreError> {
    let (mut kept, mut before) = (Vec::new(), i64::MAX);
    while before > id {
        let page = look.journal_before(None, before, PAGE)?;
        let Some(oldest) = page.last() else { break };
        before = oldest.id;
        let undoes = |row: &JournalRow| row.entry.as_ref().is_some_and(|entry| entry.undoes.is_some());
        kept.extend(page.into_iter().filter(|row| row.id == id || row.id > id && undoes(row)));
    }
    Ok(kept)
}

/// The one of these rows that undoes that entry and was not itself undone.
fn undone_by(rows: &[JournalRow], id: i64) -> Option<i64> {
    let undoes = |row: &&JournalRow| row.id > id && row.entry.as_ref().and_then(|entry| entry.undoes) == Some(id);
    rows.iter().filter(undoes).map(|row| row.id).find(|by| undone_by(rows, *by).is_none())
}

/// What an order did, or would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub word: String,
    /// Absent where it concerns the whole ledger.
    pub meter: Option<Name>,
    /// For people.
    pub reason: String,
    pub register_before_mwh: Option<MilliwattHours>,
    pub register_after_mwh: Option<MilliwattHours>,
    pub published_before_mwh: Option<MilliwattHours>,
    pub published_after_mwh: Option<MilliwattHours>,
    /// What the counter alone says afterwards: published stands still while this is below it.
    pub counted_after_mwh: Option<i64>,
    /// Clients whose figure it moves.
    #[serde(default)]
    pub clients: Vec<ClientMoved>,
    /// Its entry in the journal; absent in a dry run.
    pub entry: Option<i64>,
    /// False where it is in force and the disk has not taken it yet.
    pub on_disk: bool,
}

/// What Arkreen is given of a client, before and after an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientMoved {
    pub client: Name,
    pub before_mwh: MilliwattHours,
    pub after_mwh: MilliwattHours,
}

impl Outcome {
    pub(super) fn of(remedy: &Remedy, meter: Name, entry: &GuardEvent) -> Self {
        Outcome {
            meter: Some(meter),
            register_before_mwh: entry.register_before,
            register_after_mwh: entry.register_after,
            published_before_mwh: entry.published_before,
            published_after_mwh: entry.published_after,
            ..Outcome::of_all(remedy, entry.reason.clone())
        }
    }

    /// Of an order that concerns the whole ledger.
    pub(super) fn of_all(remedy: &Remedy, reason: String) -> Self {
        Outcome {
            word: remedy.word().to_owned(),
            meter: None,
            reason,
            register_before_mwh: None,
            register_after_mwh: None,
            published_before_mwh: None,
            published_after_mwh: None,
            counted_after_mwh: None,
            clients: Vec::new(),
            entry: None,
            on_disk: false,
        }
    }
}

/// Why an order is refused, with what can be done instead. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Decision(#[from] DecisionError),
    #[error(
        "the configuration has no meter `{meter}`{}: `arkmeter ledger show` names those that the ledger knows",
        suggested(near)
    )]
    UnknownMeter { meter: Name, near: Option<Name> },
    #[error(
        "the ledger has `{0}`, but the configuration does not name it (any more), so its figure goes nowhere: put it back, or `arkmeter \
         ledger rename {0} NEW` if the meter is called otherwise now"
    )]
    Left(Name),
    #[error("`{client}` is a client, what its meters give taken together: name one of them, {members}")]
    IsClient { client: Name, members: String },
    #[error("the client {0} has no figure yet: wait until `arkmeter status` shows one")]
    NoFigure(Name),
    #[error("nothing of {0} is held, so there is nothing to accept: `arkmeter status` shows when something is")]
    NothingHeld(Name),
    #[error("this ledger is this machine's already, and reports")]
    NotForeign,
    #[error("the journal has no entry {0}: `arkmeter ledger journal` lists them with their numbers")]
    NoEntry(i64),
    #[error("entry {entry} was undone already, by entry {by}: to undo that, `arkmeter ledger undo {by}`")]
    Undone { entry: i64, by: i64 },
    #[error("entry {entry} is of {meter}, which the configuration has no more: put it back to undo it")]
    EntryOfGone { entry: i64, meter: Name },
    #[error("the ledger knows nothing of `{meter}`{}: `arkmeter ledger show` names all that it knows", suggested(near))]
    NoLedger { meter: Name, near: Option<Name> },
    #[error("{0} is its name already")]
    SameName(Name),
    #[error(
        "{to} has a figure of its own already, and two ledgers do not become one: let {to} go on, and add what was consumed between the \
         last register of {from} (`arkmeter ledger show`) and the first of {to} (`arkmeter ledger journal --meter {to}`) with `arkmeter \
         ledger credit {to} ENERGY`"
    )]
    NameTaken { from: Name, to: Name },
    #[error(
        "the ledger was moved away and must not change here: restore the file that `arkmeter ledger move` wrote, on the machine that is to \
         go on with it"
    )]
    Retired,
}

fn suggested(near: &Option<Name>) -> String {
    near.as_ref().map(|near| format!(", but of `{near}`")).unwrap_or_default()
}

/// Why an order could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error(transparent)]
    Refused(#[from] CommandError),
    #[error(transparent)]
    Open(#[from] super::OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Gone(#[from] super::Gone),
}

impl OrderError {
    /// What the command should end with: 75 in use, 65 damaged, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            OrderError::Open(error) => error.exit_code(),
            _ => 1,
        }
    }
}
