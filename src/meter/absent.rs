//! Why registers hold no value.

use std::fmt;

use super::block::Block;

/// Why registers hold no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    NotANumber(Block),
    /// The meter's own pattern for it.
    NoValue(Block, u64),
    /// Zero, or below.
    NoRatio(Block),
    NoExponent(Block),
    NoSign(Block),
    Negative,
    TooLarge,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absent::NotANumber(block) => write!(f, "not a number ({block})"),
            Absent::NoValue(block, bits) => write!(f, "0x{bits:04X} ({block}) means that the meter has no value"),
            Absent::NoRatio(block) => write!(f, "the ratio in {block} is not above zero: set it at the meter"),
            Absent::NoExponent(block) => write!(f, "what {block} holds is no power of ten"),
            Absent::NoSign(block) => write!(f, "what {block} holds is no sign that the profile knows"),
            Absent::Negative => write!(f, "negative; check type and word order in the profile"),
            Absent::TooLarge => {
                write!(f, "larger than any meter counts; check type, word order and scale in the profile")
            }
        }
    }
}
