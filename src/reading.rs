//! The result of one poll of a meter, which the poller sends to the ledger.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::ClockReading;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// One poll of one meter.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The meter.
    pub meter: Name,
    /// When the answer arrived.
    pub at: ClockReading,
    /// The values.
    pub values: Values,
    /// What the register means, if only the meter itself shows it: its profile has several maps.
    pub definition: Option<Arc<RegisterDefinition>>,
}

/// What a register means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterDefinition {
    /// Everything that turns raw registers into mWh, in one line of text.
    pub text: String,
    /// The energy at which the register starts again at 0, if known.
    pub rollover: Option<MilliwattHours>,
    /// The energy at which the register's type ends: 2^32 digits, for example. Absent for sums, and for numbers with an exponent.
    pub range: Option<MilliwattHours>,
}

/// The values of one poll. A value that could not be read is absent, never replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// Active power, negative during export.
    pub power: Option<Milliwatts>,
    /// The counter of imported active energy (of exported energy if the meter is reversed).
    pub register: Option<Register>,
    /// The serial number, if it was read in this poll. Absent means unknown, not different.
    pub serial: Option<String>,
}

/// The age at which a reading is stale: three polls, and at least a minute.
pub fn stale_after(poll_every: Duration) -> Duration {
    (3 * poll_every).max(Duration::from_secs(60))
}

/// A counter with its resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// The energy.
    pub value: MilliwattHours,
    /// The resolution: the last digit of the register, or the distance to the next float of this size; at least 1 mWh.
    pub step: MilliwattHours,
}

/// The meters whose register is held: the poller reads them and their serial numbers again soon.
pub type Held = BTreeSet<Name>;
