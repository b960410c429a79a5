//! `profiles`: which meters are built in, what is read of each, and whether the installer's own profile is sound.

mod document;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::config::{ConfigError, Problem, load_profiles, shown_path};
use crate::finding::Severity;
use crate::meter::{LibraryEntry, library};

/// Why a profile cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    #[error("no built-in profile is called `{name}`{}; `arkmeter profiles list` names them all", did_you_mean(.near))]
    Unknown { name: String, near: Vec<&'static str> },
    #[error("the profile cannot be written out")]
    Output(#[from] io::Error),
}

/// The built-in profiles whose name, alias, vendor or model contains each word of `search`: a table, or a JSON array.
pub fn list(search: Option<&str>, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let entries = library().search(search.unwrap_or(""));
    if json {
        return write_json(&entries.iter().map(|entry| document::of(&entry.profile)).collect(), out);
    }
    if entries.is_empty() {
        return writeln!(
            out,
            "No built-in profile fits. With the meter's manual at hand one is written in ten minutes."
        );
    }
    text::list(&entries, out)
}

/// One built-in profile, by name or alias: its registers in plain words and its TOML, or a JSON object.
pub fn show(name: &str, json: bool, out: &mut dyn Write) -> Result<(), ShowError> {
    let Some(entry) = library().find(name) else {
        let near = if name.len() <= 64 { library().near(name) } else { Vec::new() };
        return Err(ShowError::Unknown { name: crate::text::foreign(name, 64), near });
    };
    let LibraryEntry { profile, toml } = entry;
    if json {
        let mut document = document::of(profile);
        document["toml"] = (*toml).into();
        return Ok(write_json(&document, out)?);
    }
    text::profile(profile, out)?;
    Ok(writeln!(out, "\n# To change it, copy this into arkmeter.toml under another name:\n{}", toml.trim_end())?)
}

/// The installer's own profiles in a file: every problem goes to `err`, what would be read to `out` (or both as one JSON document).
///
/// Whether they are sound.
pub fn check(path: &Path, json: bool, colour: bool, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<bool> {
    let loaded = load_profiles(path);
    let sound = loaded.is_ok();
    if json {
        let (profiles, problems) = match &loaded {
            Ok((profiles, warnings)) => (profiles.as_slice(), warnings.iter().map(remark).collect()),
            Err(ConfigError::Invalid(problems)) => (&[][..], problems.iter().map(remark).collect()),
            Err(error) => (&[][..], vec![json!({ "severity": "error", "message": unread(error).trim_end() })]),
        };
        let profiles: Vec<_> = profiles.iter().map(|profile| document::of(profile)).collect();
        let file = shown_path(path);
        let document = json!({ "schema": 1, "file": file, "valid": sound, "problems": problems, "profiles": profiles });
        write_json(&document, out)?;
        return Ok(sound);
    }
    match loaded {
        Err(ConfigError::Invalid(problems)) => write!(err, "{}", problems.render(colour))?,
        Err(error) => write!(err, "{}", unread(&error))?,
        Ok((profiles, warnings)) => {
            write!(err, "{}", warnings.render(colour))?;
            for profile in &profiles {
                text::profile(profile, out)?;
                text::requests(profile, out)?;
                writeln!(out)?;
            }
            writeln!(err, "{} is valid; compare the first readings with the meter's display", shown_path(path))?;
        }
    }
    Ok(sound)
}

/// Why the file could not be read, for one that need not be the configuration.
fn unread(error: &ConfigError) -> String {
    match error {
        ConfigError::Missing(path) => format!("there is no file {}\n", shown_path(path)),
        ConfigError::Folder(path) => format!("{} is a folder: name a file in it\n", shown_path(path)),
        ConfigError::NotAFile(path) => format!("{} is not a regular file\n", shown_path(path)),
        ConfigError::Denied(path) => format!("{} may not be read by this user\n", shown_path(path)),
        ConfigError::TooLarge(path) => format!("{} is larger than 1 MiB, which no profile is\n", shown_path(path)),
        other => other.render(false),
    }
}

fn remark(problem: &Problem) -> Value {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let Problem { line, column, message, help, .. } = problem;
    json!({ "severity": severity, "line": line, "column": column, "message": message, "help": help })
}

fn write_json(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// ` (did you mean `a` or `b`?)`, or nothing.
fn did_you_mean(near: &[&str]) -> String {
    let quoted: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => format!(" (did you mean {only}?)"),
        Some((last, others)) => format!(" (did you mean {} or {last}?)", others.join(", ")),
    }
}
