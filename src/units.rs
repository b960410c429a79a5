//! Quantities as checked integers with a unit, and identifiers that are valid by construction.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Active power in milliwatts. Positive is consumption, negative is export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Milliwatts(pub i64);

impl Milliwatts {
    /// The power to report: export counts as 0.
    pub fn consumed(self) -> Self {
        Milliwatts(self.0.max(0))
    }

    /// In watts, for people and metrics only.
    pub fn watts(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// `2.1 W`, `950 W`, `1.23 kW`.
    pub fn in_words(self) -> String {
        let watts = self.watts();
        match watts.abs() {
            small if small < 100.0 => format!("{watts:.1} W"),
            middle if middle < 1000.0 => format!("{watts:.0} W"),
            _ => format!("{:.2} kW", watts / 1000.0),
        }
    }
}

/// Energy in milliwatt-hours: a register as the meter counts it, or a published figure.
///
/// Range 0 ..= [`MilliwattHours::MAX`]: JSON numbers are exact up to 2^53 - 1 (9 TWh), and Arkreen is sent nothing above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct MilliwattHours(u64);

impl MilliwattHours {
    /// 0 mWh.
    pub const ZERO: Self = MilliwattHours(0);
    /// 2^53 - 1 mWh, the largest integer that every JSON reader reads exactly.
    pub const MAX: Self = MilliwattHours((1 << 53) - 1);

    /// `None` above [`MilliwattHours::MAX`].
    pub const fn new(value: u64) -> Option<Self> {
        if value <= Self::MAX.0 { Some(MilliwattHours(value)) } else { None }
    }

    /// The number of mWh.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// `None` if the sum would exceed [`MilliwattHours::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::new)
    }

    /// `None` if `other` is larger.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(MilliwattHours)
    }

    /// 0 if `other` is larger.
    pub fn saturating_sub(self, other: Self) -> Self {
        MilliwattHours(self.0.saturating_sub(other.0))
    }

    /// In kilowatt-hours, for people only.
    pub fn kilowatt_hours(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// `180004.166 kWh`, rounded down: never shows more energy than there is.
    pub fn in_words(self) -> String {
        format!("{} kWh", self.in_kilowatt_hours())
    }

    /// `180004.166`, in kWh, rounded down.
    pub fn in_kilowatt_hours(self) -> String {
        let watt_hours = self.0 / 1000;
        format!("{}.{:03}", watt_hours / 1000, watt_hours % 1000)
    }

    /// In joules, for metrics only (1 mWh = 3.6 J).
    pub fn joules(self) -> f64 {
        self.0 as f64 * 3.6
    }
}

impl TryFrom<u64> for MilliwattHours {
    type Error = &'static str;

    fn try_from(value: u64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or("an energy above 2^53 - 1 mWh")
    }
}

impl From<MilliwattHours> for u64 {
    fn from(value: MilliwattHours) -> u64 {
        value.0
    }
}

/// The Modbus unit identifier of one meter: 1 ..= 247 on a serial line (0 is broadcast, 248 and above are reserved), 0 ..= 255 over Modbus
/// TCP, where some devices answer to 0 or 255 only. Source: Modbus over Serial Line V1.02, section 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(u8);

impl UnitId {
    /// `None` for 0 and for 248 and above.
    pub fn new(value: i64) -> Option<Self> {
        u8::try_from(value).ok().filter(|unit| (1..=247).contains(unit)).map(UnitId)
    }

    /// A unit that may be of Modbus TCP only. `None` outside of 0 ..= 255.
    pub fn on_tcp(value: i64) -> Option<Self> {
        u8::try_from(value).ok().map(UnitId)
    }

    /// Whether it can be on a serial line.
    pub fn is_serial(self) -> bool {
        (1..=247).contains(&self.0)
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The parity bit of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// No parity bit.
    None,
    /// An even number of ones.
    Even,
    /// An odd number of ones.
    Odd,
}

impl Parity {
    /// Each parity with the word that configurations and profiles use for it.
    pub(crate) const WORDS: [(&str, Parity); 3] =
        [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];

    /// `none`, `even` or `odd`.
    pub fn word(self) -> &'static str {
        match self {
            Parity::None => "none",
            Parity::Even => "even",
            Parity::Odd => "odd",
        }
    }
}

/// The name of a table in the configuration: of an account, a bus, a meter, a client or a profile.
///
/// 1 ..= 64 characters of `A-Z a-z 0-9 _ -`: usable unquoted as a TOML key, as a metrics label and in a log line. Never 32 hex digits in a
/// row, because that is a token or identifier in the wrong place, and names are shown everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(Arc<str>);

impl Name {
    /// `None` if the text is not a valid name.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len());
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        let secret = text.split(|character: char| !character.is_ascii_hexdigit()).any(|run| run.len() >= 32);
        (fits && plain && !secret).then(|| Name(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Name::new(&text).ok_or_else(|| serde::de::Error::custom("not a name: 1 to 64 of A-Z a-z 0-9 _ -"))
    }
}

/// A client identifier issued by Arkreen: 32 bytes, written as `0x` and 64 hex digits.
///
/// `Display` and `Debug` shorten it; only [`ClientId::to_hex`] gives all digits, for the call and the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId([u8; 32]);

impl ClientId {
    /// `None` unless the text is `0x` and 64 hex digits (either case).
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64)?;
        let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * index..][..2], 16).ok()?;
        }
        Some(ClientId(bytes))
    }

    /// Whether it is the placeholder of the annotated example: only zeros.
    pub fn is_placeholder(self) -> bool {
        self.0 == [0; 32]
    }

    /// `0x` and 64 lower-case hex digits.
    pub fn to_hex(self) -> String {
        self.0.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, .., last_but_one, last] = self.0;
        write!(f, "0x{first:02x}{second:02x}…{last_but_one:02x}{last:02x}")
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
