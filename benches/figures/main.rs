//! Measures arkmeter's performance figures and prints each with its limit: `cargo bench --bench figures [-- NAME...]`.
//!
//! A figure that depends on the machine is measured in turns with a reference, several times; the medians are printed. A figure over its
//! limit is not a failure, except for memory: machines differ, and other load on the machine adds costs.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod cpu;
mod growth;
mod idle;
mod judgement;
mod line;
mod median;
mod memory;
mod page;
mod polling;
mod process;
mod profiles;
mod rate;
mod scan;
mod site;
mod start;

use std::io;

/// Measures a figure and prints one or more lines.
type Figure = fn() -> io::Result<()>;

/// The figures by name. Without a name on the command line all are measured.
const FIGURES: [(&str, Figure); 11] = [
    ("memory", memory::measure),
    ("judgement", judgement::measure),
    ("profiles", profiles::measure),
    ("start", start::measure),
    ("line", line::measure),
    ("scan", scan::measure),
    ("rate", rate::measure),
    ("cpu", cpu::measure),
    ("idle", idle::measure),
    ("page", page::measure),
    ("growth", growth::measure),
];

fn main() -> io::Result<()> {
    // Cargo adds the option --bench.
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
