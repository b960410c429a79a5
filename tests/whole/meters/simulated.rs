//! A simulated meter with the registers of its facts, and the values that must be read from it. It has its own encoder, so that it cannot
//! repeat an error of the decoder.

use std::collections::BTreeMap;
use std::fmt;

use arkmeter::meter::Function;
use arkmeter::simulator::SimulatedUnit;

use super::fact::{Chain, Fact, Serial, Term, View};

/// The situation of the meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    Importing,
    /// Negative power, if the meter's power has a sign.
    Exporting,
    /// Each register holds the pattern for "no value".
    NoValue,
    /// Its identity registers are those of another meter.
    Another,
    /// A setting differs from what the profile needs.
    WronglySet,
}

impl Scene {
    /// Whether this meter can be in this situation.
    pub fn suits(self, fact: &Fact) -> bool {
        match self {
            Scene::Another => fact.identity.is_some(),
            Scene::WronglySet => fact.setting.is_some(),
            _ => true,
        }
    }
}

/// A meter, and the values that must be read from it, in mW and mWh.
pub struct Simulated {
    pub unit: SimulatedUnit,
    pub profile: String,
    pub map: Option<String>,
    pub power: i64,
    pub import: u64,
    /// The counter that is used with reversed wiring.
    pub export: Option<u64>,
    pub serial: Option<String>,
}

type Registers = BTreeMap<(u8, u16), u16>;

/// The value of exponent registers.
const EXPONENT: i16 = 2;
/// The values of ratio registers.
const RATIOS: [i64; 2] = [2, 40];
/// The content of registers without a value.
const FILLER: u16 = 0x5A5A;

impl Simulated {
    pub fn new(unit: u8, view: &View<'_>, scene: Scene) -> Self {
        let fact = view.fact;
        let mut registers = Registers::new();
        if let Some((first, last)) = fact.mapped {
            registers.extend((first..=last).map(|address| ((fact.function, address), FILLER)));
        }
        if let Some(chain) = &fact.chain {
            link(&mut registers, chain);
        }
        let mut ratio = 1.0;
        for (term, raw) in fact.ratios.iter().zip(RATIOS) {
            // 2 and 40 after scaling.
            let digits = (raw as f64 / scale(term)).round() as i64;
            put(&mut registers, fact.function, term, digits, false);
            ratio *= raw as f64;
        }
        let mut hold = |terms: &[Term], least: i64| hold(&mut registers, fact.function, terms, least, scene, ratio);
        let power = hold(&view.registers.power, 300);
        let import = hold(&view.registers.import_energy, 41_000);
        let export = hold(&view.registers.export_energy, 27_000);
        let export = if view.counts_both_directions() { import } else { export };
        let serial = fact.serial.as_ref().map(|serial| number(&mut registers, serial, unit));
        if let Some(identity) = &fact.identity {
            let bytes = identity.values[0].to_be_bytes();
            let width = match identity.kind.as_str() {
                "u16" => 2,
                "u32" => 4,
                _ => 8,
            };
            let mut words = words(&bytes[8 - width..]);
            if scene == Scene::Another {
                words.fill(FILLER);
            }
            set(&mut registers, identity.function, identity.address, &words);
        }
        if let Some(setting) = fact.setting {
            let value = if scene == Scene::WronglySet { setting.value + 1 } else { setting.value };
            set(&mut registers, fact.function, setting.address, &[value]);
        }
        let unit = SimulatedUnit::new(unit);
        for ((function, address), word) in registers {
            unit.set(if function == 3 { Function::Holding } else { Function::Input }, address, &[word]);
        }
        unit.set_max_registers(fact.most.unwrap_or(125));
        Simulated {
            unit,
            profile: fact.profile.clone(),
            map: view.map.map(str::to_owned),
            power,
            import: import as u64,
            export: view.can_reverse().then_some(export as u64),
            serial,
        }
    }
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.profile, self.map.as_deref().unwrap_or_default())
    }
}

/// Writes a value into the registers of a quantity and returns it, in mW or mWh.
fn hold(registers: &mut Registers, function: u8, terms: &[Term], least: i64, scene: Scene, ratio: f64) -> i64 {
    let energy = terms.first().is_some_and(|term| term.unit.as_deref().is_some_and(|unit| unit.ends_with('h')));
    let difference = terms.iter().any(|term| term.minus);
    let mut total = 0.0;
    for (index, term) in terms.iter().enumerate() {
        let exporting = scene == Scene::Exporting && !energy && (difference || signed(term));
        let mut raw = least + 17 * index as i64;
        if difference && exporting != term.minus {
            // The other direction has its own register.
            raw = 0;
        }
        let shown = if (exporting && !difference) != term.inverted { -raw } else { raw };
        let value = put(registers, function, term, shown, scene == Scene::NoValue);
        let sense = if term.minus != term.inverted { -1.0 } else { 1.0 };
        total += sense * value * if term.ratios { ratio } else { 1.0 };
    }
    total.round() as i64
}

/// Writes one number and returns its value in mW or mWh. A float gets an additional half.
fn put(registers: &mut Registers, function: u8, term: &Term, raw: i64, none: bool) -> f64 {
    let function = term.function.unwrap_or(function);
    let negative = raw < 0 && term.sign.is_some();
    let magnitude = if negative { -raw } else { raw };
    let half = if raw < 0 { -0.5 } else { 0.5 };
    let (mut bytes, mut value) = match term.kind.as_str() {
        "u16" | "i16" => ((raw as i16).to_be_bytes().to_vec(), raw as f64),
        "u32" | "i32" | "acc32" => ((magnitude as i32).to_be_bytes().to_vec(), raw as f64),
        "u64" | "i64" => (raw.to_be_bytes().to_vec(), raw as f64),
        "f32" => ((raw as f32 + half as f32).to_be_bytes().to_vec(), raw as f64 + half),
        "f64" => ((raw as f64 + half).to_be_bytes().to_vec(), raw as f64 + half),
        "sm32" => ((raw.unsigned_abs() as u32 | u32::from(raw < 0) << 31).to_be_bytes().to_vec(), raw as f64),
        "t6" => {
            // Tenths, and the mantissa with its sign in 24 bits.
            let mantissa = ((raw * 10 + 3) as i32).to_be_bytes();
            (vec![-1_i8 as u8, mantissa[1], mantissa[2], mantissa[3]], (raw * 10 + 3) as f64 / 10.0)
        }
        other => panic!("no such type: {other}"),
    };
    if none {
        bytes = pattern(term);
    }
    let mut places = words(&bytes);
    if term.order.as_deref() == Some("little") {
        places.reverse();
    }
    set(registers, function, term.address, &places);
    if let Some(sign) = term.sign {
        set(registers, function, sign, &[negative.into()]);
    }
    if let Some(exponent) = term.exponent {
        set(registers, function, exponent, &[EXPONENT as u16]);
        value *= 10_f64.powi(EXPONENT.into());
    }
    value * scale(term) * milli(term)
}

/// The bytes that mean "no value".
fn pattern(term: &Term) -> Vec<u8> {
    let width = match term.kind.as_str() {
        "u16" | "i16" => 2,
        "u64" | "i64" | "f64" => 8,
        _ => 4,
    };
    if let Some(pattern) = &term.invalid {
        let bits = u64::from_str_radix(pattern.trim_start_matches("0x"), 16).unwrap();
        return bits.to_be_bytes()[8 - width..].to_vec();
    }
    match term.kind.as_str() {
        "f32" => f32::NAN.to_be_bytes().to_vec(),
        "f64" => f64::NAN.to_be_bytes().to_vec(),
        "i16" | "i32" | "i64" => [&[0x80_u8][..], &[0; 7]].concat()[..width].to_vec(),
        "sm32" | "t6" => vec![0x7F, 0xFF, 0xFF, 0xFF],
        _ => vec![0xFF; width],
    }
}

/// Whether the number can be negative.
fn signed(term: &Term) -> bool {
    term.sign.is_some() || !term.kind.starts_with('u')
}

fn scale(term: &Term) -> f64 {
    term.scale.as_deref().unwrap_or("1").parse().unwrap()
}

/// mW or mWh in the term's unit.
fn milli(term: &Term) -> f64 {
    match term.unit.as_deref().unwrap_or("mW").trim_end_matches('h') {
        "mW" => 1.0,
        "W" => 1e3,
        "kW" => 1e6,
        other => panic!("no such unit: {other}"),
    }
}

/// Writes a chain of models without values.
fn link(registers: &mut Registers, chain: &Chain) {
    let mut address = chain.base;
    set(registers, 3, address, &words(b"SunS"));
    address += 2;
    for (id, length) in &chain.models {
        set(registers, 3, address, &[*id, *length]);
        set(registers, 3, address + 2, &vec![FILLER; usize::from(*length)]);
        address += 2 + length;
    }
    set(registers, 3, address, &[0xFFFF, 0]);
    let mut name = chain.manufacturer.clone().into_bytes();
    name.resize(32, 0);
    set(registers, 3, chain.base + 4, &words(&name));
}

/// Writes a serial number and returns its text.
fn number(registers: &mut Registers, serial: &Serial, unit: u8) -> String {
    let number = 12_340_000 + u32::from(unit);
    let (mut places, text) = match serial.kind.as_str() {
        "u32" if serial.hex => (words(&number.to_be_bytes()), format!("{number:08X}")),
        "u32" => (words(&number.to_be_bytes()), number.to_string()),
        "bcd" => {
            let digits = u32::from_str_radix(&number.to_string(), 16).unwrap();
            (words(&digits.to_be_bytes()), number.to_string())
        }
        "ascii" => {
            let length = 2 * usize::from(serial.registers.unwrap());
            let text = format!("SN{number}");
            let text = text[..text.len().min(length)].to_owned();
            let mut bytes = text.clone().into_bytes();
            bytes.resize(length, 0);
            (words(&bytes), text)
        }
        other => panic!("no such serial number: {other}"),
    };
    if serial.order.as_deref() == Some("little") {
        places.reverse();
    }
    set(registers, serial.function, serial.address, &places);
    text
}

fn set(registers: &mut Registers, function: u8, address: u16, words: &[u16]) {
    registers.extend((address..).zip(words).map(|(address, word)| ((function, address), *word)));
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}
