//! What the ledger is told about the meters it guards and the clients it adds up.

use crate::guard::MeterSettings;
use crate::units::{ClientId, Name};

/// Everything the ledger is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub meters: Vec<MeterSettings>,
    pub clients: Vec<ClientSettings>,
}

/// What identifies a client for good: the endpoint's URL and the identifier issued for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKey {
    pub url: String,
    pub client_id: ClientId,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ClientSettings {
    pub name: Name,
    pub key: ClientKey,
    /// At least one.
    pub meters: Vec<Name>,
}
