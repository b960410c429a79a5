//! Decides which registers are the power and the energy counter, or says why that cannot be known yet. Pure.
//!
//! Each rule that leaves out or prefers a register is one function in `rules.rs` or `words.rs`, and a [`Doubt`] is what the user reads.

use std::collections::BTreeMap;
use std::ops::Range;

use super::doubt::{Doubt, MIN_DIGITS};
use super::interpretation::{Interpretation, energies, names};
use super::mains::Mains;
use super::pair::{Direction, Fit, MAX_OPEN, Series};
use super::phases::Phases;
use super::rules::may_be_right;
use super::samples::{RegisterSample, ValuePlace, parts, places};
use super::words::{
    Anchor, Choice, DifferentValues, choose_counter, choose_power, moves_like_a_number, proved_order, raw_limit,
};
use crate::meter::Kind;

/// What a watch has shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Conclusion {
    /// The power: decided where there is only one, with its scale.
    pub(super) powers: Vec<Interpretation>,
    /// The counter of imported energy, in the same way.
    pub(super) counters: Vec<Interpretation>,
    /// What is not known yet, and what to do; empty if power and counter are decided.
    pub(super) doubts: Vec<Doubt>,
    /// The counter of exported energy.
    pub(super) export: Option<Interpretation>,
}

/// In W: the largest step of a load that a user calls 1 kW, and the smallest.
const LOAD_STEP: (f64, f64) = (0.55, 1.8);
/// Loads must change the power by more than this part of its largest value.
const MIN_FOLLOWING: f64 = 0.03;
/// The power must change by this part of its largest mean.
const MIN_CHANGE: f64 = 0.2;
/// In Wh: no meter has counted more.
pub(super) const MAX_ENERGY: f64 = 1e10;
/// In W: the range of a plausible mean power.
const WATTS: (f64, f64) = (2.0, 1e6);
/// The usual scales of a power and of an energy.
const POWER_EXPONENTS: std::ops::RangeInclusive<i32> = -3..=3;
const ENERGY_EXPONENTS: std::ops::RangeInclusive<i32> = -4..=6;

/// What is known beside the samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Display {
    /// The imported energy that the meter's display showed, in Wh.
    pub energy: f64,
    /// The worth of its last digit, in Wh.
    pub digit: f64,
}

impl Display {
    /// Whether the counter showed this energy during the watch, with this scale.
    fn shows(&self, counter: &Series, exponent: i32) -> bool {
        let (low, high) = (counter.first() * 10_f64.powi(exponent), counter.last() * 10_f64.powi(exponent));
        (low - 2.0 * self.digit..=high + 2.0 * self.digit).contains(&self.energy)
    }
}

/// A pair of power and counter that fit.
#[derive(Clone, Copy)]
pub(super) struct FittingPair<'a> {
    pub(super) power: &'a Series,
    pub(super) counter: &'a Series,
    pub(super) fit: Fit,
}

/// The samples and what follows from them.
pub(super) struct Watch<'a> {
    samples: &'a [RegisterSample],
    parts: Vec<Range<usize>>,
    display: Option<Display>,
    mains: Option<&'a Mains>,
    phases: Option<&'a Phases>,
    /// Every place with a value in all samples.
    pub(super) all: Vec<Series>,
}

impl Conclusion {
    pub(super) fn of(
        samples: &[RegisterSample],
        display: Option<Display>,
        mains: Option<&Mains>,
        phases: Option<&Phases>,
    ) -> Conclusion {
        let all = samples.first().map(places).unwrap_or_default();
        let is_number = |place: &ValuePlace| moves_like_a_number(place, samples);
        let all = all.into_iter().filter(is_number).filter_map(|place| Series::at(place, samples)).collect();
        let watch = Watch { samples, parts: parts(samples), display, mains, phases, all };
        if watch.parts.len() < 2 {
            return Conclusion { doubts: vec![Doubt::ReadOnce], ..Conclusion::default() };
        }
        watch.conclusion()
    }
}

impl Watch<'_> {
    fn is_guided(&self) -> bool {
        self.samples.iter().any(|sample| sample.load.is_some())
    }

    fn conclusion(&self) -> Conclusion {
        let powers: Vec<Series> = self.all.iter().filter_map(|series| self.as_power(series)).collect();
        if powers.is_empty() {
            let doubt = if self.is_guided() { Doubt::NothingFollowed } else { Doubt::NoPower };
            return Conclusion { doubts: vec![doubt], ..Conclusion::default() };
        }
        let counters: Vec<Series> = self.all.iter().filter_map(|series| self.as_counter(series)).collect();
        let mut pairs = self.pairs(&powers, &counters);
        self.drop_parts_of_sums(&mut pairs);
        self.drop_apparent(&mut pairs);
        let (proved, coarse): (Vec<FittingPair<'_>>, Vec<FittingPair<'_>>) =
            pairs.into_iter().partition(|pair| pair.fit.open <= MAX_OPEN);
        let importing: Vec<_> = directed(&proved, Direction::Import);
        let exporting: Vec<_> = directed(&proved, Direction::Export);
        let mut doubts = Vec::new();
        if importing.is_empty() {
            let digits = coarse.iter().map(|pair| pair.fit.digits).filter(|digits| *digits < f64::from(MIN_DIGITS));
            doubts.push(match digits.reduce(f64::max) {
                _ if !exporting.is_empty() => Doubt::Exporting,
                Some(digits) => Doubt::CoarseCounter(digits as u32),
                None => Doubt::NoCounter,
            });
        }
        if let Some(coarse) = coarse.iter().find(|pair| may_be_right(pair, &importing)) {
            doubts.push(Doubt::CoarseCounter(coarse.fit.digits as u32));
        }
        if !importing.is_empty() && self.all.iter().any(|series| self.exports_only(series, &importing)) {
            doubts.push(Doubt::Exporting);
        }
        if importing.is_empty() && exporting.is_empty() {
            return self.decide(&directed(&coarse, Direction::Import), &[], doubts);
        }
        self.decide(&importing, &exporting, doubts)
    }

    /// Chooses one power and one counter of these pairs, or adds why that is not possible.
    fn decide(
        &self,
        importing: &[FittingPair<'_>],
        exporting: &[FittingPair<'_>],
        mut doubts: Vec<Doubt>,
    ) -> Conclusion {
        let used = if importing.is_empty() { exporting } else { importing };
        let order = self.word_order(used);
        let counters = self.counters(importing, order, &mut doubts);
        let likely = counters.first().filter(|it| it.place.block.count > 1).map(|it| it.place.format.low_word_first);
        let powers = self.powers(used, order, likely, &mut doubts);
        let export = self.counters(exporting, order, &mut Vec::new());
        let export = if let [only] = export.as_slice() { Some(only.clone()) } else { None };
        Conclusion { powers, counters, doubts, export }
    }

    /// The counters of these pairs: several where it cannot be known which.
    fn counters(&self, pairs: &[FittingPair<'_>], order: Option<bool>, doubts: &mut Vec<Doubt>) -> Vec<Interpretation> {
        let mut counters = Vec::new();
        let groups = grouped(pairs, |pair| pair.counter);
        for ways in groups.values() {
            let exponent = self.energy_exponent(pairs, ways);
            let is_possible = |raw: f64| exponent.is_none_or(|it| raw * 10_f64.powi(it) <= MAX_ENERGY);
            match choose_counter(ways.clone(), order, is_possible) {
                Ok(choice) => counters.push(self.reading(choice, exponent, false)),
                Err(DifferentValues(ways)) => {
                    let ways = ways.iter().map(|(place, raw)| Interpretation::plain(*place, *raw, exponent, false));
                    let ways: Vec<_> = ways.collect();
                    doubts.push(Doubt::WordOrder(energies(&ways)));
                    counters.extend(ways);
                }
            }
        }
        if groups.len() > 1 {
            doubts.push(several(&counters));
        }
        counters
    }

    /// The powers of these pairs: several where it cannot be known which. `likely` is the word order of the counter.
    fn powers(
        &self,
        pairs: &[FittingPair<'_>],
        order: Option<bool>,
        likely: Option<bool>,
        doubts: &mut Vec<Doubt>,
    ) -> Vec<Interpretation> {
        let mut powers = Vec::new();
        let groups = grouped(pairs, |pair| pair.power);
        for ways in groups.values() {
            let negative = self.follows(ways[0]).is_some_and(|(sign, _)| sign < 0.0);
            let exponent = self.power_exponent(ways[0]);
            match choose_power(ways.clone(), order, likely) {
                Ok(choice) => powers.push(self.reading(choice, exponent, negative)),
                Err(DifferentValues(ways)) => {
                    doubts.push(Doubt::FloatOrder);
                    powers.extend(
                        ways.iter().map(|(place, raw)| Interpretation::plain(*place, *raw, exponent, negative)),
                    );
                }
            }
            if !self.has_changed(ways[0]) {
                doubts.push(Doubt::SteadyPower);
            }
            if exponent.is_none() {
                doubts.push(Doubt::Scale(possible_powers(ways[0])));
            }
        }
        if groups.len() > 1 {
            // The other doubts are about one of them each.
            doubts.retain(|doubt| !matches!(doubt, Doubt::SteadyPower | Doubt::Scale(_)));
            doubts.push(Doubt::SeveralPowers(names(&powers)));
        }
        powers
    }

    /// The word order of this meter's numbers, if something proves it.
    fn word_order(&self, pairs: &[FittingPair<'_>]) -> Option<bool> {
        let proved = proved_order(pairs.iter().map(|pair| pair.power), pairs.iter().map(|pair| pair.counter));
        let float = || self.mains.filter(|mains| mains.order_is_proved).map(|mains| mains.format.low_word_first);
        proved.or_else(float)
    }

    /// A value that may be a power: it changes, and does not only rise. If loads were switched, it follows them; the sign is that of
    /// consumption then.
    fn as_power(&self, series: &Series) -> Option<Series> {
        use Kind::{F32, F64, I16, I32, I64, U16, U32};
        let kind = series.place.format.kind;
        let is_natural = match kind {
            F32 | F64 => series.values.iter().all(|it| *it == 0.0 || (1e-4..1e9).contains(&it.abs())),
            I16 | I32 | I64 => true,
            // Power is signed where the type allows it.
            U16 if self.is_guided() => series.largest() > raw_limit(I16),
            U32 if self.is_guided() => series.largest() > raw_limit(I32),
            _ => false,
        };
        if !is_natural || series.is_constant() || self.rises_steadily(series) {
            return None;
        }
        let sign = if self.is_guided() { self.follows(series)?.0 } else { 1.0 };
        // Positive values that fall when a load is switched on may be magnitudes: they have no direction.
        if sign < 0.0 && series.values.iter().all(|value| *value >= 0.0) {
            return None;
        }
        Some(series.clone())
    }

    pub(super) fn rises_steadily(&self, series: &Series) -> bool {
        let rises = |part: &Range<usize>| series.values[part.end - 1] > series.values[part.start];
        series.never_falls() && self.parts.iter().filter(|part| part.len() > 1).all(rises)
    }

    fn as_counter(&self, series: &Series) -> Option<Series> {
        let is_natural = match series.place.format.kind {
            Kind::F32 | Kind::F64 => (1e-3..1e12).contains(&series.last()),
            Kind::U16 | Kind::U32 | Kind::U64 => true,
            _ => false,
        };
        if is_natural { series.clone().into_counter() } else { None }
    }

    /// The sign and the scale with which this value follows the loads.
    pub(super) fn follows(&self, series: &Series) -> Option<(f64, i32)> {
        let mut means: Vec<(f64, f64)> = Vec::new();
        for part in &self.parts {
            means.push((self.samples[part.start].load?, series.mean(part.clone())));
        }
        means.sort_by(|left, right| left.0.total_cmp(&right.0));
        let (least, most) = (means.first()?, means.last()?);
        let slope = (most.1 - least.1) / (most.0 - least.0);
        if !slope.is_finite() || slope == 0.0 {
            return None;
        }
        // Loads are never exact: 0.55 to 1.8 times the named one contains less than one power of ten.
        let exponent = -(slope.abs().log10().round() as i32);
        let scale = 10_f64.powi(exponent) * slope.signum();
        // The mains voltage falls by up to 3 % when a load is switched on.
        let is_large = (most.1 - least.1).abs() > MIN_FOLLOWING * series.largest();
        let fits = |pair: &[(f64, f64)]| {
            let (load, step) = (pair[1].0 - pair[0].0, (pair[1].1 - pair[0].1) * scale);
            load == 0.0 || (LOAD_STEP.0..=LOAD_STEP.1).contains(&(step / load))
        };
        let is_scale = POWER_EXPONENTS.contains(&exponent) && is_usual(&series.place, exponent);
        let is_fit = is_large && means.windows(2).all(fits) && is_scale;
        is_fit.then_some((slope.signum(), exponent))
    }

    fn pairs<'s>(&self, powers: &'s [Series], counters: &'s [Series]) -> Vec<FittingPair<'s>> {
        let mut pairs = Vec::new();
        for power in powers {
            let mut oriented = power.clone();
            if self.follows(power).is_some_and(|(sign, _)| sign < 0.0) {
                oriented.values.iter_mut().for_each(|value| *value = -*value);
            }
            let is_negative = oriented.values.iter().any(|value| *value < 0.0);
            let directions = [Direction::Import, Direction::Export, Direction::Both];
            for counter in counters.iter().filter(|counter| !counter.place.block.overlaps(power.place.block)) {
                for direction in &directions[..if is_negative { 3 } else { 1 }] {
                    let fit = counter.fit(&oriented, *direction, self.samples, &self.parts);
                    let fit = fit.filter(|fit| self.is_shown(power, counter, fit));
                    pairs.extend(fit.map(|fit| FittingPair { power, counter, fit }));
                }
            }
        }
        pairs
    }

    /// Whether the scale of the counter that follows from the loads is a usual one, and the display may show the counter.
    fn is_shown(&self, power: &Series, counter: &Series, fit: &Fit) -> bool {
        let follows = self.follows(power).map(|(_, exponent)| exponent - fit.tens);
        let exponents = follows.map_or(ENERGY_EXPONENTS, |exponent| exponent..=exponent);
        let is_scale = |exponent: &i32| ENERGY_EXPONENTS.contains(exponent) && is_usual(&counter.place, *exponent);
        let display = self.display.filter(|_| fit.direction == Direction::Import);
        let mut exponents = exponents.filter(is_scale);
        exponents.any(|exponent| display.is_none_or(|display| display.shows(counter, exponent)))
    }

    /// Whether the power changed enough to tell it from values that fit by chance.
    pub(super) fn has_changed(&self, power: &Series) -> bool {
        let means: Vec<f64> = self.parts.iter().map(|part| power.mean(part.clone())).collect();
        let (low, high) = means.iter().fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(*it), high.max(*it)));
        high - low >= MIN_CHANGE * high.abs().max(low.abs())
    }

    /// The scale of a power: from the loads, or because floats of volts, amperes and watts agree.
    fn power_exponent(&self, power: &Series) -> Option<i32> {
        let by_load = self.follows(power).map(|(_, exponent)| exponent);
        let by_phases = || {
            let phases = self.phases.filter(|_| self.mains.is_some_and(|mains| mains.format.kind.is_float()))?;
            let known = phases.total.iter().chain(&phases.powers).find(|it| it.place == power.place)?;
            Some(known.exponent)
        };
        by_load.or_else(by_phases)
    }

    fn energy_exponent(&self, pairs: &[FittingPair<'_>], ways: &[&Series]) -> Option<i32> {
        let exponent = |pair: &FittingPair<'_>| Some(self.power_exponent(pair.power)? - pair.fit.tens);
        pairs.iter().filter(|pair| ways.contains(&pair.counter)).find_map(exponent)
    }

    fn reading(&self, choice: Choice, exponent: Option<i32>, negative: bool) -> Interpretation {
        let Choice { place, others, right_up_to } = choice;
        let raw = self.samples.last().and_then(|sample| sample.number(&place)).unwrap_or_default();
        let caution = right_up_to.map(|limit| match limit {
            65_535.0 if place.format.kind == Kind::U32 => format!("the high word is 0: this is right up to a raw value of {limit}; watch longer, or compare with the display"),
            limit => format!("another type or word order reads the same so far: this is right up to a raw value of {limit}"),
        });
        Interpretation { place, exponent, negative, raw, others, caution }
    }
}

fn directed<'s>(pairs: &[FittingPair<'s>], direction: Direction) -> Vec<FittingPair<'s>> {
    pairs.iter().filter(|pair| pair.fit.direction == direction).copied().collect()
}

/// The ways to read each value, by the register that decides about it.
fn grouped<'s>(
    pairs: &[FittingPair<'s>],
    which: impl Fn(&FittingPair<'s>) -> &'s Series,
) -> BTreeMap<Anchor, Vec<&'s Series>> {
    let mut groups: BTreeMap<Anchor, Vec<&Series>> = BTreeMap::new();
    for series in pairs.iter().map(which) {
        let group = groups.entry(Anchor::of(&series.place)).or_default();
        if !group.iter().any(|known| known.place == series.place) {
            group.push(series);
        }
    }
    groups
}

/// Several counters, or the same registers in several types.
fn several(counters: &[Interpretation]) -> Doubt {
    let is_one = counters.windows(2).all(|pair| pair[0].place.block == pair[1].place.block);
    if is_one { Doubt::WordOrder(energies(counters)) } else { Doubt::SeveralCounters(names(counters)) }
}

/// Whether a number in this format is scaled like this: floats are in W, kW or MW.
fn is_usual(place: &ValuePlace, exponent: i32) -> bool {
    !place.format.kind.is_float() || exponent % 3 == 0
}

/// `120 W, 1203 W or 12030 W`
fn possible_powers(power: &Series) -> String {
    let watts = POWER_EXPONENTS.map(|exponent| power.largest() * 10_f64.powi(exponent));
    let texts: Vec<_> =
        watts.filter(|watts| (WATTS.0..=WATTS.1).contains(watts)).map(|watts| format!("{watts:.0} W")).collect();
    texts.join(" or ")
}
