//! A quantity as a profile writes it: every key checked where it stands.

use super::block::{Block, Function};
use super::exact::{Decimal, Fraction};
use super::number::{Format, Kind};
use super::quantity::{Number, Quantity};
use super::unit::{Measure, Unit};
use crate::form::{Field, Form};

/// What the profile says about requests, for checks on single values.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_registers: u16,
    pub(super) gaps: bool,
}

/// The keys of a number, as far as they are given: a term of a sum takes from the sum what it does not say itself.
#[derive(Clone, Default)]
struct Keys {
    function: Option<Function>,
    kind: Option<Kind>,
    low_word_first: Option<bool>,
    low_byte_first: Option<bool>,
    scale: Option<Decimal>,
    invalid: Option<Vec<u64>>,
}

const ORDER: [(&str, bool); 2] = [("big", false), ("little", true)];
const MOST_TERMS: usize = 8;

/// The quantity of one table; problems go to the form's findings.
pub(super) fn quantity(form: Form<'_>, measure: Measure, limits: Limits) -> Option<Quantity> {
    let keys = Keys::of(&form);
    let unit = unit(&form, measure);
    let ratios = ratios(&form, &keys, limits);
    let terms = match form.field("sum") {
        Some(sum) => sum_of(&form, &sum, &keys, limits),
        None => number(&form, &keys, limits).map(|number| vec![number]),
    };
    let energy = measure == Measure::Energy;
    let rollover = if energy { form.field("rollover") } else { None };
    let resettable = energy.then(|| form.field("resettable")).flatten().and_then(|field| field.boolean());
    let direction = energy.then(|| form.field("direction")).flatten();
    let both_directions = direction.and_then(|field| field.one_of(&[("import", false), ("both", true)]));

    let rollover = rollover.and_then(|field| check_rollover(&field, terms.as_deref()?));
    if let (Some(unit), Some(terms)) = (unit, &terms) {
        check_worth(&form, unit, terms);
    }
    form.finish();
    Some(Quantity {
        unit: unit?,
        terms: terms?,
        ratios: ratios?,
        rollover,
        both_directions: both_directions.unwrap_or(false),
        resettable: resettable.unwrap_or(false),
    })
}

/// Function, address and count of a value that takes `count` registers.
pub(super) fn block(form: &Form<'_>, function: Option<Function>, count: u16, limits: Limits) -> Option<Block> {
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
    if function == Function::Input && (30001..40000).contains(&address) {
        let help = format!("in that case the protocol address is {}", address - 30001);
        field.warn("looks like a manual's 3xxxx number, not like a protocol address", help);
    }
    Some(block)
}

pub(super) fn function(form: &Form<'_>) -> Option<Function> {
    form.field("function")?.one_of(&Function::WORDS)
}

/// Whether the low word comes first, and whether the low byte does, where the form says so.
pub(super) fn orders(form: &Form<'_>) -> (Option<bool>, Option<bool>) {
    let order = |key| form.field(key).and_then(|field| field.one_of(&ORDER));
    (order("word_order"), order("byte_order"))
}

impl Keys {
    fn of(form: &Form<'_>) -> Self {
        let (low_word_first, low_byte_first) = orders(form);
        Keys {
            function: function(form),
            kind: form.field("type").and_then(|field| field.one_of(&Kind::WORDS)),
            low_word_first,
            low_byte_first,
            scale: form.field("scale").and_then(|field| scale(&field)),
            invalid: form.field("invalid").and_then(|field| field.array()?.iter().map(Field::bits).collect()),
        }
    }

    fn or(self, other: &Keys) -> Self {
        Keys {
            function: self.function.or(other.function),
            kind: self.kind.or(other.kind),
            low_word_first: self.low_word_first.or(other.low_word_first),
            low_byte_first: self.low_byte_first.or(other.low_byte_first),
            scale: self.scale.or(other.scale),
            invalid: self.invalid.or_else(|| other.invalid.clone()),
        }
    }
}

fn number(form: &Form<'_>, keys: &Keys, limits: Limits) -> Option<Number> {
    if keys.function.is_none() {
        form.required("function", "\"input\" (function 4) or \"holding\" (function 3)");
    }
    if keys.kind.is_none() {
        let words: Vec<_> = Kind::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        form.required("type", &format!("one of {}", words.join(", ")));
    }
    // Registers are looked at even where the type is wrong, so that both are told at once.
    let block = block(form, keys.function, keys.kind.map_or(1, Kind::registers), limits);
    let kind = keys.kind?;
    let low_word_first = keys.low_word_first.unwrap_or(false);
    let format = Format { kind, low_word_first, low_byte_first: keys.low_byte_first.unwrap_or(false) };
    let invalid = keys.invalid.clone().unwrap_or_else(|| kind.default_invalid());
    let width = 16 * u32::from(kind.registers());
    if let Some(beyond) = invalid.iter().find(|bits| bits.checked_shr(width).unwrap_or(0) > 0) {
        let help = format!("patterns of {} have {width} bits", kind.word());
        return form.field("invalid")?.fail(&format!("has 0x{beyond:X}, which no {} can be", kind.word()), help);
    }
    Some(Number { block: block?, format, scale: keys.scale.unwrap_or(Decimal::ONE), invalid })
}

fn scale(field: &Field<'_>) -> Option<Decimal> {
    let help =
        "a decimal number such as \"0.01\" or 10: not 0, at most 15 digits, a fraction such as 1/3 cannot be exact";
    let scale = Decimal::parse(field.number_text()?);
    scale.or_else(|| field.fail("is no exact decimal number", help))
}

fn unit(form: &Form<'_>, measure: Measure) -> Option<Unit> {
    let (of, words) = (Unit::of(measure), Unit::words());
    let field = form.required("unit", of)?;
    let unit = field.one_of(&words)?;
    if unit.measure() == measure {
        return Some(unit);
    }
    let (this, other) = match measure {
        Measure::Power => ("a power", "an energy"),
        Measure::Energy => ("an energy", "a power"),
    };
    field.fail(&format!("is the unit of {other}; this is {this}"), of)
}

/// `ratio = { .. }` or `ratio = [{ .. }, { .. }]`: registers whose values multiply.
fn ratios(form: &Form<'_>, quantity: &Keys, limits: Limits) -> Option<Vec<Number>> {
    let Some(field) = form.field("ratio") else { return Some(Vec::new()) };
    let fields = if field.is_array() { field.array()? } else { vec![field.clone()] };
    if fields.len() > MOST_TERMS {
        return field.fail("has too many entries", format!("at most {MOST_TERMS}"));
    }
    let one = |field: &Field<'_>| {
        let form = field.table()?;
        let keys = Keys::of(&form).or(&Keys { function: quantity.function, ..Keys::default() });
        let ratio = number(&form, &keys, limits);
        if keys.scale.is_some_and(Decimal::is_negative) {
            field.fail::<()>("has a negative scale", "a ratio is above zero");
        }
        form.finish();
        ratio
    };
    // All of them are looked at, so that every problem is told.
    fields.iter().map(one).collect::<Vec<_>>().into_iter().collect()
}

/// `sum = [{ register = .. }, ..]`: what a term does not say it takes from the table around it.
fn sum_of(form: &Form<'_>, sum: &Field<'_>, keys: &Keys, limits: Limits) -> Option<Vec<Number>> {
    if let Some(register) = form.field("register") {
        return register.fail("stands beside `sum`", "one of them: give each term of the sum its own register");
    }
    let fields = sum.array()?;
    if !(1..=MOST_TERMS).contains(&fields.len()) {
        return sum.fail("has no fitting number of terms", format!("1 to {MOST_TERMS}"));
    }
    let one = |field: &Field<'_>| {
        let form = field.table()?;
        let term = number(&form, &Keys::of(&form).or(keys), limits);
        form.finish();
        term
    };
    let terms: Vec<_> = fields.iter().map(one).collect();
    let terms: Vec<Number> = terms.into_iter().collect::<Option<_>>()?;
    check_together(sum, &terms, limits)?;
    Some(terms)
}

/// The terms of a sum must come in one response: two would be of two moments, and a carry from one to the other would be lost or doubled.
fn check_together(sum: &Field<'_>, terms: &[Number], limits: Limits) -> Option<()> {
    let mut blocks: Vec<_> = terms.iter().map(|term| term.block).collect();
    blocks.sort();
    let mut joined = *blocks.first()?;
    for block in blocks {
        if block.function == joined.function && u32::from(block.address) > joined.end() && !limits.gaps {
            let help =
                "a sum is read in one response; set gaps = true if the meter answers reads across unused registers";
            return sum.fail("has registers between its terms that belong to none", help);
        }
        let next = joined.joined(block).filter(|next| next.count <= limits.max_registers);
        let Some(next) = next else {
            let help = "one function, and at most max_registers_per_read registers from the first to the last";
            return sum.fail("cannot be read in one response", help);
        };
        joined = next;
    }
    Some(())
}

fn check_rollover(field: &Field<'_>, terms: &[Number]) -> Option<u64> {
    let count = field.bits()?;
    let range = terms.iter().map(|term| term.format.kind.range()).min()?;
    if count == 0 || u128::from(count) > range {
        return field.fail(
            "is no count that the type reaches",
            format!("the raw count at which the register starts again at 0, at most {range}"),
        );
    }
    let first = terms.first()?.scale();
    if terms.iter().any(|term| term.scale() != first) {
        return field.fail("does not fit a sum of differently scaled terms", "leave it out");
    }
    Some(count)
}

/// What a digit is worth must make sense: something of the value must remain, and a single digit must not be a power station.
fn check_worth(form: &Form<'_>, unit: Unit, terms: &[Number]) {
    let largest = Fraction::power_of_ten(12).unwrap_or(Fraction::ONE);
    let told = form.field("scale").or_else(|| form.field("sum"));
    let Some(field) = told.or_else(|| form.field("unit")) else { return };
    for term in terms {
        let worth = term.scale().times(unit.fraction()).map(Fraction::absolute);
        let full = worth.and_then(|worth| worth.times(Fraction::whole(i128::try_from(term.format.kind.range()).ok()?)));
        if worth.is_none_or(|worth| worth.exceeds(largest)) {
            return field.fail("makes one digit more than 10^12 mW or mWh", "check scale and unit").unwrap_or(());
        }
        if full.is_some_and(|full| Fraction::ONE.exceeds(full)) {
            let help = "even the largest number of this type would be less than 1 mW or 1 mWh";
            return field.fail("loses every digit", help).unwrap_or(());
        }
    }
    if unit.measure() == Measure::Energy && terms.iter().all(|term| term.scale.is_negative()) {
        field.fail::<()>("makes the energy negative", "a counter counts up: give a scale above zero");
    }
}
