//! What the daemon will do with a configuration, as one document: `check --json` prints it, `check` prints it as text.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::config::{
    AccountConfig, Batch, BusConfig, Config, EnergyStart, Link, MeterConfig, Parity, SerialSettings, TokenSource,
    shown_path,
};
use crate::meter::ReadPlan;
use crate::units::{Milliwatts, Name};

/// What will be polled and reported.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    pub(super) buses: BTreeMap<Name, BusPlan>,
    pub(super) accounts: BTreeMap<Name, AccountPlan>,
    /// Meters that belong to no client.
    pub(super) polled_only: Vec<Name>,
    pub(super) state: String,
    pub(super) socket: String,
    pub(super) listen: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct BusPlan {
    pub(super) link: String,
    pub(super) timeout_s: f64,
    /// The share of the time that its polls take, 0 to 1 and above; known in advance for serial lines only.
    pub(super) occupancy: Option<f64>,
    pub(super) meters: BTreeMap<Name, MeterPlan>,
}

#[derive(Debug, Serialize)]
pub(super) struct MeterPlan {
    pub(super) unit: u8,
    pub(super) profile: Name,
    /// The register map of the profile, if the configuration names one.
    pub(super) map: Option<Name>,
    /// The register maps that are tried at the meter; the requests are those of the first.
    pub(super) open_maps: Vec<Name>,
    /// Registers that are read at the start and from time to time to check that the meter is the right one.
    pub(super) checks: usize,
    /// The SunSpec models of this meter; the addresses of the requests then count from the start of the model.
    pub(super) models: Vec<u16>,
    /// The number of the meter if the chain has several.
    pub(super) chain_meter: Option<u8>,
    pub(super) requests: Vec<PlannedRequest>,
    pub(super) poll_every_s: f64,
    pub(super) max_power_mw: Milliwatts,
    /// `counter` or `power` (integrated).
    pub(super) energy_from: &'static str,
    pub(super) energy_start: &'static str,
    pub(super) ct_ratio: String,
    pub(super) pt_ratio: String,
    pub(super) reversed: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct PlannedRequest {
    pub(super) function: &'static str,
    pub(super) address: u16,
    pub(super) count: u16,
}

#[derive(Debug, Serialize)]
pub(super) struct AccountPlan {
    pub(super) url: String,
    pub(super) report_every_s: f64,
    pub(super) batch: &'static str,
    pub(super) batch_max: usize,
    pub(super) token: String,
    pub(super) clients: BTreeMap<Name, ClientPlan>,
}

#[derive(Debug, Serialize)]
pub(super) struct ClientPlan {
    /// Shortened: `0x1111…1111`.
    pub(super) client_id: String,
    pub(super) meters: Vec<Name>,
}

/// The time a meter needs to answer, if it is not known.
const ANSWER: Duration = Duration::from_millis(10);

impl Plan {
    pub(super) fn of(config: &Config) -> Self {
        let reported: BTreeSet<&Name> = config.clients.values().flat_map(|client| &client.meters).collect();
        let buses = config.buses.values().map(|bus| (bus.name.clone(), BusPlan::of(bus, config)));
        let accounts = config.accounts.values().map(|account| (account.name.clone(), AccountPlan::of(account, config)));
        Plan {
            buses: buses.collect(),
            accounts: accounts.collect(),
            polled_only: config.meters.keys().filter(|name| !reported.contains(name)).cloned().collect(),
            state: shown_path(&config.state.path),
            socket: shown_path(&config.status.socket),
            listen: config.status.listen.map(|address| address.to_string()),
        }
    }
}

impl BusPlan {
    fn of(bus: &BusConfig, config: &Config) -> Self {
        let meters: Vec<&MeterConfig> = config.meters.values().filter(|meter| meter.bus == bus.name).collect();
        let occupancy = match &bus.link {
            Link::Serial(line) => Some(occupancy(line, bus, &meters)),
            Link::Tcp(_) | Link::RtuOverTcp(_) => None,
        };
        let meters = meters.into_iter().map(|meter| (meter.name.clone(), MeterPlan::of(meter)));
        BusPlan { link: link(&bus.link), timeout_s: bus.timeout.as_secs_f64(), occupancy, meters: meters.collect() }
    }
}

impl MeterPlan {
    fn of(meter: &MeterConfig) -> Self {
        let plan = ReadPlan::new(&meter.profile, &meter.installation);
        let requests = plan.ranges().iter().map(|block| PlannedRequest {
            function: block.function.word(),
            address: block.address,
            count: block.count,
        });
        MeterPlan {
            unit: meter.unit.get(),
            profile: meter.profile.name.clone(),
            map: meter.profile.map.clone(),
            open_maps: meter.profile.maps.iter().map(|map| map.name.clone()).collect(),
            checks: meter.profile.identity_requests().len(),
            models: meter.profile.chain.as_ref().map_or(Vec::new(), |chain| chain.models.clone()),
            chain_meter: meter.installation.chain_meter,
            requests: requests.collect(),
            poll_every_s: meter.poll_every.as_secs_f64(),
            max_power_mw: meter.max_power,
            energy_from: if plan.has_counter() { "counter" } else { "power" },
            energy_start: match meter.energy_start {
                EnergyStart::Register => "register",
                EnergyStart::Zero => "zero",
            },
            ct_ratio: meter.installation.ct_ratio.to_string(),
            pt_ratio: meter.installation.pt_ratio.to_string(),
            reversed: meter.installation.reversed,
        }
    }
}

impl AccountPlan {
    fn of(account: &AccountConfig, config: &Config) -> Self {
        let clients = config.clients.values().filter(|client| client.account == account.name).map(|client| {
            let plan = ClientPlan { client_id: client.client_id.to_string(), meters: client.meters.clone() };
            (client.name.clone(), plan)
        });
        AccountPlan {
            url: account.url.to_string(),
            report_every_s: account.report_every.as_secs_f64(),
            batch: match account.batch {
                Batch::Auto => "auto",
                Batch::Always => "always",
                Batch::Never => "never",
            },
            batch_max: account.batch_max.get(),
            token: match &account.token {
                TokenSource::File(path) => format!("file {}", shown_path(path)),
                TokenSource::Credential(name) => format!("credential {name}"),
            },
            clients: clients.collect(),
        }
    }
}

fn link(link: &Link) -> String {
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

/// The share of the time that polling these meters takes on the line. Above 1 the line cannot keep the poll intervals.
fn occupancy(line: &SerialSettings, bus: &BusConfig, meters: &[&MeterConfig]) -> f64 {
    let share = |meter: &&MeterConfig| {
        let plan = ReadPlan::new(&meter.profile, &meter.installation);
        let gap = bus.request_gap.max(meter.profile.delay).as_secs_f64();
        let poll: f64 = plan.ranges().iter().map(|block| request_time(line, block.count) + gap).sum();
        poll / meter.poll_every.as_secs_f64()
    };
    meters.iter().map(share).sum()
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
