//! A number as a profile writes it: every key checked where it stands.

use super::exact::Decimal;
use super::modifiers::{Exponent, ModifierContext, Sign};
use super::number::{Format, Kind};
use super::quantity::Number;
use super::range::{Function, RegisterRange};
use super::register_form::{Limits, function, orders, patterns, range};
use crate::form::{Field, Form};

/// The keys of a number, as far as they are given: a term of a sum takes from the sum what it does not say itself.
#[derive(Clone, Default)]
pub(super) struct NumberKeys<'t> {
    function: Option<Function>,
    kind: Option<Kind>,
    low_word_first: Option<bool>,
    low_byte_first: Option<bool>,
    scale: Option<Decimal>,
    invalid: Option<Field<'t>>,
    exponent: Option<Field<'t>>,
}

impl<'t> NumberKeys<'t> {
    /// Nothing but the function.
    pub(super) fn of_function(function: Option<Function>) -> Self {
        NumberKeys { function, ..NumberKeys::default() }
    }

    /// As far as this table has them.
    pub(super) fn of(form: &Form<'t>) -> Self {
        let (low_word_first, low_byte_first) = orders(form);
        NumberKeys {
            function: function(form),
            kind: form.field("type").and_then(|field| field.one_of(&Kind::words())),
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

    pub(super) fn has_negative_scale(&self) -> bool {
        self.scale.is_some_and(Decimal::is_negative)
    }

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

/// A number and what stands beside it.
pub(super) fn number(form: &Form<'_>, keys: &NumberKeys<'_>, limits: Limits<'_>) -> Option<Number> {
    if keys.function.is_none() {
        form.required("function", "\"input\" (function 4) or \"holding\" (function 3)");
    }
    if keys.kind.is_none() {
        let words: Vec<_> = Kind::words().iter().map(|(word, _)| format!("\"{word}\"")).collect();
        form.required("type", &format!("one of {}", words.join(", ")));
    }
    // Registers are looked at even where the type is wrong, so that both are told at once.
    let range = range(form, keys.function, keys.kind.map_or(1, Kind::registers), limits);
    let kind = keys.kind?;
    let low_word_first = keys.low_word_first.unwrap_or(false);
    let format = Format { kind, low_word_first, low_byte_first: keys.low_byte_first.unwrap_or(false) };
    let invalid = keys.invalid.as_ref().map_or_else(|| Some(kind.default_invalid()), |field| patterns(field, kind));
    let range = range?;
    let of = ModifierContext { number: range, low_byte_first: format.low_byte_first, limits };
    let exponent = keys.exponent.as_ref().map(|field| Exponent::from_field(field, of));
    let sign = form.field("sign").map(|field| Sign::from_field(&field, of));
    let number = Number {
        range,
        format,
        scale: keys.scale.unwrap_or(Decimal::ONE),
        invalid: invalid?,
        exponent: exponent.map_or(Some(None), |it| it.map(Some))?,
        sign: sign.map_or(Some(None), |it| it.map(Some))?,
    };
    check_beside(form, keys, &number);
    Some(number)
}

/// What stands beside a number is not in it.
fn check_beside(form: &Form<'_>, keys: &NumberKeys<'_>, number: &Number) {
    let within = |beside: RegisterRange| number.range.covers(beside);
    let exponent = keys.exponent.as_ref().filter(|_| number.exponent.as_ref().is_some_and(|it| within(it.range)));
    let sign = form.field("sign").filter(|_| number.sign.is_some_and(|it| within(it.range)));
    for field in exponent.into_iter().chain(&sign) {
        field.fail::<()>("is a register of the value itself", "it has a register of its own, beside the value");
    }
}

fn scale(field: &Field<'_>) -> Option<Decimal> {
    let help =
        "a decimal number such as \"0.01\" or 10: not 0, at most 15 digits, a fraction such as 1/3 cannot be exact";
    let scale = Decimal::parse(field.number_text()?);
    scale.or_else(|| field.fail("is no exact decimal number", help))
}
