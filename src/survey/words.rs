//! Which registers belong to a number: the same moving register can be the low word of several longer numbers. Pure.

use super::pair::Series;
use super::samples::{RegisterSample, ValuePlace};
use crate::meter::{Function, Kind};

/// The register that decides about a number in every way to read it: the low word of an integer, the high word of a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Anchor {
    function: Function,
    address: u16,
    float: bool,
}

/// The chosen way to read a number, and what is not known about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) place: ValuePlace,
    /// Other ways to read it with the same values so far.
    pub(super) others: Vec<ValuePlace>,
    /// The chosen one is right up to this raw value. Above, another one may be right.
    pub(super) right_up_to: Option<f64>,
}

/// Ways to read a number that differ in their value: only the meter's display can tell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DifferentValues(pub(super) Vec<(ValuePlace, f64)>);

impl Anchor {
    pub(super) fn of(place: &ValuePlace) -> Anchor {
        let float = place.format.kind.is_float();
        let at_start = place.format.low_word_first != float;
        let last = place.block.address + (place.block.count - 1);
        let address = if at_start { place.block.address } else { last };
        Anchor { function: place.block.function, address, float }
    }
}

/// The word order that these numbers prove, where they agree: a power needs its high word where it is negative or large, a counter where its
/// high word has changed, and a float counter rises evenly in one order only. Everywhere else a high word may be a neighbour.
pub(super) fn proved_order<'a>(
    powers: impl Iterator<Item = &'a Series>,
    counters: impl Iterator<Item = &'a Series>,
) -> Option<bool> {
    let high = |value: f64| (value / 65_536.0).floor();
    let is_float = |it: &Series| it.place.format.kind.is_float();
    let large = powers.filter(|it| !is_float(it) && it.values.iter().any(|value| high(*value) != 0.0));
    let carried = counters.filter(|it| is_float(it) || high(it.first()) != high(it.last()));
    let wide = large.chain(carried).filter(|it| is_wide(&it.place));
    let mut orders: Vec<bool> = wide.map(|it| it.place.format.low_word_first).collect();
    orders.sort();
    orders.dedup();
    if let [only] = orders[..] { Some(only) } else { None }
}

/// Whether the words move as those of a number: a lower word at least as often as a higher one. Otherwise they are in the wrong
/// order, or belong to different numbers.
pub(super) fn moves_like_a_number(place: &ValuePlace, samples: &[RegisterSample]) -> bool {
    let rows: Option<Vec<&[u16]>> = samples.iter().map(|sample| place.block.out_of(&sample.answers)).collect();
    let Some(rows) = rows.filter(|_| is_wide(place)) else { return true };
    let moves =
        |index: u16| rows.windows(2).filter(|pair| pair[0][usize::from(index)] != pair[1][usize::from(index)]).count();
    let mut moves: Vec<usize> = (0..place.block.count).map(moves).collect();
    if !place.format.low_word_first {
        moves.reverse();
    }
    moves.is_sorted_by(|lower, higher| lower >= higher)
}

/// Chooses between several ways to read one counter, which all rise in the same way. `order`: whether the low word comes first, if that is
/// known. `is_possible`: whether a counter can show this raw value.
pub(super) fn choose_counter(
    mut ways: Vec<&Series>,
    order: Option<bool>,
    is_possible: impl Fn(f64) -> bool,
) -> Result<Choice, DifferentValues> {
    // Never half of a longer number.
    if ways.iter().any(|way| is_wide(&way.place)) {
        ways.retain(|way| is_wide(&way.place));
    }
    let all = ways.clone();
    ways.retain(|way| is_possible(way.last()));
    if ways.is_empty() {
        return Err(DifferentValues(all.iter().map(|way| (way.place, way.last())).collect()));
    }
    retain_if_any(&mut ways, |way| order.is_none_or(|order| way.place.format.low_word_first == order));
    let first = ways[0];
    if ways.iter().any(|way| (way.last() - first.last()).abs() > first.resolution) {
        return Err(DifferentValues(ways.iter().map(|way| (way.place, way.last())).collect()));
    }
    Ok(choice(&ways, false, order.unwrap_or(false)))
}

/// Chooses between several ways to read one power, which all have the same values so far; a float has nearly the same value one register
/// before it in the other order. `order` is known, `likely` is that of the counter.
pub(super) fn choose_power(
    mut ways: Vec<&Series>,
    order: Option<bool>,
    likely: Option<bool>,
) -> Result<Choice, DifferentValues> {
    let is_negative = ways.iter().any(|way| way.values.iter().any(|value| *value < 0.0));
    // A sign that fills the high word proves that both words belong together.
    if is_negative && ways.iter().any(|way| is_wide(&way.place)) {
        ways.retain(|way| is_wide(&way.place));
    }
    let has_order = |way: &Series, order: Option<bool>| order.is_none_or(|it| way.place.format.low_word_first == it);
    retain_if_any(&mut ways, |way| !is_wide(&way.place) || has_order(way, order));
    if ways[0].place.format.kind.is_float() && ways.len() > 1 {
        return Err(DifferentValues(ways.iter().map(|way| (way.place, way.last())).collect()));
    }
    Ok(choice(&ways, is_negative, likely.unwrap_or(false)))
}

/// The way of two registers in the likely order, where there is one.
fn choice(ways: &[&Series], is_proved: bool, likely: bool) -> Choice {
    let rank = |way: &&Series| (way.place.block.count.abs_diff(2), way.place.format.low_word_first != likely);
    let place = ways.iter().min_by_key(|way| rank(way)).map_or(ways[0].place, |way| way.place);
    let others: Vec<_> = ways.iter().map(|way| way.place).filter(|other| *other != place).collect();
    let narrowest = ways.iter().map(|way| raw_limit(way.place.format.kind)).fold(f64::INFINITY, f64::min);
    // Integers of two registers in both orders agree up to the end of one register.
    let opposite = others.iter().any(|other| other.format.low_word_first != place.format.low_word_first);
    let limit = if opposite && is_wide(&place) { narrowest.min(65_535.0) } else { narrowest };
    let right_up_to = (!is_proved && !others.is_empty() && !place.format.kind.is_float()).then_some(limit);
    Choice { place, others, right_up_to }
}

/// The largest raw value of an integer type.
pub(super) fn raw_limit(kind: Kind) -> f64 {
    let bits = 16 * i32::from(kind.registers());
    match kind {
        Kind::F32 | Kind::F64 => f64::INFINITY,
        Kind::I16 | Kind::I32 | Kind::I64 => 2_f64.powi(bits - 1) - 1.0,
        _ => 2_f64.powi(bits) - 1.0,
    }
}

fn is_wide(place: &ValuePlace) -> bool {
    place.block.count > 1
}

/// Keeps those that pass, unless none does.
fn retain_if_any<T: Copy>(all: &mut Vec<T>, passes: impl Fn(T) -> bool) {
    if all.iter().any(|one| passes(*one)) {
        all.retain(|one| passes(*one));
    }
}
