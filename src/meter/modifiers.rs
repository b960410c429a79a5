//! Registers beside a number that change what it is worth: its power of ten, and its sign.

use super::decode_error::DecodeError;
use super::exact::Fraction;
use super::number::{Format, Kind, Pattern};
use super::range::RegisterRange;
use super::raw::RawNumber;
use super::register_form::{self, Limits};
use crate::form::{Field, Form};

/// The power of ten that a number is to be multiplied with.
#[derive(Clone, Debug, PartialEq)]
pub struct Exponent {
    pub range: RegisterRange,
    pub format: Format,
    /// The patterns that mean "not there".
    pub invalid: Vec<Pattern>,
}

/// Whether a number is negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sign {
    pub range: RegisterRange,
    pub format: Format,
    /// What the register holds where it is.
    pub negative: i64,
    /// And where it is not.
    pub positive: i64,
}

/// What a number has that stands alone says for the registers beside it.
#[derive(Clone, Copy)]
pub(super) struct ModifierContext<'a> {
    pub(super) number: RegisterRange,
    pub(super) low_byte_first: bool,
    pub(super) limits: Limits<'a>,
}

/// No meter counts in larger or smaller powers; a register that holds one holds something else.
const LARGEST: i128 = 15;

const ONE_REGISTER: [(&str, Kind); 2] = [("i16", Kind::I16), ("u16", Kind::U16)];

impl Exponent {
    /// `exponent = { register = .., type = .., invalid = .. }`
    pub(super) fn from_field(field: &Field<'_>, of: ModifierContext<'_>) -> Option<Self> {
        let form = field.table()?;
        let register = register(&form, Kind::I16, of);
        let invalid = register_form::invalid(&form, register.map_or(Kind::I16, |(_, format)| format.kind));
        form.finish();
        let (range, format) = register?;
        Some(Exponent { range, format, invalid: invalid? })
    }

    pub(super) fn read(&self, words: &[u16]) -> Result<Fraction, DecodeError> {
        let bits = self.format.bits(words);
        if self.invalid.iter().any(|pattern| pattern.fits(bits)) {
            return Err(DecodeError::NoValue(self.range, bits));
        }
        match RawNumber::new(self.format.kind, bits) {
            Some(RawNumber::Integer(exponent)) if (-LARGEST..=LARGEST).contains(&exponent) => {
                Fraction::power_of_ten(exponent as i32).ok_or(DecodeError::TooLarge)
            }
            _ => Err(DecodeError::NoExponent(self.range)),
        }
    }
}

impl Sign {
    /// `sign = { register = .., type = .., negative = .., positive = .. }`
    pub(super) fn from_field(field: &Field<'_>, of: ModifierContext<'_>) -> Option<Self> {
        let form = field.table()?;
        let register = register(&form, Kind::U16, of);
        let state = |field: &Field<'_>| field.integer(i64::from(i16::MIN)..=i64::from(u16::MAX));
        let negative = form.required("negative", "what the register holds where the value is negative: 1");
        let negative = negative.and_then(|field| state(&field));
        let positive = form.or("positive", 0, state);
        if let (true, Some(field)) = (negative.is_some() && negative == positive, form.field("negative")) {
            return field.fail("is also what a positive value has", "give `positive` another number");
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

fn register(form: &Form<'_>, kind: Kind, of: ModifierContext<'_>) -> Option<(RegisterRange, Format)> {
    let kind = form.or("type", kind, |field| field.one_of(&ONE_REGISTER));
    let range = register_form::range(form, Some(of.number.function), 1, of.limits);
    let format = Format { kind: kind?, low_word_first: false, low_byte_first: of.low_byte_first };
    Some((range?, format))
}
