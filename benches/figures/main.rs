//! The figures that arkmeter is measured by: `cargo bench --bench figures [-- NAME...]`, each beside its limit.
//!
//! What depends on the machine is measured beside a reference in the same run, in turns, several times; the medians are printed.
//! A figure over its limit is no failure, except for memory: machines differ, and a busy one adds costs that are not arkmeter's.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod cpu;
mod idle;
mod line;
mod median;
mod memory;
mod polling;
mod process;
mod profiles;
mod rate;
mod scan;
mod site;
mod start;

use std::io;

/// Measures, and prints a line or more.
type Figure = fn() -> io::Result<()>;

/// The figures by name; all of them are measured where no name is given.
const FIGURES: [(&str, Figure); 8] = [
    ("memory", memory::measure),
    ("profiles", profiles::measure),
    ("start", start::measure),
    ("line", line::measure),
    ("scan", scan::measure),
    ("rate", rate::measure),
    ("cpu", cpu::measure),
    ("idle", idle::measure),
];

fn main() -> io::Result<()> {
    // Cargo adds an option of its own.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [polling::ROLE, ..] => polling::run(&arguments[1..]),
        [profiles::ROLE] => {
            profiles::run();
            Ok(())
        }
        _ => figures(&arguments),
    }
}

fn figures(names: &[&str]) -> io::Result<()> {
    if let Some(unknown) = names.iter().find(|name| FIGURES.iter().all(|(known, _)| known != *name)) {
        let known: Vec<_> = FIGURES.iter().map(|(name, _)| *name).collect();
        return Err(io::Error::other(format!("no figure is called `{unknown}`: {}", known.join(", "))));
    }
    for (name, measure) in FIGURES {
        if names.is_empty() || names.contains(&name) {
            measure()?;
        }
    }
    Ok(())
}
