//! The keys that every value of a profile has: function, address, count, word and byte order, and the patterns that mean "no value".

use super::gaps::Gaps;
use super::number::{Kind, Pattern};
use super::range::{Function, RegisterRange};
use crate::form::{Field, Form};

/// The profile's limits for requests, against which single values are checked.
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
        return field.fail("ends beyond register 65535", format!("the value takes {count} registers"));
    }
    if count > limits.max_registers {
        let help = format!("the value takes {count} registers, which must come in one response");
        return field.fail("takes more than max_registers_per_read allows", help);
    }
    if let Some((first, last)) = limits.gaps.hole_in(range) {
        let help = format!("`holes` forbids reads of 0x{first:04X} to 0x{last:04X}");
        return field.fail("touches a hole", help);
    }
    if function == Function::Input && (30001..40000).contains(&address) {
        let help = format!("the protocol address of that number is {}", address - 30001);
        field.warn("looks like a 3xxxx number of a manual, not like a protocol address", help);
    }
    Some(range)
}

/// The function, where the form has it.
pub(super) fn function(form: &Form<'_>) -> Option<Function> {
    form.field("function")?.one_of(&Function::WORDS)
}

/// The function, where it is required.
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

/// Whether the low word and the low byte come first, where the form has these keys.
pub(super) fn orders(form: &Form<'_>) -> (Option<bool>, Option<bool>) {
    let order = |key| form.field(key).and_then(|field| field.one_of(&ORDER));
    (order("word_order"), order("byte_order"))
}

/// The patterns that mean "no value" in a number of this type.
pub(super) fn invalid(form: &Form<'_>, kind: Kind) -> Option<Vec<Pattern>> {
    form.or("invalid", kind.default_invalid(), |field| patterns(field, kind))
}

/// The bits of a register, or of several, that hold a number; all of them where the key `mask` is absent.
pub(super) fn mask(form: &Form<'_>, kind: Kind) -> Option<u64> {
    let all = u64::MAX >> (64 - 16 * u32::from(kind.registers()));
    form.or("mask", all, |field| {
        let bits = field.bits()?;
        if bits == 0 || bits & !all != 0 {
            return field.fail("is not a mask of these registers", format!("0x1 to 0x{all:X}"));
        }
        let shifted = bits >> bits.trailing_zeros();
        let adjoin = shifted & (shifted + 1) == 0 || shifted == u64::MAX;
        if adjoin { Some(bits) } else { field.fail("has bits that are not neighbours", "such as 0x00F0") }
    })
}

/// The patterns of this field.
pub(super) fn patterns(field: &Field<'_>, kind: Kind) -> Option<Vec<Pattern>> {
    let width = 16 * u32::from(kind.registers());
    let bits = |field: &Field<'_>| {
        let help = format!("a pattern of {} has {width} bits", kind.word());
        let bits = field.bits()?;
        let fits = bits.checked_shr(width).unwrap_or(0) == 0;
        if fits { Some(bits) } else { field.fail(&format!("is 0x{bits:X}, too large for {}", kind.word()), help) }
    };
    let masked = |field: &Field<'_>| {
        let form = field.table()?;
        let [mask, value] = [("mask", "the bits to compare"), ("value", "the value of these bits")]
            .map(|(key, help)| form.required(key, help).and_then(|field| bits(&field)));
        form.finish();
        let pattern = Pattern { mask: mask?, value: value? };
        match pattern.matches(pattern.value) {
            true => Some(pattern),
            false => field.fail("can never match: `value` has bits that `mask` lacks", "make `mask` wider"),
        }
    };
    let one = |field: &Field<'_>| match field.is_table() {
        true => masked(field),
        false => bits(field).map(Pattern::exactly),
    };
    let patterns: Vec<_> = field.array()?.iter().map(one).collect();
    patterns.into_iter().collect()
}
