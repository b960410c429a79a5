//! `ledger show` and `ledger journal`: through the running daemon, else straight from the disk.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{failed, misunderstood};
use crate::cli::{done, exit, runtime};
use crate::config::Config;
use crate::ledger::Barred;
use crate::ledger::shown::{self, ShowError, Shown, ShownEntry, ShownJournal, ShownMeter};
use crate::status::control::{self, ControlError};
use crate::status::words;
use crate::text::foreign;
use crate::units::{MilliwattHours, Name};

/// What is on disk of each meter and client.
pub fn show(config: &Config, json: bool) -> u8 {
    let shown = look(config, "/ledger.json", || shown::show(&config.state.path));
    print(shown, json, write_ledger)
}

/// The latest entries of the journal.
pub fn journal(config: &Config, meter: Option<&Name>, most: u32, json: bool) -> u8 {
    let meter_asked = meter.map(|name| format!("meter={name}&")).unwrap_or_default();
    let path = format!("/journal.json?{meter_asked}most={most}");
    let shown = look(config, &path, || shown::journal(&config.state.path, meter, most));
    print(shown, json, write_journal)
}

/// Asks the daemon; where none answers, looks for itself.
fn look<T: DeserializeOwned>(
    config: &Config,
    path: &str,
    alone: impl FnOnce() -> Result<T, ShowError>,
) -> Result<T, u8> {
    match runtime()?.block_on(control::get(&config.status.socket, path)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| misunderstood()),
        Err(ControlError::NoDaemon(_)) => alone().map_err(|error| failed(&error, error.exit_code())),
        Err(error) => Err(failed(&error, exit::FAILED)),
    }
}

fn print<T: Serialize>(shown: Result<T, u8>, json: bool, write: fn(&T, &mut dyn Write) -> io::Result<()>) -> u8 {
    let document = match shown {
        Ok(document) => document,
        Err(code) => return code,
    };
    let mut out = io::stdout().lock();
    done(match json {
        true => serde_json::to_writer_pretty(&mut out, &document).map_err(Into::into).and_then(|()| writeln!(out)),
        false => write(&document, &mut out),
    })
}

fn write_ledger(shown: &Shown, out: &mut dyn Write) -> io::Result<()> {
    if let Some(why) = &shown.damaged {
        writeln!(out, "! the ledger is damaged ({}): this is its copy", foreign(why, 200))?;
    }
    match shown.retired.map(Barred::Retired) {
        Some(moved) => writeln!(out, "! {moved}")?,
        None if shown.other_machine => {
            writeln!(out, "! begun on another machine: nothing is reported until `arkmeter ledger adopt`")?;
        }
        None => {}
    }
    match shown.at {
        Some(at) => writeln!(out, "on disk as of {}", at.strftime("%Y-%m-%d %H:%M:%SZ"))?,
        None => return writeln!(out, "nothing is in it yet"),
    }
    let energy = |energy: Option<MilliwattHours>| energy.map_or("-".to_owned(), words::energy);
    let mut meters = table(["METER", "REGISTER", "PUBLISHED", "SERIAL NUMBER", "REMARKS"], &[1, 2]);
    for (name, meter) in &shown.meters {
        let serial = meter.serial.as_deref().map_or("-".to_owned(), |serial| foreign(serial, 64));
        meters.add_row([
            name.to_string(),
            energy(meter.register_mwh),
            energy(meter.published_mwh),
            serial,
            remarks(meter),
        ]);
    }
    writeln!(out, "\n{}", meters.trim_fmt())?;
    let mut clients = table(["CLIENT", "ENERGY", "ACCEPTED", "MEMBERS", "ENDPOINT"], &[1, 2]);
    for client in &shown.clients {
        let members: Vec<_> = client.counted_mwh.keys().map(Name::as_str).collect();
        clients.add_row([
            client.client_id.clone(),
            energy(client.energy_mwh),
            energy(client.accepted_mwh),
            members.join(", "),
            foreign(&client.url, 200),
        ]);
    }
    if shown.clients.is_empty() { Ok(()) } else { writeln!(out, "\n{}", clients.trim_fmt()) }
}

/// What stands out of a meter.
fn remarks(meter: &ShownMeter) -> String {
    let mut remarks = Vec::new();
    if let Some(why) = &meter.held {
        remarks.push(format!("held: {}", foreign(why, 400)));
    }
    if !meter.confirmed {
        remarks.push("not confirmed since the ledger fell back to a copy".to_owned());
    }
    let published = meter.published_mwh.and_then(|published| i64::try_from(published.get()).ok());
    if let (Some(counted), Some(published)) = (meter.counted_mwh, published)
        && counted < published
    {
        let behind = u64::try_from(published - counted).ok().and_then(MilliwattHours::new).unwrap_or_default();
        remarks.push(format!("published stands until the counter has caught up {}", words::energy(behind)));
    }
    remarks.join("; ")
}

fn write_journal(journal: &ShownJournal, out: &mut dyn Write) -> io::Result<()> {
    if journal.entries.is_empty() {
        return writeln!(out, "no entries");
    }
    journal.entries.iter().try_for_each(|entry| write_entry(entry, out))
}

/// Two lines an entry: what and when, and why.
fn write_entry(entry: &ShownEntry, out: &mut dyn Write) -> io::Result<()> {
    let at = entry.at.strftime("%Y-%m-%d %H:%M:%SZ");
    let meter = entry.meter.as_ref().map_or("(ledger)", Name::as_str);
    write!(out, "{:>6}  {at}  {meter}  {}", entry.id, foreign(&entry.word, 64))?;
    if entry.count > 1 {
        write!(out, " ({} times until {})", entry.count, entry.last.strftime("%Y-%m-%d %H:%M:%SZ"))?;
    }
    if let (Some(before), Some(after)) = (entry.published_before_mwh, entry.published_after_mwh)
        && before != after
    {
        write!(out, "  published {} -> {}", words::energy(before), words::energy(after))?;
    }
    writeln!(out, "\n        {}", foreign(&entry.reason, 600))
}

fn table<const N: usize>(head: [&str; N], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    for index in numbers {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
