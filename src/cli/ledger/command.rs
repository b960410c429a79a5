//! An operator's command: carried out by the running daemon, else on the store itself.

use std::io;

use super::failed;
use crate::cli::context::{runtime, send_to_daemon};
use crate::cli::{exit, finish_output, print_error};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::settings;
use crate::ledger::command::{CommandOutcome, CommandRequest, OperatorCommand, run_on_store};
use crate::ledger::store::in_use;
use crate::status::control::ControlCommand;

/// Carries out a command, or prints what it would do.
pub fn command(config: &Config, command: OperatorCommand, dry_run: bool) -> Result<(), u8> {
    let outcome = request(config, command, dry_run)?;
    match finish_output(outcome.write(dry_run, &mut io::stdout().lock())) {
        0 if !dry_run && !outcome.on_disk => {
            print_error("it is in force, but the disk has not taken it yet: see `arkmeter status`");
            Err(exit::FAILED)
        }
        0 => Ok(()),
        code => Err(code),
    }
}

/// Has the daemon carry out the command; if none runs, this process does it.
pub(super) fn request(config: &Config, command: OperatorCommand, dry_run: bool) -> Result<CommandOutcome, u8> {
    let post = ControlCommand::Ledger { command: command.clone(), dry_run };
    let answer: Option<Result<CommandOutcome, String>> = runtime()?.block_on(send_to_daemon(config, &post))?;
    match answer {
        Some(answer) => answer.map_err(|refused| {
            print_error(&refused);
            exit::FAILED
        }),
        None => {
            check_free(config)?;
            let request = CommandRequest::new(command, dry_run, sudo_uid());
            let now = Clock::system().now();
            run_on_store(&config.state.path, settings::of_ledger(config), &now, request).map_err(failed)
        }
    }
}

/// Refuses if an arkmeter uses the ledger although its socket does not answer.
pub(super) fn check_free(config: &Config) -> Result<(), u8> {
    let Some(pid) = in_use(&config.state.path) else { return Ok(()) };
    let process = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    print_error(&format!(
        "an arkmeter{process} uses the ledger but does not answer at {}: see its log for the reason why it has no control socket, or stop it",
        config.status.socket.display()
    ));
    Err(exit::IN_USE)
}

/// The user who became root with sudo, if any.
fn sudo_uid() -> Option<u32> {
    std::env::var("SUDO_UID").ok()?.parse().ok()
}
