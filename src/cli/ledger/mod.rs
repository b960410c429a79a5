//! `arkmeter ledger`: what the ledger holds and decided, and what an operator can do about it.

mod show;

use clap::Subcommand;

use super::{complain, exit};
use crate::config::Config;
use crate::units::Name;

/// The commands under `ledger`.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// What is on disk of each meter and client
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What was decided, and why: the newest entry first
    Journal {
        /// Only this meter's entries
        #[arg(long, value_name = "METER", value_parser = super::name)]
        meter: Option<Name>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// At most so many entries
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
        most: u32,
    },
}

/// Runs one of them; answers the exit code.
pub fn ledger(config: &Config, command: Ledger) -> u8 {
    match command {
        Ledger::Show { json } => show::show(config, json),
        Ledger::Journal { meter, json, most } => show::journal(config, meter.as_ref(), most, json),
    }
}

/// Says what went wrong and answers `code`.
fn failed(error: &dyn std::error::Error, code: u8) -> u8 {
    complain(&format!("{}\n", super::chain(error)));
    code
}

/// What the daemon said is not what this program expects of it.
fn misunderstood() -> u8 {
    complain("the daemon's answer is not understood: restart it, it may be another version of arkmeter\n");
    exit::FAILED
}
