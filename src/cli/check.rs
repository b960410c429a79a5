//! `arkmeter check`: every problem of the configuration, then what would be polled and reported.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::exit;
use super::output::{write_json, write_lines};
use super::screen::{Screen, message_columns};
use crate::config::{Config, ConfigError, ConfigFiles, Environment, Problem, Problems, shown_path};
use crate::finding::Severity;
use crate::shard::Sharding;
use shards::ShardLoad;

mod files;
mod ledger;
mod locks;
mod plan;
mod shards;
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
    /// Only the configuration itself: no token file, certificate, device, ledger or limit of this machine.
    pub(super) no_system: bool,
    /// The widths of `out` and `err` if they are terminals: longer lines of the plan and longer remarks wrap at words.
    pub(super) columns: [Option<usize>; 2],
}

/// Prints the problems on standard error and the plan on standard output; with `quiet` no plan.
pub(super) fn run(path: &Path, environment: &Environment, json: bool, quiet: bool, no_system: bool) -> u8 {
    let columns = [Screen::of_output().table_columns(), message_columns()];
    let options = CheckOptions { json, colour: io::stderr().is_terminal(), no_system, columns };
    let mut out: Box<dyn Write> = if quiet { Box::new(io::sink()) } else { Box::new(io::stdout().lock()) };
    check(path, environment, options, &mut out, &mut io::stderr().lock())
}

/// The document of `check --json`.
#[derive(Debug, Serialize)]
struct CheckDocument {
    schema: u32,
    file: String,
    /// What was read, in this order; empty if a file cannot be read.
    files: Vec<String>,
    /// The hash of the files, as the metric `arkmeter_config_info` has it.
    hash: Option<String>,
    valid: bool,
    problems: Vec<Remark>,
    /// Absent if the configuration itself has an error.
    #[serde(flatten)]
    plan: Option<Value>,
    /// What each shard would carry; absent without a number of shards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shards: Vec<ShardLoad>,
}

/// One problem or warning.
#[derive(Clone, Debug, Serialize)]
struct Remark {
    severity: Severity,
    /// Absent if the problem is not in the configuration itself, but in a token file or a device.
    file: Option<String>,
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
    let files = ConfigFiles::read(path);
    let (files, loaded) = match files {
        Ok(files) => {
            let loaded = files.parse(environment);
            (Some(files), loaded)
        }
        Err(error) => (None, Err(error)),
    };
    let (loads, uneven) = match (&loaded, environment.sharding) {
        (Ok((config, _)), Some(Sharding::All(count))) => shards::loads(config, count),
        _ => (Vec::new(), None),
    };
    let mut checked = match &loaded {
        Ok((config, _)) if options.no_system => files::of_configuration(config),
        Ok((config, _)) => [files::check(config, environment), ledger::check(config)].concat(),
        Err(_) => Vec::new(),
    };
    checked.extend(uneven);
    if let (Ok((config, _)), false) = (&loaded, options.no_system) {
        checked.extend(locks::check(&config.state.path));
    }
    let valid = loaded.is_ok() && !checked.iter().any(|remark| remark.severity == Severity::Error);
    let result = CheckResult { files: files.as_ref(), loaded, checked, valid, loads };
    let written = match options.json {
        true => write_document(path, result, out),
        false => write_text(path, result, options, out, err),
    };
    match (written, valid) {
        (Err(_), _) => exit::FAILED,
        (Ok(()), true) => 0,
        (Ok(()), false) => exit::CONFIG,
    }
}

/// What is printed.
struct CheckResult<'f> {
    /// Absent if one cannot be read.
    files: Option<&'f ConfigFiles>,
    loaded: Result<(Config, Problems), ConfigError>,
    checked: Vec<Remark>,
    valid: bool,
    loads: Vec<ShardLoad>,
}

fn write_text(
    path: &Path,
    result: CheckResult<'_>,
    options: CheckOptions,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    let CheckOptions { colour, columns: [out_columns, err_columns], .. } = options;
    let (config, warnings) = match result.loaded {
        Ok(loaded) => loaded,
        Err(error) => return write!(err, "{}", error.render(colour)),
    };
    write!(err, "{}", warnings.render(colour))?;
    for remark in result.checked {
        let severity = if remark.severity == Severity::Error { "error" } else { "warning" };
        write_lines(&format!("{severity}: {}", remark.message), err_columns, err)?;
    }
    let mut plan = Vec::new();
    result.files.map_or(Ok(()), |files| text::write_files(files, &mut plan))?;
    text::write(&config, &mut plan)?;
    write_lines(String::from_utf8_lossy(&plan).trim_end(), out_columns, out)?;
    if !result.loads.is_empty() {
        shards::write(&result.loads, out)?;
    }
    let verdict = if result.valid { "valid" } else { "not valid: correct the errors above" };
    let parts = match result.files.map_or(0, |files| files.files().len() - 1) {
        0 => String::new(),
        1 => " with 1 part".to_owned(),
        parts => format!(" with {parts} parts"),
    };
    writeln!(err, "{}{parts} is {verdict}", shown_path(path))
}

fn write_document(path: &Path, result: CheckResult<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (plan, mut problems) = match &result.loaded {
        Ok((config, warnings)) => (Some(plan::document(config)), warnings.iter().map(Remark::of).collect()),
        Err(ConfigError::Invalid(problems)) => (None, problems.iter().map(Remark::of).collect()),
        Err(error) => (None, vec![Remark::error(error.render(false).trim_end().to_owned())]),
    };
    problems.extend(result.checked);
    let files = result.files.iter().flat_map(|files| files.files()).map(|file| shown_path(&file.path)).collect();
    let hash = result.files.map(ConfigFiles::hash);
    let (file, valid) = (shown_path(path), result.valid);
    let document = CheckDocument { schema: 1, file, files, hash, valid, problems, plan, shards: result.loads };
    write_json(&document, out)
}

impl Remark {
    fn of(problem: &Problem) -> Self {
        let Problem { severity, file, line, column, message, help, .. } = problem.clone();
        Remark { severity, file: Some(file), line: Some(line), column: Some(column), message, help }
    }

    fn error(message: String) -> Self {
        Remark { severity: Severity::Error, file: None, line: None, column: None, message, help: None }
    }

    fn warning(message: String) -> Self {
        Remark { severity: Severity::Warning, ..Remark::error(message) }
    }
}
