//! What of the configuration the status speaks of.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{self, Config};
use crate::one_by_one::OneByOne;
use crate::units::Name;

/// What of the configuration the document speaks of. A task that has not reported yet is shown all the same.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub meters: BTreeMap<Name, LayoutMeter>,
    pub clients: BTreeMap<Name, config::Client>,
    /// With each account's `report_every`.
    pub accounts: BTreeMap<Name, Duration>,
    pub buses: Vec<Name>,
}

#[derive(Clone, Debug)]
pub struct LayoutMeter {
    pub bus: Name,
    pub poll_every: Duration,
}

impl From<&Config> for Layout {
    fn from(config: &Config) -> Self {
        let meters = config
            .meters
            .iter()
            .map(|(name, meter)| (name.clone(), LayoutMeter { bus: meter.bus.clone(), poll_every: meter.poll_every }));
        let accounts = config.accounts.iter().map(|(name, account)| (name.clone(), account.report_every));
        Layout {
            meters: meters.one_by_one(),
            clients: config.clients.clone(),
            accounts: accounts.one_by_one(),
            buses: config.buses.keys().cloned().one_by_one(),
        }
    }
}
