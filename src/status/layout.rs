//! The parts of the configuration that the status shows.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{self, Config, Link};
use crate::quality::LinkKind;
use crate::units::Name;

/// The parts of the configuration that the document shows. A task that has not reported yet is also shown.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The meters.
    pub meters: BTreeMap<Name, LayoutMeter>,
    /// The clients.
    pub clients: BTreeMap<Name, config::ClientConfig>,
    /// The accounts, with their `report_every`.
    pub accounts: BTreeMap<Name, Duration>,
    /// The buses.
    pub buses: BTreeMap<Name, LayoutBus>,
}

/// One meter.
#[derive(Clone, Debug)]
pub struct LayoutMeter {
    /// The bus that it is on.
    pub bus: Name,
    /// Its unit id on that bus.
    pub unit: u8,
    /// How often it is polled.
    pub poll_every: Duration,
}

/// One bus.
#[derive(Clone, Debug)]
pub struct LayoutBus {
    /// The kind of its line.
    pub link: LinkKind,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl From<&Config> for Layout {
    fn from(config: &Config) -> Self {
        let meters = config.meters.iter().map(|(name, meter)| {
            let (bus, unit, poll_every) = (meter.bus.clone(), meter.unit.get(), meter.poll_every);
            (name.clone(), LayoutMeter { bus, unit, poll_every })
        });
        let buses = config.buses.iter().map(|(name, bus)| {
            let link = match bus.link {
                Link::Serial(_) => LinkKind::Serial,
                Link::RtuOverTcp(_) => LinkKind::Converter,
                Link::Tcp(_) => LinkKind::Tcp,
            };
            (name.clone(), LayoutBus { link, timeout: bus.timeout })
        });
        let accounts = config.accounts.iter().map(|(name, account)| (name.clone(), account.report_every));
        Layout {
            meters: meters.collect(),
            clients: config.clients.clone(),
            accounts: accounts.collect(),
            buses: buses.collect(),
        }
    }
}
