//! `ledger backup`, `ledger move` and `ledger restore`: the whole ledger to a file, and from one.
//!
//! A running daemon streams the ledger through its control socket; where none runs, the file is copied. `move` gives nothing away before
//! the file was read back, and gives it its name only once the ledger on this machine is retired on disk. If the power fails in between,
//! this machine reports or nobody does, and the same command writes the file again.

use std::io::{self, Write};
use std::path::Path;

use super::command::{check_free, request};
use super::{exit_code_of, failed};
use crate::cli::{exit, finish_output, print_error, runtime};
use crate::config::Config;
use crate::ledger::command::OperatorCommand;
use crate::ledger::store::{self, BackupError, LedgerSnapshot, Restored, Saving};
use crate::status::control::{self, BACKUP, ControlError};

/// What is to be known of a restored ledger.
const RESTORED: &str = "the backup is the ledger now: each meter is reported again once its register was taken; one whose energy is \
     integrated from power waits for `arkmeter ledger accept`\n";
/// And of one that another machine gave away.
const MOVED: &str = "it was moved here: this machine reports from it, and the one that it was moved from does not\n";

/// Saves the ledger to `file`.
pub fn backup(config: &Config, file: &Path) -> u8 {
    let saved = save(config, file).and_then(|saving| saving.finish().map_err(|error| complain_of(&error)));
    match saved {
        Ok(()) => finish_output(writeln!(io::stdout().lock(), "the ledger is saved in {}", file.display())),
        Err(code) => code,
    }
}

/// Puts a backup in the ledger's place.
pub fn restore(config: &Config, file: &Path) -> u8 {
    match store::restore(&config.state.path, file) {
        Ok(Restored { moved }) => {
            let moved = if moved { MOVED } else { "" };
            finish_output(write!(io::stdout().lock(), "{RESTORED}{moved}"))
        }
        Err(error) => complain_of(&error),
    }
}

/// Writes the ledger to `file` and retires this machine.
pub fn hand_over(config: &Config, file: &Path, dry_run: bool) -> u8 {
    if dry_run {
        return super::command::command(config, OperatorCommand::Move {}, true);
    }
    // A whole file before anything is given away: what cannot be written is found out now.
    let saving = match save(config, file) {
        Ok(saving) => saving,
        Err(code) => return code,
    };
    let outcome = match request(config, OperatorCommand::Move {}, false) {
        Ok(outcome) => outcome,
        Err(code) => return code,
    };
    if !outcome.on_disk {
        print_error(
            "this machine reports nothing any more, but its disk has not taken that yet, and no file was written: see `arkmeter status`, \
             then run this again\n",
        );
        return exit::FAILED;
    }
    match save_retired(config, saving) {
        Ok(()) => {
            let mut out = io::stdout().lock();
            finish_output(outcome.write(false, &mut out).and_then(|()| {
                let file = file.display();
                writeln!(
                    out,
                    "the ledger is saved in {file}: `arkmeter ledger restore` with it makes another machine, or this one again, the one \
                     that reports"
                )
            }))
        }
        Err(code) => {
            print_error(
                "this machine has given the ledger away, but the file was not written: run `arkmeter ledger move` again with another name\n",
            );
            code
        }
    }
}

/// The same once more, with the last that was counted here.
fn save_retired(config: &Config, saving: Saving) -> Result<(), u8> {
    match fill(config, &saving)? {
        true => saving.finish().map_err(|error| complain_of(&error)),
        false => Err(complain_of(&BackupError::NotGiven)),
    }
}

/// A whole copy of the ledger, which has not got its name yet.
fn save(config: &Config, file: &Path) -> Result<Saving, u8> {
    let saving = Saving::begin(file).map_err(|error| complain_of(&error))?;
    fill(config, &saving)?;
    Ok(saving)
}

/// Fills it from the daemon, or from the file where none runs. True where the ledger was given away.
fn fill(config: &Config, saving: &Saving) -> Result<bool, u8> {
    let mut part = saving.part().map_err(|error| complain_of(&error))?;
    let mut written = Ok(());
    let take = |bytes: &[u8]| {
        written = part.write_all(bytes);
        written.is_ok()
    };
    match runtime()?.block_on(control::stream(&config.status.socket, BACKUP, take)) {
        Ok(()) => {}
        Err(ControlError::NoDaemon(_)) => {
            check_free(config)?;
            let snapshot =
                LedgerSnapshot::open(&config.state.path).map_err(|error| failed(&error, exit_code_of(&error)))?;
            saving.write(&snapshot).map_err(|error| complain_of(&error))?;
        }
        Err(error) => return Err(failed(&error, exit::FAILED)),
    }
    written.map_err(|error| complain_of(&saving.failed(error)))?;
    saving.check().map_err(|error| complain_of(&error))
}

fn complain_of(error: &BackupError) -> u8 {
    let code = match error {
        BackupError::Open(error) => exit_code_of(error),
        BackupError::Damaged(_) | BackupError::NoBackup { .. } => exit::DAMAGED,
        _ => exit::FAILED,
    };
    failed(error, code)
}
