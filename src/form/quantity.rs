//! Quantities as an installer writes them, read exactly: never through binary floating point.

use crate::units::Milliwatts;

/// A power above zero with its unit, exact to the milliwatt, at most 1 TW.
pub(super) fn parse_power(text: &str) -> Option<Milliwatts> {
    const UNITS: [(&str, u32); 5] = [("mW", 0), ("kW", 6), ("MW", 9), ("GW", 12), ("W", 3)];
    let (digits, power_of_ten) =
        UNITS.iter().find_map(|(unit, exponent)| Some((text.strip_suffix(unit)?, *exponent)))?;
    let (whole, fraction) = digits.trim_end().split_once('.').unwrap_or((digits.trim_end(), ""));
    let plain = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > power_of_ten as usize {
        return None;
    }
    let scaled = format!("{whole}{fraction}{}", "0".repeat(power_of_ten as usize - fraction.len()));
    scaled.parse().ok().filter(|power| (1..=1_000_000_000_000_000).contains(power)).map(Milliwatts)
}
