//! The plan of a configuration as text.

use std::io::{self, Write};

use humantime::format_duration;

use super::plan::{batch, clients_of, link, meters_on, models, occupancy, open_maps, polled_only, read_plan, token};
use crate::config::{AccountConfig, Batch, BusConfig, Config, ConfigFiles, EnergyStart, MeterConfig, shown_path};
use crate::meter::TransformerRatio;
use crate::units::Name;

/// What was read, in this order, and what was not.
pub(super) fn write_files(files: &ConfigFiles, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Read, in this order:")?;
    files.files().iter().try_for_each(|file| writeln!(out, "  {}", shown_path(&file.path)))?;
    files.unused().iter().try_for_each(|part| {
        writeln!(out, "Not read: {}, because of {}", shown_path(&part.path), shown_path(&part.because_of))
    })?;
    writeln!(out, "Hash: {}", files.hash())
}

pub(super) fn write(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Polled:")?;
    config.buses.values().try_for_each(|bus| write_bus(config, bus, out))?;
    writeln!(out, "Reported:")?;
    config.accounts.values().try_for_each(|account| write_account(config, account, out))?;
    if config.accounts.is_empty() {
        writeln!(out, "  nothing: there is no account")?;
    }
    let polled_only = polled_only(config);
    if !polled_only.is_empty() {
        writeln!(out, "Polled only: {}", names(polled_only).join(", "))?;
    }
    writeln!(out, "State: {}", shown_path(&config.state.path))?;
    let page = config.status.listen.map_or("none".to_owned(), |address| address.to_string());
    writeln!(out, "Status: socket {}, page {page}", shown_path(&config.status.socket))
}

fn write_bus(config: &Config, bus: &BusConfig, out: &mut dyn Write) -> io::Result<()> {
    let busy = occupancy(config, bus).map(|share| format!("; busy about {:.0} %", share * 100.0)).unwrap_or_default();
    writeln!(out, "  bus {}: {}, timeout {}{busy}", bus.name, link(&bus.link), format_duration(bus.timeout))?;
    meters_on(config, bus).try_for_each(|meter| write_meter(meter, out))
}

fn write_meter(meter: &MeterConfig, out: &mut dyn Write) -> io::Result<()> {
    let (plan, installation) = (read_plan(meter), &meter.installation);
    let power = meter.max_power.0 as f64 / 1e6;
    let (name, unit, profile, every) =
        (&meter.name, meter.unit, &meter.profile.name, format_duration(meter.poll_every));
    write!(out, "    {name}: unit {unit}, {profile}, every {every}, up to {power} kW")?;
    if installation.ct_ratio != TransformerRatio::ONE || installation.pt_ratio != TransformerRatio::ONE {
        write!(out, ", CT {} PT {}", installation.ct_ratio, installation.pt_ratio)?;
    }
    if installation.reversed {
        write!(out, ", reversed")?;
    }
    let energy = match meter.energy_start {
        _ if !plan.has_counter() => ", energy integrated from power",
        EnergyStart::Zero => ", energy from 0",
        EnergyStart::Register => "",
    };
    let map = meter.profile.map.as_ref().map(|map| format!(", map {map}")).unwrap_or_default();
    writeln!(out, "{map}{energy}")?;
    if let maps @ [first, ..] = names(open_maps(meter)).as_slice() {
        let decided =
            if models(meter).is_empty() { "the values of the meter" } else { "the models in the chain of the meter" };
        let maps = maps.join(" or ");
        writeln!(out, "      map {maps}: decided by {decided}, or by map = \"..\" in [meter.NAME]; for {first}:")?;
    }
    if let Some(first) = models(meter).first() {
        let which = installation.chain_meter.map(|meter| format!("meter {meter} ")).unwrap_or_default();
        writeln!(
            out,
            "      {which}in its SunSpec models; addresses count from the start of model {first} or a similar one:"
        )?;
    }
    for range in plan.ranges() {
        let (function, first, count) = (range.function.word(), range.address, range.count);
        match u32::from(first) + u32::from(count) - 1 {
            last if last == u32::from(first) => writeln!(out, "      {function} register {first} (0x{first:04X})")?,
            last => writeln!(out, "      {function} registers {first} to {last} (0x{first:04X}, {count} of them)")?,
        }
    }
    Ok(())
}

fn write_account(config: &Config, account: &AccountConfig, out: &mut dyn Write) -> io::Result<()> {
    let every = format_duration(account.report_every);
    let batch = match account.batch {
        Batch::Never => "one call a client".to_owned(),
        other => format!("batch {}, at most {} a call", batch(other), account.batch_max),
    };
    let (name, url, token) = (&account.name, &account.url, token(&account.token));
    writeln!(out, "  account {name}: {url} every {every}, {batch}, token from {token}")?;
    clients_of(config, account).try_for_each(|client| {
        let meters = names(&client.meters).join(" + ");
        writeln!(out, "    {} as {}: {meters}", client.name, client.client_id)
    })
}

fn names<'n>(names: impl IntoIterator<Item = &'n Name>) -> Vec<&'n str> {
    names.into_iter().map(Name::as_str).collect()
}
