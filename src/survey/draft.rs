//! The probable quantities in an unsupported meter's registers, and the `[profile.NAME]` for them. Pure.

use super::conclusion::{Conclusion, Display, MAX_ENERGY};
use super::doubt::Doubt;
use super::interpretation::Interpretation;
use super::mains::{Mains, MainsValue};
use super::phases::{Phases, ScaledPlace};
use super::samples::{RegisterSample, ValuePlace, places, without_mirror};
use super::words::raw_limit;
use crate::meter::Format;
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
    conclusion: Conclusion,
}

impl RegisterAnalysis {
    /// Analyses registers that were read once, or several times while energy was consumed. Several samples are needed to find the counter.
    pub fn of(samples: &[RegisterSample], display: Option<Display>) -> RegisterAnalysis {
        let samples = without_mirror(samples);
        let places = samples.first().map(places).unwrap_or_default();
        let mains = Mains::find(&samples, &places);
        let mut phases = mains.as_ref().and_then(|mains| Phases::find(mains, &samples));
        if let Some(phases) = &mut phases {
            phases.find_total(&samples, &places);
        }
        let conclusion = Conclusion::of(&samples, display, mains.as_ref(), phases.as_ref());
        let mut guesses = Vec::new();
        let fits = |only| if only { "the counter rises as this power predicts" } else { "one of several that fit" };
        for power in &conclusion.powers {
            guesses.push(reading_guess(MeasuredQuantity::Power, power, fits(conclusion.powers.len() == 1)));
        }
        for counter in &conclusion.counters {
            guesses.push(reading_guess(MeasuredQuantity::Energy, counter, fits(conclusion.counters.len() == 1)));
        }
        let from_mains = |quantity, values: &[MainsValue]| {
            let scaled = |it: &MainsValue| ScaledPlace { place: it.place, exponent: it.exponent, value: it.value };
            values.iter().map(|it| guess(quantity, &scaled(it), "a normal mains value")).collect::<Vec<_>>()
        };
        if let Some(mains) = &mains {
            guesses.extend(from_mains(MeasuredQuantity::Voltage, &mains.volts));
            guesses.extend(from_mains(MeasuredQuantity::Frequency, &mains.hertz));
        }
        if let Some(phases) = &phases {
            let each = |quantity, all: &[ScaledPlace], why: &str| {
                all.iter().map(|it| guess(quantity, it, why)).collect::<Vec<_>>()
            };
            let total: Vec<_> = phases.total.into_iter().collect();
            guesses.extend(each(MeasuredQuantity::Power, &total, "the sum of the phases"));
            guesses.extend(each(MeasuredQuantity::Current, &phases.currents, "voltage times current gives the power"));
            guesses.extend(each(MeasuredQuantity::PhasePower, &phases.powers, "within voltage times current"));
        }
        RegisterAnalysis { guesses, conclusion }
    }

    /// What cannot be known yet, and what to do about it; empty if power and counter are decided.
    pub fn doubts(&self) -> Vec<(String, &'static str)> {
        self.conclusion.doubts.iter().map(|doubt| (doubt.to_string(), doubt.remedy())).collect()
    }

    /// Whether three loads that somebody switches on would help to decide it.
    pub fn needs_loads(&self) -> bool {
        self.conclusion.doubts.iter().any(Doubt::needs_loads)
    }

    /// The `[profile.NAME]` table as TOML. What cannot be known yet is a comment, with every candidate.
    pub fn profile(&self, name: &Name) -> String {
        let Conclusion { powers, counters, export, .. } = &self.conclusion;
        let mut text = format!(
            "# Made from the values of the registers. Compare power and energy with the meter's display before you use it.\n\
             [profile.{name}]\nvendor = \"unknown\"        # what is printed on the meter\nmodel = \"{name}\"\n\
             # max_power = \"23kW\"      # the most that the meter can measure: 3 phases x 230 V x 33 A\n"
        );
        let doubts = self.doubts();
        if !doubts.is_empty() {
            text.push_str("\n# CANNOT TELL YET:\n");
            for (doubt, remedy) in &doubts {
                text.push_str(&format!("# - {doubt}.\n#   What to do: {remedy}.\n"));
            }
            text.push_str("# The candidates are comments. Remove the `# ` of the right ones only.\n");
        }
        let is_decided = doubts.is_empty();
        powers.iter().for_each(|power| text.push_str(&section(name, "power", power, is_decided)));
        counters.iter().for_each(|counter| text.push_str(&section(name, "energy", counter, is_decided)));
        if let Some(export) = export.as_ref().filter(|_| !counters.is_empty()) {
            text.push_str(&section(name, "export_energy", export, is_decided));
        }
        text
    }
}

fn reading_guess(quantity: MeasuredQuantity, reading: &Interpretation, why: &str) -> RegisterGuess {
    let exponent = reading.exponent.unwrap_or(0);
    let scaled = ScaledPlace { place: reading.place, exponent, value: reading.raw * 10_f64.powi(exponent) };
    let scale = if reading.exponent.is_some() { "" } else { "; its scale is unknown" };
    guess(quantity, &scaled, &format!("{why}{scale}"))
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

/// `[profile.NAME.power]` and its keys, as comments if they are not decided.
fn section(name: &Name, key: &str, reading: &Interpretation, is_decided: bool) -> String {
    let table = table(name, key, reading);
    let mut text = String::from("\n");
    for line in table.lines() {
        text.push_str(&format!("{}{line}\n", if is_decided { "" } else { "# " }));
    }
    if let Some(caution) = &reading.caution {
        text.push_str(&format!("# {caution}.\n"));
    }
    let limit = (raw_limit(reading.place.format.kind) + 1.0) * 10_f64.powi(reading.exponent.unwrap_or(3));
    if key != "power" && limit < MAX_ENERGY {
        text.push_str(&format!("# It starts again at 0 after {:.0} kWh.\n", limit / 1000.0));
    }
    for other in &reading.others {
        let mut other = Interpretation { place: *other, ..reading.clone() };
        other.others.clear();
        let keys: Vec<_> = self::table(name, key, &other).lines().skip(1).map(str::to_owned).collect();
        text.push_str(&format!("# reads the same so far: {}\n", keys.join("; ")));
    }
    text
}

fn table(name: &Name, key: &str, reading: &Interpretation) -> String {
    let ValuePlace { block, format } = reading.place;
    let mut text = format!(
        "[profile.{name}.{key}]\nregister = 0x{:04X}\nfunction = \"{}\"\ntype = \"{}\"\n",
        block.address,
        block.function.word(),
        format.kind.word()
    );
    if format.low_word_first {
        text.push_str("word_order = \"little\"\n");
    }
    if format.low_byte_first {
        text.push_str("byte_order = \"little\"\n");
    }
    let sign = if reading.negative { "-" } else { "" };
    let Some(exponent) = reading.exponent else {
        text.push_str(&format!(
            "unit = \"{}\"            # the scale is unknown\n",
            if key == "power" { "W" } else { "kWh" }
        ));
        return text;
    };
    let (unit, exponent) = match (key, exponent) {
        ("power", 3..) => ("kW", exponent - 3),
        ("power", _) => ("W", exponent),
        (_, 1..) => ("kWh", exponent - 3),
        (_, -1..=0) => ("Wh", exponent),
        _ => ("mWh", exponent + 3),
    };
    text.push_str(&format!("unit = \"{unit}\"\n"));
    match exponent {
        0 if sign.is_empty() => {}
        0.. => text.push_str(&format!("scale = \"{sign}1{}\"\n", "0".repeat(exponent.unsigned_abs() as usize))),
        _ => text.push_str(&format!("scale = \"{sign}0.{}1\"\n", "0".repeat(exponent.unsigned_abs() as usize - 1))),
    }
    text
}

#[cfg(test)]
mod tests;
