//! What the ledger needs to know of the configuration.

use crate::guard::MeterSettings;
use crate::shard::Shard;
use crate::units::{ClientId, Name};

/// All meters and clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LedgerSettings {
    /// The meters.
    pub meters: Vec<MeterSettings>,
    /// The clients that are reported.
    pub clients: Vec<ClientSettings>,
    /// The shard whose ledger it is; absent without shards.
    pub shard: Option<Shard>,
}

/// What identifies a client permanently: the URL of the endpoint and the identifier issued for the client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKey {
    /// The endpoint.
    pub url: String,
    /// The identifier.
    pub client_id: ClientId,
}

impl ClientKey {
    /// How the history calls the client.
    pub(crate) fn in_history(&self) -> String {
        #[cfg(test)]
        super::testing::count_name_in_history();
        format!("{} {}", self.client_id.to_hex(), self.url)
    }
}

/// One client.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientSettings {
    /// Its name: that of its meter, or of its table in the configuration.
    pub name: Name,
    /// What identifies it permanently.
    pub key: ClientKey,
    /// At least one.
    pub meters: Vec<Name>,
}
