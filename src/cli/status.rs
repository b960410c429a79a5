//! `arkmeter status`: how the running daemon is, for people or as its JSON document.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};

use crate::status::control::{self, ControlError};
use crate::status::{Document, SCHEMA, words};
use crate::units::Name;

/// No daemon to ask, or no permission to ask it (sysexits.h: EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;
const TROUBLE: u8 = 1;

/// Asks the daemon at `socket` and prints what it says. Gives the exit code: 0 well, 1 trouble, 69 no daemon.
pub async fn status(socket: &Path, json: bool, colour: bool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match ask(socket).await {
        Ok((bytes, document)) => {
            let printed = if json { out.write_all(&bytes) } else { print(&document, colour, out) };
            match printed.and_then(|()| out.flush()) {
                // Who closed the pipe has read enough.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    complain(&Unwritten(error), err);
                    TROUBLE
                }
                _ => {
                    if document.well {
                        0
                    } else {
                        TROUBLE
                    }
                }
            }
        }
        Err(error) => {
            complain(&error, err);
            match error {
                StatusError::Control(ControlError::NoDaemon(_) | ControlError::NotAllowed(_)) => UNAVAILABLE,
                _ => TROUBLE,
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum StatusError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(
        "the daemon speaks schema {0}, this command {SCHEMA}: restart the daemon (`systemctl restart arkmeter`), or use the arkmeter that it runs"
    )]
    Schema(u64),
    #[error(
        "the daemon's answer is not understood: restart it (`systemctl restart arkmeter`), or use the arkmeter that it runs"
    )]
    Garbled(#[source] serde_json::Error),
}

#[derive(Debug, thiserror::Error)]
#[error("the status cannot be written")]
struct Unwritten(#[source] io::Error);

async fn ask(socket: &Path) -> Result<(Vec<u8>, Document), StatusError> {
    let bytes = control::get(socket, "/status.json").await?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(StatusError::Garbled)?;
    if let Some(schema) = value["schema"].as_u64().filter(|schema| *schema != u64::from(SCHEMA)) {
        return Err(StatusError::Schema(schema));
    }
    Ok((bytes, serde_json::from_value(value).map_err(StatusError::Garbled)?))
}

fn complain(error: &dyn Error, err: &mut dyn Write) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    // Where standard error is gone there is nobody to tell.
    let _ = writeln!(err, "arkmeter: {text}");
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
    let head = ["METER", "STATE", "#POWER", "#REGISTER", "#PUBLISHED", "READ", "VERDICT"];
    table(&head, &document.meters, |meter| {
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
    let head = ["BUS", "STATE", "#REQUESTS", "#ANSWERS", "#TIMEOUTS", "#GARBLED", "#EXCEPTIONS"];
    let head = [&head[..], &LINE_TIMES].concat();
    table(&head, &document.buses, |bus| {
        let mut cells = vec![words::bus_state(bus.state).to_owned()];
        let counts = [bus.requests, bus.answers, bus.timeouts, bus.garbled, bus.exceptions];
        cells.extend(counts.iter().map(u64::to_string));
        cells.extend(words::line_times(&bus.quality));
        cells
    })
}

/// Each meter's line.
fn lines(document: &Document) -> Option<Table> {
    let head = ["LINE TO", "BUS", "#REQUESTS", "#ANSWERS", "#TIMEOUTS", "#CRC", "#GARBLED", "#EXCEPTIONS"];
    let head = [&head[..], &LINE_TIMES].concat();
    table(&head, &document.meters, |meter| {
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

/// A table of things by name, where there are any. A column whose title begins with `#` is of numbers.
fn table<T>(head: &[&str], things: &BTreeMap<Name, T>, cells: impl Fn(&T) -> Vec<String>) -> Option<Table> {
    if things.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().map(|column| column.trim_start_matches('#')));
    for (name, thing) in things {
        let mut row = vec![name.to_string()];
        row.extend(cells(thing).iter().map(|cell| printable(cell)));
        table.add_row(row);
    }
    for (index, _) in head.iter().enumerate().filter(|(_, column)| column.starts_with('#')) {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Some(table)
}

/// Whoever has the socket's place could answer in the daemon's: nothing of it steers the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

#[cfg(test)]
mod tests;
