//! Why registers hold no value.

use super::range::RegisterRange;

/// Why registers hold no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("not a number ({0})")]
    NotANumber(RegisterRange),
    /// The registers hold the meter's pattern for it.
    #[error("0x{1:04X} ({0}) means that the meter has no value")]
    NoValue(RegisterRange, u64),
    #[error("the ratio in {0} is not above zero: set it at the meter")]
    NoRatio(RegisterRange),
    #[error("the value in {0} is not a power of ten")]
    NoExponent(RegisterRange),
    #[error("the value in {0} is not a sign that the profile defines")]
    NoSign(RegisterRange),
    #[error("negative; check type and word order in the profile")]
    Negative,
    #[error("larger than any meter counts; check type, word order and scale in the profile")]
    TooLarge,
}
