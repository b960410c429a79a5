//! What an unknown meter's registers mean, ranked, and the `[profile.NAME]` that comes of it. Pure.

use super::mains::{Mains, MainsValue};
use super::pair::{PowerCounterPair, pairs};
use super::phases::{Phases, ScaledPlace};
use super::samples::{RegisterSample, ValuePlace, places};
use crate::meter::{Format, Kind};
use crate::units::Name;

/// A register, what it seems to be, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterGuess {
    pub meaning: Meaning,
    /// `input` or `holding`.
    pub function: &'static str,
    /// 0-based.
    pub register: u16,
    pub format: Format,
    /// One digit is 10 to this power of the meaning's unit.
    pub exponent: i32,
    /// In the meaning's unit.
    pub value: f64,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// V
    Voltage,
    /// Hz
    Frequency,
    /// A
    Current,
    /// W, of one phase.
    PhasePower,
    /// W
    Power,
    /// Wh
    Energy,
}

impl Meaning {
    pub fn word(self) -> &'static str {
        match self {
            Meaning::Voltage => "voltage",
            Meaning::Frequency => "frequency",
            Meaning::Current => "current",
            Meaning::PhasePower => "power of a phase",
            Meaning::Power => "power",
            Meaning::Energy => "energy",
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Meaning::Voltage => "V",
            Meaning::Frequency => "Hz",
            Meaning::Current => "A",
            Meaning::PhasePower | Meaning::Power => "W",
            Meaning::Energy => "Wh",
        }
    }
}

/// What the samples say.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterAnalysis {
    /// What is most certain first.
    pub guesses: Vec<RegisterGuess>,
    pairs: Vec<PowerCounterPair>,
    total: Option<ScaledPlace>,
}

/// Pairs of power and counter that are shown.
const PAIRS: usize = 4;

impl RegisterAnalysis {
    /// Of registers that were read once or, better, several times while something was consumed.
    pub fn of(samples: &[RegisterSample]) -> RegisterAnalysis {
        let Some(first) = samples.first() else {
            return RegisterAnalysis { guesses: Vec::new(), pairs: Vec::new(), total: None };
        };
        let places = places(first);
        let mains = Mains::seen(samples, &places);
        let mut phases = mains.as_ref().and_then(|mains| Phases::seen(mains, samples));
        if let Some(phases) = &mut phases {
            phases.find_total(samples, &places);
        }
        let pairs = pairs(samples, &places, mains.as_ref(), phases.as_ref());
        let mut guesses = Vec::new();
        for pair in pairs.iter().take(PAIRS) {
            let why = format!("the counter rises as this power says, to {:.1} %", pair.off * 100.0);
            guesses.push(guess(Meaning::Power, &pair.power, &why));
            guesses.push(guess(Meaning::Energy, &pair.energy, &why));
        }
        if let Some(mains) = &mains {
            let sights = |meaning, sights: &[MainsValue]| {
                let sight = |it: &MainsValue| ScaledPlace { place: it.place, exponent: it.exponent, value: it.value };
                sights.iter().map(|it| guess(meaning, &sight(it), "as the mains is")).collect::<Vec<_>>()
            };
            guesses.extend(sights(Meaning::Voltage, &mains.volts));
            guesses.extend(sights(Meaning::Frequency, &mains.hertz));
        }
        if let Some(phases) = &phases {
            let total = phases.total.iter().map(|it| guess(Meaning::Power, it, "the sum of the phases"));
            let currents =
                phases.currents.iter().map(|it| guess(Meaning::Current, it, "with the voltage it gives the power"));
            let powers =
                phases.powers.iter().map(|it| guess(Meaning::PhasePower, it, "what voltage and current allow"));
            guesses.extend(total.chain(currents).chain(powers));
        }
        let total = phases.and_then(|phases| phases.total);
        RegisterAnalysis { guesses, pairs, total }
    }

    /// A profile to keep: whole where power and counter gave each other away, else with what is missing left to be filled in.
    pub fn profile(&self, name: &Name) -> String {
        let mut text = format!(
            "# Made from what the registers held. Compare with the meter's display: power and energy may be off by the same power of ten.\n\
             [profile.{name}]\nvendor = \"unknown\"        # what is printed on the meter\nmodel = \"{name}\"\n\
             # max_power = \"23kW\"      # the most that the meter can measure: 3 phases x 230 V x 33 A\n"
        );
        let power = self.pairs.first().map(|pair| &pair.power).or(self.total.as_ref());
        match power {
            Some(power) => text.push_str(&table(name, "power", power, "W", power.exponent)),
            None => text.push_str(&format!(
                "\n# No power was recognised: watch longer (--watch 5m), with a load that is switched on.\n[profile.{name}.power]\n\
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
                for other in self.also_rising(pair) {
                    text.push_str(&format!("# {other} rises alike: take the one that the manual calls import (not a total or net one)\n"));
                }
            }
            None => text.push_str(
                "\n# No counter gave itself away: watch longer (--watch 5m), with a load of a kilowatt or more. Without [.energy] it is\n\
                 # computed from the power.\n",
            ),
        }
        text
    }

    /// Other counters of the same power and format.
    fn also_rising(&self, best: &PowerCounterPair) -> Vec<String> {
        let alike = |pair: &&PowerCounterPair| {
            pair.power == best.power
                && pair.energy.place != best.energy.place
                && pair.energy.place.format == best.energy.place.format
        };
        self.pairs.iter().filter(alike).map(|pair| pair.energy.place.block.to_string()).collect()
    }
}

fn guess(meaning: Meaning, scaled: &ScaledPlace, why: &str) -> RegisterGuess {
    let ScaledPlace { place, exponent, value } = *scaled;
    RegisterGuess {
        meaning,
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
    // A power may turn negative one day; a counter does not.
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
