//! The command line: arguments, one file a command, exit codes. The error chain is printed here, once.

pub mod check;
pub mod demo;
pub mod inspect;
pub mod ledger;
mod line;
pub mod logging;
pub mod profiles;
mod progress;
pub mod read;
pub mod replay;
pub mod report;
pub mod run;
pub mod scan;
pub mod status;
pub mod support;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::daemon::settings;
use crate::meter::ReadPlan;
use crate::units::Name;

/// Exit codes beside 0, as sysexits(3) has them where it does.
pub mod exit {
    /// The command failed.
    pub const FAILED: u8 = 1;
    /// What was typed makes no sense.
    pub const USAGE: u8 = 2;
    /// The state (or a trace) is damaged, or made by a newer arkmeter.
    pub const DAMAGED: u8 = 65;
    /// No daemon runs.
    pub const NO_DAEMON: u8 = 69;
    /// The state is in use by another arkmeter.
    pub const IN_USE: u8 = 75;
    /// The configuration has an error.
    pub const CONFIG: u8 = 78;
}

/// Bridges Modbus energy meters to the Arkreen Network.
#[derive(Debug, Parser)]
#[command(name = "arkmeter", version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ARKMETER_CONFIG",
        default_value = "/etc/arkmeter/arkmeter.toml"
    )]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Run {
        /// Record everything that the meters say in a trace for `replay`, up to 64 MiB; one of an earlier run goes on
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
    },
    /// Try arkmeter without anything: simulated meters, a stand-in Arkreen, and the real daemon between them
    Demo(DemoArguments),
    /// Check the configuration: every problem, then what would be polled and reported
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Print problems only
        #[arg(long, conflicts_with = "json")]
        quiet: bool,
    },
    /// Read meters once, now, and print what they say
    Read {
        /// Meters to read (all when none is named)
        #[arg(value_name = "METER", value_parser = name)]
        meters: Vec<Name>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Report once, now
    Report(ReportArguments),
    /// How the running daemon is doing (exit code 0 well, 1 trouble, 69 no daemon)
    Status {
        /// Print the status document
        #[arg(long)]
        json: bool,
    },
    /// Find the meters on a line or at a range of addresses, and print the configuration for them
    Scan(scan::ScanArguments),
    /// Read the registers of an unknown meter every way they can be read, and make a profile of them
    Inspect(inspect::InspectArguments),
    /// Pack what somebody far away needs to help into one text file, without secrets
    Support {
        /// A file that does not exist yet, or `-` for standard output (a name with the time when absent)
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// The meters that arkmeter knows
    Profiles {
        #[command(subcommand)]
        command: Profiles,
    },
    /// What the ledger holds and decided, and what can be done about it
    Ledger {
        #[command(subcommand)]
        command: ledger::Ledger,
    },
    /// Feed a recorded trace through the ledger and print what it would have published
    Replay {
        /// The meter of the configuration that the trace is of
        #[arg(long, value_name = "METER", value_parser = name)]
        meter: Name,
        /// The trace, JSON lines (standard input when absent)
        #[arg(value_name = "TRACE")]
        trace: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct DemoArguments {
    /// End by itself after this time, such as 30s (else Ctrl-C)
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ReportArguments {
    /// Send one report for every client, now
    #[arg(long)]
    once: bool,
    /// Print the call that would be sent, without sending it
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum Profiles {
    /// List the profiles
    List {
        /// Only those whose name, vendor, model or alias contains this
        search: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one profile: what it reads, its sources and doubts, and the TOML to copy
    Show {
        /// The profile's name or a model's name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check profiles of your own: every problem, then what would be read (exit code 78 where there is an error)
    Check {
        /// A file with [profile.NAME] tables, or with the keys of one profile
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

fn name(text: &str) -> Result<Name, String> {
    Name::new(text).ok_or_else(|| "not a name: 1 to 64 letters, digits, `_` and `-`".to_owned())
}

/// Runs the command; `main` exits with what this answers.
pub fn run(arguments: Arguments) -> ExitCode {
    keep_memory_out_of_core_dumps();
    let environment = Environment::of_process();
    let path = &arguments.config;
    let code = match arguments.command {
        Command::Run { record } => run::run(path, &environment, record.as_deref()),
        Command::Demo(demo) => demo::demo(demo.duration),
        Command::Check { json, quiet } => check(path, &environment, json, quiet),
        Command::Read { meters, json } => with_config(path, &environment, |config| read::read(config, &meters, json)),
        Command::Report(asked) => with_config(path, &environment, |config| report::report(config, asked.dry_run)),
        Command::Status { json } => status(path, &environment, json),
        Command::Scan(asked) => scan::scan(&asked, path, &environment),
        Command::Inspect(asked) => inspect::inspect(&asked, path, &environment),
        Command::Support { file } => support(path, &environment, file.as_deref()),
        Command::Profiles { command } => profiles(&command),
        Command::Ledger { command } => with_config(path, &environment, |config| ledger::ledger(config, command)),
        Command::Replay { meter, trace } => {
            with_config(path, &environment, |config| replay(config, &meter, trace.as_deref()))
        }
    };
    ExitCode::from(code)
}

/// A token is in memory: should this process ever leave a core dump, no page of its memory is in it. The unit's LimitCORE=0 is not there
/// where somebody starts it by hand, and says nothing to a handler of the system's. Source: core(5), `/proc/PID/coredump_filter`.
fn keep_memory_out_of_core_dumps() {
    // A kernel that makes no core dumps has no such file.
    let _ = std::fs::write("/proc/self/coredump_filter", "0\n");
}

/// Loads the configuration, or says every problem of it.
fn with_config(path: &Path, environment: &Environment, command: impl FnOnce(&Config) -> u8) -> u8 {
    match Config::load(path, environment) {
        Ok((config, _)) => command(&config),
        Err(error) => {
            complain(&error.render(io::stderr().is_terminal()));
            exit::CONFIG
        }
    }
}

fn profiles(command: &Profiles) -> u8 {
    let mut out = io::stdout().lock();
    let shown = match command {
        Profiles::List { search, json } => profiles::list(search.as_deref(), *json, &mut out).map_err(Into::into),
        Profiles::Show { name, json } => profiles::show(name, *json, &mut out),
        Profiles::Check { file, json } => {
            let colour = io::stderr().is_terminal();
            return match profiles::check(file, *json, colour, &mut out, &mut io::stderr().lock()) {
                Ok(true) => 0,
                Ok(false) => exit::CONFIG,
                Err(error) => done(Err(error)),
            };
        }
    };
    match shown {
        Ok(()) => 0,
        Err(profiles::ShowError::Output(error)) => done(Err(error)),
        Err(error) => {
            complain(&format!("{error}\n"));
            exit::FAILED
        }
    }
}

fn check(path: &Path, environment: &Environment, json: bool, quiet: bool) -> u8 {
    let options = check::Options { json, colour: io::stderr().is_terminal() };
    let mut out: Box<dyn Write> = if quiet { Box::new(io::sink()) } else { Box::new(io::stdout().lock()) };
    check::check(path, environment, options, &mut out, &mut io::stderr().lock())
}

fn replay(config: &Config, meter: &Name, trace: Option<&Path>) -> u8 {
    let Some(meter) = config.meters.get(meter) else {
        let known: Vec<_> = config.meters.keys().map(Name::as_str).collect();
        complain(&format!("the configuration has no meter `{meter}`; it has {}\n", known.join(", ")));
        return exit::FAILED;
    };
    let mut input: Box<dyn BufRead> = match trace.map(|path| (path, File::open(path))) {
        None => Box::new(io::stdin().lock()),
        Some((_, Ok(file))) => Box::new(BufReader::new(file)),
        Some((path, Err(error))) => {
            complain(&format!("the trace {} cannot be read: {error}\n", path.display()));
            return exit::FAILED;
        }
    };
    let plan = ReadPlan::new(&meter.profile, &meter.installation);
    let step = |register| plan.energy_step(register);
    let mut out = BufWriter::new(io::stdout().lock());
    let replayed = replay::replay(settings::of_meter(config, meter), &step, &mut input, &mut out);
    let written = out.flush();
    match replayed {
        Ok(()) => done(written),
        Err(replay::ReplayError::Write(error)) => done(Err(error)),
        Err(error) => {
            complain(&format!("{}\n", chain(&error)));
            error.exit_code()
        }
    }
}

/// Asks the daemon where the configuration says that it listens.
fn status(path: &Path, environment: &Environment, json: bool) -> u8 {
    let (_, socket) = places(path, environment);
    let asked = runtime().map(|runtime| {
        let colour = io::stdout().is_terminal();
        let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
        runtime.block_on(status::status(&socket, json, colour, &mut out, &mut err))
    });
    asked.unwrap_or_else(|code| code)
}

fn support(path: &Path, environment: &Environment, file: Option<&Path>) -> u8 {
    let (state, socket) = places(path, environment);
    let site = support::Site { path, environment, state: &state, socket: &socket };
    let collected = runtime().map(|runtime| runtime.block_on(support::collect(&site, &Clock::system())));
    match collected {
        Ok(bundle) => done(support::save(&bundle, file, &mut io::stdout().lock(), &mut io::stderr().lock())),
        Err(code) => code,
    }
}

/// The state's folder and the control socket. A file with an error is no reason not to know them: the daemon may run on an older one.
fn places(path: &Path, environment: &Environment) -> (PathBuf, PathBuf) {
    match Config::load(path, environment) {
        Ok((config, _)) => (config.state.path, config.status.socket),
        Err(_) => {
            let state = as_written(path, "state", "path").unwrap_or_else(|| environment.default_state());
            (state, as_written(path, "status", "socket").unwrap_or_else(|| environment.default_socket()))
        }
    }
}

/// A path in a file that has an error elsewhere.
fn as_written(path: &Path, table: &str, key: &str) -> Option<PathBuf> {
    const MOST: u64 = 1 << 20;
    let mut text = String::new();
    File::open(path).ok()?.take(MOST).read_to_string(&mut text).ok()?;
    let document: toml::Table = text.parse().ok()?;
    let written = document.get(table)?.get(key)?.as_str()?;
    Some(path.parent()?.join(written))
}

/// One thread does it all: rounds, reports and the page wait for others nearly always.
fn runtime() -> Result<tokio::runtime::Runtime, u8> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        complain(&format!("arkmeter cannot start: {error}\n"));
        exit::FAILED
    })
}

/// The exit code of a command whose last act was to write. Who closes the pipe has read enough.
fn done(written: io::Result<()>) -> u8 {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("the answer cannot be written: {error}\n"));
            exit::FAILED
        }
        _ => 0,
    }
}

/// Says on standard error what went wrong; if nobody listens there, nobody is told.
fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
