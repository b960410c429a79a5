//! The control socket: HTTP/1 on a Unix socket, where the group may look and root or the daemon's own user may ask for something.

mod client;
mod ledger;
mod record;
mod server;
mod socket_file;

pub use client::{ControlError, get, post, stream};
pub use record::{END, LONGEST, record_path};
pub use server::{ANSWER_WITHIN, ControlRequest, ControlSocket, QUEUE};

use serde::{Deserialize, Serialize};

use crate::ledger::remedy::Remedy;
use crate::units::Name;

/// What the daemon can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ControlCommand {
    /// Reads these meters now; all of them when empty.
    Read { meters: Vec<Name> },
    /// Reports now, or says what would be sent; all accounts when none is named.
    Report { dry_run: bool, account: Option<Name> },
    /// Has the ledger carry out what an operator orders, or say what that would do.
    Ledger { remedy: Remedy, dry_run: bool },
    /// Writes to the history what has ended of it: asked before somebody looks.
    History {},
}

/// Where an [`ControlCommand`] is posted.
const COMMAND_PATH: &str = "/command";
/// Bytes of an [`ControlCommand`]: several hundred meters by name.
const COMMAND_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
