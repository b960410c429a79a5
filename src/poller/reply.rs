//! What one meter says right now, for people: the row of `arkmeter read`, and its JSON.

use serde::{Deserialize, Serialize};

use crate::config;
use crate::reading::Values;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// What a meter said in one poll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollReply {
    pub values: Values,
    /// Why something is missing, for people.
    pub error: Option<String>,
}

impl PollReply {
    pub fn nothing(why: impl Into<String>) -> Self {
        PollReply { error: Some(why.into()), ..PollReply::default() }
    }

    /// The values, or why something of them is missing.
    pub fn whole(self) -> Result<Values, String> {
        self.error.map_or(Ok(self.values), Err)
    }
}

/// One meter, read once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveReading {
    pub meter: Name,
    pub bus: Name,
    pub unit: u8,
    pub profile: String,
    pub power_mw: Option<Milliwatts>,
    pub register_mwh: Option<MilliwattHours>,
    pub serial: Option<String>,
    /// Why it, or a part of it, could not be read.
    pub error: Option<String>,
}

impl LiveReading {
    pub fn new(meter: &config::MeterConfig, said: PollReply) -> Self {
        let PollReply { values, error } = said;
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
