//! What comes before the first step: saved answers of an interrupted set-up, and a configuration that is there already.

use super::fuses::Fuses;
use super::hex::wrong_form;
use crate::config::Config;
use crate::units::{ClientId, Name};

/// The configuration that is there already.
#[derive(Clone, Debug, Default)]
pub enum ExistingConfiguration {
    /// There is none.
    #[default]
    Absent,
    /// The annotated example, unchanged.
    Example,
    /// A valid one.
    Valid(Box<Config>),
    /// One with errors, or a file of another program: the text of its errors.
    Broken(String),
}

impl ExistingConfiguration {
    /// The valid configuration.
    pub fn config(&self) -> Option<&Config> {
        match self {
            ExistingConfiguration::Valid(config) => Some(config),
            _ => None,
        }
    }

    /// Whether it is valid and has a bus of this name.
    pub(super) fn has_bus(&self, name: &Name) -> bool {
        self.config().is_some_and(|config| config.buses.contains_key(name))
    }

    /// Every name of a meter or client in it.
    pub(super) fn names(&self) -> Vec<Name> {
        let config = self.config().into_iter();
        config.flat_map(|config| config.meters.keys().chain(config.clients.keys()).cloned()).collect()
    }
}

/// A change of one meter in an existing configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationChange {
    /// The meter.
    pub meter: Name,
    /// The key in `[meter.NAME]`.
    pub key: &'static str,
    /// Its new value as TOML.
    pub value: String,
}

/// Reads `METER fuses 3x25`, `METER reversed yes` or `METER client 0x...`.
///
/// # Errors
/// What to write instead. A client identifier is not repeated.
pub(super) fn parse_change(text: &str, config: &Config) -> Result<ConfigurationChange, String> {
    const HELP: &str = "write METER fuses 3x25, METER reversed yes, or METER client 0x...";
    let words: Vec<_> = text.split_whitespace().collect();
    let [meter, key, value] = words[..] else { return Err(HELP.to_owned()) };
    let known = config.meters.get_key_value(meter).ok_or_else(|| {
        let names: Vec<_> = config.meters.keys().map(Name::as_str).collect();
        format!("no meter is named \"{}\"; there is {}", crate::text::foreign(meter, 40), names.join(", "))
    })?;
    let change = |key, value| Ok(ConfigurationChange { meter: known.0.clone(), key, value });
    match (key, value) {
        ("fuses", value) => change("max_power", format!("\"{}W\"", Fuses::parse(value)?.power().0 / 1000)),
        ("reversed", "yes" | "no") => change("reversed", (value == "yes").to_string()),
        ("client", value) => client_change(known.0, value, config).and_then(|value| change("client_id", value)),
        _ => Err(HELP.to_owned()),
    }
}

/// The new identifier of a meter that has one of its own.
fn client_change(meter: &Name, text: &str, config: &Config) -> Result<String, String> {
    let id = ClientId::parse(text).ok_or_else(|| wrong_form("an identifier", text))?;
    if let Some(other) = config.clients.values().find(|client| client.client_id == id) {
        return Err(format!("{id} is the client of {} already", other.name));
    }
    match config.clients.values().find(|client| client.meters.contains(meter) && client.name != *meter) {
        Some(shared) => {
            Err(format!("{meter} is reported by [client.{}]: change its client_id in the configuration", shared.name))
        }
        None => Ok(format!("\"{}\"", id.to_hex())),
    }
}
