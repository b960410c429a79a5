//! The values of one meter at this moment: the row of `arkmeter read`, and its JSON.

use serde::{Deserialize, Serialize};

use crate::config;
use crate::meter::RegisterMap;
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
    /// Unit on the bus.
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
    /// What to check before the values are relied on.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What to check before these values of the meter are relied on.
fn warnings(meter: &config::MeterConfig, values: &Values) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(power) = values.power.filter(|power| power.0.saturating_abs() > meter.max_power.0) {
        warnings.push(format!(
            "its power of {} W is above its max_power of {} W: check the profile's scale and type, or max_power",
            power.watts(),
            meter.max_power.watts()
        ));
    }
    // The identity decides, or the models that the meter's chain has.
    let nothing_decides = |map: &&RegisterMap| map.identity.is_empty() && map.profile.chain.is_none();
    let alike: Vec<_> = meter.profile.maps.iter().filter(nothing_decides).map(|map| map.name.as_str()).collect();
    if alike.len() > 1 {
        warnings.push(format!(
            "the daemon still has to decide between the maps {} of its profile; `arkmeter status` shows the result; map = \"..\" in [meter.{}] \
             decides it",
            alike.join(", "),
            meter.name
        ));
    }
    warnings
}

impl LiveReading {
    /// The row of this meter.
    pub fn new(meter: &config::MeterConfig, reply: PollReply) -> Self {
        let PollReply { values, error } = reply;
        LiveReading {
            warnings: warnings(meter, &values),
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, parse};

    /// What `read` warns about a meter of this profile, with this power in W.
    fn warned(profile: &str, keys: &str, watts: i64) -> Vec<String> {
        let text = format!(
            "[bus.a]\ntcp = \"10.0.0.1\"\n[meter.m]\nbus = \"a\"\nunit = 1\nprofile = \"{profile}\"\nmax_power = \"20kW\"\n{keys}"
        );
        let (config, _) = parse(Path::new("arkmeter.toml"), &text, &Environment::default()).unwrap();
        let values = Values { power: Some(Milliwatts(watts * 1000)), ..Values::default() };
        let reply = PollReply { values, error: None };
        LiveReading::new(config.meters.values().next().unwrap(), reply).warnings
    }

    #[test]
    fn a_power_above_max_power_is_warned_about() {
        assert_eq!(warned("eastron-sdm630", "", 20_000), [""; 0]);
        for watts in [20_001, -20_001] {
            let [warning] = &warned("eastron-sdm630", "", watts)[..] else { panic!() };
            assert!(warning.contains(&format!("{watts} W is above its max_power of 20000 W")), "{warning}");
        }
    }

    #[test]
    fn maps_that_the_daemon_has_to_decide_between_are_named() {
        let [warning] = &warned("chint-dtsu666", "", 5)[..] else { panic!() };
        for part in ["between the maps block-10, block-40", "arkmeter status", "map = \"..\" in [meter.m]"] {
            assert!(warning.contains(part), "{part}: {warning}");
        }
        assert_eq!(warned("chint-dtsu666", "map = \"block-10\"\n", 5), [""; 0], "the configuration decides");
        assert_eq!(warned("sunspec-meter", "", 5), [""; 0], "the chain of models decides");
    }
}
