//! The number that registers hold: exactly what the bits say, and its resolution.

use num_traits::CheckedMul;
use num_traits::float::FloatCore;

use super::exact::{Exact, ONE, ZERO, power_of_ten};
use super::number::{Format, Kind};

/// The number that registers hold, before its scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RawNumber {
    Integer(i128),
    Single(f32),
    Double(f64),
    /// `digits` x 10^`exponent`.
    Decimal {
        digits: i32,
        exponent: i8,
    },
}

impl RawNumber {
    /// `None` where the registers hold no number: NaN, infinity, a BCD digit above 9, a group above 9999.
    pub(super) fn new(kind: Kind, bits: u64) -> Option<Self> {
        let width = 16 * u32::from(kind.registers());
        let exponent = (bits >> 24) as i8;
        let raw = match kind {
            Kind::U16 | Kind::U32 | Kind::U48 | Kind::U64 => RawNumber::Integer(bits.into()),
            Kind::I16 | Kind::I32 | Kind::I48 | Kind::I64 => RawNumber::Integer(signed(bits, width).into()),
            Kind::F32 => RawNumber::Single(Some(f32::from_bits(bits as u32)).filter(|value| value.is_finite())?),
            Kind::F64 => RawNumber::Double(Some(f64::from_bits(bits)).filter(|value| value.is_finite())?),
            Kind::Sm16 | Kind::Sm32 | Kind::Sm64 => {
                let minus = 1 << (width - 1);
                let magnitude = i128::from(bits & (minus - 1));
                RawNumber::Integer(if bits & minus == 0 { magnitude } else { -magnitude })
            }
            Kind::Bcd16 | Kind::Bcd32 | Kind::Bcd48 | Kind::Bcd64 => RawNumber::Integer(digits(bits, 4, 10)?),
            Kind::Mod10k32 | Kind::Mod10k48 | Kind::Mod10k64 => RawNumber::Integer(digits(bits, 16, 10_000)?),
            Kind::T5 => RawNumber::Decimal { digits: (bits & 0x00FF_FFFF) as i32, exponent },
            Kind::T6 => RawNumber::Decimal { digits: signed(bits & 0x00FF_FFFF, 24) as i32, exponent },
        };
        Some(raw)
    }

    /// The exact value. `None` beyond about 10^38. A float below 2^-40 counts as zero: no meter measures that little.
    pub(super) fn value(self) -> Option<Exact> {
        match self {
            RawNumber::Integer(value) => Some(Exact::from_integer(value)),
            RawNumber::Single(value) => exact_float(value.into()),
            RawNumber::Double(value) => exact_float(value),
            RawNumber::Decimal { digits: 0, .. } => Some(ZERO),
            RawNumber::Decimal { digits, exponent } => {
                power_of_ten(exponent.into())?.checked_mul(&Exact::from_integer(digits.into()))
            }
        }
    }

    /// The resolution: 1, the power of ten, or the distance to the next float of larger magnitude. Zero for a distance below 2^-40.
    pub(super) fn step(self) -> Option<Exact> {
        match self {
            RawNumber::Integer(_) => Some(ONE),
            RawNumber::Single(value) => exact_float(f64::from(value.abs().next_up()) - f64::from(value.abs())),
            RawNumber::Double(value) => exact_float(value.abs().next_up() - value.abs()),
            RawNumber::Decimal { exponent, .. } => power_of_ten(exponent.into()),
        }
    }
}

impl Format {
    /// The number in these registers, approximately. `None` where they hold none.
    pub fn number(self, words: &[u16]) -> Option<f64> {
        Some(match RawNumber::new(self.kind, self.bits(words))? {
            RawNumber::Integer(value) => value as f64,
            RawNumber::Single(value) => value.into(),
            RawNumber::Double(value) => value,
            RawNumber::Decimal { digits, exponent } => f64::from(digits) * 10_f64.powi(exponent.into()),
        })
    }
}

fn exact_float(value: f64) -> Option<Exact> {
    if !value.is_finite() {
        return None;
    }
    if value.abs() < 2_f64.powi(-40) {
        return Some(ZERO);
    }
    let (mantissa, exponent, sign) = value.integer_decode();
    let mantissa = i128::from(mantissa) * i128::from(sign);
    let power = 1_i128.checked_shl(exponent.unsigned_abs().into())?;
    if exponent < 0 { Some(Exact::new(mantissa, power)) } else { mantissa.checked_mul(power).map(Exact::from_integer) }
}

/// Two's complement of `width` bits.
fn signed(bits: u64, width: u32) -> i64 {
    let unused = 64 - width;
    (bits << unused) as i64 >> unused
}

/// Digits of `width` bits each. `None` where one is not below `base`.
fn digits(bits: u64, width: u32, base: u64) -> Option<i128> {
    let mut digits = (0..64 / width).rev().map(|index| bits >> (index * width) & ((1 << width) - 1));
    digits.try_fold(0, |number: i128, digit| (digit < base).then(|| number * i128::from(base) + i128::from(digit)))
}

#[cfg(test)]
mod tests;
