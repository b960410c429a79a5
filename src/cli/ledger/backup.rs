//! `ledger backup`, `ledger move` and `ledger restore`: the whole ledger to a file, and from one.
//!
//! A running daemon streams the ledger through its control socket; if none runs, the file is copied. `move` first saves the ledger and reads
//! it back, then retires the ledger on this machine, and gives the file its name last. If the power fails in between, this machine reports
//! or none does, and the same command writes the file again.

use std::io::{self, Write};
use std::path::Path;

use super::command::{check_free, command, request};
use super::failed;
use crate::cli::{exit, finish_output, print_error, runtime};
use crate::config::Config;
use crate::ledger::command::OperatorCommand;
use crate::ledger::store::{self, BackupError, LedgerSnapshot, Restored, Saving};
use crate::status::control::{self, BACKUP, ControlError};

/// The message after a restore.
const RESTORED: &str = "the backup is the ledger now: each meter is reported again once its register was taken; one whose energy is \
     integrated from power waits for `arkmeter ledger accept`";
/// What follows if `ledger move` wrote the file.
const MOVED: &str = "it was moved here: this machine reports from it, and the one that it was moved from does not";

/// Saves the ledger to `file`.
pub fn backup(config: &Config, file: &Path) -> Result<(), u8> {
    save(config, file)?.finish().map_err(failed)?;
    print(|out| writeln!(out, "the ledger is saved in {}", file.display()))
}

/// Puts a backup in the ledger's place.
pub fn restore(config: &Config, file: &Path) -> Result<(), u8> {
    let Restored { moved } = store::restore(&config.state.path, file).map_err(failed)?;
    print(|out| {
        writeln!(out, "{RESTORED}")?;
        if moved { writeln!(out, "{MOVED}") } else { Ok(()) }
    })
}

/// Writes the ledger to `file` and retires this machine.
pub fn hand_over(config: &Config, file: &Path, dry_run: bool) -> Result<(), u8> {
    if dry_run {
        return command(config, OperatorCommand::Move {}, true);
    }
    // First a whole file, so that nothing is moved away if it cannot be written.
    let saving = save(config, file)?;
    let outcome = request(config, OperatorCommand::Move {}, false)?;
    if !outcome.on_disk {
        print_error(
            "this machine no longer reports, but that is not on its disk yet, and no file was written: see `arkmeter status`, then run this \
             again",
        );
        return Err(exit::FAILED);
    }
    save_retired(config, saving).inspect_err(|_| {
        print_error(
            "the ledger is moved away from this machine, but the file was not written: run `arkmeter ledger move` again with another name",
        );
    })?;
    print(|out| {
        outcome.write(false, out)?;
        writeln!(
            out,
            "the ledger is saved in {}: `arkmeter ledger restore` with it makes another machine, or this one again, the one that reports",
            file.display()
        )
    })
}

/// Saves it again, with the last that was counted here.
fn save_retired(config: &Config, saving: Saving) -> Result<(), u8> {
    match fill(config, &saving)? {
        true => saving.finish().map_err(failed),
        false => Err(failed(BackupError::NotGiven)),
    }
}

/// A whole copy of the ledger that does not have its name yet.
fn save(config: &Config, file: &Path) -> Result<Saving, u8> {
    let saving = Saving::begin(file).map_err(failed)?;
    fill(config, &saving)?;
    Ok(saving)
}

/// Fills it from the daemon, or from the file if none runs. True if the ledger was moved away.
fn fill(config: &Config, saving: &Saving) -> Result<bool, u8> {
    let mut part = saving.part().map_err(failed)?;
    let mut written = Ok(());
    let take = |bytes: &[u8]| {
        written = part.write_all(bytes);
        written.is_ok()
    };
    match runtime()?.block_on(control::stream(&config.status.socket, BACKUP, take)) {
        Ok(()) => {}
        Err(ControlError::NoDaemon(_)) => {
            check_free(config)?;
            let snapshot = LedgerSnapshot::open(&config.state.path).map_err(failed)?;
            saving.write(&snapshot).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    written.map_err(|error| failed(saving.failed(error)))?;
    saving.check().map_err(failed)
}

fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), u8> {
    match finish_output(write(&mut io::stdout().lock())) {
        0 => Ok(()),
        code => Err(code),
    }
}
