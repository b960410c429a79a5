//! What the ledger is told about the meters it guards and the clients it adds up.

use std::time::Duration;

use super::history::Retention;
use crate::reading::RegisterDefinition;
use crate::units::{ClientId, Milliwatts, Name};

/// Everything the ledger is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub meters: Vec<MeterSettings>,
    pub clients: Vec<ClientSettings>,
    pub history: Retention,
}

/// One meter, as the guard needs to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterSettings {
    pub name: Name,
    /// What the connection can carry: the measure of what is plausible.
    pub max_power: Milliwatts,
    pub poll_every: Duration,
    pub counter: CounterSettings,
    /// The baseline counts from 0 instead of the register.
    pub start_at_zero: bool,
    /// What the register means: another definition begins a new epoch (`redefined`).
    pub definition: RegisterDefinition,
    /// Bus and unit: in another place an unexplained change is never credited.
    pub place: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterSettings {
    /// The meter counts.
    Register,
    /// The meter has no counter: its power is integrated.
    FromPower,
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
