//! `arkmeter profiles`: the built-in profiles, what each reads, and checks for the installer's own profiles.

mod document;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::exit;
use super::output::{finish_output, print_error, write_json};
use super::screen::Screen;
use crate::config::{ConfigError, load_profiles, shown_path};
use crate::meter::{LibraryEntry, library};

/// The commands under `profiles`.
#[derive(Debug, Subcommand)]
pub(super) enum ProfilesCommand {
    /// List the built-in profiles
    #[command(after_help = "\
Examples:
  arkmeter profiles list
  arkmeter profiles list abb b23   profiles that contain both words")]
    List {
        /// Only profiles whose name, vendor, model or alias contains each of these words
        search: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one profile: its registers, known problems and sources, and the TOML to copy
    #[command(after_help = "\
Example:
  arkmeter profiles show eastron-sdm630")]
    Show {
        /// Name of the profile, or of a model
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check your own profiles: print every problem, then what would be read
    #[command(after_help = "\
Example:
  arkmeter profiles check acme-100.toml

Exit code: 0 if the profiles are valid, 78 if one has an error.")]
    Check {
        /// A file with [profile.NAME] tables, or with the keys of one profile
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs one of them and returns the exit code.
pub(super) fn run(command: &ProfilesCommand) -> u8 {
    let columns = Screen::of_output().table_columns();
    let mut out = io::stdout().lock();
    match command {
        ProfilesCommand::List { search, json } => finish_output(list(&search.join(" "), *json, columns, &mut out)),
        ProfilesCommand::Show { name, json } => match show(name, *json, columns, &mut out) {
            Ok(()) => 0,
            Err(ShowError::Output(error)) => finish_output(Err(error)),
            Err(error) => {
                print_error(&error.to_string());
                exit::FAILED
            }
        },
        ProfilesCommand::Check { file, json } => {
            let colour = io::stderr().is_terminal();
            match check(file, *json, colour, &mut out, &mut io::stderr().lock()) {
                Ok(true) => 0,
                Ok(false) => exit::CONFIG,
                Err(error) => finish_output(Err(error)),
            }
        }
    }
}

/// Why a profile cannot be shown.
#[derive(Debug, thiserror::Error)]
enum ShowError {
    #[error("no built-in profile is called `{name}`{}; `arkmeter profiles list` lists them all", did_you_mean(.near))]
    Unknown { name: String, near: Vec<&'static str> },
    #[error("the profile cannot be written out")]
    Output(#[from] io::Error),
}

/// The built-in profiles whose name, alias, vendor or model contains each word of `search`: a table, or a JSON array.
fn list(search: &str, json: bool, columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let entries = library().search(search);
    if json {
        return write_json(&entries.iter().map(|entry| document::of(&entry.profile)).collect::<Vec<_>>(), out);
    }
    if entries.is_empty() {
        return writeln!(
            out,
            "No built-in profile matches. With the manual of the meter you can write one yourself, see docs/profiles.md."
        );
    }
    text::list(&entries, columns, out)
}

/// One built-in profile, by name or alias: its registers and its TOML, or a JSON object.
fn show(name: &str, json: bool, columns: Option<usize>, out: &mut dyn Write) -> Result<(), ShowError> {
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
    text::profile(profile, columns, out)?;
    Ok(writeln!(
        out,
        "\n# To change this profile, copy it into arkmeter.toml under another name:\n{}",
        toml.trim_end()
    )?)
}

/// The profiles in the installer's file: problems go to `err`, what would be read to `out` (or both as one JSON document to `out`).
///
/// True if they have no error.
fn check(path: &Path, json: bool, colour: bool, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<bool> {
    let loaded = load_profiles(path);
    let valid = loaded.is_ok();
    if json {
        let (profiles, problems) = match &loaded {
            Ok((profiles, warnings)) => (profiles.as_slice(), json!(warnings.iter().collect::<Vec<_>>())),
            Err(ConfigError::Invalid(problems)) => (&[][..], json!(problems.iter().collect::<Vec<_>>())),
            Err(error) => (&[][..], json!([{ "severity": "error", "message": unreadable(error).trim_end() }])),
        };
        let profiles: Vec<_> = profiles.iter().map(|profile| document::of(profile)).collect();
        let file = shown_path(path);
        let document = json!({ "schema": 1, "file": file, "valid": valid, "problems": problems, "profiles": profiles });
        write_json(&document, out)?;
        return Ok(valid);
    }
    match loaded {
        Err(ConfigError::Invalid(problems)) => write!(err, "{}", problems.render(colour))?,
        Err(error) => write!(err, "{}", unreadable(&error))?,
        Ok((profiles, warnings)) => {
            write!(err, "{}", warnings.render(colour))?;
            for profile in &profiles {
                text::profile(profile, None, out)?;
                text::requests(profile, out)?;
                writeln!(out)?;
            }
            writeln!(err, "{} is valid; compare the first readings with the meter's display", shown_path(path))?;
        }
    }
    Ok(valid)
}

/// Why the file cannot be read. It need not be the configuration, so the text does not mention one.
fn unreadable(error: &ConfigError) -> String {
    match error {
        ConfigError::Missing(path) => format!("there is no file {}\n", shown_path(path)),
        ConfigError::Folder(path) => format!("{} is a folder: name a file in it\n", shown_path(path)),
        ConfigError::NotAFile { path, kind } => format!("{} is {kind}, not a regular file\n", shown_path(path)),
        ConfigError::Denied(path) => {
            format!("{} cannot be read by this user: run as root, or change its permissions\n", shown_path(path))
        }
        ConfigError::TooLarge(path) => {
            format!("{} is larger than 1 MiB: name a file with profiles only\n", shown_path(path))
        }
        other => other.render(false),
    }
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
