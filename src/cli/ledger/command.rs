//! An operator's command: carried out by the running daemon, else on the store itself.

use std::io;

use super::{exit_code_of, failed, misunderstood};
use crate::cli::{exit, finish_output, print_error, runtime};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::settings;
use crate::ledger::LedgerError;
use crate::ledger::command::{CommandOutcome, CommandRequest, OperatorCommand, run_on_store};
use crate::ledger::store::in_use;
use crate::status::control::{self, ControlCommand, ControlError};

/// Has it done, or says what it would do.
pub fn command(config: &Config, command: OperatorCommand, dry_run: bool) -> u8 {
    let outcome = match request(config, command, dry_run) {
        Ok(outcome) => outcome,
        Err(code) => return code,
    };
    match finish_output(outcome.write(dry_run, &mut io::stdout().lock())) {
        0 if !dry_run && !outcome.on_disk => {
            print_error("it is in force, but the disk has not taken it yet: see `arkmeter status`\n");
            exit::FAILED
        }
        code => code,
    }
}

/// Asks the daemon; where none answers, this process does it. The exit code where it was not done.
pub(super) fn request(config: &Config, command: OperatorCommand, dry_run: bool) -> Result<CommandOutcome, u8> {
    let post = ControlCommand::Ledger { command: command.clone(), dry_run };
    match runtime()?.block_on(control::post(&config.status.socket, &post)) {
        Ok(answer) => match serde_json::from_value::<Result<CommandOutcome, String>>(answer) {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(refused)) => {
                print_error(&format!("{refused}\n"));
                Err(exit::FAILED)
            }
            Err(_) => Err(misunderstood()),
        },
        Err(ControlError::NoDaemon(_)) => without_daemon(config, command, dry_run),
        Err(error) => Err(failed(&error, exit::FAILED)),
    }
}

/// No daemon answers: unless one uses the ledger all the same, this process does it.
fn without_daemon(config: &Config, command: OperatorCommand, dry_run: bool) -> Result<CommandOutcome, u8> {
    check_free(config)?;
    let request = CommandRequest::new(command, dry_run, sudo_uid());
    let now = Clock::system().now();
    let outcome = run_on_store(&config.state.path, settings::of_ledger(config), &now, request);
    outcome.map_err(|error| {
        let code = match &error {
            LedgerError::Open(error) => exit_code_of(error),
            _ => exit::FAILED,
        };
        failed(&error, code)
    })
}

/// Complains where an arkmeter uses the ledger although its socket does not answer.
pub(super) fn check_free(config: &Config) -> Result<(), u8> {
    let Some(pid) = in_use(&config.state.path) else { return Ok(()) };
    let process = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    let socket = config.status.socket.display();
    print_error(&format!(
        "an arkmeter{process} uses the ledger but does not answer at {socket}: see its log for why it has no control socket, or stop it\n"
    ));
    Err(exit::IN_USE)
}

/// Who became root for this, where sudo says it.
fn sudo_uid() -> Option<u32> {
    std::env::var("SUDO_UID").ok()?.parse().ok()
}
