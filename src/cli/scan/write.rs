//! Appends tables to the main file of the configuration, never to a part: comments and order stay, the result must pass the check, and the
//! new file is renamed into place, so that a reader finds either the old file or the new one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::config::{Config, ConfigError, ConfigFiles, Environment, shown_path};

/// Why the configuration is unchanged.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum WriteError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// For example, an inline table cannot be extended.
    #[error(
        "the new lines do not fit the rest of the configuration: paste them by hand, and correct what `arkmeter check` reports"
    )]
    Refused(#[source] ConfigError),
    /// The part would be put over the new table.
    #[error("{} has a [{table}] too, which would be put over the new one: nothing was written; use another name, or move that part away", shown_path(.part))]
    InPart { part: PathBuf, table: String },
    #[error("{} was changed by another program: nothing was written, try again", .0.display())]
    Changed(PathBuf),
    #[error("{} cannot be written: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Appends these lines to the configuration at `path`, or creates it.
pub(in crate::cli) fn append(path: &Path, lines: &str, environment: &Environment) -> Result<(), WriteError> {
    let before = match Config::text(path) {
        Ok(text) => Some(text),
        Err(ConfigError::Missing(_)) => None,
        Err(error) => return Err(error.into()),
    };
    not_in_parts(path, lines)?;
    put(path, before.as_deref(), &joined(before.as_deref().unwrap_or_default(), lines), environment)
}

/// Writes `text` in the place of `before`, which another program may have changed meanwhile.
pub(in crate::cli) fn put(
    path: &Path,
    before: Option<&str>,
    text: &str,
    environment: &Environment,
) -> Result<(), WriteError> {
    // A symbolic link stays: its target is replaced.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let files = ConfigFiles::around(path, text.to_owned()).map_err(WriteError::Refused)?;
    files.parse(environment).map_err(WriteError::Refused)?;
    let io = |source| WriteError::Io { path: real.clone(), source };
    let file = new_file(&real, text).map_err(io)?;
    if Config::text(&real).ok().as_deref() != before {
        return Err(WriteError::Changed(real));
    }
    match before {
        Some(_) => file.persist(&real).map_err(|error| io(error.error))?,
        None => file.persist_noclobber(&real).map_err(|error| io(error.error))?,
    };
    folder(&real).and_then(|folder| File::open(folder)?.sync_all()).map_err(io)
}

/// Refuses lines with a named table that a part of the configuration has as well: they would not mean what they say.
fn not_in_parts(path: &Path, lines: &str) -> Result<(), WriteError> {
    let new = named_tables(lines);
    let files = ConfigFiles::around(path, String::new())?;
    for part in &files.files()[1..] {
        if let Some(table) = named_tables(&part.text).into_iter().find(|table| new.contains(table)) {
            return Err(WriteError::InPart { part: part.path.clone(), table });
        }
    }
    Ok(())
}

/// The tables that have a name of the operator's, such as `meter.heat_pump`.
fn named_tables(text: &str) -> BTreeSet<String> {
    let document: toml::Table = text.parse().unwrap_or_default();
    let kinds = ["account", "bus", "meter", "client", "profile"];
    let of_kind = |kind: &str| {
        let names: Vec<_> =
            document.get(kind).and_then(|it| it.as_table()).into_iter().flat_map(|it| it.keys()).collect();
        names.into_iter().map(|name| format!("{kind}.{name}")).collect::<Vec<_>>()
    };
    kinds.into_iter().flat_map(of_kind).collect()
}

/// The text and the lines, with an empty line between them.
fn joined(text: &str, lines: &str) -> String {
    let separator = match text {
        "" => "",
        text if text.ends_with("\n\n") => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    format!("{text}{separator}{lines}")
}

/// A new file with this text in the same folder, synced to disk, with the owner and mode of the old one.
fn new_file(path: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".arkmeter-").suffix(".toml").tempfile_in(folder(path)?)?;
    file.write_all(text.as_bytes())?;
    if let Ok(old) = fs::metadata(path) {
        fchown(file.as_file(), Some(old.uid()), Some(old.gid()))?;
        file.as_file().set_permissions(old.permissions())?;
    } else {
        // The service has a user of its own, and a configuration holds no secret.
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

fn folder(path: &Path) -> io::Result<&Path> {
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    Ok(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

#[cfg(test)]
mod tests;
