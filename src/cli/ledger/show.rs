//! `ledger show` and `ledger journal`: from the running daemon, else from the file.

use std::cmp::Ordering;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command::check_free;
use super::history::unknown;
use super::{exit_code_of, failed, misunderstood};
use crate::cli::{exit, finish_output, runtime};
use crate::config::Config;
use crate::ledger::shown::{self, Shown, ShownClient, ShownEntry, ShownJournal, ShownMeter};
use crate::ledger::store::JournalQuery;
use crate::ledger::{LedgerError, ReportingBlock};
use crate::status::control::{self, ControlError, SHOW};
use crate::status::words;
use crate::text::foreign;
use crate::units::{MilliwattHours, Name};

/// What is on disk of each meter and client.
pub fn show(config: &Config, json: bool) -> u8 {
    print(read_ledger(config), json, |shown, out| write_ledger(config, shown, out))
}

/// Entries of the journal.
pub fn journal(config: &Config, wanted: &JournalQuery, json: bool) -> u8 {
    let shown = read(config, &control::journal_path(wanted), |folder| shown::journal(folder, wanted));
    if let (Ok(ShownJournal { entries, .. }), Some(name)) = (&shown, &wanted.meter)
        && entries.is_empty()
        && !config.meters.contains_key(name)
        && !config.clients.contains_key(name)
    {
        let (meters, clients) = (config.meters.keys(), config.clients.keys());
        return unknown("the journal has no entry of a meter", name, meters.chain(clients).cloned().collect());
    }
    print(shown, json, |shown, out| write_journal(wanted, shown, out))
}

fn read_ledger(config: &Config) -> Result<Shown, u8> {
    read(config, SHOW, shown::show)
}

/// Asks the daemon; where none runs, reads the file.
fn read<T: DeserializeOwned>(
    config: &Config,
    path: &str,
    without_daemon: impl FnOnce(&Path) -> Result<T, LedgerError>,
) -> Result<T, u8> {
    match runtime()?.block_on(control::get(&config.status.socket, path)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| misunderstood()),
        Err(ControlError::NoDaemon(_)) => {
            check_free(config)?;
            without_daemon(&config.state.path).map_err(|error| {
                let code = match &error {
                    LedgerError::Open(error) => exit_code_of(error),
                    _ => exit::FAILED,
                };
                failed(&error, code)
            })
        }
        Err(error) => Err(failed(&error, exit::FAILED)),
    }
}

fn print<T: Serialize>(
    shown: Result<T, u8>,
    json: bool,
    write: impl FnOnce(&T, &mut dyn Write) -> io::Result<()>,
) -> u8 {
    let document = match shown {
        Ok(document) => document,
        Err(code) => return code,
    };
    let mut out = io::stdout().lock();
    finish_output(match json {
        true => serde_json::to_writer_pretty(&mut out, &document).map_err(Into::into).and_then(|()| writeln!(out)),
        false => write(&document, &mut out),
    })
}

fn write_ledger(config: &Config, shown: &Shown, out: &mut dyn Write) -> io::Result<()> {
    if let Some(why) = &shown.damaged {
        writeln!(out, "! the ledger is damaged ({}): this is its copy", foreign(why, 200))?;
    }
    match shown.retired.map(ReportingBlock::Retired) {
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
    let mut clients = table(["CLIENT", "IDENTIFIER", "ENERGY", "ACCEPTED", "MEMBERS", "ENDPOINT", "REMARKS"], &[2, 3]);
    for client in &shown.clients {
        let members: Vec<_> = client.counted_mwh.keys().map(Name::as_str).collect();
        clients.add_row([
            client_name(config, client),
            client.client_id.clone(),
            energy(client.energy_mwh),
            energy(client.accepted_mwh),
            members.join(", "),
            foreign(&client.url, 200),
            beside_members(shown, client),
        ]);
    }
    if shown.clients.is_empty() { Ok(()) } else { writeln!(out, "\n{}", clients.trim_fmt()) }
}

/// What the configuration calls the client.
fn client_name(config: &Config, client: &ShownClient) -> String {
    let named = config.clients.values().find(|named| {
        let url = config.accounts.get(&named.account).map(|account| account.url.as_str());
        named.client_id.to_string() == client.client_id && url == Some(&client.url)
    });
    named.map_or("(none)".to_owned(), |named| named.name.to_string())
}

/// How far a client's figure is from what its members are published with, and where to read why.
fn beside_members(shown: &Shown, client: &ShownClient) -> String {
    let figures = client.counted_mwh.keys().filter_map(|name| shown.meters.get(name)?.published_mwh);
    let sum = figures.fold(0, |sum, figure| sum + figure.get());
    let energy = client.energy_mwh.map_or(sum, MilliwattHours::get);
    let apart = words::energy(MilliwattHours::new(energy.abs_diff(sum)).unwrap_or(MilliwattHours::MAX));
    match energy.cmp(&sum) {
        Ordering::Equal => String::new(),
        _ if client.counted_mwh.is_empty() => "has no members any more".to_owned(),
        Ordering::Greater => format!("{apart} above its members' sum: {WHY}"),
        Ordering::Less => format!("{apart} below its members' sum: {WHY}"),
    }
}

/// Where a client's figure is explained.
const WHY: &str = "`arkmeter ledger journal` says what joined, left or was set";

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

fn write_journal(wanted: &JournalQuery, journal: &ShownJournal, out: &mut dyn Write) -> io::Result<()> {
    journal.entries.iter().try_for_each(|entry| write_entry(entry, out))?;
    let full = wanted.most.is_some_and(|most| journal.entries.len() >= most as usize);
    match journal.entries.last() {
        None => writeln!(out, "no entries"),
        Some(oldest) if full && oldest.id > 1 => writeln!(out, "earlier ones: --before {}", oldest.id),
        Some(_) => Ok(()),
    }
}

/// Three lines an entry: what and when, why, and on what grounds.
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
    writeln!(out, "\n        {}", foreign(&entry.reason, 600))?;
    let grounds = grounds(entry);
    if grounds.is_empty() { Ok(()) } else { writeln!(out, "        {}", grounds.join("; ")) }
}

/// The figures that it went by, and the clock.
fn grounds(entry: &ShownEntry) -> Vec<String> {
    let energies = |before: Option<MilliwattHours>, after: Option<MilliwattHours>| {
        change(before.map(words::energy), after.map(words::energy))
    };
    let serial = |serial: &Option<String>| serial.as_deref().map(|serial| foreign(serial, 64));
    let register = energies(entry.register_before_mwh, entry.register_after_mwh);
    let published = entry.published_after_mwh.filter(|after| entry.published_before_mwh.is_none_or(|it| it == *after));
    let serial = change(serial(&entry.serial_before), serial(&entry.serial_after));
    let up = entry.since_boot_s.map(|seconds| humantime::format_duration(Duration::from_secs(seconds as u64)));
    let mut grounds: Vec<_> = register.map(|register| format!("register {register}")).into_iter().collect();
    grounds.extend(published.map(|published| format!("published {}", words::energy(published))));
    grounds.extend(match entry.readings {
        0 => None,
        1 => Some("1 reading".to_owned()),
        more => Some(format!("{more} readings")),
    });
    grounds.extend(serial.map(|serial| format!("serial number {serial}")));
    grounds.extend(up.map(|up| format!("up {up}")));
    grounds.extend((entry.clock_trusted == Some(false)).then(|| "clock not trusted".to_owned()));
    grounds
}

/// From the one to the other, once where they are the same.
fn change(before: Option<String>, after: Option<String>) -> Option<String> {
    match (before, after) {
        (Some(before), Some(after)) if before != after => Some(format!("{before} -> {after}")),
        (before, after) => after.or(before),
    }
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
