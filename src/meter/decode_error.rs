//! Why registers hold no value.

use std::fmt;

use super::range::RegisterRange;

/// Why registers hold no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecodeError {
    NotANumber(RegisterRange),
    /// The meter's own pattern for it.
    NoValue(RegisterRange, u64),
    /// Zero, or below.
    NoRatio(RegisterRange),
    NoExponent(RegisterRange),
    NoSign(RegisterRange),
    Negative,
    TooLarge,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::NotANumber(range) => write!(f, "not a number ({range})"),
            DecodeError::NoValue(range, bits) => write!(f, "0x{bits:04X} ({range}) means that the meter has no value"),
            DecodeError::NoRatio(range) => write!(f, "the ratio in {range} is not above zero: set it at the meter"),
            DecodeError::NoExponent(range) => write!(f, "what {range} holds is no power of ten"),
            DecodeError::NoSign(range) => write!(f, "what {range} holds is no sign that the profile knows"),
            DecodeError::Negative => write!(f, "negative; check type and word order in the profile"),
            DecodeError::TooLarge => {
                write!(f, "larger than any meter counts; check type, word order and scale in the profile")
            }
        }
    }
}
