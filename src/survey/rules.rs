//! The rules that leave out look-alikes of a power or a counter: single phases, the apparent power, and what was exported. Pure.

use std::collections::BTreeSet;

use super::conclusion::{FittingPair, Watch};
use super::doubt::MIN_DIGITS;
use super::pair::{Direction, Series};
use super::samples::ValuePlace;
use super::words::Anchor;
use crate::meter::RegisterRange;

impl Watch<'_> {
    /// Whether this is a power like those that were found, which was exported all the time: its counter did not rise, while that of a phase or
    /// of a part of the site may have risen. Positive values that fall when a load is switched on are exported, too.
    pub(super) fn exports_only(&self, series: &Series, importing: &[FittingPair<'_>]) -> bool {
        let Some((sign, _)) = self.follows(series) else { return false };
        // A voltage falls a little with each load, too.
        let is_signed = series.values.iter().any(|value| *value < 0.0) || self.has_changed(series);
        let is_negative = is_signed && series.values.iter().any(|value| value * sign < 0.0);
        let is_alike = importing.iter().any(|pair| pair.power.place.format == series.place.format);
        let is_known = importing.iter().any(|pair| pair.power.place.block.overlaps(series.place.block));
        let mut parts = importing.iter().filter_map(|pair| self.phases_of(pair.power)).flatten();
        is_negative && is_alike && !is_known && !self.rises_steadily(series) && !parts.any(|part| part == series.place)
    }

    /// Leaves out powers and counters of single phases: three in a row that add up to another one.
    pub(super) fn drop_parts_of_sums(&self, pairs: &mut Vec<FittingPair<'_>>) {
        let mut parts = BTreeSet::new();
        for series in pairs.iter().flat_map(|pair| [pair.power, pair.counter]) {
            parts.extend(self.phases_of(series).into_iter().flatten().map(|place| Anchor::of(&place)));
        }
        pairs.retain(|pair| {
            !parts.contains(&Anchor::of(&pair.power.place)) && !parts.contains(&Anchor::of(&pair.counter.place))
        });
    }

    /// Three values in a row, in the same format, whose sum is this value in all samples. Each of them matters.
    fn phases_of(&self, sum: &Series) -> Option<[ValuePlace; 3]> {
        let same_format =
            |series: &&Series| series.place.format == sum.place.format && !series.place.block.overlaps(sum.place.block);
        self.all.iter().filter(same_format).find_map(|first| {
            let at = |step: u16| {
                let address = first.place.block.address.checked_add(step * first.place.block.count)?;
                let place = ValuePlace { block: RegisterRange { address, ..first.place.block }, ..first.place };
                self.all.iter().find(|series| series.place == place)
            };
            let three = [first, at(1)?, at(2)?];
            let is_separate = three.iter().all(|part| !part.place.block.overlaps(sum.place.block));
            // With a third value of 0, import and export add up to their total in the same way.
            let are_used = three.iter().all(|part| part.largest() >= sum.largest() * 0.02);
            let added: Vec<f64> =
                (0..sum.values.len()).map(|index| three.iter().map(|part| part.values[index]).sum()).collect();
            let adds_up = sum.equals(&added, 3.0 * sum.resolution);
            (is_separate && are_used && adds_up).then(|| three.map(|series| series.place))
        })
    }

    /// Leaves out an apparent power, which fits the same counter as the power: its square is the sum of the squares of the power and of another
    /// value, the reactive power.
    pub(super) fn drop_apparent(&self, pairs: &mut Vec<FittingPair<'_>>) {
        let is_apparent = |apparent: &FittingPair<'_>| {
            pairs.iter().any(|pair| {
                pair.counter == apparent.counter
                    && pair.power.place.format == apparent.power.place.format
                    && pair.power.place != apparent.power.place
                    && self.all.iter().any(|reactive| is_right_triangle(pair.power, reactive, apparent.power))
            })
        };
        let apparent: BTreeSet<_> =
            pairs.iter().filter(|pair| is_apparent(pair)).map(|pair| Anchor::of(&pair.power.place)).collect();
        pairs.retain(|pair| !apparent.contains(&Anchor::of(&pair.power.place)));
    }
}

/// Whether this counter, which rose by a few digits only, may be the right one, although another one fits better: it has the same registers or
/// format, or another power.
pub(super) fn may_be_right(coarse: &FittingPair<'_>, importing: &[FittingPair<'_>]) -> bool {
    let anchors = |pair: &FittingPair<'_>| (Anchor::of(&pair.power.place), Anchor::of(&pair.counter.place));
    let competes = |pair: &FittingPair<'_>| {
        anchors(pair).0 != anchors(coarse).0
            || coarse.counter.place.block.overlaps(pair.counter.place.block)
            || coarse.counter.place.format == pair.counter.place.format
    };
    coarse.fit.direction == Direction::Import
        && coarse.fit.digits < f64::from(MIN_DIGITS)
        && coarse.fit.open < 1.0
        && importing.iter().any(competes)
        && !importing.iter().any(|pair| anchors(pair) == anchors(coarse))
}

/// Whether the square of the apparent power is the sum of the other two in all samples, and the reactive power matters.
fn is_right_triangle(power: &Series, reactive: &Series, apparent: &Series) -> bool {
    let differs = |(left, right): (&f64, &f64)| right - left.abs() > 4.0 * power.resolution + right.abs() * 0.01;
    let separate = [power, reactive, apparent].map(|series| series.place.block);
    reactive.place.format == power.place.format
        && !separate[0].overlaps(separate[1])
        && !separate[1].overlaps(separate[2])
        && !separate[0].overlaps(separate[2])
        && power.values.iter().zip(&apparent.values).any(differs)
        && (0..power.values.len()).all(|index| {
            let expected = power.values[index].hypot(reactive.values[index]);
            (expected - apparent.values[index]).abs() <= 3.0 * apparent.resolution + expected * 0.005
        })
}
