//! The values of one meter at this moment: the row of `arkmeter read`, and its JSON.

use serde::{Deserialize, Serialize};

use crate::config;
use crate::reading::Values;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The values of one poll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollReply {
    /// The values that were read.
    pub values: Values,
    /// Why a value is missing.
    pub error: Option<String>,
}

impl PollReply {
    /// A reply without values, and the reason.
    pub fn nothing(why: impl Into<String>) -> Self {
        PollReply { error: Some(why.into()), ..PollReply::default() }
    }

    /// The values of a complete poll.
    ///
    /// # Errors
    /// Why a value is missing.
    pub fn whole(self) -> Result<Values, String> {
        self.error.map_or(Ok(self.values), Err)
    }
}

/// One meter, read once. The fields are the JSON of `arkmeter read --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveReading {
    /// Name of the meter in the configuration.
    pub meter: Name,
    /// Name of its bus.
    pub bus: Name,
    /// Unit on the bus, 1 to 247.
    pub unit: u8,
    /// Name of its profile.
    pub profile: String,
    /// Active power in mW.
    pub power_mw: Option<Milliwatts>,
    /// The energy counter of the meter in mWh.
    pub register_mwh: Option<MilliwattHours>,
    /// Serial number, where the profile has one.
    pub serial: Option<String>,
    /// Why the meter, or one of its values, could not be read.
    pub error: Option<String>,
}

impl LiveReading {
    /// The row of this meter.
    pub fn new(meter: &config::MeterConfig, reply: PollReply) -> Self {
        let PollReply { values, error } = reply;
        LiveReading {
            meter: meter.name.clone(),
            bus: meter.bus.clone(),
            unit: meter.unit.get(),
            profile: meter.profile.name.to_string(),
            power_mw: values.power,
            register_mwh: values.register.map(|register| register.value),
            serial: values.serial,
            error,
        }
    }
}
