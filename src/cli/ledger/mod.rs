//! `arkmeter ledger`: shows what is in the ledger and what was decided, and corrects it.

mod backup;
mod command;
mod history;
mod record;
pub(super) mod show;

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

pub use history::{HistoryArguments, history};

use super::{exit, print_error};
use crate::config::Config;
use crate::form::parse_energy;
use crate::history::query::HistoryReadError;
use crate::ledger::command::OperatorCommand;
use crate::ledger::store::{BackupError, JournalQuery};
use crate::ledger::{LedgerError, OpenError};
use crate::status::control::{ControlError, LONGEST};
use crate::units::{MilliwattHours, Name};

/// The commands under `ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Show what is on disk for each meter and client
    #[command(after_help = "\
Examples:
  arkmeter ledger show
  arkmeter ledger show --json")]
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what was decided, and why, newest first
    #[command(after_help = "\
Examples:
  arkmeter ledger journal
  arkmeter ledger journal --meter heat_pump --most 10")]
    Journal {
        /// Only entries about this meter or client
        #[arg(long, value_name = "METER", value_parser = super::name)]
        meter: Option<Name>,
        /// Only entries before this one, for the next page
        #[arg(long, value_name = "ENTRY")]
        before: Option<i64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Maximum number of entries
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
        most: u32,
    },
    /// Show the energy of all meters, or the power and energy of one, over time
    History(HistoryArguments),
    /// Accept the held register of a meter now (this does not credit a jump: see credit)
    #[command(after_help = "\
Examples:
  arkmeter ledger accept heat_pump --dry-run
  arkmeter ledger accept heat_pump")]
    Accept {
        /// A meter of the configuration
        #[arg(value_name = "METER", value_parser = super::name)]
        meter: Name,
        /// Print what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Report from a ledger that was created on another machine (a cloned or moved disk)
    #[command(after_help = "\
Examples:
  arkmeter ledger adopt --dry-run
  arkmeter ledger adopt")]
    Adopt {
        /// Print what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Add energy that was consumed but not credited
    #[command(after_help = "\
Examples:
  arkmeter ledger credit heat_pump 12.5kWh --dry-run
  arkmeter ledger credit heat_pump 12.5kWh")]
    Credit {
        /// A meter of the configuration
        #[arg(value_name = "METER", value_parser = super::name)]
        meter: Name,
        /// Such as 12.5kWh
        #[arg(value_name = "ENERGY", value_parser = energy)]
        energy: MilliwattHours,
        /// Print what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Publish nothing below a figure that Arkreen already has
    #[command(after_help = "\
Examples:
  arkmeter ledger set heat_pump 1234.5kWh --dry-run
  arkmeter ledger set building 1234.5kWh")]
    Set {
        /// A meter, or a client of several meters
        #[arg(value_name = "METER", value_parser = super::name)]
        meter: Name,
        /// Such as 1234.5kWh
        #[arg(value_name = "ENERGY", value_parser = energy)]
        energy: MilliwattHours,
        /// Print what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Record that a meter was replaced: count the old one to its end and the new one from its beginning
    #[command(override_usage = "arkmeter ledger replace <METER> --old-reading <X> --new-reading <Y>")]
    #[command(after_help = "\
Example:
  arkmeter ledger replace heat_pump --old-reading 81234.5kWh --new-reading 0kWh")]
    Replace {
        /// A meter of the configuration
        #[arg(value_name = "METER", value_parser = super::name)]
        meter: Name,
        /// The old meter's last reading, such as 81234.5kWh
        #[arg(long, value_name = "ENERGY", value_parser = energy)]
        old_reading: MilliwattHours,
        /// The new meter's first reading, such as 0kWh
        #[arg(long, value_name = "ENERGY", value_parser = energy)]
        new_reading: MilliwattHours,
        /// Print what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Save the whole ledger to a file, with or without a running daemon
    #[command(after_help = "\
Example:
  arkmeter ledger backup ledger-november.db")]
    Backup {
        /// A file that does not exist yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Move the ledger to another machine: save it to a file, and stop reporting from this machine
    #[command(after_help = "\
Examples:
  arkmeter ledger move moved.db --dry-run
  arkmeter ledger move moved.db")]
    Move {
        /// A file that does not exist yet, for `ledger restore` on the other machine or here again
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Keep the figure of a meter that was renamed in the configuration, or is going to be
    #[command(after_help = "\
Examples:
  arkmeter ledger rename boiler heat_pump --dry-run
  arkmeter ledger rename boiler heat_pump")]
    Rename {
        /// The name that the ledger has
        #[arg(value_name = "OLD", value_parser = super::name)]
        meter: Name,
        /// The name in the configuration
        #[arg(value_name = "NEW", value_parser = super::name)]
        to: Name,
        /// Print what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Record the readings of the running daemon, as a trace for `replay`
    #[command(after_help = "\
Examples:
  arkmeter ledger record trace.jsonl
  arkmeter ledger record --meter heat_pump --for 1h trace.jsonl")]
    Record {
        /// A meter's name, or all
        #[arg(long, value_name = "METER", default_value = "all", value_parser = super::name)]
        meter: Name,
        /// How long, such as 10m (at most a week)
        #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = lasting)]
        lasting: Duration,
        /// A file that does not exist yet; it grows to 64 MiB at most
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Replace the ledger by a backup (no daemon may run; refused if a published figure would fall)
    #[command(after_help = "\
Example:
  arkmeter ledger restore moved.db")]
    Restore {
        /// A file that `ledger backup` or `ledger move` wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Undo the effect of a wrong decision on the figure (published stands still until the figure exceeds it)
    #[command(after_help = "\
Examples:
  arkmeter ledger undo 17 --dry-run
  arkmeter ledger undo 17")]
    Undo {
        /// The entry's number in the journal
        #[arg(value_name = "ENTRY")]
        entry: i64,
        /// Print what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

fn energy(text: &str) -> Result<MilliwattHours, String> {
    parse_energy(text).ok_or_else(|| "not an energy with its unit, such as 12.5kWh or 300Wh".to_owned())
}

fn lasting(text: &str) -> Result<Duration, String> {
    let lasting = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let fits = (Duration::from_secs(1)..=LONGEST).contains(&lasting);
    if fits { Ok(lasting) } else { Err("from 1s to 7days".to_owned()) }
}

/// Runs one of them; returns the exit code.
pub fn ledger(config: &Config, command: LedgerCommand) -> u8 {
    use OperatorCommand::*;
    let (command, dry_run) = match command {
        LedgerCommand::Show { json } => return show::show(config, json).err().unwrap_or(0),
        LedgerCommand::Journal { meter, before, json, most } => {
            return show::journal(config, &JournalQuery { meter, before, most: Some(most) }, json).err().unwrap_or(0);
        }
        LedgerCommand::History(arguments) => return history(config, &arguments),
        LedgerCommand::Backup { file } => return backup::backup(config, &file).err().unwrap_or(0),
        LedgerCommand::Restore { file } => return backup::restore(config, &file).err().unwrap_or(0),
        LedgerCommand::Move { file, dry_run } => {
            return backup::hand_over(config, &file, dry_run).err().unwrap_or(0);
        }
        LedgerCommand::Record { meter, lasting, file } => {
            let one = Some(&meter).filter(|name| name.as_str() != "all" || config.meters.contains_key(*name));
            return record::record(config, one, lasting, &file);
        }
        LedgerCommand::Accept { meter, dry_run } => (Accept { meter }, dry_run),
        LedgerCommand::Adopt { dry_run } => (Adopt {}, dry_run),
        LedgerCommand::Credit { meter, energy, dry_run } => (Credit { meter, energy }, dry_run),
        LedgerCommand::Set { meter, energy, dry_run } => (Set { meter, energy }, dry_run),
        LedgerCommand::Replace { meter, old_reading, new_reading, dry_run } => {
            (Replace { meter, old_reading, new_reading }, dry_run)
        }
        LedgerCommand::Rename { meter, to, dry_run } => (Rename { meter, to }, dry_run),
        LedgerCommand::Undo { entry, dry_run } => (Undo { entry }, dry_run),
    };
    command::command(config, command, dry_run).err().unwrap_or(0)
}

/// The exit code if the ledger cannot be opened: 75 in use, 65 damaged or newer, else 1.
pub fn exit_code_of(error: &OpenError) -> u8 {
    match error {
        OpenError::InUse { .. } => exit::IN_USE,
        OpenError::Damaged { .. }
        | OpenError::Newer { .. }
        | OpenError::OtherShard { .. }
        | OpenError::Resizing { .. }
        | OpenError::Elsewhere { .. } => exit::DAMAGED,
        OpenError::Nothing { .. } | OpenError::NotBegun { .. } | OpenError::Folder { .. } | OpenError::Disk { .. } => {
            exit::FAILED
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum Failure {
    Open(#[from] OpenError),
    Ledger(#[from] LedgerError),
    Backup(#[from] BackupError),
    History(#[from] HistoryReadError),
    Control(#[from] ControlError),
}

/// Prints why a command failed; returns the exit code.
fn failed(error: impl Into<Failure>) -> u8 {
    let failure = error.into();
    print_error(&crate::text::chain(&failure));
    match &failure {
        Failure::Open(error)
        | Failure::Ledger(LedgerError::Open(error))
        | Failure::Backup(BackupError::Open(error)) => exit_code_of(error),
        Failure::Backup(BackupError::Damaged(_) | BackupError::NoBackup { .. })
        | Failure::History(HistoryReadError::Damaged { .. }) => exit::DAMAGED,
        _ => exit::FAILED,
    }
}
