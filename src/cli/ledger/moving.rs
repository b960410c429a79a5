//! `ledger move`: another machine goes on with this one's ledger.
//!
//! What is written can be read back before anything is given away; what is given away is on disk before the file gets its name. Should
//! the power go in between, this machine reports or nobody does, and the same command writes the file again.

use std::io::{self, Write};
use std::path::Path;

use super::{failed, order};
use crate::cli::{exit, finish_output, print_error};
use crate::config::Config;
use crate::ledger::remedy::Remedy;
use crate::ledger::store::{BackupError, Saving};

/// Writes the ledger to `file` and retires this machine.
pub fn hand_over(config: &Config, file: &Path, dry_run: bool) -> u8 {
    if dry_run {
        return order::order(config, Remedy::Move {}, true);
    }
    let saving = match begin(config, file) {
        Ok(saving) => saving,
        Err(error) => return failed(&error, error.exit_code()),
    };
    let outcome = match order::ask(config, Remedy::Move {}, false) {
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
    match finish(config, saving) {
        Ok(()) => {
            let mut out = io::stdout().lock();
            finish_output(order::write(&outcome, false, &mut out).and_then(|()| {
                let file = file.display();
                writeln!(
                    out,
                    "the ledger is saved in {file}: `arkmeter ledger restore` with it makes another machine, or this one again, the one \
                     that reports"
                )
            }))
        }
        Err(error) => {
            let code = failed(&error, error.exit_code());
            print_error(
                "this machine has given the ledger away, but the file was not written: run `arkmeter ledger move` again with another name\n",
            );
            code
        }
    }
}

/// A whole file before anything is given away: what cannot be written is found out now.
fn begin(config: &Config, file: &Path) -> Result<Saving, BackupError> {
    let saving = Saving::begin(file)?;
    saving.write(&config.state.path)?;
    Ok(saving)
}

/// The same once more, with the last that was counted here.
fn finish(config: &Config, saving: Saving) -> Result<(), BackupError> {
    match saving.write(&config.state.path)? {
        true => saving.finish(),
        false => Err(BackupError::NotGiven),
    }
}
