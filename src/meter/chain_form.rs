//! A chain of models as a profile writes it: how it is found, and what the registers in its models must keep to.

use super::chain::{BASES, Chain, HEADER};
use super::quantity::Quantity;
use super::range::RegisterRange;
use super::register_form::Limits;
use crate::form::{Field, Form};

const MOST: usize = 16;
/// Longer names of manufacturers are none.
const LONGEST: usize = 32;

/// `[profile.NAME.chain]`, or what holds without it; the models are told by the tables.
pub(super) fn chain(form: Option<Form<'_>>) -> Chain {
    let mut chain = Chain { bases: BASES.to_vec(), models: Vec::new(), meter: None, manufacturer: None };
    let Some(form) = form else { return chain };
    if let Some(bases) = form.field("bases").and_then(|field| numbers(&field, 0, 65533)) {
        chain.bases = bases;
    }
    chain.meter = form.field("meter").and_then(|field| u8::try_from(field.integer(1..=99)?).ok());
    let manufacturer = form.field("manufacturer").and_then(|field| {
        let text = field.text()?.trim();
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7F).contains(&byte));
        if fits {
            Some(text.to_owned())
        } else {
            field.fail("is no text of a meter", "1 to 32 characters, printable ASCII")
        }
    });
    chain.manufacturer = manufacturer;
    form.finish();
    chain
}

/// `chain` without `models` would find nothing.
pub(super) fn check_used(form: &Form<'_>, has_models: bool) {
    if let Some(field) = form.field("chain").filter(|_| !has_models) {
        field.fail::<()>(
            "stands without `models`",
            "the ids of the models that have the registers: models = [201, 202, 203, 204]",
        );
    }
}

/// `models = [201, 202]`: those that have the registers of this table.
pub(super) fn models(form: &Form<'_>) -> Option<Vec<u16>> {
    // Model 1 is the Common model, 0xFFFF the end of the chain.
    numbers(&form.field("models")?, 2, 65534)
}

fn numbers(field: &Field<'_>, least: i64, most: i64) -> Option<Vec<u16>> {
    let fields = field.array()?;
    if !(1..=MOST).contains(&fields.len()) {
        return field.fail("has no fitting number of values", format!("1 to {MOST}"));
    }
    let all: Vec<_> = fields.iter().map(|field| u16::try_from(field.integer(least..=most)?).ok()).collect();
    all.into_iter().collect()
}

/// Each value must come in one response with the header of its model, so that a chain that has moved is never taken for a value.
pub(super) fn check(form: &Form<'_>, quantities: &[(&'static str, &Option<Quantity>)], limits: Limits<'_>) {
    let function = quantities.iter().find_map(|(_, quantity)| Some(quantity.as_ref()?.range()?.function));
    for (key, quantity) in quantities {
        let Some(field) = form.field(key) else { continue };
        for range in quantity.iter().flat_map(Quantity::ranges) {
            let whole = RegisterRange { address: 0, count: u16::try_from(range.end()).unwrap_or(u16::MAX), ..range };
            let told = if range.address < HEADER {
                Some((
                    "reads the header of its model",
                    "addresses count from the model's id, which has address 0; its length has 1",
                ))
            } else if whole.count > limits.max_registers {
                Some((
                    "lies too far from the start of its model",
                    "it is read in one response with the model's id, to know that the chain has not moved: max_registers_per_read must allow that",
                ))
            } else if limits.gaps.hole_in(whole).is_some() {
                Some((
                    "has a hole between the start of its model and itself",
                    "it is read in one response with the model's id",
                ))
            } else if Some(range.function) != function {
                Some(("is of another function than the others", "a chain has one function"))
            } else {
                None
            };
            if let Some((message, help)) = told {
                field.fail::<()>(message, help);
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
