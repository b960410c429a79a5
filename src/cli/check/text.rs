//! The plan of a configuration as text.

use std::io::{self, Write};
use std::time::Duration;

use super::plan::{AccountPlan, BusPlan, MeterPlan, Plan};
use crate::units::Name;

pub(super) fn write(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Polled:")?;
    for (name, bus) in &plan.buses {
        write_bus(name, bus, out)?;
    }
    writeln!(out, "Reported:")?;
    for (name, account) in &plan.accounts {
        write_account(name, account, out)?;
    }
    if plan.accounts.is_empty() {
        writeln!(out, "  nothing: there is no account")?;
    }
    if !plan.polled_only.is_empty() {
        let names: Vec<_> = plan.polled_only.iter().map(Name::as_str).collect();
        writeln!(out, "Polled only: {}", names.join(", "))?;
    }
    writeln!(out, "State: {}", plan.state)?;
    writeln!(out, "Status: socket {}, page {}", plan.socket, plan.listen.as_deref().unwrap_or("none"))
}

fn write_bus(name: &Name, bus: &BusPlan, out: &mut dyn Write) -> io::Result<()> {
    let busy = bus.occupancy.map(|share| format!("; busy about {:.0} %", share * 100.0)).unwrap_or_default();
    writeln!(out, "  bus {name}: {}, timeout {}{busy}", bus.link, seconds(bus.timeout_s))?;
    for (name, meter) in &bus.meters {
        write_meter(name, meter, out)?;
    }
    Ok(())
}

fn write_meter(name: &Name, meter: &MeterPlan, out: &mut dyn Write) -> io::Result<()> {
    let power = meter.max_power_mw.0 as f64 / 1e6;
    let (unit, profile, every) = (meter.unit, &meter.profile, seconds(meter.poll_every_s));
    write!(out, "    {name}: unit {unit}, {profile}, every {every}, up to {power} kW")?;
    if meter.ct_ratio != "1" || meter.pt_ratio != "1" {
        write!(out, ", CT {} PT {}", meter.ct_ratio, meter.pt_ratio)?;
    }
    if meter.reversed {
        write!(out, ", reversed")?;
    }
    let energy = match (meter.energy_from, meter.energy_start) {
        ("power", _) => ", energy integrated from power",
        (_, "zero") => ", energy from 0",
        _ => "",
    };
    let map = meter.map.as_ref().map(|map| format!(", map {map}")).unwrap_or_default();
    writeln!(out, "{map}{energy}")?;
    if !meter.open_maps.is_empty() {
        let maps: Vec<_> = meter.open_maps.iter().map(Name::as_str).collect();
        writeln!(
            out,
            "      map {}: decided by the values of the meter, or by map = \"..\" in [meter.NAME]; for {}:",
            maps.join(" or "),
            maps[0]
        )?;
    }
    if let Some(first) = meter.models.first() {
        let which = meter.chain_meter.map(|meter| format!("meter {meter} ")).unwrap_or_default();
        writeln!(
            out,
            "      {which}in its SunSpec models; addresses count from the start of model {first} or a similar one:"
        )?;
    }
    for request in &meter.requests {
        let (function, first, count) = (request.function, request.address, request.count);
        match u32::from(first) + u32::from(count) - 1 {
            last if last == u32::from(first) => writeln!(out, "      {function} register {first} (0x{first:04X})")?,
            last => writeln!(out, "      {function} registers {first} to {last} (0x{first:04X}, {count} of them)")?,
        }
    }
    Ok(())
}

fn write_account(name: &Name, account: &AccountPlan, out: &mut dyn Write) -> io::Result<()> {
    let every = seconds(account.report_every_s);
    let batch = match account.batch {
        "never" => "one call a client".to_owned(),
        word => format!("batch {word}, at most {} a call", account.batch_max),
    };
    writeln!(out, "  account {name}: {} every {every}, {batch}, token from {}", account.url, account.token)?;
    for (name, client) in &account.clients {
        let meters: Vec<_> = client.meters.iter().map(Name::as_str).collect();
        writeln!(out, "    {name} as {}: {}", client.client_id, meters.join(" + "))?;
    }
    Ok(())
}

fn seconds(seconds: f64) -> String {
    humantime::format_duration(Duration::from_secs_f64(seconds)).to_string()
}
