//! What of the configuration the status speaks of.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{self, Config, Link};
use crate::quality::LinkKind;
use crate::units::Name;

/// What of the configuration the document speaks of. A task that has not reported yet is shown all the same.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub meters: BTreeMap<Name, LayoutMeter>,
    pub clients: BTreeMap<Name, config::ClientConfig>,
    /// With each account's `report_every`.
    pub accounts: BTreeMap<Name, Duration>,
    pub buses: BTreeMap<Name, LayoutBus>,
}

#[derive(Clone, Debug)]
pub struct LayoutMeter {
    pub bus: Name,
    pub unit: u8,
    pub poll_every: Duration,
}

#[derive(Clone, Debug)]
pub struct LayoutBus {
    pub link: LinkKind,
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
