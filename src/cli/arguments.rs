//! The arguments of the command line, with their help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::handover::HandoverArguments;
use super::inspect::InspectArguments;
use super::ledger::{HistoryArguments, LedgerCommand};
use super::profiles::ProfilesCommand;
use super::scan::ScanArguments;
use super::shard::{ShardArguments, ShardCommand};
use super::status::StatusArguments;
use crate::units::Name;

/// Reads Modbus energy meters and reports their consumption to the Arkreen Network.
#[derive(Debug, Parser)]
#[command(name = "arkmeter", version, max_term_width = 80)]
#[command(after_help = "\
Examples:
  arkmeter setup            from the adapter to the first report, step by step
  arkmeter demo --for 1m    see how arkmeter works, without any hardware
  arkmeter check            check the configuration
  arkmeter status           show the state of the running daemon")]
pub struct Arguments {
    #[command(subcommand)]
    pub(super) command: CliCommand,
    /// Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ARKMETER_CONFIG",
        default_value = "/etc/arkmeter/arkmeter.toml"
    )]
    pub(super) config: PathBuf,
    #[command(flatten)]
    pub(super) shards: ShardArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum CliCommand {
    /// Set up arkmeter step by step: find the meters, name them, write the configuration, start
    #[command(after_help = "\
Examples:
  arkmeter setup                        ask step by step, best as root; each step is saved
  arkmeter setup --answers setup.toml   take the answers from a file, and ask nothing

Without root it scans, names and checks; writing to /etc/arkmeter and starting the service need root. A second run adds meters, changes \
one, replaces the token or starts again. With --answers, a token that is missing is read from standard input.

Exit code: 0 if everything is done, 130 if Ctrl-C stopped it.")]
    Setup {
        /// Answers to all questions, as an earlier run printed them
        #[arg(long, value_name = "FILE")]
        answers: Option<PathBuf>,
    },
    /// Run the daemon
    #[command(after_help = "\
Example:
  arkmeter run --config arkmeter.toml   run in the terminal, until Ctrl-C

systemd runs the daemon on an installed system: `systemctl start arkmeter`.")]
    Run {
        /// Record all readings in a trace for `replay`, up to 64 MiB; an existing trace is continued
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
    },
    /// Try arkmeter without hardware: simulated meters, a simulated endpoint, and the real daemon between them
    #[command(after_help = "\
Example:
  arkmeter demo --for 1m")]
    Demo {
        /// Stop after this time, such as 1m, at least 30s (default: run until Ctrl-C)
        #[arg(long = "for", value_name = "TIME", value_parser = demo_time)]
        duration: Option<Duration>,
    },
    /// Check the configuration: print every problem, then what would be polled and reported
    #[command(after_help = "\
Examples:
  arkmeter check                            check the installed configuration
  arkmeter check --config ./arkmeter.toml   check another file
  arkmeter check --no-system --config site  check the folder `site` with its conf.d anywhere, as in CI
  arkmeter check --shards 4                 also what each of 4 shards would carry

Exit code: 0 if the configuration is valid, 78 if it has an error.")]
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Print only the problems and whether the configuration is valid
        #[arg(long, conflicts_with = "json")]
        quiet: bool,
        /// Judge the configuration alone: no token file, certificate, device, ledger or limit of this machine
        #[arg(long)]
        no_system: bool,
    },
    /// Read the meters once, now, and print their values
    #[command(after_help = "\
Examples:
  arkmeter read             read all meters of the configuration
  arkmeter read heat_pump   read one meter

The running daemon reads the meters. If no daemon runs, this command reads them itself.")]
    Read {
        /// Meters to read (default: all)
        #[arg(value_name = "METER", value_parser = name)]
        meters: Vec<Name>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Report once, now, or print the report without sending it
    #[command(after_help = "\
Examples:
  arkmeter report --dry-run   print the calls, send nothing
  arkmeter report --once      send one report for every client")]
    Report(ReportArguments),
    /// Show the state of the running daemon
    #[command(after_help = "\
Examples:
  arkmeter status                  verdict, meters, clients, accounts, box
  arkmeter status --watch          refreshed in place, with a plot of power
  arkmeter status --lines          also registers, identifiers, each line
  arkmeter status --json           everything, as a JSON document
  arkmeter status || mail-me       exit code: 0 well, 1 trouble, 69 no daemon

A narrow terminal shows fewer columns. A pipe gets all of them, without
colour, as does a terminal with NO_COLOR=1.")]
    Status(StatusArguments),
    /// Print the handover sheet: box, meters with their readings, clients
    #[command(after_help = "\
Examples:
  arkmeter handover                     as text
  arkmeter handover | lp                print it
  arkmeter handover --html > box.html   a page to print from a browser

Compare each reading with the meter's display, and write that beside it.
The sheet has no token and only shortened identifiers.")]
    Handover(HandoverArguments),
    /// Find the meters on a line or in a range of addresses, and print the configuration for them
    #[command(override_usage = "arkmeter scan [OPTIONS] <--serial|--tcp|--rtu-over-tcp|--bus> <LINE>")]
    #[command(after_help = "\
Examples:
  arkmeter scan --serial /dev/ttyUSB0            all usual baud rates, units 1 to 247
  arkmeter scan --serial /dev/ttyUSB0 --baud 9600 --units 1-20
  arkmeter scan --tcp 192.168.1.0/24:502         all gateways in a network
  arkmeter scan --bus cabinet --write            add what is found to the configuration

While the daemon runs, its line is used between its polls (as root), at its own baud rate and parity.")]
    Scan(ScanArguments),
    /// Read the registers of an unsupported meter in every possible format, and propose a profile
    #[command(override_usage = "arkmeter inspect --unit <UNIT> <--serial|--tcp|--bus|...> <LINE>")]
    #[command(after_help = "\
Examples:
  arkmeter inspect --serial /dev/ttyUSB0 --unit 1 --loads 0,1kW,3kW --name acme-100 > acme-100.toml
  arkmeter inspect --tcp 192.168.1.20 --unit 1 --registers 0x100..0x130,0x400..0x450 --display 1234.5kWh

With --loads it asks for these loads one after the other: only a load that you know shows the scale of the power. While the daemon runs, \
its line is used between its polls (as root).")]
    Inspect(InspectArguments),
    /// Collect what remote support needs in one text file, with secrets masked
    #[command(after_help = "\
Examples:
  arkmeter support     write arkmeter-support-DATE-TIME.txt in this folder
  arkmeter support -   print it

Read the file before you send it.")]
    Support {
        /// A file that does not exist yet, or `-` for standard output (default: a name with date and time)
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// List the supported meters, and check your own profiles
    #[command(after_help = "\
Examples:
  arkmeter profiles list eastron          supported meters of one vendor
  arkmeter profiles show eastron-sdm630   registers and TOML of one profile
  arkmeter profiles check acme-100.toml   check your own profile")]
    Profiles {
        #[command(subcommand)]
        command: ProfilesCommand,
    },
    /// Show what the ledger holds and decided, and correct it
    #[command(help_template = LEDGER_HELP, after_help = "\
Examples:
  arkmeter ledger show                  figures of all meters and clients
  arkmeter ledger journal               every decision, the newest first
  arkmeter ledger accept sauna --dry-run
                                        what accepting the held would do")]
    Ledger {
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Show the energy of all meters, or the power and energy of one, over time (also `ledger history`)
    History(HistoryArguments),
    /// Split a configuration between several daemons, and change their number
    #[command(after_help = "\
Examples:
  arkmeter shard init --shards 4          begin the ledgers, once
  arkmeter shard resize --from 4 --to 6   change the number of shards

Each daemon gets the number of shards and its own: `arkmeter run --shards 4 \
--shard 2`, or ARKMETER_SHARDS and ARKMETER_SHARD (from 1) or \
ARKMETER_SHARD_INDEX (from 0). `arkmeter check --shards 4` shows the plan.")]
    Shard {
        #[command(subcommand)]
        command: ShardCommand,
    },
    /// Feed a recorded trace through the ledger and print what would have been published
    #[command(after_help = "\
Example:
  arkmeter replay --meter heat_pump trace.jsonl")]
    Replay {
        /// The meter of the configuration that the trace belongs to
        #[arg(long, value_name = "METER", value_parser = name)]
        meter: Name,
        /// Also print how much energy can have flowed, what the register may be doing, and the rule
        #[arg(long)]
        explain: bool,
        /// The trace, JSON lines (default: standard input)
        #[arg(value_name = "TRACE")]
        trace: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct ReportArguments {
    /// Send one report for every client now
    #[arg(long)]
    once: bool,
    /// Print the calls that would be sent, and send nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// The help of `ledger`, with its commands in groups.
const LEDGER_HELP: &str = "\
{about}

{usage-heading} {usage}

Look:
  show      What is on disk for each meter and client
  journal   What was decided, and why
  history   Energy and power over time
  record    Record readings as a trace for `replay`

Correct a figure (as root; each has --dry-run):
  accept    Accept the held register of a meter now
  credit    Add energy that was consumed but not credited
  set       Publish nothing below a figure that Arkreen already has
  replace   Record that a meter was replaced
  rename    Keep the figure of a meter that was renamed
  undo      Undo the effect of a wrong decision

The whole ledger (as root):
  backup    Save it to a file
  restore   Replace it by a backup
  move      Move it to another machine
  adopt     Report from a ledger of another machine

Options:
{options}{after-help}";

/// A name of the configuration.
pub(super) fn name(text: &str) -> Result<Name, String> {
    Name::new(text).ok_or_else(|| "a name has 1 to 64 letters, digits, `_` and `-`".to_owned())
}

/// The time of a demo: the first reports come after 20 seconds.
fn demo_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time < Duration::from_secs(30) {
        return Err("the demo needs at least 30s: the first reports come after 20 seconds".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests;
