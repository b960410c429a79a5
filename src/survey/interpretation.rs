//! A way to read a power or a counter, and how the user reads of it. Pure.

use super::samples::ValuePlace;

/// A way to read a quantity, with its scale if that is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interpretation {
    pub(super) place: ValuePlace,
    /// The raw value times 10 to this power is in W or Wh.
    pub(super) exponent: Option<i32>,
    /// The raw value shows consumption as negative.
    pub(super) negative: bool,
    /// The last raw value.
    pub(super) raw: f64,
    /// Other ways to read it with the same values so far.
    pub(super) others: Vec<ValuePlace>,
    /// What is not known about it, although it is right for now.
    pub(super) caution: Option<String>,
}

impl Interpretation {
    /// Without other ways to read the same values.
    pub(super) fn plain(place: ValuePlace, raw: f64, exponent: Option<i32>, negative: bool) -> Interpretation {
        Interpretation { place, exponent, negative, raw, others: Vec::new(), caution: None }
    }
}

/// `u32 input 0x0048..0x0049 is 12345.678 kWh, or ..`
pub(super) fn energies(ways: &[Interpretation]) -> String {
    let energy = |way: &Interpretation| {
        format!("{} {} is {}", described(&way.place), way.place.block, energy_text(way.raw, way.exponent))
    };
    ways.iter().map(energy).collect::<Vec<_>>().join(", or ")
}

/// The registers of each; those that several share are named once.
pub(super) fn names(readings: &[Interpretation]) -> String {
    let mut names: Vec<_> = readings.iter().map(|reading| reading.place.block.to_string()).collect();
    names.dedup();
    names.join(", ")
}

/// `u32, low word first`.
fn described(place: &ValuePlace) -> String {
    let order = place.format.order();
    let comma = if order.is_empty() { "" } else { ", " };
    format!("{}{comma}{order}", place.format.kind.word())
}

fn energy_text(raw: f64, exponent: Option<i32>) -> String {
    match exponent {
        Some(exponent) => format!("{:.3} kWh", raw * 10_f64.powi(exponent - 3)),
        None => format!("the digits {raw}"),
    }
}
