//! The probable quantities in an unsupported meter's registers, and the `[profile.NAME]` for them. Pure.

use super::mains::{Mains, MainsValue};
use super::pair::{PowerCounterPair, pairs};
use super::phases::{Phases, ScaledPlace};
use super::samples::{RegisterSample, ValuePlace, places};
use crate::meter::{Format, Kind};
use crate::units::Name;

/// A register and the quantity that it probably holds.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterGuess {
    /// The probable quantity.
    pub quantity: MeasuredQuantity,
    /// `input` or `holding`.
    pub function: &'static str,
    /// Address of the first register, 0-based.
    pub register: u16,
    /// Type, word order and byte order.
    pub format: Format,
    /// The raw value times 10 to this power is the value in the quantity's unit.
    pub exponent: i32,
    /// The value in the quantity's unit.
    pub value: f64,
    /// The reason for the guess.
    pub why: String,
}

/// A measured quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasuredQuantity {
    /// Voltage in V.
    Voltage,
    /// Frequency in Hz.
    Frequency,
    /// Current in A.
    Current,
    /// Active power of one phase in W.
    PhasePower,
    /// Active power in W.
    Power,
    /// Active energy in Wh.
    Energy,
}

impl MeasuredQuantity {
    /// The name of the quantity.
    pub fn word(self) -> &'static str {
        match self {
            MeasuredQuantity::Voltage => "voltage",
            MeasuredQuantity::Frequency => "frequency",
            MeasuredQuantity::Current => "current",
            MeasuredQuantity::PhasePower => "power of a phase",
            MeasuredQuantity::Power => "power",
            MeasuredQuantity::Energy => "energy",
        }
    }

    /// The symbol of its unit.
    pub fn unit(self) -> &'static str {
        match self {
            MeasuredQuantity::Voltage => "V",
            MeasuredQuantity::Frequency => "Hz",
            MeasuredQuantity::Current => "A",
            MeasuredQuantity::PhasePower | MeasuredQuantity::Power => "W",
            MeasuredQuantity::Energy => "Wh",
        }
    }
}

/// The result of analysing register samples.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterAnalysis {
    /// The most certain first.
    pub guesses: Vec<RegisterGuess>,
    pairs: Vec<PowerCounterPair>,
    total: Option<ScaledPlace>,
}

/// Maximum pairs of power and counter among the guesses.
const MAX_PAIRS: usize = 4;

impl RegisterAnalysis {
    /// Analyses registers that were read once, or several times while energy was consumed. Several samples are needed to find the counter.
    pub fn of(samples: &[RegisterSample]) -> RegisterAnalysis {
        let Some(first) = samples.first() else {
            return RegisterAnalysis { guesses: Vec::new(), pairs: Vec::new(), total: None };
        };
        let places = places(first);
        let mains = Mains::find(samples, &places);
        let mut phases = mains.as_ref().and_then(|mains| Phases::find(mains, samples));
        if let Some(phases) = &mut phases {
            phases.find_total(samples, &places);
        }
        let pairs = pairs(samples, &places, mains.as_ref(), phases.as_ref());
        let mut guesses = Vec::new();
        for pair in pairs.iter().take(MAX_PAIRS) {
            let why = format!("the counter rises as this power predicts, within {:.1} %", pair.off * 100.0);
            guesses.push(guess(MeasuredQuantity::Power, &pair.power, &why));
            guesses.push(guess(MeasuredQuantity::Energy, &pair.energy, &why));
        }
        if let Some(mains) = &mains {
            let values = |quantity, values: &[MainsValue]| {
                let scaled = |it: &MainsValue| ScaledPlace { place: it.place, exponent: it.exponent, value: it.value };
                values.iter().map(|it| guess(quantity, &scaled(it), "a normal mains value")).collect::<Vec<_>>()
            };
            guesses.extend(values(MeasuredQuantity::Voltage, &mains.volts));
            guesses.extend(values(MeasuredQuantity::Frequency, &mains.hertz));
        }
        if let Some(phases) = &phases {
            let total = phases.total.iter().map(|it| guess(MeasuredQuantity::Power, it, "the sum of the phases"));
            let currents = phases
                .currents
                .iter()
                .map(|it| guess(MeasuredQuantity::Current, it, "voltage times current gives the power"));
            let powers =
                phases.powers.iter().map(|it| guess(MeasuredQuantity::PhasePower, it, "within voltage times current"));
            guesses.extend(total.chain(currents).chain(powers));
        }
        let total = phases.and_then(|phases| phases.total);
        RegisterAnalysis { guesses, pairs, total }
    }

    /// The `[profile.NAME]` table as TOML. Power and energy that were not found are comments to fill in.
    pub fn profile(&self, name: &Name) -> String {
        let mut text = format!(
            "# Derived from register values. Compare with the meter's display: power and energy may both be wrong by the same power of ten.\n\
             [profile.{name}]\nvendor = \"unknown\"        # what is printed on the meter\nmodel = \"{name}\"\n\
             # max_power = \"23kW\"      # the most that the meter can measure: 3 phases x 230 V x 33 A\n"
        );
        let power = self.pairs.first().map(|pair| &pair.power).or(self.total.as_ref());
        match power {
            Some(power) => text.push_str(&table(name, "power", power, "W", power.exponent)),
            None => text.push_str(&format!(
                "\n# No power was recognised: watch longer (--watch 5m), with a load switched on.\n[profile.{name}.power]\n\
                 # register = 0x0000\n# function = \"input\"\n# type = \"f32\"\n# unit = \"W\"\n"
            )),
        }
        match self.pairs.first() {
            Some(pair) => {
                let exponent = pair.energy.exponent;
                let (unit, exponent) = match exponent {
                    1.. => ("kWh", exponent - 3),
                    -1..=0 => ("Wh", exponent),
                    _ => ("mWh", exponent + 3),
                };
                text.push_str(&table(name, "energy", &pair.energy, unit, exponent));
                for other in self.similar_counters(pair) {
                    text.push_str(&format!("# {other} rises in the same way: use the one that the manual calls import (not total or net)\n"));
                }
            }
            None => text.push_str(
                "\n# No energy counter was recognised: watch longer (--watch 5m), with a load of 1 kW or more. Without [.energy],\n\
                 # energy is computed from the power.\n",
            ),
        }
        text
    }

    /// Other counters with the same power and format.
    fn similar_counters(&self, best: &PowerCounterPair) -> Vec<String> {
        let alike = |pair: &&PowerCounterPair| {
            pair.power == best.power
                && pair.energy.place != best.energy.place
                && pair.energy.place.format == best.energy.place.format
        };
        self.pairs.iter().filter(alike).map(|pair| pair.energy.place.block.to_string()).collect()
    }
}

fn guess(quantity: MeasuredQuantity, scaled: &ScaledPlace, why: &str) -> RegisterGuess {
    let ScaledPlace { place, exponent, value } = *scaled;
    RegisterGuess {
        quantity,
        function: place.block.function.word(),
        register: place.block.address,
        format: place.format,
        exponent,
        value,
        why: why.to_owned(),
    }
}

/// `[profile.NAME.power]` and its keys.
fn table(name: &Name, key: &str, scaled: &ScaledPlace, unit: &str, exponent: i32) -> String {
    let ValuePlace { block, format } = scaled.place;
    // Power can become negative; a counter cannot.
    let kind = match format.kind {
        Kind::U32 if key == "power" => Kind::I32,
        Kind::U64 if key == "power" => Kind::I64,
        kind => kind,
    };
    let mut text = format!(
        "\n[profile.{name}.{key}]\nregister = 0x{:04X}\nfunction = \"{}\"\ntype = \"{}\"\n",
        block.address,
        block.function.word(),
        kind.word()
    );
    if format.low_word_first {
        text.push_str("word_order = \"little\"\n");
    }
    if format.low_byte_first {
        text.push_str("byte_order = \"little\"\n");
    }
    text.push_str(&format!("unit = \"{unit}\"\n"));
    match exponent {
        0 => {}
        1.. => text.push_str(&format!("scale = \"1{}\"\n", "0".repeat(exponent.unsigned_abs() as usize))),
        _ => text.push_str(&format!("scale = \"0.{}1\"\n", "0".repeat(exponent.unsigned_abs() as usize - 1))),
    }
    text
}

#[cfg(test)]
mod tests;
