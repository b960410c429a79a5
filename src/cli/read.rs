//! `arkmeter read`: what the meters say now, through the running daemon, else on the lines themselves.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

use super::{complain, done, exit};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::ledger;
use crate::poller::{Live, read_once};
use crate::status::control::{self, ControlCommand, ControlError};
use crate::status::words;
use crate::units::Name;

/// Reads these meters (all when none is named). 0 when each said everything.
pub fn read(config: &Config, meters: &[Name], json: bool) -> u8 {
    if let Some(unknown) = meters.iter().find(|name| !config.meters.contains_key(*name)) {
        let known: Vec<_> = config.meters.keys().map(Name::as_str).collect();
        complain(&format!("the configuration has no meter `{unknown}`; it has {}\n", known.join(", ")));
        return exit::FAILED;
    }
    let read = super::runtime().and_then(|runtime| runtime.block_on(ask(config, meters)));
    let rows = match read {
        Ok(rows) => rows,
        Err(code) => return code,
    };
    let mut out = io::stdout().lock();
    let written = match json {
        true => serde_json::to_writer_pretty(&mut out, &rows).map_err(Into::into).and_then(|()| writeln!(out)),
        false => table(&rows, &mut out),
    };
    match done(written) {
        0 if rows.iter().any(|row| row.error.is_some()) => exit::FAILED,
        code => code,
    }
}

async fn ask(config: &Config, meters: &[Name]) -> Result<Vec<Live>, u8> {
    match control::post(&config.status.socket, &ControlCommand::Read { meters: meters.to_vec() }).await {
        Err(ControlError::NoDaemon(_)) => alone(config, meters).await,
        Err(error) => {
            complain(&format!("{}\n", super::chain(&error)));
            Err(exit::FAILED)
        }
        Ok(answer) => serde_json::from_value(answer).map_err(|_| {
            complain("the daemon's answer is not understood: restart it, it may be another version of arkmeter\n");
            exit::FAILED
        }),
    }
}

/// No daemon answers: unless one holds the state all the same, this process is the master of the lines for one round.
async fn alone(config: &Config, meters: &[Name]) -> Result<Vec<Live>, u8> {
    if let Some(pid) = ledger::store::in_use(&config.state.path) {
        let process = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        let socket = config.status.socket.display();
        complain(&format!(
            "an arkmeter{process} uses the state but does not answer at {socket}, and two masters disturb each other: see its log for why \
             it has no control socket, or stop it\n"
        ));
        return Err(exit::IN_USE);
    }
    let (clock, mut rows) = (Clock::system(), Vec::new());
    for bus in config.buses.values() {
        let wanted =
            |meter: &&config::MeterConfig| meter.bus == bus.name && (meters.is_empty() || meters.contains(&meter.name));
        let on_bus: Vec<_> = config.meters.values().filter(wanted).cloned().collect();
        let said = read_once(bus, &on_bus, &clock).await;
        rows.extend(said.into_iter().filter_map(|(name, said)| Some(Live::new(config.meters.get(&name)?, said))));
    }
    Ok(rows)
}

fn table(rows: &[Live], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "METER",
        "BUS",
        "UNIT",
        "POWER",
        "COUNTER",
        "SERIAL NUMBER",
        "TROUBLE",
    ]);
    for column in [3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
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
