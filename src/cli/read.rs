//! `arkmeter read`: the present values of the meters, read by the running daemon, or by this process if no daemon runs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::context::{meter, refuse_where_daemon_runs, runtime, send_to_daemon};
use super::exit;
use super::output::{finish_output, print_error, table, write_json};
use crate::clock::Clock;
use crate::config::{Config, MeterConfig};
use crate::modbus::LinkSettings;
use crate::poller::{LiveReading, read_once};
use crate::status::control::ControlCommand;
use crate::status::words;
use crate::units::Name;

/// Reads these meters (all if none is named). The exit code: 0 if every value was read.
pub(super) fn read(config: &Config, meters: &[Name], json: bool) -> u8 {
    let rows = match read_rows(config, meters) {
        Ok(rows) => rows,
        Err(code) => return code,
    };
    let remedy = not_known(config, meters, &rows);
    let code = if rows.is_empty() && remedy.is_some() && !json { 0 } else { print(&rows, json) };
    match remedy {
        Some(remedy) => {
            print_error(&remedy);
            exit::FAILED
        }
        None => code,
    }
}

fn read_rows(config: &Config, meters: &[Name]) -> Result<Vec<LiveReading>, u8> {
    for name in meters {
        meter(config, name)?;
    }
    runtime()?.block_on(async {
        let command = ControlCommand::Read { meters: meters.to_vec() };
        match send_to_daemon(config, &command).await? {
            Some(rows) => Ok(rows),
            None => {
                refuse_where_daemon_runs(config)?;
                Ok(read_lines(config, meters, &BTreeMap::new()).await)
            }
        }
    })
}

/// What to do about the meters that have no row: the daemon read the configuration before they were in it.
fn not_known(config: &Config, meters: &[Name], rows: &[LiveReading]) -> Option<String> {
    let wanted = config.meters.keys().filter(|name| meters.is_empty() || meters.contains(name));
    let missing: Vec<_> = wanted.filter(|name| rows.iter().all(|row| row.meter != **name)).map(Name::as_str).collect();
    let which = match &missing[..] {
        [] => return None,
        [one] => format!("meter {one} is"),
        several => format!("meters {} are", several.join(", ")),
    };
    Some(format!(
        "{which} in the configuration, but the running arkmeter has not read that version of it: let it read the configuration \
         (`systemctl reload arkmeter`), then repeat this command"
    ))
}

/// This process is the master of the lines for one round, except of the buses whose line is `lent` by the daemon.
pub(super) async fn read_lines(
    config: &Config,
    meters: &[Name],
    lent: &BTreeMap<Name, LinkSettings>,
) -> Vec<LiveReading> {
    let (clock, mut rows) = (Clock::system(), Vec::new());
    for bus in config.buses.values() {
        let wanted =
            |meter: &&MeterConfig| meter.bus == bus.name && (meters.is_empty() || meters.contains(&meter.name));
        let on_bus: Vec<_> = config.meters.values().filter(wanted).cloned().collect();
        let replies = read_once(lent.get(&bus.name).unwrap_or(&bus.link_settings()), &on_bus, &clock).await;
        rows.extend(
            replies.into_iter().filter_map(|(name, reply)| Some(LiveReading::new(config.meters.get(&name)?, reply))),
        );
    }
    rows
}

fn print(rows: &[LiveReading], json: bool) -> u8 {
    let mut out = io::stdout().lock();
    let written = if json { write_json(&rows, &mut out) } else { write_table(rows, &mut out) };
    for row in rows {
        row.warnings.iter().for_each(|warning| print_error(&format!("warning: {}: {warning}", row.meter)));
    }
    match finish_output(written) {
        0 if rows.iter().any(|row| row.error.is_some()) => exit::FAILED,
        code => code,
    }
}

fn write_table(rows: &[LiveReading], out: &mut dyn Write) -> io::Result<()> {
    let mut table = table(&["METER", "BUS", "UNIT", "#POWER", "#REGISTER", "SERIAL NUMBER", "ERROR"]);
    for row in rows {
        table.add_row([
            row.meter.to_string(),
            row.bus.to_string(),
            row.unit.to_string(),
            row.power_mw.map_or("-".to_owned(), words::power),
            row.register_mwh.map_or("-".to_owned(), words::energy),
            row.serial.clone().unwrap_or_else(|| "-".to_owned()),
            row.error.clone().unwrap_or_default(),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())
}
