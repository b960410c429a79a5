//! The number formats of registers: how words become a number, and how fine that number can be.

use super::exact::Fraction;

/// How a number lies in its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub kind: Kind,
    /// The lowest register holds the least significant word.
    pub low_word_first: bool,
    /// Each register holds its low byte first.
    pub low_byte_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
}

impl Kind {
    /// The word a profile uses for each.
    pub(super) const WORDS: [(&str, Kind); 8] = [
        ("u16", Kind::U16),
        ("i16", Kind::I16),
        ("u32", Kind::U32),
        ("i32", Kind::I32),
        ("u64", Kind::U64),
        ("i64", Kind::I64),
        ("f32", Kind::F32),
        ("f64", Kind::F64),
    ];

    /// `u16`, `f32`, ...
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("?", |(word, _)| word)
    }

    /// How many registers it takes: 1, 2 or 4.
    pub fn registers(self) -> u16 {
        match self {
            Kind::U16 | Kind::I16 => 1,
            Kind::U32 | Kind::I32 | Kind::F32 => 2,
            Kind::U64 | Kind::I64 | Kind::F64 => 4,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Kind::F32 | Kind::F64)
    }

    /// How many different values a count in this format has from zero up; for a float, up to where it still counts in ones.
    pub(super) fn range(self) -> u128 {
        match self {
            Kind::U16 => 1 << 16,
            Kind::I16 => 1 << 15,
            Kind::U32 => 1 << 32,
            Kind::I32 => 1 << 31,
            Kind::U64 => 1 << 64,
            Kind::I64 => 1 << 63,
            Kind::F32 | Kind::F64 => 1 << 53,
        }
    }

    /// The patterns that mean "no value" unless the profile says otherwise: the ends of an integer's range. Meters use them for
    /// "not available" and for "over range"; a true value that happens to be one costs a single reading.
    pub(super) fn default_invalid(self) -> Vec<u64> {
        match self {
            Kind::U16 => vec![0xFFFF],
            Kind::I16 => vec![0x8000, 0x7FFF],
            Kind::U32 => vec![0xFFFF_FFFF],
            Kind::I32 => vec![0x8000_0000, 0x7FFF_FFFF],
            Kind::U64 => vec![u64::MAX],
            Kind::I64 => vec![1 << 63, i64::MAX as u64],
            Kind::F32 | Kind::F64 => Vec::new(),
        }
    }
}

impl Format {
    /// The pattern in these registers, most significant bit first.
    pub(super) fn bits(self, words: &[u16]) -> u64 {
        let in_order = |word: &u16| if self.low_byte_first { word.swap_bytes() } else { *word };
        let append = |bits: u64, word: u16| bits << 16 | u64::from(word);
        if self.low_word_first {
            words.iter().map(in_order).rev().fold(0, append)
        } else {
            words.iter().map(in_order).fold(0, append)
        }
    }

    /// The number in these registers, for a first look at them; `None` where they hold none.
    pub fn number(self, words: &[u16]) -> Option<f64> {
        let raw = Raw::new(self.kind, self.bits(words));
        raw.is_finite().then_some(match raw {
            Raw::Integer(value) => value as f64,
            Raw::Single(value) => value.into(),
            Raw::Double(value) => value,
        })
    }

    /// What differs from high word and high byte first, in words; empty where nothing does.
    pub fn order(self) -> &'static str {
        match (self.low_word_first && self.kind.registers() > 1, self.low_byte_first) {
            (false, false) => "",
            (true, false) => "low word first",
            (false, true) => "low byte first",
            (true, true) => "low word first, low byte first",
        }
    }
}

/// A number out of registers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Raw {
    Integer(i128),
    Single(f32),
    Double(f64),
}

impl Raw {
    pub(super) fn new(kind: Kind, bits: u64) -> Self {
        match kind {
            Kind::U16 | Kind::U32 | Kind::U64 => Raw::Integer(bits.into()),
            Kind::I16 => Raw::Integer((bits as u16 as i16).into()),
            Kind::I32 => Raw::Integer((bits as u32 as i32).into()),
            Kind::I64 => Raw::Integer((bits as i64).into()),
            Kind::F32 => Raw::Single(f32::from_bits(bits as u32)),
            Kind::F64 => Raw::Double(f64::from_bits(bits)),
        }
    }

    pub(super) fn is_finite(self) -> bool {
        match self {
            Raw::Integer(_) => true,
            Raw::Single(value) => value.is_finite(),
            Raw::Double(value) => value.is_finite(),
        }
    }

    /// Exactly this number; `None` where it is not finite or beyond 2^120. A float below 2^-40 counts as zero: no meter means it.
    pub(super) fn value(self) -> Option<Fraction> {
        match self {
            Raw::Integer(value) => Some(Fraction::whole(value)),
            Raw::Single(value) => float(f64::from(value)),
            Raw::Double(value) => float(value),
        }
    }

    /// The least digit: 1, or the distance to the next float of larger magnitude. Zero where a float's is below 2^-40.
    pub(super) fn digit(self) -> Option<Fraction> {
        match self {
            Raw::Integer(_) => Some(Fraction::ONE),
            Raw::Single(value) => {
                let size = value.abs();
                float(f64::from(f32::from_bits(size.to_bits() + 1)) - f64::from(size))
            }
            Raw::Double(value) => {
                let size = value.abs();
                float(f64::from_bits(size.to_bits() + 1) - size)
            }
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(kind: Kind, low_word_first: bool, low_byte_first: bool) -> Format {
        Format { kind, low_word_first, low_byte_first }
    }

    #[test]
    fn words_and_bytes_in_each_order() {
        let words = [0x1234, 0x5678];
        assert_eq!(format(Kind::U32, false, false).bits(&words), 0x1234_5678);
        assert_eq!(format(Kind::U32, true, false).bits(&words), 0x5678_1234);
        assert_eq!(format(Kind::U32, false, true).bits(&words), 0x3412_7856);
        assert_eq!(format(Kind::U32, true, true).bits(&words), 0x7856_3412);
        assert_eq!(format(Kind::U64, true, false).bits(&[1, 2, 3, 4]), 0x0004_0003_0002_0001);
    }

    #[test]
    fn signs_reach_across_the_type() {
        assert_eq!(Raw::new(Kind::I16, 0xFFFE), Raw::Integer(-2));
        assert_eq!(Raw::new(Kind::I32, 0xFFFF_FFFE), Raw::Integer(-2));
        assert_eq!(Raw::new(Kind::I64, u64::MAX - 1), Raw::Integer(-2));
        assert_eq!(Raw::new(Kind::U64, u64::MAX - 1), Raw::Integer(i128::from(u64::MAX) - 1));
    }

    #[test]
    fn a_float_says_how_fine_it_is() {
        // 131072 kWh in f32: the next float is 1/64 kWh away.
        assert_eq!(Raw::Single(131_072.0).digit(), Fraction::new(1, 64));
        assert_eq!(Raw::Single(131_071.99).digit(), Fraction::new(1, 128));
        assert_eq!(Raw::Double(2_f64.powi(53)).digit(), Some(Fraction::whole(2)));
        assert_eq!(Raw::Single(0.0).digit(), Some(Fraction::ZERO));
        assert_eq!(Raw::Single(f32::NAN).value(), None);
        assert_eq!(Raw::Double(f64::INFINITY).value(), None);
        assert_eq!(Raw::Double(1e300).value(), None);
        assert_eq!(Raw::Single(-0.0).value(), Some(Fraction::ZERO));
    }

    proptest! {
        #[test]
        fn a_float_is_taken_exactly(value in -1e15_f64..1e15) {
            // Both operations are exact in f64 where the fraction is: a power of two as denominator.
            prop_assert_eq!(Raw::Double(value).value().unwrap().approximate(), value);
        }
    }
}
