//! The operator's commands: who may issue them, what they do to the ledger, and how their outcome is shown.
//!
//! A running daemon carries out a command in the ledger's task. Without a daemon, the command opens the store itself ([`run_on_store`]).

mod apply;
mod error;
mod run;

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::store::JournalRow;
use crate::guard::GuardEvent;
use crate::units::{MilliwattHours, Name};

pub use error::CommandError;
pub use run::run_on_store;

/// What an operator knows and the guard cannot know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OperatorCommand {
    /// The held register is right; or the figure from an older copy of the ledger continues.
    Accept {
        /// The meter.
        meter: Name,
    },
    /// This machine reports from now on.
    Adopt {},
    /// This energy was consumed, but not credited.
    Credit {
        /// The meter.
        meter: Name,
        /// More than 0.
        energy: MilliwattHours,
    },
    /// Arkreen already has this figure: nothing below it is published of a meter, or reported of a client.
    Set {
        /// The meter, or a client of several.
        meter: Name,
        /// More than the present figure.
        energy: MilliwattHours,
    },
    /// The meter was replaced: the old one ended at one register, the new one began at the other.
    Replace {
        /// The meter.
        meter: Name,
        /// The old meter's last register.
        old_reading: MilliwattHours,
        /// The new meter's first register.
        new_reading: MilliwattHours,
    },
    /// This entry of the journal was a wrong decision.
    Undo {
        /// The number of the entry.
        entry: i64,
    },
    /// The meter has a new name, and keeps its figure.
    Rename {
        /// The old name.
        meter: Name,
        /// The new name.
        to: Name,
    },
    /// Another machine continues with the ledger; this one no longer reports from it.
    Move {},
}

/// The journal's word for a new name.
const RENAME: &str = "rename";
/// The journal's word for a figure that was set.
const SET: &str = "set";

impl OperatorCommand {
    /// The command's word, which is the journal's.
    pub fn word(&self) -> &'static str {
        match self {
            OperatorCommand::Accept { .. } => "accept",
            OperatorCommand::Adopt {} => "adopt",
            OperatorCommand::Credit { .. } => "credit",
            OperatorCommand::Set { .. } => SET,
            OperatorCommand::Replace { .. } => "replace",
            OperatorCommand::Undo { .. } => "undo",
            OperatorCommand::Rename { .. } => RENAME,
            OperatorCommand::Move {} => "move",
        }
    }
}

/// Whether the user `uid` may change something: root, and the user that the daemon runs as. Members of its group can only read.
pub fn may_change(uid: u32, daemon_uid: u32) -> bool {
    uid == 0 || uid == daemon_uid
}

/// A command and who gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandRequest {
    /// The command.
    pub command: OperatorCommand,
    /// Nothing is changed.
    pub dry_run: bool,
    /// The user, if it is known; the journal has it.
    pub uid: Option<u32>,
    /// The entry that is to be undone.
    subject: Option<JournalRow>,
}

impl CommandRequest {
    /// A command of this user.
    pub fn new(command: OperatorCommand, dry_run: bool, uid: Option<u32>) -> Self {
        CommandRequest { command, dry_run, uid, subject: None }
    }

    /// The reason with the user.
    pub(super) fn signed(&self, reason: &str) -> String {
        match self.uid {
            Some(uid) => format!("uid {uid}: {reason}"),
            None => reason.to_owned(),
        }
    }
}

/// What a command did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommandOutcome {
    /// The command's word.
    pub word: String,
    /// The meter or the client; absent for the whole ledger.
    pub meter: Option<Name>,
    /// What was done, as a message.
    pub reason: String,
    /// The last register taken, before.
    pub register_before_mwh: Option<MilliwattHours>,
    /// The last register taken, after.
    pub register_after_mwh: Option<MilliwattHours>,
    /// The published figure before.
    pub published_before_mwh: Option<MilliwattHours>,
    /// The published figure after.
    pub published_after_mwh: Option<MilliwattHours>,
    /// Register + offset afterwards, in mWh: published stands still while this is below it.
    pub counted_after_mwh: Option<i64>,
    /// Clients whose figure changes.
    #[serde(default)]
    pub clients: Vec<ClientMoved>,
    /// Its entry in the journal; absent in a dry run.
    pub entry: Option<i64>,
    /// False if it is in force, but not on disk yet.
    pub on_disk: bool,
}

/// A client's figure before and after a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientMoved {
    /// The client.
    pub client: Name,
    /// Before.
    pub before_mwh: MilliwattHours,
    /// After.
    pub after_mwh: MilliwattHours,
}

impl CommandOutcome {
    pub(super) fn of(command: &OperatorCommand, meter: Name, event: &GuardEvent) -> Self {
        CommandOutcome {
            meter: Some(meter),
            register_before_mwh: event.register_before,
            register_after_mwh: event.register_after,
            published_before_mwh: event.published_before,
            published_after_mwh: event.published_after,
            ..CommandOutcome::of_ledger(command, event.reason.clone())
        }
    }

    /// Of a command about the whole ledger.
    pub(super) fn of_ledger(command: &OperatorCommand, reason: String) -> Self {
        CommandOutcome { word: command.word().to_owned(), reason, ..CommandOutcome::default() }
    }

    /// Writes it as text; with `dry_run` as what would be done.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
        let would = if dry_run { "would be done, and nothing was changed: " } else { "" };
        let subject = self.meter.as_ref().map_or("the ledger", Name::as_str);
        writeln!(out, "{subject}: {would}{}", self.reason)?;
        let energy = |energy: Option<MilliwattHours>| energy.map_or("none".to_owned(), MilliwattHours::in_words);
        let (before, after) = (self.register_before_mwh, self.register_after_mwh);
        if before.is_some() || after.is_some() {
            writeln!(out, "  register   {} -> {}", energy(before), energy(after))?;
        }
        if self.meter.is_some() {
            let (before, after) = (self.published_before_mwh, self.published_after_mwh);
            writeln!(out, "  published  {} -> {}", energy(before), energy(after))?;
        }
        for ClientMoved { client, before_mwh, after_mwh } in &self.clients {
            writeln!(out, "  client     {client}: {} -> {}", before_mwh.in_words(), after_mwh.in_words())?;
        }
        match self.entry {
            Some(entry) => writeln!(out, "  journal    entry {entry}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
