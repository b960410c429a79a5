//! A number out of registers: exactly what the bits say, and how fine that number can be.

use super::exact::Fraction;
use super::number::{Format, Kind};

/// A number out of registers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RawNumber {
    Integer(i128),
    Single(f32),
    Double(f64),
    /// The number, and the power of ten that it is to be multiplied with.
    Decimal(i32, i8),
}

impl RawNumber {
    /// `None` where the registers hold no number: NaN, infinity, a digit above 9, a group above 9999.
    pub(super) fn new(kind: Kind, bits: u64) -> Option<Self> {
        let width = 16 * u32::from(kind.registers());
        let raw = match kind {
            Kind::U16 | Kind::U32 | Kind::U48 | Kind::U64 => RawNumber::Integer(bits.into()),
            Kind::I16 | Kind::I32 | Kind::I48 | Kind::I64 => RawNumber::Integer(signed(bits, width).into()),
            Kind::F32 => RawNumber::Single(Some(f32::from_bits(bits as u32)).filter(|value| value.is_finite())?),
            Kind::F64 => RawNumber::Double(Some(f64::from_bits(bits)).filter(|value| value.is_finite())?),
            Kind::Sm16 | Kind::Sm32 | Kind::Sm64 => {
                let minus = 1 << (width - 1);
                let size = i128::from(bits & (minus - 1));
                RawNumber::Integer(if bits & minus == 0 { size } else { -size })
            }
            Kind::Bcd16 | Kind::Bcd32 | Kind::Bcd48 | Kind::Bcd64 => RawNumber::Integer(digits(bits, 4, 10)?),
            Kind::Mod10k32 | Kind::Mod10k48 | Kind::Mod10k64 => RawNumber::Integer(digits(bits, 16, 10_000)?),
            Kind::T5 => RawNumber::Decimal((bits & 0x00FF_FFFF) as i32, (bits >> 24) as i8),
            Kind::T6 => RawNumber::Decimal(signed(bits & 0x00FF_FFFF, 24) as i32, (bits >> 24) as i8),
        };
        Some(raw)
    }

    /// Exactly this number; `None` where it is beyond 2^120 (of a power of ten: 10^38). A float below 2^-40 counts as zero: no meter means it.
    pub(super) fn value(self) -> Option<Fraction> {
        match self {
            RawNumber::Integer(value) => Some(Fraction::whole(value)),
            RawNumber::Single(value) => float(f64::from(value)),
            RawNumber::Double(value) => float(value),
            RawNumber::Decimal(0, _) => Some(Fraction::ZERO),
            RawNumber::Decimal(number, exponent) => {
                Fraction::power_of_ten(exponent.into())?.times(Fraction::whole(number.into()))
            }
        }
    }

    /// The least digit: 1, the power of ten, or the distance to the next float of larger magnitude. Zero where a float's is below 2^-40.
    pub(super) fn digit(self) -> Option<Fraction> {
        match self {
            RawNumber::Integer(_) => Some(Fraction::ONE),
            RawNumber::Single(value) => {
                let size = value.abs();
                float(f64::from(f32::from_bits(size.to_bits() + 1)) - f64::from(size))
            }
            RawNumber::Double(value) => {
                let size = value.abs();
                float(f64::from_bits(size.to_bits() + 1) - size)
            }
            RawNumber::Decimal(_, exponent) => Fraction::power_of_ten(exponent.into()),
        }
    }
}

impl Format {
    /// The number in these registers, for a first look at them; `None` where they hold none.
    pub fn number(self, words: &[u16]) -> Option<f64> {
        Some(match RawNumber::new(self.kind, self.bits(words))? {
            RawNumber::Integer(value) => value as f64,
            RawNumber::Single(value) => value.into(),
            RawNumber::Double(value) => value,
            RawNumber::Decimal(number, exponent) => f64::from(number) * 10_f64.powi(exponent.into()),
        })
    }
}

/// A float as the fraction that it is: its mantissa times a power of two.
fn float(value: f64) -> Option<Fraction> {
    if !value.is_finite() {
        return None;
    }
    if value.abs() < 2_f64.powi(-40) {
        return Some(Fraction::ZERO);
    }
    let bits = value.to_bits();
    let mantissa = i128::from(bits & ((1 << 52) - 1) | 1 << 52);
    let exponent = (bits >> 52 & 0x7FF) as i32 - 1075;
    let (mantissa, exponent) = (mantissa >> mantissa.trailing_zeros(), exponent + mantissa.trailing_zeros() as i32);
    let signed = if value < 0.0 { -mantissa } else { mantissa };
    let power = 1_i128.checked_shl(exponent.unsigned_abs()).filter(|power| *power > 0)?;
    if exponent < 0 { Fraction::new(signed, power) } else { signed.checked_mul(power).map(Fraction::whole) }
}

/// Two's complement of `width` bits.
fn signed(bits: u64, width: u32) -> i64 {
    let unused = 64 - width;
    (bits << unused) as i64 >> unused
}

/// Digits of `width` bits each, every one below `base`.
fn digits(bits: u64, width: u32, base: u64) -> Option<i128> {
    let places = (0..64 / width).rev().map(|place| bits >> (place * width) & ((1 << width) - 1));
    places
        .into_iter()
        .try_fold(0, |number: i128, digit| (digit < base).then(|| number * i128::from(base) + i128::from(digit)))
}

#[cfg(test)]
mod tests;
