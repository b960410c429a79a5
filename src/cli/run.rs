//! `arkmeter run`: runs the daemon until it gets a stop signal.

use std::path::Path;

use tracing::error;

use super::ledger::exit_code_of;
use super::{exit, logging, runtime};
use crate::config::Environment;
use crate::daemon::{self, Error};
use crate::text::chain;

/// Runs the daemon on a single thread and returns its exit code.
pub(super) fn run(config: &Path, environment: &Environment, record: Option<&Path>) -> u8 {
    use_one_heap();
    let log = logging::init();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let outcome = runtime.block_on(daemon::run(config, environment, record, log.dropped()));
    // Everything that must be closed is closed. A task that still runs waits for a disk that hangs: dropping it would wait too.
    std::mem::forget(runtime);
    let code = match outcome {
        Ok(()) => 0,
        Err(error) => {
            error!("{}", chain(&error));
            exit_code(&error)
        }
    };
    log.finish();
    code
}

/// The C library gives each thread a heap of its own, which keeps the memory of its peak. Most of ours are idle most of the time. What is
/// large, such as a commit or a view of thousands of meters, gets pages of its own: they grow without a copy, and the system has them back.
fn use_one_heap() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code)]
    // SAFETY: each takes two numbers, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 256 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1024 * 1024);
    }
}

/// The exit code for a failure of the daemon.
pub(crate) fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Config(_) => exit::CONFIG,
        Error::Ledger(error) => exit_code_of(error),
        Error::Signals(_) | Error::TaskEnded(_) | Error::LedgerGone(_) => exit::FAILED,
    }
}
