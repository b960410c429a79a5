//! The control socket: HTTP/1 on a Unix socket. Members of the group can read; root and the daemon's own user can issue commands.
//!
//! To add a command, add a variant to [`ControlCommand`] and its arm in `daemon::requests`. To add a view, or an answer that is streamed,
//! add a route in `server::router`.

mod borrowing;
mod client;
mod ledger;
mod lending;
mod recording;
mod server;
mod socket_file;

pub use borrowing::{BorrowedLine, borrow};
pub use client::{ControlError, get, post, stream};
pub use ledger::{BACKUP, SHOW, history_path, journal_path};
pub use lending::LoanRequest;
pub use recording::{END, LONGEST, record_path};
pub use server::{ANSWER_WITHIN, ControlRequest, ControlSocket, QUEUE};

use serde::{Deserialize, Serialize};

use crate::ledger::command::OperatorCommand;
use crate::units::Name;

/// A command to the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ControlCommand {
    /// Reads meters now.
    Read {
        /// The meters to read; all of them when empty.
        meters: Vec<Name>,
    },
    /// Reports now, or returns what would be sent.
    Report {
        /// Nothing is sent.
        dry_run: bool,
        /// All accounts when absent.
        account: Option<Name>,
    },
    /// Changes the ledger by an operator's command, or returns what that would do.
    Ledger {
        /// The command.
        command: OperatorCommand,
        /// Nothing is changed.
        dry_run: bool,
    },
}

/// The path to which a [`ControlCommand`] is posted.
const COMMAND_PATH: &str = "/command";
/// The most bytes of a [`ControlCommand`]: the names of several hundred meters.
const COMMAND_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
