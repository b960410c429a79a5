//! Parses a quantity of a profile.

use num_traits::CheckedMul;

use super::exact::{self, Exact, ONE, ZERO};
use super::number::Kind;
use super::number_form::{NumberKeys, number};
use super::quantity::{Number, Quantity};
use super::register_form::{self, Limits};
use super::unit::{QuantityKind, QuantityUnit};
use crate::form::{Field, Form};

const MAX_TERMS: usize = 8;
/// In mW or mWh.
const LARGEST_DIGIT: Exact = Exact::new_raw(1_000_000_000_000, 1);

/// A register that multiplies the quantity, or divides it.
struct Factor {
    number: Number,
    divides: bool,
}

/// The quantity of one table; problems go to the form's findings.
pub(super) fn quantity(form: Form<'_>, kind: QuantityKind, limits: Limits<'_>) -> Option<Quantity> {
    let keys = NumberKeys::of(&form);
    let unit = unit(&form, kind);
    let factors = factors(&form, &keys, limits);
    let alone = form.or("alone", false, Field::boolean);
    let terms = match form.field("sum") {
        Some(sum) => sum_of(&form, &sum, &keys, limits),
        None => number(&form, &keys, limits).map(|number| vec![number]),
    };
    let together = terms.as_ref().map(|terms| check_together(&form, terms, limits));
    // These keys belong to counters only: elsewhere they are unknown keys.
    let counter_field = |key| if kind == QuantityKind::Energy { form.field(key) } else { None };
    let flag = |key| counter_field(key).and_then(|field| field.boolean()).unwrap_or(false);
    let (resettable, absolute) = (flag("resettable"), flag("absolute"));
    let directions = [("import", (false, false)), ("both", (true, false)), ("phases", (false, true))];
    let direction = counter_field("direction").and_then(|field| field.one_of(&directions));
    let (both_directions, phase_by_phase) = direction.unwrap_or_default();
    let rollover = counter_field("rollover").and_then(|field| check_rollover(&field, terms.as_deref()?));
    if let (Some(unit), Some(terms)) = (unit, &terms) {
        check_scale(&form, unit, terms);
    }
    form.finish();
    together.flatten()?;
    let (divisors, ratios): (Vec<_>, Vec<_>) = factors?.into_iter().partition(|factor| factor.divides);
    let numbers = |factors: Vec<Factor>| factors.into_iter().map(|factor| factor.number).collect();
    Some(Quantity {
        unit: unit?,
        terms: terms?,
        ratios: numbers(ratios),
        divisors: numbers(divisors),
        alone: alone?,
        absolute,
        rollover,
        both_directions,
        phase_by_phase,
        resettable,
    })
}

fn unit(form: &Form<'_>, kind: QuantityKind) -> Option<QuantityUnit> {
    let field = form.required("unit", kind.units())?;
    let unit = field.one_of(&QuantityUnit::words())?;
    if unit.kind() == kind {
        return Some(unit);
    }
    let message = match kind {
        QuantityKind::Power => "is a unit of energy, but this is a power",
        QuantityKind::Energy => "is a unit of power, but this is an energy",
    };
    field.fail(message, kind.units())
}

/// Reads `ratio = { .. }` or `ratio = [{ .. }, { .. }]`.
fn factors<'t>(form: &Form<'t>, quantity: &NumberKeys<'t>, limits: Limits<'_>) -> Option<Vec<Factor>> {
    let Some(field) = form.field("ratio") else { return Some(Vec::new()) };
    let fields = if field.is_array() { field.array()? } else { vec![field.clone()] };
    if fields.len() > MAX_TERMS {
        return field.fail("has too many entries", format!("at most {MAX_TERMS}"));
    }
    let one = |field: &Field<'t>| {
        let form = field.table()?;
        let keys = NumberKeys::of(&form).or(&NumberKeys::of_function(quantity.function()));
        let number = number(&form, &keys, limits).and_then(|number| masked(&form, number, &keys));
        let divides = form.or("divide", false, Field::boolean);
        if number.as_ref().is_some_and(|number| number.exponent.is_some() || number.sign.is_some()) {
            field.fail::<()>("has an exponent or a sign", "a ratio has neither `exponent` nor `sign`");
        }
        if keys.has_negative_scale() {
            field.fail::<()>("has a negative scale", "a ratio is above zero");
        }
        form.finish();
        Some(Factor { number: number?, divides: divides? })
    };
    // All of them are read, so that every problem is reported.
    fields.iter().map(one).collect::<Vec<_>>().into_iter().collect()
}

/// The ratio in some bits of its registers, where `mask` says so.
fn masked(form: &Form<'_>, mut number: Number, keys: &NumberKeys<'_>) -> Option<Number> {
    let Some(field) = form.field("mask") else { return Some(number) };
    if !matches!(number.format.kind, Kind::U16 | Kind::U32) {
        return field.fail("needs the type u16 or u32", "leave `mask` out, or change `type`");
    }
    number.mask = Some(register_form::mask(form, number.format.kind)?);
    if !keys.has_invalid() {
        // The patterns of the type are those of whole registers.
        number.invalid.clear();
    }
    Some(number)
}

/// Reads `sum = [{ register = .. }, ..]`. A term inherits missing keys from the table around it.
fn sum_of<'t>(form: &Form<'t>, sum: &Field<'t>, keys: &NumberKeys<'t>, limits: Limits<'_>) -> Option<Vec<Number>> {
    if let Some(register) = form.field("register") {
        return register
            .fail("cannot be used with `sum`", "give each term of the sum its own register, and leave this one out");
    }
    let fields = sum.array()?;
    if !(1..=MAX_TERMS).contains(&fields.len()) {
        return sum.fail("has too many terms, or none", format!("1 to {MAX_TERMS}"));
    }
    let one = |field: &Field<'t>| {
        let form = field.table()?;
        let term = number(&form, &NumberKeys::of(&form).or(keys), limits);
        form.finish();
        term
    };
    let terms: Vec<_> = fields.iter().map(one).collect();
    terms.into_iter().collect()
}

/// The terms of a sum must come in one response, and so must a number and its modifiers: two responses are of two moments, and a carry
/// between them would be lost or counted twice.
fn check_together(form: &Form<'_>, terms: &[Number], limits: Limits<'_>) -> Option<()> {
    let mut ranges: Vec<_> = terms.iter().flat_map(Number::ranges).collect();
    ranges.sort();
    let field = form.field("sum").or_else(|| form.field("exponent")).or_else(|| form.field("sign"));
    let Some(field) = field.filter(|_| ranges.len() > 1) else { return Some(()) };
    let mut joined = *ranges.first()?;
    for range in ranges {
        if range.function == joined.function && !limits.gaps.may_join(joined, range) {
            let help = "all of them are read in one response; if the meter answers reads across unused registers, write gaps = true, \
                        or the ranges where it does: gaps = [[first, last]]";
            return field.fail("has unused registers between its own", help);
        }
        let next = joined.joined(range).filter(|next| next.count <= limits.max_registers);
        let Some(next) = next else {
            let help = "use one function, and at most max_registers_per_read registers from the first to the last";
            return field.fail("cannot be read in one response", help);
        };
        joined = next;
    }
    Some(())
}

fn check_rollover(field: &Field<'_>, terms: &[Number]) -> Option<u64> {
    let count = field.bits()?;
    let range = terms.iter().map(|term| term.format.kind.range()).min()?;
    if terms.iter().any(|term| term.format.kind.has_exponent() || term.exponent.is_some()) {
        return field.fail("cannot be used for a number with an exponent", "leave it out");
    }
    if count == 0 || u128::from(count) > range {
        return field.fail(
            "is not a count that the type reaches",
            format!("the raw count at which the register starts again at 0, at most {range}"),
        );
    }
    let first = terms.first()?.scale;
    if terms.iter().any(|term| term.scale != first) {
        return field.fail("cannot be used for a sum of differently scaled terms", "leave it out");
    }
    Some(count)
}

/// The scale must be sensible: something of the value must remain, and a single digit must not be the energy of a power station.
fn check_scale(form: &Form<'_>, unit: QuantityUnit, terms: &[Number]) {
    let field = form.field("scale").or_else(|| form.field("sum")).or_else(|| form.field("unit"));
    let Some(field) = field else { return };
    for term in terms {
        let scale = term.scale.checked_mul(&unit.exact()).and_then(exact::absolute);
        if scale.is_none_or(|scale| scale > LARGEST_DIGIT) {
            return field.fail("makes one digit more than 10^12 mW or mWh", "check scale and unit").unwrap_or(());
        }
        let range = i128::try_from(term.format.kind.range()).map(Exact::from_integer).ok();
        let full = scale.zip(range).and_then(|(scale, range)| scale.checked_mul(&range));
        if full.is_some_and(|full| full < ONE) {
            let help = "even the largest number of this type would be less than 1 mW or 1 mWh";
            return field.fail("loses every digit", help).unwrap_or(());
        }
    }
    if unit.kind() == QuantityKind::Energy
        && terms.iter().all(|term| term.scale < ZERO)
        && form.field("absolute").is_none()
    {
        field.fail::<()>("makes the energy negative", "a counter counts up: give a scale above zero");
    }
}
