//! `arkmeter check`: every problem of the configuration, and then what would be polled and reported.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::config::{Config, ConfigError, Environment, Problem, Problems};
use crate::finding::Severity;

mod files;
mod ledger;
mod plan;
#[cfg(test)]
mod tests;
mod text;

use plan::Plan;

/// The configuration has no error.
const VALID: u8 = 0;
/// The answer could not be written.
const FAILED: u8 = 1;
/// EX_CONFIG of sysexits.h.
const INVALID: u8 = 78;

/// How to answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// One document on `out` instead of text.
    pub json: bool,
    /// Colours on `err`.
    pub colour: bool,
}

/// What is said of a configuration: `check --json`.
#[derive(Debug, Serialize)]
struct Document {
    schema: u32,
    file: String,
    valid: bool,
    problems: Vec<Remark>,
    /// Absent where the configuration itself has an error.
    #[serde(flatten)]
    plan: Option<Plan>,
}

/// One problem or warning.
#[derive(Clone, Debug, Serialize)]
struct Remark {
    severity: &'static str,
    /// Absent where no line of the configuration is meant: a token file, a device.
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    help: Option<String>,
}

/// Checks the configuration at `path` and the files that it names; problems go to `err`, the plan to `out`.
///
/// The exit code: 0, 78 where there is an error, 1 where the answer could not be written.
pub fn check(path: &Path, environment: &Environment, options: Options, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let loaded = Config::load(path, environment);
    let checked = match &loaded {
        Ok((config, _)) => [files::check(config, environment), ledger::check(config)].concat(),
        Err(_) => Vec::new(),
    };
    let valid = loaded.is_ok() && !checked.iter().any(|remark| remark.severity == ERROR);
    let written = match options.json {
        true => write_document(path, loaded, checked, valid, out),
        false => write_text(path, loaded, &checked, valid, options.colour, out, err),
    };
    match (written, valid) {
        (Err(_), _) => FAILED,
        (Ok(()), true) => VALID,
        (Ok(()), false) => INVALID,
    }
}

const ERROR: &str = "error";
const WARNING: &str = "warning";

fn write_text(
    path: &Path,
    loaded: Result<(Config, Problems), ConfigError>,
    checked: &[Remark],
    valid: bool,
    colour: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    let (config, warnings) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return write!(err, "{}", error.render(colour)),
    };
    write!(err, "{}", warnings.render(colour))?;
    for remark in checked {
        writeln!(err, "{}: {}", remark.severity, remark.message)?;
    }
    text::write(&Plan::of(&config), out)?;
    let verdict = if valid { "valid" } else { "not usable as it is: see the errors above" };
    writeln!(err, "{} is {verdict}", crate::config::shown_path(path))
}

fn write_document(
    path: &Path,
    loaded: Result<(Config, Problems), ConfigError>,
    checked: Vec<Remark>,
    valid: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (plan, mut problems) = match &loaded {
        Ok((config, warnings)) => (Some(Plan::of(config)), warnings.iter().map(Remark::of).collect()),
        Err(ConfigError::Invalid(problems)) => (None, problems.iter().map(Remark::of).collect()),
        Err(error) => (None, vec![Remark::error(error.render(false).trim_end().to_owned())]),
    };
    problems.extend(checked);
    let document = Document { schema: 1, file: crate::config::shown_path(path), valid, problems, plan };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

impl Remark {
    fn of(problem: &Problem) -> Self {
        let severity = match problem.severity {
            Severity::Error => ERROR,
            Severity::Warning => WARNING,
        };
        Remark {
            severity,
            line: Some(problem.line),
            column: Some(problem.column),
            message: problem.message.clone(),
            help: problem.help.clone(),
        }
    }

    fn error(message: String) -> Self {
        Remark { severity: ERROR, line: None, column: None, message, help: None }
    }

    fn warning(message: String) -> Self {
        Remark { severity: WARNING, ..Remark::error(message) }
    }
}
