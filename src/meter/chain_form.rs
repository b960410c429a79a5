//! Parses a SunSpec chain of a profile, and checks the registers in its models.

use super::chain::{BASES, Chain, HEADER};
use super::quantity::Quantity;
use super::range::{Function, RegisterRange};
use super::register_form::Limits;
use crate::form::{Field, Form};

const MAX_VALUES: usize = 16;
const MAX_MANUFACTURER: usize = 32;

/// `[profile.NAME.chain]`, or its defaults; the model ids come from other tables.
pub(super) fn chain(form: Option<Form<'_>>) -> Chain {
    let mut chain = Chain { bases: BASES.to_vec(), models: Vec::new(), meter: None, manufacturer: None };
    let Some(form) = form else { return chain };
    if let Some(bases) = form.field("bases").and_then(|field| numbers(&field, 0, 65533)) {
        chain.bases = bases;
    }
    chain.meter = form.field("meter").and_then(|field| u8::try_from(field.integer(1..=99)?).ok());
    chain.manufacturer = form.field("manufacturer").and_then(|field| {
        let text = field.text()?.trim();
        let fits =
            (1..=MAX_MANUFACTURER).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7F).contains(&byte));
        if !fits {
            return field.fail("is not a text that a meter can hold", "1 to 32 characters, printable ASCII");
        }
        Some(text.to_owned())
    });
    form.finish();
    chain
}

/// `chain` without `models` finds nothing.
pub(super) fn check_used(form: &Form<'_>, has_models: bool) {
    if let Some(field) = form.field("chain").filter(|_| !has_models) {
        let help = "add the ids of the models with the registers: models = [201, 202, 203, 204]";
        field.fail::<()>("needs `models`", help);
    }
}

/// Reads `models = [201, 202]`: the models with the registers of this table.
pub(super) fn models(form: &Form<'_>) -> Option<Vec<u16>> {
    // Model 1 is the Common model, 0xFFFF the end of the chain.
    numbers(&form.field("models")?, 2, 65534)
}

fn numbers(field: &Field<'_>, least: i64, most: i64) -> Option<Vec<u16>> {
    let fields = field.array()?;
    if !(1..=MAX_VALUES).contains(&fields.len()) {
        return field.fail("has too many values, or none", format!("1 to {MAX_VALUES}"));
    }
    let all: Vec<_> = fields.iter().map(|field| u16::try_from(field.integer(least..=most)?).ok()).collect();
    all.into_iter().collect()
}

/// Each value must come in one response with the header of its model, so that a moved chain is never decoded as a value.
pub(super) fn check(form: &Form<'_>, quantities: &[(&'static str, &Option<Quantity>)], limits: Limits<'_>) {
    let function = quantities.iter().find_map(|(_, quantity)| Some(quantity.as_ref()?.range()?.function));
    for (key, quantity) in quantities {
        let Some(field) = form.field(key) else { continue };
        let problem = quantity.iter().flat_map(Quantity::ranges).find_map(|range| problem(range, function, limits));
        if let Some((message, help)) = problem {
            field.fail::<()>(message, help);
        }
    }
}

/// What is wrong with a range in a model, and the help for it.
fn problem(
    range: RegisterRange,
    function: Option<Function>,
    limits: Limits<'_>,
) -> Option<(&'static str, &'static str)> {
    let whole = RegisterRange { address: 0, count: u16::try_from(range.end()).unwrap_or(u16::MAX), ..range };
    if range.address < HEADER {
        let help = "addresses count from the model's id, which has address 0; its length has 1";
        Some(("reads the header of its model", help))
    } else if whole.count > limits.max_registers {
        let help = "it is read in one response with the model's id, to notice when the chain moves: max_registers_per_read must allow that";
        Some(("is too far from the start of its model", help))
    } else if limits.gaps.hole_in(whole).is_some() {
        let help = "it is read in one response with the model's id";
        Some(("has a hole between the start of its model and itself", help))
    } else if Some(range.function) != function {
        Some(("has another function than the others", "a chain has one function"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
