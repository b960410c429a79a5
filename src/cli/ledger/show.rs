//! `ledger show` and `ledger journal`: from the running daemon, or from the file if none runs.

use std::cmp::Ordering;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command::check_free;
use super::failed;
use super::history::unknown;
use crate::cli::context::document_of_daemon;
use crate::cli::output::{finish_output, fitted_table, write_json, write_lines};
use crate::cli::screen::Screen;
use crate::config::Config;
use crate::ledger::shown::{self, Shown, ShownClient, ShownEntry, ShownJournal, ShownMeter};
use crate::ledger::store::JournalQuery;
use crate::ledger::{LedgerError, ReportingBlock};
use crate::status::control::{self, SHOW};
use crate::status::words;
use crate::text::foreign;
use crate::units::{MilliwattHours, Name};

/// Prints what is on disk of each meter and client.
pub fn show(config: &Config, json: bool) -> Result<(), u8> {
    let shown = read(config, SHOW, shown::show)?;
    let columns = Screen::of_output().table_columns();
    print(&shown, json, |out| write_ledger(config, &shown, columns, out))
}

/// Prints entries of the journal.
pub fn journal(config: &Config, wanted: &JournalQuery, json: bool) -> Result<(), u8> {
    let journal: ShownJournal = read(config, &control::journal_path(wanted), |folder| shown::journal(folder, wanted))?;
    if let Some(name) = &wanted.meter
        && journal.entries.is_empty()
        && !config.meters.contains_key(name)
        && !config.clients.contains_key(name)
    {
        let (meters, clients) = (config.meters.keys(), config.clients.keys());
        return Err(unknown("the journal has no entry of a meter", name, meters.chain(clients).cloned().collect()));
    }
    let columns = Screen::of_output().table_columns();
    print(&journal, json, |out| write_journal(wanted, &journal, columns, out))
}

/// Asks the daemon; if none runs, reads the file.
fn read<T: DeserializeOwned>(
    config: &Config,
    path: &str,
    without_daemon: impl FnOnce(&Path) -> Result<T, LedgerError>,
) -> Result<T, u8> {
    if let Some(document) = document_of_daemon(config, path)? {
        return Ok(document);
    }
    check_free(config)?;
    without_daemon(&config.state.path).map_err(failed)
}

fn print<T: Serialize>(
    document: &T,
    json: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), u8> {
    let mut out = io::stdout().lock();
    match finish_output(if json { write_json(document, &mut out) } else { write(&mut out) }) {
        0 => Ok(()),
        code => Err(code),
    }
}

fn write_ledger(config: &Config, shown: &Shown, columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    if let Some(why) = &shown.damaged {
        writeln!(out, "! the ledger is damaged ({}): this is its copy", foreign(why, 200))?;
    }
    match shown.retired.map(ReportingBlock::Retired) {
        Some(moved) => writeln!(out, "! {moved}")?,
        None if shown.other_machine => {
            writeln!(out, "! created on another machine: nothing is reported until `arkmeter ledger adopt`")?;
        }
        None => {}
    }
    match shown.at {
        Some(at) => writeln!(out, "on disk as of {}", at.strftime("%Y-%m-%d %H:%M:%SZ"))?,
        None => return writeln!(out, "nothing is in it yet"),
    }
    let energy = |energy: Option<MilliwattHours>| energy.map_or("-".to_owned(), words::energy);
    let mut meters = fitted_table(&["=METER", "#REGISTER", "#PUBLISHED", "SERIAL NUMBER", "REMARKS"], columns);
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
    let head = ["=CLIENT", "=IDENTIFIER", "#ENERGY", "#ACCEPTED", "MEMBERS", "ENDPOINT", "REMARKS"];
    let mut clients = fitted_table(&head, columns);
    for client in &shown.clients {
        let members: Vec<_> = client.counted_mwh.keys().map(Name::as_str).collect();
        clients.add_row([
            client_name(config, client),
            client.client_id.clone(),
            energy(client.energy_mwh),
            energy(client.accepted_mwh),
            members.join(", "),
            foreign(&client.url, 200),
            difference_to_members(shown, client),
        ]);
    }
    if shown.clients.is_empty() { Ok(()) } else { writeln!(out, "\n{}", clients.trim_fmt()) }
}

/// The client's name in the configuration.
fn client_name(config: &Config, client: &ShownClient) -> String {
    let named = config.clients.values().find(|named| {
        let url = config.accounts.get(&named.account).map(|account| account.url.as_str());
        named.client_id.to_string() == client.client_id && url == Some(&client.url)
    });
    named.map_or("(none)".to_owned(), |named| named.name.to_string())
}

/// How far a client's figure is from the sum of its members', and where to read why.
fn difference_to_members(shown: &Shown, client: &ShownClient) -> String {
    let figures = client.counted_mwh.keys().filter_map(|name| shown.meters.get(name)?.published_mwh);
    let sum = figures.fold(0, |sum, figure| sum + figure.get());
    let energy = client.energy_mwh.map_or(sum, MilliwattHours::get);
    let apart = words::energy(MilliwattHours::new(energy.abs_diff(sum)).unwrap_or(MilliwattHours::MAX));
    match energy.cmp(&sum) {
        Ordering::Equal => String::new(),
        _ if client.counted_mwh.is_empty() => "has no members".to_owned(),
        Ordering::Greater => format!("{apart} above its members' sum: {WHY}"),
        Ordering::Less => format!("{apart} below its members' sum: {WHY}"),
    }
}

/// Where a client's figure is explained.
const WHY: &str = "`arkmeter ledger journal` shows what joined, left or was set";

/// What is unusual about a meter.
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

fn write_journal(
    wanted: &JournalQuery,
    journal: &ShownJournal,
    columns: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    journal.entries.iter().try_for_each(|entry| write_lines(&in_lines(entry), columns, out))?;
    let full = wanted.most.is_some_and(|most| journal.entries.len() >= most as usize);
    match journal.entries.last() {
        None => writeln!(out, "no entries"),
        Some(oldest) if full && oldest.id > 1 => writeln!(out, "earlier ones: --before {}", oldest.id),
        Some(_) => Ok(()),
    }
}

/// Three lines for each entry: what and when, why, and the figures.
fn in_lines(entry: &ShownEntry) -> String {
    let at = entry.at.strftime("%Y-%m-%d %H:%M:%SZ");
    let meter = entry.meter.as_ref().map_or("(ledger)", Name::as_str);
    let mut text = format!("{:>6}  {at}  {meter}  {}", entry.id, foreign(&entry.word, 64));
    if entry.count > 1 {
        text += &format!(" ({} times until {})", entry.count, entry.last.strftime("%Y-%m-%d %H:%M:%SZ"));
    }
    if let (Some(before), Some(after)) = (entry.published_before_mwh, entry.published_after_mwh)
        && before != after
    {
        text += &format!("  published {} -> {}", words::energy(before), words::energy(after));
    }
    text += &format!("\n        {}", foreign(&entry.reason, 600));
    let figures = figures(entry);
    if !figures.is_empty() {
        text += &format!("\n        {}", figures.join("; "));
    }
    text
}

/// The figures before and after, and the clock.
fn figures(entry: &ShownEntry) -> Vec<String> {
    let energies = |before: Option<MilliwattHours>, after: Option<MilliwattHours>| {
        change(before.map(words::energy), after.map(words::energy))
    };
    let serial = |serial: &Option<String>| serial.as_deref().map(|serial| foreign(serial, 64));
    let register = energies(entry.register_before_mwh, entry.register_after_mwh);
    let published = entry.published_after_mwh.filter(|after| entry.published_before_mwh.is_none_or(|it| it == *after));
    let serial = change(serial(&entry.serial_before), serial(&entry.serial_after));
    let up = entry.since_boot_s.map(|seconds| humantime::format_duration(Duration::from_secs(seconds as u64)));
    let mut figures: Vec<_> = register.map(|register| format!("register {register}")).into_iter().collect();
    figures.extend(published.map(|published| format!("published {}", words::energy(published))));
    figures.extend(match entry.readings {
        0 => None,
        1 => Some("1 reading".to_owned()),
        more => Some(format!("{more} readings")),
    });
    figures.extend(serial.map(|serial| format!("serial number {serial}")));
    figures.extend(up.map(|up| format!("up {up}")));
    figures.extend((entry.clock_trusted == Some(false)).then(|| "clock not trusted".to_owned()));
    figures
}

/// `before -> after`, or one of them if they are the same.
fn change(before: Option<String>, after: Option<String>) -> Option<String> {
    match (before, after) {
        (Some(before), Some(after)) if before != after => Some(format!("{before} -> {after}")),
        (before, after) => after.or(before),
    }
}
