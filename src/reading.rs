//! What one poll of a meter says: the one type that the poller hands to the ledger.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::ClockReading;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// One poll of one meter.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub meter: Name,
    /// When the answer arrived.
    pub at: ClockReading,
    pub values: Values,
    /// What the register means, where that shows only at the meter: its profile has several maps.
    pub definition: Option<Arc<RegisterDefinition>>,
}

/// What a register means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterDefinition {
    /// Everything that turns raw registers into mWh, in one line.
    pub text: String,
    /// How far the register falls when it starts again at 0.
    pub rollover: Option<MilliwattHours>,
}

/// What the registers said. A value that the meter could not or would not give is absent, never a stand-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// Active power, negative while exporting.
    pub power: Option<Milliwatts>,
    /// The imported active energy counter (the exported one where the meter is wired the other way).
    pub register: Option<Register>,
    /// The serial number, where it was read in this poll. Absent is unknown, not another.
    pub serial: Option<String>,
}

/// From which age on a reading says nothing of now: three polls, and at least a minute.
pub fn stale_after(poll_every: Duration) -> Duration {
    (3 * poll_every).max(Duration::from_secs(60))
}

/// A counter with its resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    pub value: MilliwattHours,
    /// The least digit of the register, or the distance to the next float at this size; at least 1 mWh.
    pub step: MilliwattHours,
}

/// The meters whose counter the ledger does not take at the moment: the poller reads them, and their serial numbers, again soon.
pub type Held = BTreeSet<Name>;
