//! The number formats of registers: what a profile calls each, how many registers it takes, and in which order they come.

use std::fmt;

/// How registers hold a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The number's type, which also gives the count of registers.
    pub kind: Kind,
    /// The lowest register holds the least significant word.
    pub low_word_first: bool,
    /// Each register holds its low byte first.
    pub low_byte_first: bool,
}

/// The type of a number, as the profile key `type` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the integer types say everything")]
pub enum Kind {
    U16,
    I16,
    U32,
    I32,
    U48,
    I48,
    U64,
    I64,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// Sign and magnitude: the highest bit is the sign.
    Sm16,
    Sm32,
    Sm64,
    /// Four decimal digits a register.
    Bcd16,
    Bcd32,
    Bcd48,
    Bcd64,
    /// Each register counts to 9999.
    Mod10k32,
    Mod10k48,
    Mod10k64,
    /// A signed power of ten in the highest 8 bits, an unsigned number in the others.
    T5,
    /// A signed power of ten in the highest 8 bits, a signed number in the others.
    T6,
}

impl Kind {
    /// Each type with the word that profiles use for it.
    pub(super) const WORDS: [(&str, Kind); 22] = [
        ("u16", Kind::U16),
        ("i16", Kind::I16),
        ("u32", Kind::U32),
        ("i32", Kind::I32),
        ("u48", Kind::U48),
        ("i48", Kind::I48),
        ("u64", Kind::U64),
        ("i64", Kind::I64),
        ("f32", Kind::F32),
        ("f64", Kind::F64),
        ("sm16", Kind::Sm16),
        ("sm32", Kind::Sm32),
        ("sm64", Kind::Sm64),
        ("bcd16", Kind::Bcd16),
        ("bcd32", Kind::Bcd32),
        ("bcd48", Kind::Bcd48),
        ("bcd64", Kind::Bcd64),
        ("mod10k32", Kind::Mod10k32),
        ("mod10k48", Kind::Mod10k48),
        ("mod10k64", Kind::Mod10k64),
        ("t5", Kind::T5),
        ("t6", Kind::T6),
    ];

    /// The types that hold whole numbers only.
    pub(super) fn integer_words() -> impl Iterator<Item = (&'static str, Kind)> {
        Self::WORDS.into_iter().filter(|(_, kind)| !kind.is_float() && !kind.has_exponent())
    }

    /// `u16`, `f32`, ...
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// How many registers it takes, 1 to 4.
    pub fn registers(self) -> u16 {
        match self {
            Kind::U16 | Kind::I16 | Kind::Sm16 | Kind::Bcd16 => 1,
            Kind::U32 | Kind::I32 | Kind::F32 | Kind::Sm32 | Kind::Bcd32 | Kind::Mod10k32 | Kind::T5 | Kind::T6 => 2,
            Kind::U48 | Kind::I48 | Kind::Bcd48 | Kind::Mod10k48 => 3,
            Kind::U64 | Kind::I64 | Kind::F64 | Kind::Sm64 | Kind::Bcd64 | Kind::Mod10k64 => 4,
        }
    }

    pub(super) fn is_signed(self) -> bool {
        let signed_integer =
            matches!(self, Kind::I16 | Kind::I32 | Kind::I48 | Kind::I64 | Kind::Sm16 | Kind::Sm32 | Kind::Sm64);
        signed_integer || self.is_float() || self == Kind::T6
    }

    /// Whether each decimal digit has four bits.
    pub(super) fn is_bcd(self) -> bool {
        matches!(self, Kind::Bcd16 | Kind::Bcd32 | Kind::Bcd48 | Kind::Bcd64)
    }

    /// Whether it is a binary float.
    pub fn is_float(self) -> bool {
        matches!(self, Kind::F32 | Kind::F64)
    }

    /// Whether the number contains its own power of ten.
    pub fn has_exponent(self) -> bool {
        matches!(self, Kind::T5 | Kind::T6)
    }

    /// How many values a counter of this type has from 0 up; for a float, up to the last whole number that it resolves.
    pub(super) fn range(self) -> u128 {
        let bits = 16 * u32::from(self.registers());
        match self {
            Kind::U16 | Kind::U32 | Kind::U48 | Kind::U64 => 1 << bits,
            Kind::I16 | Kind::I32 | Kind::I48 | Kind::I64 => 1 << (bits - 1),
            Kind::Sm16 | Kind::Sm32 | Kind::Sm64 => 1 << (bits - 1),
            Kind::F32 | Kind::F64 => 1 << 53,
            Kind::Bcd16 | Kind::Bcd32 | Kind::Bcd48 | Kind::Bcd64 => 10_u128.pow(bits / 4),
            Kind::Mod10k32 | Kind::Mod10k48 | Kind::Mod10k64 => 10_000_u128.pow(bits / 16),
            Kind::T5 => 1 << 24,
            Kind::T6 => 1 << 23,
        }
    }

    /// The patterns that mean "no value" unless the profile lists others: the ends of an integer's range.
    ///
    /// Meters use them for "not available" and "over range". A true value that equals one of them costs a single reading.
    pub(super) fn default_invalid(self) -> Vec<Pattern> {
        let ones = u64::MAX >> (64 - 16 * self.registers());
        let ends: &[u64] = match self {
            Kind::U16 | Kind::U32 | Kind::U48 | Kind::U64 | Kind::T5 => &[ones],
            Kind::I16 | Kind::I32 | Kind::I48 | Kind::I64 => &[ones / 2 + 1, ones / 2],
            Kind::Sm16 | Kind::Sm32 | Kind::Sm64 => &[ones, ones / 2],
            // A float uses NaN, the others a digit above 9 or 9999.
            _ => &[],
        };
        ends.iter().copied().map(Pattern::exactly).collect()
    }
}

/// Bits that mean "no value".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The bits that are compared.
    pub mask: u64,
    /// What these bits are.
    pub value: u64,
}

impl Pattern {
    pub(super) fn exactly(value: u64) -> Self {
        Pattern { mask: u64::MAX, value }
    }

    pub(super) fn matches(self, bits: u64) -> bool {
        bits & self.mask == self.value
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mask {
            u64::MAX => write!(f, "0x{:X}", self.value),
            mask => write!(f, "0x{:X} under 0x{mask:X}", self.value),
        }
    }
}

impl Format {
    /// The bits of these registers, most significant word first.
    pub(super) fn bits(self, words: &[u16]) -> u64 {
        let in_order = |word: &u16| if self.low_byte_first { word.swap_bytes() } else { *word };
        let append = |bits: u64, word: u16| bits << 16 | u64::from(word);
        if self.low_word_first {
            words.iter().map(in_order).rev().fold(0, append)
        } else {
            words.iter().map(in_order).fold(0, append)
        }
    }

    /// The order of words and bytes, in words; empty for high word and high byte first.
    pub fn order(self) -> &'static str {
        match (self.low_word_first && self.kind.registers() > 1, self.low_byte_first) {
            (false, false) => "",
            (true, false) => "low word first",
            (false, true) => "low byte first",
            (true, true) => "low word first, low byte first",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_a_word_with_its_width() {
        for (word, kind) in Kind::WORDS {
            let digits = word.trim_start_matches("mod10k").trim_start_matches(char::is_alphabetic);
            let bits = digits.parse().ok().filter(|bits| *bits >= 16).unwrap_or(32);
            assert_eq!((kind.word(), 16 * kind.registers()), (word, bits));
        }
    }

    fn format(kind: Kind, low_word_first: bool, low_byte_first: bool) -> Format {
        Format { kind, low_word_first, low_byte_first }
    }

    #[test]
    fn words_and_bytes_are_read_in_each_order() {
        let words = [0x1234, 0x5678];
        assert_eq!(format(Kind::U32, false, false).bits(&words), 0x1234_5678);
        assert_eq!(format(Kind::U32, true, false).bits(&words), 0x5678_1234);
        assert_eq!(format(Kind::U32, false, true).bits(&words), 0x3412_7856);
        assert_eq!(format(Kind::U32, true, true).bits(&words), 0x7856_3412);
        assert_eq!(format(Kind::U64, true, false).bits(&[1, 2, 3, 4]), 0x0004_0003_0002_0001);
    }
}
