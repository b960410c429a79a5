//! A quantity as a profile writes it: every key checked where it stands.

use super::exact::Fraction;
use super::number_form::{NumberKeys, number};
use super::quantity::{Number, Quantity};
use super::register_form::Limits;
use super::unit::{QuantityKind, QuantityUnit};
use crate::form::{Field, Form};

const MOST_TERMS: usize = 8;

/// The quantity of one table; problems go to the form's findings.
pub(super) fn quantity(form: Form<'_>, measure: QuantityKind, limits: Limits<'_>) -> Option<Quantity> {
    let keys = NumberKeys::of(&form);
    let unit = unit(&form, measure);
    let ratios = ratios(&form, &keys, limits);
    let alone = form.or("alone", false, Field::boolean);
    let terms = match form.field("sum") {
        Some(sum) => sum_of(&form, &sum, &keys, limits),
        None => number(&form, &keys, limits).map(|number| vec![number]),
    };
    let together = terms.as_ref().map(|terms| check_together(&form, terms, limits));
    let energy = measure == QuantityKind::Energy;
    let rollover = if energy { form.field("rollover") } else { None };
    let resettable = energy.then(|| form.field("resettable")).flatten().and_then(|field| field.boolean());
    let direction = energy.then(|| form.field("direction")).flatten();
    let absolute = energy.then(|| form.field("absolute")).flatten().and_then(|field| field.boolean());
    let both_directions = direction.and_then(|field| field.one_of(&[("import", false), ("both", true)]));

    let rollover = rollover.and_then(|field| check_rollover(&field, terms.as_deref()?));
    if let (Some(unit), Some(terms)) = (unit, &terms) {
        check_worth(&form, unit, terms);
    }
    form.finish();
    together.flatten()?;
    let (ratios, divisors): (Vec<_>, Vec<_>) = ratios?.into_iter().partition(|(_, divides)| !divides);
    Some(Quantity {
        unit: unit?,
        terms: terms?,
        ratios: ratios.into_iter().map(|(ratio, _)| ratio).collect(),
        divisors: divisors.into_iter().map(|(ratio, _)| ratio).collect(),
        alone: alone?,
        absolute: absolute.unwrap_or(false),
        rollover,
        both_directions: both_directions.unwrap_or(false),
        resettable: resettable.unwrap_or(false),
    })
}

fn unit(form: &Form<'_>, measure: QuantityKind) -> Option<QuantityUnit> {
    let (of, words) = (QuantityUnit::of(measure), QuantityUnit::words());
    let field = form.required("unit", of)?;
    let unit = field.one_of(&words)?;
    if unit.measure() == measure {
        return Some(unit);
    }
    let (this, other) = match measure {
        QuantityKind::Power => ("a power", "an energy"),
        QuantityKind::Energy => ("an energy", "a power"),
    };
    field.fail(&format!("is the unit of {other}; this is {this}"), of)
}

/// `ratio = { .. }` or `ratio = [{ .. }, { .. }]`: registers whose values multiply, or divide.
fn ratios<'t>(form: &Form<'t>, quantity: &NumberKeys<'t>, limits: Limits<'_>) -> Option<Vec<(Number, bool)>> {
    let Some(field) = form.field("ratio") else { return Some(Vec::new()) };
    let fields = if field.is_array() { field.array()? } else { vec![field.clone()] };
    if fields.len() > MOST_TERMS {
        return field.fail("has too many entries", format!("at most {MOST_TERMS}"));
    }
    let one = |field: &Field<'t>| {
        let form = field.table()?;
        let keys = NumberKeys::of(&form).or(&NumberKeys::of_function(quantity.function()));
        let ratio = number(&form, &keys, limits);
        let divides = form.or("divide", false, Field::boolean);
        if ratio.as_ref().is_some_and(|ratio| ratio.exponent.is_some() || ratio.sign.is_some()) {
            field.fail::<()>("has a register beside it", "a ratio has neither `exponent` nor `sign`");
        }
        if keys.has_negative_scale() {
            field.fail::<()>("has a negative scale", "a ratio is above zero");
        }
        form.finish();
        Some((ratio?, divides?))
    };
    // All of them are looked at, so that every problem is told.
    fields.iter().map(one).collect::<Vec<_>>().into_iter().collect()
}

/// `sum = [{ register = .. }, ..]`: what a term does not say it takes from the table around it.
fn sum_of<'t>(form: &Form<'t>, sum: &Field<'t>, keys: &NumberKeys<'t>, limits: Limits<'_>) -> Option<Vec<Number>> {
    if let Some(register) = form.field("register") {
        return register.fail("stands beside `sum`", "one of them: give each term of the sum its own register");
    }
    let fields = sum.array()?;
    if !(1..=MOST_TERMS).contains(&fields.len()) {
        return sum.fail("has no fitting number of terms", format!("1 to {MOST_TERMS}"));
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

/// Terms must come in one response, and so must a number and what stands beside it: two would be of two moments, and a carry from one
/// to the other would be lost or doubled.
fn check_together(form: &Form<'_>, terms: &[Number], limits: Limits<'_>) -> Option<()> {
    let mut ranges: Vec<_> = terms.iter().flat_map(Number::ranges).collect();
    ranges.sort();
    let field = form.field("sum").or_else(|| form.field("exponent")).or_else(|| form.field("sign"));
    let Some(field) = field.filter(|_| ranges.len() > 1) else { return Some(()) };
    let mut joined = *ranges.first()?;
    for range in ranges {
        if range.function == joined.function && !limits.gaps.may_join(joined, range) {
            let help = "this is read in one response; set gaps = true if the meter answers reads across unused registers, or \
                        name the range where it does: gaps = [[first, last]]";
            return field.fail("has registers between its own that belong to none", help);
        }
        let next = joined.joined(range).filter(|next| next.count <= limits.max_registers);
        let Some(next) = next else {
            let help = "one function, and at most max_registers_per_read registers from the first to the last";
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
        return field.fail("does not fit a number with an exponent", "leave it out");
    }
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
fn check_worth(form: &Form<'_>, unit: QuantityUnit, terms: &[Number]) {
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
    if unit.measure() == QuantityKind::Energy
        && terms.iter().all(|term| term.scale.is_negative())
        && form.field("absolute").is_none()
    {
        field.fail::<()>("makes the energy negative", "a counter counts up: give a scale above zero");
    }
}
