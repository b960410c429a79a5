//! Parses quantities with their units exactly, never through binary floating point.

use crate::units::{MilliwattHours, Milliwatts};

/// Parses a power above zero with its unit ("20kW"), exact to the milliwatt, at most 1 TW.
pub fn parse_power(text: &str) -> Option<Milliwatts> {
    const UNITS: [(&str, u32); 5] = [("mW", 0), ("kW", 6), ("MW", 9), ("GW", 12), ("W", 3)];
    let power = i64::try_from(parse(text, &UNITS)?).ok()?;
    (1..=1_000_000_000_000_000).contains(&power).then_some(Milliwatts(power))
}

/// Parses an energy with its unit ("12.5kWh", "300Wh", "1.2MWh"), exact to the mWh.
pub fn parse_energy(text: &str) -> Option<MilliwattHours> {
    const UNITS: [(&str, u32); 5] = [("mWh", 0), ("kWh", 6), ("MWh", 9), ("GWh", 12), ("Wh", 3)];
    MilliwattHours::new(parse(text, &UNITS)?)
}

/// Parses a size with its unit ("100MB"), in bytes.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    parse(text, &[("kB", 3), ("MB", 6), ("GB", 9)])
}

/// Parses a decimal number with one of these units, each given with its power of ten. The result is in the smallest unit.
fn parse(text: &str, units: &[(&str, u32)]) -> Option<u64> {
    let (digits, power_of_ten) =
        units.iter().find_map(|(unit, exponent)| Some((text.strip_suffix(unit)?, *exponent)))?;
    let (whole, fraction) = digits.trim_end().split_once('.').unwrap_or((digits.trim_end(), ""));
    let plain = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > power_of_ten as usize {
        return None;
    }
    format!("{whole}{fraction}{}", "0".repeat(power_of_ten as usize - fraction.len())).parse().ok()
}
