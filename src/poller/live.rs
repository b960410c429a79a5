//! What one meter says right now, for people: the row of `arkmeter read`, and its JSON.

use serde::{Deserialize, Serialize};

use crate::config;
use crate::reading::Values;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// One meter, read once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
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

impl Live {
    pub fn new(meter: &config::Meter, said: Result<Values, String>) -> Self {
        let (values, error) = match said {
            Ok(values) => (values, None),
            Err(error) => (Values::default(), Some(error)),
        };
        Live {
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
