//! A number as a profile writes it: every key checked where it stands.

use super::beside::{Exponent, Of, Sign};
use super::block::{Block, Function};
use super::exact::Decimal;
use super::gaps::Gaps;
use super::number::{Format, Kind, Pattern};
use super::quantity::Number;
use crate::form::{Field, Form};

/// What the profile says about requests, for checks on single values.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    pub(super) max_registers: u16,
    pub(super) gaps: &'a Gaps,
}

/// The keys of a number, as far as they are given: a term of a sum takes from the sum what it does not say itself.
#[derive(Clone, Default)]
pub(super) struct Keys<'t> {
    function: Option<Function>,
    kind: Option<Kind>,
    low_word_first: Option<bool>,
    low_byte_first: Option<bool>,
    scale: Option<Decimal>,
    invalid: Option<Field<'t>>,
    exponent: Option<Field<'t>>,
}

const ORDER: [(&str, bool); 2] = [("big", false), ("little", true)];

/// Function, address and count of a value that takes `count` registers.
pub(super) fn block(form: &Form<'_>, function: Option<Function>, count: u16, limits: Limits<'_>) -> Option<Block> {
    let help = "the 0-based protocol address, 0 to 65535 (0x0000 to 0xFFFF)";
    let field = form.required("register", help)?;
    let address = u16::try_from(field.integer(0..=65535)?).ok()?;
    let function = function?;
    let block = Block { function, address, count };
    if block.end() > 65536 {
        return field.fail("has its last word beyond register 65535", format!("it takes {count} registers"));
    }
    if count > limits.max_registers {
        let help = format!("the value takes {count} registers and must come in one response");
        return field.fail("takes more than max_registers_per_read allows", help);
    }
    if let Some((first, last)) = limits.gaps.hole_in(block) {
        let help = format!("`holes` says that no read may touch 0x{first:04X} to 0x{last:04X}");
        return field.fail("lies in a hole, or across one", help);
    }
    if function == Function::Input && (30001..40000).contains(&address) {
        let help = format!("in that case the protocol address is {}", address - 30001);
        field.warn("looks like a manual's 3xxxx number, not like a protocol address", help);
    }
    Some(block)
}

fn function(form: &Form<'_>) -> Option<Function> {
    form.field("function")?.one_of(&Function::WORDS)
}

/// The function, where it must be there.
pub(super) fn required_function(form: &Form<'_>) -> Option<Function> {
    if form.field("function").is_none() {
        form.required("function", "\"input\" (function 4) or \"holding\" (function 3)");
    }
    function(form)
}

/// How many registers a text takes.
pub(super) fn text_registers(form: &Form<'_>) -> Option<u16> {
    let registers = form.required("registers", "how many registers the text takes, 1 to 32");
    registers.and_then(|field| u16::try_from(field.integer(1..=32)?).ok())
}

/// Whether the low word comes first, and whether the low byte does, where the form says so.
pub(super) fn orders(form: &Form<'_>) -> (Option<bool>, Option<bool>) {
    let order = |key| form.field(key).and_then(|field| field.one_of(&ORDER));
    (order("word_order"), order("byte_order"))
}

impl<'t> Keys<'t> {
    /// Nothing but the function.
    pub(super) fn of_function(function: Option<Function>) -> Self {
        Keys { function, ..Keys::default() }
    }

    /// As far as this table has them.
    pub(super) fn of(form: &Form<'t>) -> Self {
        let (low_word_first, low_byte_first) = orders(form);
        Keys {
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

    pub(super) fn or(self, other: &Keys<'t>) -> Self {
        Keys {
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
pub(super) fn number(form: &Form<'_>, keys: &Keys<'_>, limits: Limits<'_>) -> Option<Number> {
    if keys.function.is_none() {
        form.required("function", "\"input\" (function 4) or \"holding\" (function 3)");
    }
    if keys.kind.is_none() {
        let words: Vec<_> = Kind::words().iter().map(|(word, _)| format!("\"{word}\"")).collect();
        form.required("type", &format!("one of {}", words.join(", ")));
    }
    // Registers are looked at even where the type is wrong, so that both are told at once.
    let block = block(form, keys.function, keys.kind.map_or(1, Kind::registers), limits);
    let kind = keys.kind?;
    let low_word_first = keys.low_word_first.unwrap_or(false);
    let format = Format { kind, low_word_first, low_byte_first: keys.low_byte_first.unwrap_or(false) };
    let invalid = keys.invalid.as_ref().map_or_else(|| Some(kind.default_invalid()), |field| patterns(field, kind));
    let block = block?;
    let of = Of { number: block, low_byte_first: format.low_byte_first, limits };
    let exponent = keys.exponent.as_ref().map(|field| Exponent::from_field(field, of));
    let sign = form.field("sign").map(|field| Sign::from_field(&field, of));
    let number = Number {
        block,
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
fn check_beside(form: &Form<'_>, keys: &Keys<'_>, number: &Number) {
    let within = |beside: Block| number.block.covers(beside);
    let exponent = keys.exponent.as_ref().filter(|_| number.exponent.as_ref().is_some_and(|it| within(it.block)));
    let sign = form.field("sign").filter(|_| number.sign.is_some_and(|it| within(it.block)));
    for field in exponent.into_iter().chain(&sign) {
        field.fail::<()>("is a register of the value itself", "it has a register of its own, beside the value");
    }
}

/// The patterns that mean "no value" in a number of that kind.
pub(super) fn invalid(form: &Form<'_>, kind: Kind) -> Option<Vec<Pattern>> {
    form.or("invalid", kind.default_invalid(), |field| patterns(field, kind))
}

fn patterns(field: &Field<'_>, kind: Kind) -> Option<Vec<Pattern>> {
    let width = 16 * u32::from(kind.registers());
    let bits = |field: &Field<'_>| {
        let help = format!("patterns of {} have {width} bits", kind.word());
        let bits = field.bits()?;
        let fits = bits.checked_shr(width).unwrap_or(0) == 0;
        if fits { Some(bits) } else { field.fail(&format!("is 0x{bits:X}, which no {} can be", kind.word()), help) }
    };
    let masked = |field: &Field<'_>| {
        let form = field.table()?;
        let [mask, value] = [("mask", "the bits to compare"), ("value", "what they are")]
            .map(|(key, help)| form.required(key, help).and_then(|field| bits(&field)));
        form.finish();
        let pattern = Pattern { mask: mask?, value: value? };
        match pattern.fits(pattern.value) {
            true => Some(pattern),
            false => field.fail("can never be: `value` has bits that `mask` has not", "make `mask` wider"),
        }
    };
    let one = |field: &Field<'_>| match field.is_table() {
        true => masked(field),
        false => bits(field).map(Pattern::exactly),
    };
    let patterns: Vec<_> = field.array()?.iter().map(one).collect();
    patterns.into_iter().collect()
}

fn scale(field: &Field<'_>) -> Option<Decimal> {
    let help =
        "a decimal number such as \"0.01\" or 10: not 0, at most 15 digits, a fraction such as 1/3 cannot be exact";
    let scale = Decimal::parse(field.number_text()?);
    scale.or_else(|| field.fail("is no exact decimal number", help))
}
