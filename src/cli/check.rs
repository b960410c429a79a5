//! `arkmeter check`: every problem of the configuration, then what would be polled and reported.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::exit;
use super::output::write_json;
use crate::config::{Config, ConfigError, Environment, Problem, Problems, shown_path};
use crate::finding::Severity;

mod files;
mod ledger;
mod plan;
#[cfg(test)]
mod tests;
mod text;

/// Where and how the result is printed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CheckOptions {
    /// One JSON document on `out` instead of text.
    pub(super) json: bool,
    /// Colours on `err`.
    pub(super) colour: bool,
}

/// Prints the problems on standard error and the plan on standard output; with `quiet` the problems only.
pub(super) fn run(path: &Path, environment: &Environment, json: bool, quiet: bool) -> u8 {
    let options = CheckOptions { json, colour: io::stderr().is_terminal() };
    let mut out: Box<dyn Write> = if quiet { Box::new(io::sink()) } else { Box::new(io::stdout().lock()) };
    check(path, environment, options, &mut out, &mut io::stderr().lock())
}

/// The document of `check --json`.
#[derive(Debug, Serialize)]
struct CheckDocument {
    schema: u32,
    file: String,
    valid: bool,
    problems: Vec<Remark>,
    /// Absent if the configuration itself has an error.
    #[serde(flatten)]
    plan: Option<Value>,
}

/// One problem or warning.
#[derive(Clone, Debug, Serialize)]
struct Remark {
    severity: Severity,
    /// Absent if the problem is not in the file itself, but in a token file or a device.
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    help: Option<String>,
}

/// Checks the configuration at `path` and the files that it names; problems go to `err`, the plan to `out`.
///
/// The exit code: 0 if the configuration is valid, 78 if it has an error, 1 if the result cannot be written.
pub(super) fn check(
    path: &Path,
    environment: &Environment,
    options: CheckOptions,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let loaded = Config::load(path, environment);
    let checked = match &loaded {
        Ok((config, _)) => [files::check(config, environment), ledger::check(config)].concat(),
        Err(_) => Vec::new(),
    };
    let valid = loaded.is_ok() && !checked.iter().any(|remark| remark.severity == Severity::Error);
    let written = match options.json {
        true => write_document(path, loaded, checked, valid, out),
        false => write_text(path, loaded, &checked, valid, options.colour, out, err),
    };
    match (written, valid) {
        (Err(_), _) => exit::FAILED,
        (Ok(()), true) => 0,
        (Ok(()), false) => exit::CONFIG,
    }
}

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
        let severity = if remark.severity == Severity::Error { "error" } else { "warning" };
        writeln!(err, "{severity}: {}", remark.message)?;
    }
    text::write(&config, out)?;
    let verdict = if valid { "valid" } else { "not valid: correct the errors above" };
    writeln!(err, "{} is {verdict}", shown_path(path))
}

fn write_document(
    path: &Path,
    loaded: Result<(Config, Problems), ConfigError>,
    checked: Vec<Remark>,
    valid: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (plan, mut problems) = match &loaded {
        Ok((config, warnings)) => (Some(plan::document(config)), warnings.iter().map(Remark::of).collect()),
        Err(ConfigError::Invalid(problems)) => (None, problems.iter().map(Remark::of).collect()),
        Err(error) => (None, vec![Remark::error(error.render(false).trim_end().to_owned())]),
    };
    problems.extend(checked);
    let document = CheckDocument { schema: 1, file: shown_path(path), valid, problems, plan };
    write_json(&document, out)
}

impl Remark {
    fn of(problem: &Problem) -> Self {
        let Problem { severity, line, column, message, help, .. } = problem.clone();
        Remark { severity, line: Some(line), column: Some(column), message, help }
    }

    fn error(message: String) -> Self {
        Remark { severity: Severity::Error, line: None, column: None, message, help: None }
    }

    fn warning(message: String) -> Self {
        Remark { severity: Severity::Warning, ..Remark::error(message) }
    }
}
