//! What every value in a profile says of its registers: function, address, count, orders, and the patterns that are no value.

use super::gaps::Gaps;
use super::number::{Kind, Pattern};
use super::range::{Function, RegisterRange};
use crate::form::{Field, Form};

/// What the profile says about requests, for checks on single values.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    pub(super) max_registers: u16,
    pub(super) gaps: &'a Gaps,
}

const ORDER: [(&str, bool); 2] = [("big", false), ("little", true)];

/// Function, address and count of a value that takes `count` registers.
pub(super) fn range(
    form: &Form<'_>,
    function: Option<Function>,
    count: u16,
    limits: Limits<'_>,
) -> Option<RegisterRange> {
    let help = "the 0-based protocol address, 0 to 65535 (0x0000 to 0xFFFF)";
    let field = form.required("register", help)?;
    let address = u16::try_from(field.integer(0..=65535)?).ok()?;
    let function = function?;
    let range = RegisterRange { function, address, count };
    if range.end() > 65536 {
        return field.fail("has its last word beyond register 65535", format!("it takes {count} registers"));
    }
    if count > limits.max_registers {
        let help = format!("the value takes {count} registers and must come in one response");
        return field.fail("takes more than max_registers_per_read allows", help);
    }
    if let Some((first, last)) = limits.gaps.hole_in(range) {
        let help = format!("`holes` says that no read may touch 0x{first:04X} to 0x{last:04X}");
        return field.fail("lies in a hole, or across one", help);
    }
    if function == Function::Input && (30001..40000).contains(&address) {
        let help = format!("in that case the protocol address is {}", address - 30001);
        field.warn("looks like a manual's 3xxxx number, not like a protocol address", help);
    }
    Some(range)
}

/// The function, where the form says it.
pub(super) fn function(form: &Form<'_>) -> Option<Function> {
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

/// The patterns that mean "no value" in a number of that kind.
pub(super) fn invalid(form: &Form<'_>, kind: Kind) -> Option<Vec<Pattern>> {
    form.or("invalid", kind.default_invalid(), |field| patterns(field, kind))
}

/// Those of this field.
pub(super) fn patterns(field: &Field<'_>, kind: Kind) -> Option<Vec<Pattern>> {
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
