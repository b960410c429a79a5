//! What the daemon will do with a configuration, as the JSON of `check --json`; and what the text of `check` shares with it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::{
    AccountConfig, Batch, BusConfig, ClientConfig, Config, EnergyStart, Link, MeterConfig, Parity, SerialSettings,
    TokenSource, shown_path,
};
use crate::meter::ReadPlan;
use crate::units::Name;

/// The time that a meter needs to answer, if it is not known.
const ANSWER: Duration = Duration::from_millis(10);

/// What will be polled and reported. `occupancy` is null for a line that is not serial. The addresses of requests in SunSpec models count
/// from the start of the model. The requests of a meter with `open_maps` are those of the first map.
pub(super) fn document(config: &Config) -> Value {
    let buses = config.buses.values().map(|bus| {
        let meters = meters_on(config, bus).map(|meter| (meter.name.to_string(), meter_json(meter)));
        let document = json!({
            "link": link(&bus.link),
            "timeout_s": bus.timeout.as_secs_f64(),
            "occupancy": occupancy(config, bus),
            "meters": meters.collect::<Map<_, _>>(),
        });
        (bus.name.to_string(), document)
    });
    let accounts = config.accounts.values().map(|account| (account.name.to_string(), account_json(config, account)));
    json!({
        "buses": buses.collect::<Map<_, _>>(),
        "accounts": accounts.collect::<Map<_, _>>(),
        "polled_only": polled_only(config),
        "state": shown_path(&config.state.path),
        "socket": shown_path(&config.status.socket),
        "listen": config.status.listen,
    })
}

fn meter_json(meter: &MeterConfig) -> Value {
    let plan = read_plan(meter);
    let requests = plan
        .ranges()
        .iter()
        .map(|range| json!({ "function": range.function.word(), "address": range.address, "count": range.count }));
    json!({
        "unit": meter.unit.get(),
        "profile": meter.profile.name,
        "map": meter.profile.map,
        "open_maps": open_maps(meter),
        "checks": meter.profile.identity_requests().len(),
        "models": models(meter),
        "chain_meter": meter.installation.chain_meter,
        "requests": requests.collect::<Vec<_>>(),
        "poll_every_s": meter.poll_every.as_secs_f64(),
        "max_power_mw": meter.max_power,
        "energy_from": if plan.has_counter() { "counter" } else { "power" },
        "energy_start": match meter.energy_start {
            EnergyStart::Register => "register",
            EnergyStart::Zero => "zero",
        },
        "ct_ratio": meter.installation.ct_ratio.to_string(),
        "pt_ratio": meter.installation.pt_ratio.to_string(),
        "reversed": meter.installation.reversed,
    })
}

fn account_json(config: &Config, account: &AccountConfig) -> Value {
    let clients = clients_of(config, account).map(|client| {
        (client.name.to_string(), json!({ "client_id": client.client_id.to_string(), "meters": client.meters }))
    });
    json!({
        "url": account.url.as_str(),
        "report_every_s": account.report_every.as_secs_f64(),
        "batch": batch(account.batch),
        "batch_max": account.batch_max,
        "token": token(&account.token),
        "clients": clients.collect::<Map<_, _>>(),
    })
}

pub(super) fn meters_on<'c>(config: &'c Config, bus: &'c BusConfig) -> impl Iterator<Item = &'c MeterConfig> {
    config.meters.values().filter(|meter| meter.bus == bus.name)
}

pub(super) fn clients_of<'c>(config: &'c Config, account: &'c AccountConfig) -> impl Iterator<Item = &'c ClientConfig> {
    config.clients.values().filter(|client| client.account == account.name)
}

/// The meters that belong to no client.
pub(super) fn polled_only(config: &Config) -> Vec<&Name> {
    let reported: BTreeSet<&Name> = config.clients.values().flat_map(|client| &client.meters).collect();
    config.meters.keys().filter(|name| !reported.contains(name)).collect()
}

pub(super) fn read_plan(meter: &MeterConfig) -> ReadPlan {
    ReadPlan::new(&meter.profile, &meter.installation)
}

/// The register maps that are tried at the meter.
pub(super) fn open_maps(meter: &MeterConfig) -> Vec<&Name> {
    meter.profile.maps.iter().map(|map| &map.name).collect()
}

/// The SunSpec models of the meter.
pub(super) fn models(meter: &MeterConfig) -> &[u16] {
    meter.profile.chain.as_ref().map_or(&[], |chain| &chain.models)
}

pub(super) fn batch(batch: Batch) -> &'static str {
    match batch {
        Batch::Auto => "auto",
        Batch::Always => "always",
        Batch::Never => "never",
    }
}

pub(super) fn token(source: &TokenSource) -> String {
    match source {
        TokenSource::File(path) => format!("file {}", shown_path(path)),
        TokenSource::Credential(name) => format!("credential {name}"),
    }
}

pub(super) fn link(link: &Link) -> String {
    match link {
        Link::Serial(line) => {
            let parity = match line.parity {
                Parity::None => 'N',
                Parity::Even => 'E',
                Parity::Odd => 'O',
            };
            format!("serial {}, {} baud, 8{parity}{}", shown_path(&line.path), line.baud, line.stop_bits)
        }
        Link::Tcp(address) => format!("Modbus TCP {address}"),
        Link::RtuOverTcp(address) => format!("RTU over TCP {address}"),
    }
}

/// The share of the time that polling takes on a serial line. Above 1 the line cannot keep the poll intervals.
pub(super) fn occupancy(config: &Config, bus: &BusConfig) -> Option<f64> {
    let Link::Serial(line) = &bus.link else { return None };
    let share = |meter: &MeterConfig| {
        let gap = bus.request_gap.max(meter.profile.delay).as_secs_f64();
        let plan = read_plan(meter);
        let poll: f64 = plan.ranges().iter().map(|range| request_time(line, range.count) + gap).sum();
        poll / meter.poll_every.as_secs_f64()
    };
    Some(meters_on(config, bus).map(share).sum())
}

/// Seconds for one request of `count` registers: 8 bytes out, 5 and 2 per register back, the meter's time to answer, the silences.
/// Source for 3.5 characters and 1.75 ms above 19200 baud: Modbus over Serial Line V1.02, section 2.5.1.1.
fn request_time(line: &SerialSettings, count: u16) -> f64 {
    let parity_bit = if line.parity == Parity::None { 0 } else { 1 };
    let bits = f64::from(1 + 8 + parity_bit + u32::from(line.stop_bits));
    let character = bits / f64::from(line.baud);
    let silence = if line.baud > 19_200 { 0.001_75 } else { 3.5 * character };
    (13.0 + 2.0 * f64::from(count)) * character + ANSWER.as_secs_f64().max(silence) + silence
}

#[cfg(test)]
mod tests;
