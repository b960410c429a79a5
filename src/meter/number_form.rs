//! Parses a number of a profile.

use super::exact::{Exact, ONE, ZERO, parse_decimal};
use super::modifiers::{Exponent, ModifierContext, Sign};
use super::number::{Format, Kind};
use super::quantity::Number;
use super::range::{Function, RegisterRange};
use super::register_form::{Limits, function, orders, patterns, range};
use crate::form::{Field, Form};

/// The keys of a number that are present: a term of a sum inherits the others from the sum.
#[derive(Clone, Default)]
pub(super) struct NumberKeys<'t> {
    function: Option<Function>,
    kind: Option<Kind>,
    low_word_first: Option<bool>,
    low_byte_first: Option<bool>,
    scale: Option<Exact>,
    invalid: Option<Field<'t>>,
    exponent: Option<Field<'t>>,
}

impl<'t> NumberKeys<'t> {
    /// The function alone.
    pub(super) fn of_function(function: Option<Function>) -> Self {
        NumberKeys { function, ..NumberKeys::default() }
    }

    /// The keys of this table.
    pub(super) fn of(form: &Form<'t>) -> Self {
        let (low_word_first, low_byte_first) = orders(form);
        NumberKeys {
            function: function(form),
            kind: form.field("type").and_then(|field| field.one_of(&Kind::WORDS)),
            low_word_first,
            low_byte_first,
            scale: form.field("scale").and_then(|field| scale(&field)),
            invalid: form.field("invalid"),
            exponent: form.field("exponent"),
        }
    }

    pub(super) fn function(&self) -> Option<Function> {
        self.function
    }

    pub(super) fn has_invalid(&self) -> bool {
        self.invalid.is_some()
    }

    pub(super) fn has_negative_scale(&self) -> bool {
        self.scale.is_some_and(|scale| scale < ZERO)
    }

    /// Completes the keys from `other`.
    pub(super) fn or(self, other: &NumberKeys<'t>) -> Self {
        NumberKeys {
            function: self.function.or(other.function),
            kind: self.kind.or(other.kind),
            low_word_first: self.low_word_first.or(other.low_word_first),
            low_byte_first: self.low_byte_first.or(other.low_byte_first),
            scale: self.scale.or(other.scale),
            invalid: self.invalid.or_else(|| other.invalid.clone()),
            exponent: self.exponent.or_else(|| other.exponent.clone()),
        }
    }
}

/// A number and its modifiers.
pub(super) fn number(form: &Form<'_>, keys: &NumberKeys<'_>, limits: Limits<'_>) -> Option<Number> {
    if keys.function.is_none() {
        form.required("function", "\"input\" (function 4) or \"holding\" (function 3)");
    }
    if keys.kind.is_none() {
        let words: Vec<_> = Kind::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        form.required("type", &format!("one of {}", words.join(", ")));
    }
    // The registers are checked even where the type is wrong, so that both problems are reported.
    let range = range(form, keys.function, keys.kind.map_or(1, Kind::registers), limits);
    let kind = keys.kind?;
    let low_word_first = keys.low_word_first.unwrap_or(false);
    let format = Format { kind, low_word_first, low_byte_first: keys.low_byte_first.unwrap_or(false) };
    let invalid = keys.invalid.as_ref().map_or_else(|| Some(kind.default_invalid()), |field| patterns(field, kind));
    let range = range?;
    let context = ModifierContext { number: range, low_byte_first: format.low_byte_first, limits };
    let exponent = keys.exponent.as_ref().map(|field| Exponent::from_field(field, context));
    let sign = form.field("sign").map(|field| Sign::from_field(&field, context));
    let number = Number {
        range,
        format,
        scale: keys.scale.unwrap_or(ONE),
        mask: None,
        invalid: invalid?,
        exponent: exponent.map_or(Some(None), |it| it.map(Some))?,
        sign: sign.map_or(Some(None), |it| it.map(Some))?,
    };
    check_modifiers(form, keys, &number);
    Some(number)
}

/// A modifier has a register of its own.
fn check_modifiers(form: &Form<'_>, keys: &NumberKeys<'_>, number: &Number) {
    let within = |modifier: RegisterRange| number.range.covers(modifier);
    let exponent = keys.exponent.as_ref().filter(|_| number.exponent.as_ref().is_some_and(|it| within(it.range)));
    let sign = form.field("sign").filter(|_| number.sign.is_some_and(|it| within(it.range)));
    for field in exponent.into_iter().chain(&sign) {
        field.fail::<()>("is a register of the value itself", "give it a register of its own");
    }
}

fn scale(field: &Field<'_>) -> Option<Exact> {
    let help = "a decimal number such as \"0.01\" or 10: not 0, at most 15 digits, no fraction such as 1/3";
    let scale = parse_decimal(field.number_text()?);
    scale.or_else(|| field.fail("is not a decimal number", help))
}
