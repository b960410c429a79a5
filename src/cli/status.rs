//! `arkmeter status`: the state of the running daemon, as tables or as its JSON document.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use comfy_table::Table;

use super::context::{locations, runtime};
use super::exit;
use super::output::{self};
use crate::config::Environment;
use crate::status::control::{self, ControlError};
use crate::status::{Document, SCHEMA, words};
use crate::text::chain;
use crate::units::Name;

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
        "the daemon speaks schema {0}, this command {SCHEMA}: restart the daemon (`systemctl restart arkmeter`), or use the arkmeter that \
         it runs"
    )]
    Schema(u64),
    #[error(
        "the answer of the daemon is not understood: restart it (`systemctl restart arkmeter`), or use the arkmeter that it runs"
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
    for table in [meters(document), clients(document), accounts(document), buses(document), lines(document)]
        .into_iter()
        .flatten()
    {
        writeln!(out, "\n{}", table.trim_fmt())?;
    }
    let maps = document.meters.iter().filter_map(|(name, meter)| Some((name, meter.map.as_ref()?)));
    for (place, (name, map)) in maps.enumerate() {
        let blank = if place == 0 { "\n" } else { "" };
        writeln!(out, "{blank}{name} is read by {}", printable(map))?;
    }
    Ok(())
}

fn meters(document: &Document) -> Option<Table> {
    let header = ["METER", "STATE", "#POWER", "#REGISTER", "#PUBLISHED", "READ", "VERDICT"];
    table(&header, &document.meters, |meter| {
        vec![
            words::meter_state(meter.state).to_owned(),
            meter.power_mw.map(words::power).unwrap_or_default(),
            meter.register_mwh.map(words::energy).unwrap_or_default(),
            meter.published_mwh.map(words::energy).unwrap_or_default(),
            meter.read_at.map_or("never".to_owned(), |at| words::ago(at, document.at)),
            meter.verdict.clone().unwrap_or_default(),
        ]
    })
}

fn clients(document: &Document) -> Option<Table> {
    table(&["CLIENT", "IDENTIFIER", "ACCOUNT", "#ACCEPTED", "WHEN"], &document.clients, |client| {
        vec![
            client.client_id.clone(),
            client.account.to_string(),
            client.accepted_mwh.map(words::energy).unwrap_or_default(),
            client.accepted_at.map_or("never".to_owned(), |at| words::ago(at, document.at)),
        ]
    })
}

fn accounts(document: &Document) -> Option<Table> {
    table(&["ACCOUNT", "STATE", "LAST REPORT", "#ACCEPTED", "#REFUSED"], &document.accounts, |account| {
        vec![
            words::account_state(account.state).to_owned(),
            account.last_report_at.map_or("never".to_owned(), |at| words::ago(at, document.at)),
            account.accepted.to_string(),
            account.rejected.to_string(),
        ]
    })
}

/// The columns of [`words::line_times`].
const LINE_TIMES: [&str; 4] = ["#P50", "#P95", "#P99", "#BUSY"];

fn buses(document: &Document) -> Option<Table> {
    let header = ["BUS", "STATE", "#REQUESTS", "#ANSWERS", "#TIMEOUTS", "#GARBLED", "#EXCEPTIONS"];
    let header = [&header[..], &LINE_TIMES].concat();
    table(&header, &document.buses, |bus| {
        let mut cells = vec![words::bus_state(bus.state).to_owned()];
        let counts = [bus.requests, bus.answers, bus.timeouts, bus.garbled, bus.exceptions];
        cells.extend(counts.iter().map(u64::to_string));
        cells.extend(words::line_times(&bus.quality));
        cells
    })
}

/// The quality of the line to each meter.
fn lines(document: &Document) -> Option<Table> {
    let header = ["LINE TO", "BUS", "#REQUESTS", "#ANSWERS", "#TIMEOUTS", "#CRC", "#GARBLED", "#EXCEPTIONS"];
    let header = [&header[..], &LINE_TIMES].concat();
    table(&header, &document.meters, |meter| {
        let quality = &meter.quality;
        let count = |word: &str| quality.total.get(word).copied().unwrap_or_default();
        let garbled = ["wrong_unit", "wrong_function", "wrong_length", "incomplete", "noise"].map(count).iter().sum();
        let [requests, answers, timeouts, crc, exceptions] =
            ["requests", "answers", "timeouts", "crc_errors", "exceptions"].map(count);
        let mut cells = vec![meter.bus.to_string()];
        cells.extend([requests, answers, timeouts, crc, garbled, exceptions].iter().map(u64::to_string));
        cells.extend(words::line_times(quality));
        cells
    })
}

/// A table with one row for each name; `None` where there is none. See [`output::table`] for the header.
fn table<T>(header: &[&str], rows: &BTreeMap<Name, T>, cells: impl Fn(&T) -> Vec<String>) -> Option<Table> {
    let mut table = output::table(header);
    for (name, row) in rows {
        let cells = cells(row);
        table.add_row(std::iter::once(name.to_string()).chain(cells.iter().map(|cell| printable(cell))));
    }
    (!rows.is_empty()).then_some(table)
}

/// Another program could answer in the daemon's place: its text must not control the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

#[cfg(test)]
mod tests;
