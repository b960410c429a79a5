//! What the guard needs to know of a meter's configuration.

use std::time::Duration;

use crate::reading::RegisterDefinition;
use crate::units::{Milliwatts, Name};

/// One meter, as the guard needs to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterSettings {
    /// The meter's name in the configuration; used in messages only.
    pub name: Name,
    /// What the connection can carry: decides which advances are plausible.
    pub max_power: Milliwatts,
    /// The configured time between two polls.
    pub poll_every: Duration,
    /// Where the meter's energy comes from.
    pub counter: CounterSettings,
    /// The baseline is 0 instead of the first register.
    pub start_at_zero: bool,
    /// What the register means: a change begins a new epoch (`redefined`).
    pub definition: RegisterDefinition,
    /// Bus and unit. After a change, an unexplained advance is not credited.
    pub place: String,
}

/// Where a meter's energy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterSettings {
    /// The meter has a counter.
    Register,
    /// The meter has no counter: its power is integrated.
    FromPower,
}
