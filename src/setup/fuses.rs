//! The fuses of a connection, `3x25`: what the connection can carry.

use std::fmt;

use crate::form::parse_power;
use crate::units::Milliwatts;

/// Volts between phase and neutral.
const VOLTS: i64 = 230;
/// Amperes of the largest fuse that is accepted: above it, the power is written instead.
const MAX_AMPERES: i64 = 2000;
/// In mW: less carries no appliance, more is no single meter.
const RANGE: std::ops::RangeInclusive<i64> = 100_000..=1_000_000_000_000;

/// What a connection can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fuses {
    /// Phases and amperes: `3x25`.
    Phases {
        /// 1 or 3.
        phases: i64,
        /// 1 to 2000.
        amperes: i64,
    },
    /// A power: `17kW`.
    Power(Milliwatts),
}

impl Fuses {
    /// Reads `3x25`, `1x16A`, or `17kW`.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        const HELP: &str = "write phases x amperes, such as 3x25, or a power such as 17kW";
        let wrong = || format!("`{}` is not a fuse: {HELP}", crate::text::foreign(text, 40));
        if let Some(power) = parse_power(text) {
            return if RANGE.contains(&power.0) { Ok(Fuses::Power(power)) } else { Err(wrong()) };
        }
        let (phases, amperes) = text.split_once(['x', 'X', '*']).ok_or_else(wrong)?;
        let amperes = amperes.trim_end_matches(['A', 'a']);
        let number = |text: &str| text.parse::<i64>().map_err(|_| wrong());
        match (number(phases)?, number(amperes)?) {
            (phases @ (1 | 3), amperes @ 1..=MAX_AMPERES) => Ok(Fuses::Phases { phases, amperes }),
            (1 | 3, _) => Err(format!("a fuse has 1 to {MAX_AMPERES} A: {HELP}")),
            _ => Err(format!("a connection has 1 or 3 phases: {HELP}")),
        }
    }

    /// The power that it can carry.
    pub fn power(self) -> Milliwatts {
        match self {
            Fuses::Phases { phases, amperes } => Milliwatts(phases * amperes * VOLTS * 1000),
            Fuses::Power(power) => power,
        }
    }

    /// `3 x 25 A x 230 V = 17.25 kW`, or the power alone.
    pub fn in_words(self) -> String {
        let kilowatts = self.power().0 as f64 / 1e6;
        match self {
            Fuses::Phases { phases, amperes } => format!("{phases} x {amperes} A x {VOLTS} V = {kilowatts} kW"),
            Fuses::Power(_) => format!("{kilowatts} kW"),
        }
    }
}

impl fmt::Display for Fuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fuses::Phases { phases, amperes } => write!(f, "{phases}x{amperes}"),
            Fuses::Power(power) => write!(f, "{}W", power.0 / 1000),
        }
    }
}

/// The fuses of each of `count` meters: one for all, or one for each.
///
/// # Errors
/// A text that is no fuse, or another number of them.
pub(super) fn parse_all(text: &str, count: usize) -> Result<Vec<Fuses>, String> {
    let text = without_inner_spaces(text);
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let fuses = words.map(Fuses::parse).collect::<Result<Vec<_>, _>>()?;
    match fuses.len() {
        1 => Ok(vec![fuses[0]; count]),
        given if given == count => Ok(fuses),
        0 => Err("write the fuses, such as 3x25".to_owned()),
        given => Err(format!("{given} fuses for {count} meters: write one for all, or one for each")),
    }
}

/// `3 x 25 A` as `3x25A`: the spaces around the sign of a product and before a unit do not separate two answers.
fn without_inner_spaces(text: &str) -> String {
    let is_sign = |word: &str| matches!(word, "x" | "X" | "*");
    let is_unit = |word: &str| ["A", "W", "kW"].iter().any(|unit| word.eq_ignore_ascii_case(unit));
    let (mut joined, mut open) = (String::new(), true);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !open && !is_sign(word) && !is_unit(word.trim_end_matches(',')) {
            joined.push(' ');
        }
        joined.push_str(word);
        open = is_sign(word);
    }
    joined
}
