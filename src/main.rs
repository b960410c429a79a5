//! Arguments in, one exit code out.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    arkmeter::cli::run(arkmeter::cli::Arguments::parse())
}
