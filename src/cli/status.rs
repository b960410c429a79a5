//! `arkmeter status`: the state of the running daemon, as tables or as its JSON document.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use comfy_table::Table;

use super::context::{locations, runtime};
use super::exit;
use super::output;
use crate::config::Environment;
use crate::status::control::{self, ControlError};
use crate::status::{Document, ERROR, SCHEMA, StatusTable, lines, tables, words};
use crate::text::chain;

/// Prints the status of the daemon of this configuration.
pub(super) fn run(path: &Path, environment: &Environment, json: bool) -> u8 {
    let (_, socket) = locations(path, environment);
    let colour = io::stdout().is_terminal();
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let code = runtime().map(|runtime| runtime.block_on(status(&socket, json, colour, &mut out, &mut err)));
    code.unwrap_or_else(|code| code)
}

/// Prints the status of the daemon at `socket`. The exit code: 0 all is well, 1 trouble, 69 no daemon.
async fn status(socket: &Path, json: bool, colour: bool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let error = match request(socket).await {
        Ok((bytes, document)) => {
            let printed = if json { out.write_all(&bytes) } else { print(&document, colour, out) };
            match printed.and_then(|()| out.flush()) {
                // A reader that closed the pipe has read enough.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => StatusError::Output(error),
                _ => return if document.well { 0 } else { exit::FAILED },
            }
        }
        Err(error) => error,
    };
    // A closed standard error is no reason to fail otherwise.
    let _ = writeln!(err, "arkmeter: {}", chain(&error));
    match error {
        StatusError::Control(ControlError::NoDaemon(_) | ControlError::NotAllowed(_)) => exit::NO_DAEMON,
        _ => exit::FAILED,
    }
}

#[derive(Debug, thiserror::Error)]
enum StatusError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(
        "the daemon uses schema {0}, this command {SCHEMA}: restart the daemon (`systemctl restart arkmeter`), or use the same version of \
         arkmeter"
    )]
    Schema(u64),
    #[error(
        "the answer of the daemon is not understood: restart it (`systemctl restart arkmeter`), or use the same version of arkmeter"
    )]
    Malformed(#[source] serde_json::Error),
    #[error("the status cannot be written")]
    Output(#[source] io::Error),
}

async fn request(socket: &Path) -> Result<(Vec<u8>, Document), StatusError> {
    let bytes = control::get(socket, "/status.json").await?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(StatusError::Malformed)?;
    if let Some(schema) = value["schema"].as_u64().filter(|schema| *schema != u64::from(SCHEMA)) {
        return Err(StatusError::Schema(schema));
    }
    Ok((bytes, serde_json::from_value(value).map_err(StatusError::Malformed)?))
}

/// Trouble first, then the tables.
fn print(document: &Document, colour: bool, out: &mut dyn Write) -> io::Result<()> {
    let paint = |text: &str, code: u8| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    if document.well {
        writeln!(out, "{}", paint("All is well.", 32))?;
    }
    for sentence in &document.trouble {
        writeln!(out, "{} {}", paint("!", 31), printable(sentence))?;
    }
    for sentence in &document.advice {
        writeln!(out, "{} {}", paint("*", 33), printable(sentence))?;
    }
    let started = words::ago(document.started_at, document.at);
    writeln!(out, "arkmeter {}, started {started}", printable(&document.version))?;
    let lines = Some(lines(document)).filter(|lines| !lines.rows.is_empty());
    for table in tables(document).iter().chain(&lines) {
        writeln!(out, "\n{}", printed(table).trim_fmt())?;
    }
    let maps = document.meters.iter().filter_map(|(name, meter)| Some((name, meter.map.as_ref()?)));
    for (place, (name, map)) in maps.enumerate() {
        let blank = if place == 0 { "\n" } else { "" };
        writeln!(out, "{blank}{name} is read by {}", printable(map))?;
    }
    for (name, bus) in &document.buses {
        if let Some(silent) = words::silent_meters(bus) {
            writeln!(out, "On bus {name}, {silent}")?;
        }
        for habit in &bus.tolerated {
            writeln!(out, "On bus {name}, {}", printable(habit))?;
        }
    }
    Ok(())
}

/// The errors are already among the sentences above the tables.
fn printed(table: &StatusTable) -> Table {
    let columns: Vec<_> = (0..table.head.len()).filter(|column| table.head[*column] != ERROR).collect();
    let head: Vec<_> = columns.iter().map(|column| table.head[*column].to_uppercase()).collect();
    let mut printed = output::table(&head);
    for row in &table.rows {
        printed.add_row(columns.iter().map(|column| printable(&row[*column].text)));
    }
    printed
}

/// Another program could answer in the daemon's place: its text must not control the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

#[cfg(test)]
mod tests;
