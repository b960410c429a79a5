//! Appends tables to the main file of the configuration, never to a part: comments and order stay, the result must pass the check, and the
//! new file is renamed into place, so that a reader finds either the old file or the new one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::config::{BusConfig, Config, ConfigError, ConfigFiles, Environment, Link, shown_path};
use crate::survey::is_placeholder;
use crate::units::Name;

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

/// Adds the tables of meters that were found. The meter of the annotated example makes room for them, and so does its bus if nothing else
/// uses it and its adapter is not plugged in.
pub(super) fn add_meters(
    path: &Path,
    lines: &str,
    config: Option<&Config>,
    environment: &Environment,
) -> Result<(), WriteError> {
    let before = match Config::text(path) {
        Ok(text) => text,
        Err(_) => return append(path, lines, environment),
    };
    let placeholders = config.map(|config| placeholder_tables(config, lines)).unwrap_or_default();
    let mut text = before.clone();
    for table in &placeholders {
        text = without_paragraph(&text, table).unwrap_or(text);
    }
    if text == before {
        return append(path, lines, environment);
    }
    not_in_parts(path, lines)?;
    let place = text.find(GONE).unwrap_or(text.len());
    let (start, end) = text.split_at(place);
    let text = format!("{start}{}\n{}", lines.trim_end(), end.replace(GONE, "")).replace(GONE, "");
    put(path, Some(&before), &text, environment)
}

/// Marks the place of a table that was taken out, and is replaced at last. A comment, so that the text stays TOML.
const GONE: &str = "# arkmeter scan --write puts the meters that it found here.";

/// `meter.NAME` of the example, and `bus.NAME` if it was only there for that meter.
fn placeholder_tables(config: &Config, lines: &str) -> Vec<String> {
    let is_example = |name: &&Name| is_placeholder(config, name);
    let (example, own): (Vec<_>, Vec<_>) = config.meters.keys().partition(|name| is_example(name));
    let mut tables: Vec<_> = example.iter().map(|name| format!("meter.{name}")).collect();
    let added: toml::Table = lines.parse().unwrap_or_default();
    let added = added.get("meter").and_then(|it| it.as_table()).into_iter().flatten();
    let added: Vec<_> = added.filter_map(|(_, meter)| meter.get("bus")?.as_str()).map(str::to_owned).collect();
    let unused = |bus: &&BusConfig| {
        let by_own = own.iter().any(|name| config.meters[*name].bus == bus.name);
        let by_example = example.iter().any(|name| config.meters[*name].bus == bus.name);
        let absent = matches!(&bus.link, Link::Serial(line) if !line.path.exists());
        by_example && absent && !by_own && !added.iter().any(|name| name == bus.name.as_str())
    };
    tables.extend(config.buses.values().filter(unused).map(|bus| format!("bus.{}", bus.name)));
    tables
}

/// The text without this table, from its header to the next empty line; [`GONE`] marks where a meter was. `None` if that would leave
/// something of the table, or take something else.
fn without_paragraph(text: &str, table: &str) -> Option<String> {
    let header = format!("[{table}]");
    let start = text.lines().scan(0, |at, line| {
        let begins = *at;
        *at += line.len() + 1;
        Some((begins, line))
    });
    let (start, _) = start.into_iter().find(|(_, line)| line.trim_end() == header)?;
    let end = text[start..].find("\n\n").map_or(text.len(), |length| start + length + 1);
    let mark = if table.starts_with("meter.") { GONE } else { "" };
    let (before, after) = (&text[..start], &text[end..]);
    let (kind, name) = table.split_once('.')?;
    let mut expected: toml::Table = text.parse().ok()?;
    expected.get_mut(kind)?.as_table_mut()?.remove(name);
    let mut left: toml::Table = format!("{before}{after}").parse().ok()?;
    // A kind without tables may be left out.
    for tables in [&mut expected, &mut left] {
        tables.retain(|_, value| value.as_table().is_none_or(|table| !table.is_empty()));
    }
    (expected == left).then(|| format!("{before}{mark}{after}"))
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
