//! Registers that modify the number next to them: its power of ten and its sign.

use super::decode_error::DecodeError;
use super::exact::{Exact, power_of_ten};
use super::number::{Format, Kind, Pattern};
use super::range::RegisterRange;
use super::raw::RawNumber;
use super::register_form::{self, Limits};
use crate::form::{Field, Form};

/// The register with the power of ten by which a number is multiplied.
#[derive(Clone, Debug, PartialEq)]
pub struct Exponent {
    /// One register.
    pub range: RegisterRange,
    /// A 16-bit format.
    pub format: Format,
    /// The bits of the register that hold it; 0xFFFF for all.
    pub mask: u16,
    /// The patterns that mean "not available".
    pub invalid: Vec<Pattern>,
}

/// The register with the sign of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sign {
    /// One register.
    pub range: RegisterRange,
    /// A 16-bit format.
    pub format: Format,
    /// The register's value where the number is negative.
    pub negative: i64,
    /// The register's value where the number is positive.
    pub positive: i64,
}

/// What a modifier takes over from its number.
#[derive(Clone, Copy)]
pub(super) struct ModifierContext<'a> {
    pub(super) number: RegisterRange,
    pub(super) low_byte_first: bool,
    pub(super) limits: Limits<'a>,
}

/// No meter uses larger or smaller powers of ten; a register with another value is not an exponent.
const MAX_EXPONENT: i128 = 15;

const ONE_REGISTER: [(&str, Kind); 2] = [("i16", Kind::I16), ("u16", Kind::U16)];

impl Exponent {
    /// Reads `exponent = { register = .., type = .., invalid = .. }`.
    pub(super) fn from_field(field: &Field<'_>, context: ModifierContext<'_>) -> Option<Self> {
        let form = field.table()?;
        let register = register(&form, Kind::I16, context);
        let kind = register.map_or(Kind::I16, |(_, format)| format.kind);
        let mask = register_form::mask(&form, Kind::U16);
        let has_other_bits = form.field("mask").is_some() && form.field("invalid").is_none();
        // The patterns of the type are those of a whole register.
        let invalid = if has_other_bits { Some(Vec::new()) } else { register_form::invalid(&form, kind) };
        form.finish();
        let (range, format) = register?;
        Some(Exponent { range, format, mask: mask? as u16, invalid: invalid? })
    }

    /// The power of ten in these registers.
    pub(super) fn read(&self, words: &[u16]) -> Result<Exact, DecodeError> {
        let bits = self.format.bits(words);
        if self.invalid.iter().any(|pattern| pattern.matches(bits)) {
            return Err(DecodeError::NoValue(self.range, bits));
        }
        match self.number(bits) {
            Some(RawNumber::Integer(exponent)) if (-MAX_EXPONENT..=MAX_EXPONENT).contains(&exponent) => {
                power_of_ten(exponent as i32).ok_or(DecodeError::TooLarge)
            }
            _ => Err(DecodeError::NoExponent(self.range)),
        }
    }
}

impl Exponent {
    /// The number in the bits under the mask; of a signed type, their highest bit is the sign.
    fn number(&self, bits: u64) -> Option<RawNumber> {
        let (low, high) = (self.mask.trailing_zeros(), self.mask.leading_zeros());
        let shifted = (bits as u16 & self.mask) << high;
        let number = match self.format.kind {
            Kind::I16 => i128::from(shifted as i16 >> (low + high)),
            _ => i128::from(shifted >> (low + high)),
        };
        Some(RawNumber::Integer(number))
    }
}

impl Sign {
    /// Reads `sign = { register = .., type = .., negative = .., positive = .. }`.
    pub(super) fn from_field(field: &Field<'_>, context: ModifierContext<'_>) -> Option<Self> {
        let form = field.table()?;
        let register = register(&form, Kind::U16, context);
        let state = |field: &Field<'_>| field.integer(i64::from(i16::MIN)..=i64::from(u16::MAX));
        let negative = form.required("negative", "the register's value where the number is negative: 1");
        let negative = negative.and_then(|field| state(&field));
        let positive = form.or("positive", 0, state);
        if let (true, Some(field)) = (negative.is_some() && negative == positive, form.field("negative")) {
            return field.fail("is also the value for positive numbers", "give `positive` another number");
        }
        form.finish();
        let (range, format) = register?;
        Some(Sign { range, format, negative: negative?, positive: positive? })
    }

    /// Whether the number is negative.
    pub(super) fn read(&self, words: &[u16]) -> Result<bool, DecodeError> {
        match RawNumber::new(self.format.kind, self.format.bits(words)) {
            Some(RawNumber::Integer(state)) if state == i128::from(self.negative) => Ok(true),
            Some(RawNumber::Integer(state)) if state == i128::from(self.positive) => Ok(false),
            _ => Err(DecodeError::NoSign(self.range)),
        }
    }
}

fn register(form: &Form<'_>, kind: Kind, context: ModifierContext<'_>) -> Option<(RegisterRange, Format)> {
    let kind = form.or("type", kind, |field| field.one_of(&ONE_REGISTER));
    let range = register_form::range(form, Some(context.number.function), 1, context.limits);
    let format = Format { kind: kind?, low_word_first: false, low_byte_first: context.low_byte_first };
    Some((range?, format))
}
