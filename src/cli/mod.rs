//! The command line: arguments, one file a command, exit codes. Errors are printed here, each with its chain of causes.

mod arguments;
mod borrow;
mod check;
mod columns;
mod context;
mod demo;
mod exit;
mod handover;
mod inspect;
mod ledger;
mod line;
mod logging;
mod output;
mod profiles;
mod progress;
mod read;
pub mod replay;
mod report;
pub(crate) mod run;
mod scan;
mod screen;
mod setup;
mod shard;
mod status;
pub mod support;

use std::path::PathBuf;
use std::process::ExitCode;

pub use arguments::Arguments;

use arguments::{CliCommand, name};
use context::{runtime, with_config};
use output::{finish_output, print_error};

/// Runs the command and returns the exit code for `main`.
pub fn run(arguments: Arguments) -> ExitCode {
    keep_memory_out_of_core_dumps();
    outlive_the_limit_of_file_sizes();
    let Arguments { command, config, shards } = arguments;
    let environment = match shards.environment(&command) {
        Ok(environment) => environment,
        Err(code) => return ExitCode::from(code),
    };
    let path = &main_file(config);
    let code = match command {
        CliCommand::Run { record } => run::run(path, &environment, record.as_deref()),
        CliCommand::Demo { duration } => demo::demo(duration),
        CliCommand::Check { json, quiet, no_system } => check::run(path, &environment, json, quiet, no_system),
        CliCommand::Read { meters, json } => {
            with_config(path, &environment, |config| read::read(config, &meters, json))
        }
        CliCommand::Report(report) => with_config(path, &environment, |config| report::report(config, report.dry_run)),
        CliCommand::Status(arguments) => status::run(path, &environment, &arguments),
        CliCommand::Handover(arguments) => handover::run(path, &environment, &arguments),
        CliCommand::Setup { answers } => setup::setup(answers.as_deref(), path, &environment),
        CliCommand::Scan(scan) => scan::scan(&scan, path, &environment),
        CliCommand::Inspect(inspect) => inspect::inspect(&inspect, path, &environment),
        CliCommand::Support { file } => support::run(path, &environment, file.as_deref()),
        CliCommand::Profiles { command } => profiles::run(&command),
        CliCommand::Shard { command } => shard::run(path, &environment, &command),
        CliCommand::Ledger { command } => with_config(path, &environment, |config| ledger::ledger(config, command)),
        CliCommand::History(arguments) => with_config(path, &environment, |config| ledger::history(config, &arguments)),
        CliCommand::Replay { meter, explain, trace } => {
            with_config(path, &environment, |config| replay::run(config, &meter, trace.as_deref(), explain))
        }
    };
    ExitCode::from(code)
}

/// The main file of a configuration that is named by its folder.
fn main_file(path: PathBuf) -> PathBuf {
    if path.is_dir() { path.join("arkmeter.toml") } else { path }
}

/// Ignores SIGXFSZ, which would end the process: a file that may not grow is an error of its write, as on a full disk. Source: setrlimit(2).
#[allow(unsafe_code)]
fn outlive_the_limit_of_file_sizes() {
    // SAFETY: no handler is installed, so no code runs in a signal.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Keeps the tokens in memory out of a core dump. The service sets LimitCORE=0, but that does not hold for a daemon started by hand, nor
/// for a core dump handler of the system. Source: core(5), `/proc/PID/coredump_filter`.
fn keep_memory_out_of_core_dumps() {
    // A kernel without core dumps has no such file.
    let _ = std::fs::write("/proc/self/coredump_filter", "0\n");
}
