//! The facts about a meter's registers, as facts.toml states them.

use serde::Deserialize;

/// One meter.
#[derive(Clone, Debug, Deserialize)]
pub struct Fact {
    /// Its name in the source of the facts.
    #[serde(rename = "id")]
    _id: String,
    pub profile: String,
    /// How many requests one poll takes.
    #[serde(default = "two")]
    pub requests: usize,
    /// The function of every register that does not state its own.
    pub function: u8,
    #[serde(flatten)]
    pub registers: Registers,
    /// Registers that multiply the terms with `ratios`.
    #[serde(default)]
    pub ratios: Vec<Term>,
    /// First and last of a range in which every register exists.
    pub mapped: Option<(u16, u16)>,
    /// How many registers one answer may have.
    pub most: Option<u16>,
    pub serial: Option<Serial>,
    pub identity: Option<Identity>,
    pub setting: Option<Setting>,
    pub chain: Option<Chain>,
    /// Each possible map, if sources disagree or several meters have the same name.
    #[serde(default, rename = "map")]
    pub maps: Vec<Map>,
}

/// The registers of power and energy. Each quantity is a sum of terms.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Registers {
    #[serde(default)]
    pub power: Vec<Term>,
    #[serde(default)]
    pub import_energy: Vec<Term>,
    #[serde(default)]
    pub export_energy: Vec<Term>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Map {
    pub name: String,
    #[serde(flatten)]
    pub registers: Registers,
}

/// value = raw x scale, in `unit`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    pub address: u16,
    #[serde(rename = "type")]
    pub kind: String,
    pub function: Option<u8>,
    pub order: Option<String>,
    pub unit: Option<String>,
    pub scale: Option<String>,
    /// The meter shows consumption as negative.
    #[serde(default)]
    pub inverted: bool,
    /// The term is subtracted.
    #[serde(default)]
    pub minus: bool,
    /// The register with the power of ten.
    pub exponent: Option<u16>,
    /// The register that holds 1 if the value is negative.
    pub sign: Option<u16>,
    /// The meter's pattern for "no value", in hexadecimal digits.
    pub invalid: Option<String>,
    /// The ratio registers multiply the term.
    #[serde(default)]
    pub ratios: bool,
    /// "total" for one counter of both directions.
    pub direction: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serial {
    pub function: u8,
    pub address: u16,
    #[serde(rename = "type")]
    pub kind: String,
    pub registers: Option<u16>,
    pub order: Option<String>,
    #[serde(default)]
    pub hex: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub function: u8,
    pub address: u16,
    #[serde(rename = "type")]
    pub kind: String,
    pub values: Vec<u64>,
}

/// A chain of SunSpec models.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The address of `SunS`.
    pub base: u16,
    /// The manufacturer in the first Common model.
    pub manufacturer: String,
    /// The id and length of each model.
    pub models: Vec<(u16, u16)>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    pub address: u16,
    pub value: u16,
}

/// A meter with one of its maps.
#[derive(Clone, Debug)]
pub struct View<'f> {
    pub fact: &'f Fact,
    pub map: Option<&'f str>,
    pub registers: Registers,
}

fn two() -> usize {
    2
}

/// The facts of all meters.
pub fn all() -> Vec<Fact> {
    #[derive(Deserialize)]
    struct File {
        meter: Vec<Fact>,
    }
    toml::from_str::<File>(include_str!("facts.toml")).unwrap().meter
}

impl Fact {
    /// The meter without maps, or one view per map.
    pub fn views<'f>(&'f self) -> Vec<View<'f>> {
        if self.maps.is_empty() {
            return vec![View { fact: self, map: None, registers: self.registers.clone() }];
        }
        let or = |own: &Vec<Term>, other: &Vec<Term>| if own.is_empty() { other.clone() } else { own.clone() };
        let view = |map: &'f Map| {
            // A map with an import counter replaces both counters.
            let energy = if map.registers.import_energy.is_empty() { &self.registers } else { &map.registers };
            let registers = Registers {
                power: or(&map.registers.power, &self.registers.power),
                import_energy: energy.import_energy.clone(),
                export_energy: energy.export_energy.clone(),
            };
            View { fact: self, map: Some(map.name.as_str()), registers }
        };
        self.maps.iter().map(view).collect()
    }
}

impl View<'_> {
    pub fn counts_both_directions(&self) -> bool {
        self.registers.import_energy.iter().any(|term| term.direction.as_deref() == Some("total"))
    }

    /// Whether the meter has a counter for reversed wiring.
    pub fn can_reverse(&self) -> bool {
        self.counts_both_directions() || !self.registers.export_energy.is_empty()
    }
}
