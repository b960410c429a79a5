//! `arkmeter run`: the daemon, until it is told to stop.

use std::path::Path;

use tracing::error;

use super::{exit, logging};
use crate::config::Environment;
use crate::daemon::{self, Error};

/// Runs the daemon on a single thread; answers the exit code.
pub fn run(config: &Path, environment: &Environment, record: Option<&Path>) -> u8 {
    logging::init();
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let outcome = runtime.block_on(daemon::run(config, environment, record));
    // What was to be closed is closed. A task that is left waits for a disk that hangs, and would do so again while it is dropped.
    std::mem::forget(runtime);
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            error!("{}", super::chain(&error));
            code(&error)
        }
    }
}

/// What a failure of the daemon means to whoever started it.
pub fn code(error: &Error) -> u8 {
    match error {
        Error::Config(_) => exit::CONFIG,
        Error::Ledger(error) => error.exit_code(),
        Error::Signals(_) | Error::TaskEnded(_) | Error::LedgerGone(_) => exit::FAILED,
    }
}
