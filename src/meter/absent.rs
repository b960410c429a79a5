//! Why registers hold no value.

use std::fmt;

use super::block::RegisterRange;

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
            DecodeError::NotANumber(block) => write!(f, "not a number ({block})"),
            DecodeError::NoValue(block, bits) => write!(f, "0x{bits:04X} ({block}) means that the meter has no value"),
            DecodeError::NoRatio(block) => write!(f, "the ratio in {block} is not above zero: set it at the meter"),
            DecodeError::NoExponent(block) => write!(f, "what {block} holds is no power of ten"),
            DecodeError::NoSign(block) => write!(f, "what {block} holds is no sign that the profile knows"),
            DecodeError::Negative => write!(f, "negative; check type and word order in the profile"),
            DecodeError::TooLarge => {
                write!(f, "larger than any meter counts; check type, word order and scale in the profile")
            }
        }
    }
}
