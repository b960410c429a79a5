//! The ledger's settings, derived from the configuration.

use crate::config::{Config, EnergyStart, MeterConfig};
use crate::guard::{CounterSettings, MeterSettings};
use crate::history::Retention;
use crate::ledger::{ClientKey, ClientSettings, LedgerSettings};
use crate::meter::ReadPlan;

/// All settings of the ledger.
pub fn of_ledger(config: &Config) -> LedgerSettings {
    let meters = config.meters.values().map(|meter| of_meter(config, meter)).collect();
    let clients = config.clients.values().map(|client| ClientSettings {
        name: client.name.clone(),
        key: ClientKey { url: config.accounts[&client.account].url.to_string(), client_id: client.client_id },
        meters: client.meters.clone(),
    });
    LedgerSettings { meters, clients: clients.collect(), shard: config.shard }
}

/// How much history is kept.
pub fn of_history(config: &Config) -> Retention {
    Retention { keep: config.state.history, max_size: config.state.history_max_size }
}

/// The settings of one meter for the guard.
pub fn of_meter(config: &Config, meter: &MeterConfig) -> MeterSettings {
    let plan = ReadPlan::new(&meter.profile, &meter.installation);
    let link = &config.buses[&meter.bus].link;
    let counter = match plan.has_counter() {
        true => CounterSettings::Register,
        false => CounterSettings::FromPower,
    };
    MeterSettings {
        name: meter.name.clone(),
        max_power: meter.max_power,
        poll_every: meter.poll_every,
        counter,
        start_at_zero: meter.energy_start == EnergyStart::Zero,
        definition: plan.definition(),
        place: format!("{link} unit {}", meter.unit),
    }
}
