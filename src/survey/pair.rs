//! Whether a counter rises as a power predicts. Pure.

use std::ops::Range;

use super::samples::{RegisterSample, ValuePlace};
use crate::meter::Kind;

/// What a counter adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// Imported energy: the power while it is positive.
    Import,
    /// Exported energy: the power while it is negative.
    Export,
    /// Both, without their sign.
    Both,
}

/// The values of a register place in all samples.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) place: ValuePlace,
    pub(super) values: Vec<f64>,
    /// The smallest difference that is visible in them.
    pub(super) resolution: f64,
}

/// A counter and a power that belong together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    pub(super) direction: Direction,
    /// The counter rises by 10 to this power of the raw power times hours.
    pub(super) tens: i32,
    /// How many digits the counter rose.
    pub(super) digits: f64,
    /// The part of the rise that the resolution and the time between samples leave open: 0.25 or less proves the fit.
    pub(super) open: f64,
}

/// A counter may show its energy this much later than the power.
const COUNTER_LAG: f64 = 2.0 / 3600.0;
/// Meters measure power and energy with this relative difference at most.
const METER_ERROR: f64 = 0.01;
/// Values that changed by fewer digits may be equal by chance.
const MIN_CHANGE: f64 = 20.0;
/// A fit with more left open is no proof.
pub(super) const MAX_OPEN: f64 = 0.25;
/// The possible differences between the scales of a counter and a power.
const TENS: std::ops::RangeInclusive<i32> = -9..=9;

impl Direction {
    fn part(self, power: f64) -> f64 {
        match self {
            Direction::Import => power.max(0.0),
            Direction::Export => (-power).max(0.0),
            Direction::Both => power.abs(),
        }
    }
}

impl Series {
    /// The values at this place; `None` where a sample has none.
    pub(super) fn at(place: ValuePlace, samples: &[RegisterSample]) -> Option<Series> {
        let values = place.series(samples)?;
        let mut series = Series { place, values, resolution: 1.0 };
        match place.format.kind {
            Kind::F32 => series.resolution = series.largest() * f64::from(f32::EPSILON),
            Kind::F64 => series.resolution = series.largest() * f64::EPSILON,
            _ => {}
        }
        Some(series)
    }

    pub(super) fn first(&self) -> f64 {
        self.values.first().copied().unwrap_or_default()
    }

    pub(super) fn last(&self) -> f64 {
        self.values.last().copied().unwrap_or_default()
    }

    /// The largest magnitude.
    pub(super) fn largest(&self) -> f64 {
        self.values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
    }

    /// Whether it never falls.
    pub(super) fn never_falls(&self) -> bool {
        self.values.windows(2).all(|pair| pair[1] >= pair[0])
    }

    pub(super) fn is_constant(&self) -> bool {
        self.values.iter().all(|value| *value == self.first())
    }

    /// The value that rises and never falls. Where it stands still between samples, it counts in steps of at least its smallest rise.
    pub(super) fn into_counter(mut self) -> Option<Series> {
        if self.first() < 0.0 || !self.never_falls() || self.last() <= self.first() {
            return None;
        }
        let rises: Vec<f64> = self.values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let smallest = rises.iter().copied().filter(|rise| *rise > 0.0).fold(f64::INFINITY, f64::min);
        if rises.contains(&0.0) {
            self.resolution = self.resolution.max(smallest);
        }
        Some(self)
    }

    /// Whether these are the same values, and have changed in the same way by enough to prove it.
    pub(super) fn equals(&self, others: &[f64], tolerance: f64) -> bool {
        let change = |values: &[f64], index: usize| values[index] - values[0];
        let largest = (0..others.len()).fold(0.0_f64, |largest, index| largest.max(change(others, index).abs()));
        let near =
            |left: f64, right: f64, scale: f64| (left - right).abs() <= tolerance + scale.abs() * METER_ERROR / 2.0;
        largest >= MIN_CHANGE * self.resolution
            && (0..others.len()).all(|index| {
                near(self.values[index], others[index], others[index])
                    && near(change(&self.values, index), change(others, index), largest)
            })
    }

    /// The mean of these samples.
    pub(super) fn mean(&self, part: Range<usize>) -> f64 {
        let count = part.len().max(1) as f64;
        self.values[part].iter().sum::<f64>() / count
    }

    /// How this counter fits the power, in each of these parts of the watch and in the whole. `None` if it does not.
    pub(super) fn fit(
        &self,
        power: &Series,
        direction: Direction,
        samples: &[RegisterSample],
        parts: &[Range<usize>],
    ) -> Option<Fit> {
        let power_part: Vec<f64> = power.values.iter().map(|value| direction.part(*value)).collect();
        let whole = Flow::of(samples, &power_part, power.resolution, 0..samples.len());
        let rise = self.last() - self.first();
        if whole.area <= 0.0 || rise <= 0.0 {
            return None;
        }
        let tens = (rise / whole.area).log10().round();
        let scale = 10_f64.powf(tens);
        let fits = |flow: &Flow, rise: f64| {
            (rise - scale * flow.area).abs() <= self.resolution + scale * (flow.slack + METER_ERROR * flow.area)
        };
        let part_fits = |part: &Range<usize>| {
            let rise = self.values[part.end - 1] - self.values[part.start];
            fits(&Flow::of(samples, &power_part, power.resolution, part.clone()), rise)
        };
        // Between the parts a load was switched at an unknown moment: without these spans the tolerance is smaller.
        let flows: Vec<Flow> =
            parts.iter().map(|part| Flow::of(samples, &power_part, power.resolution, part.clone())).collect();
        let within = Flow {
            area: flows.iter().map(|flow| flow.area).sum(),
            slack: flows.iter().map(|flow| flow.slack + self.resolution / scale).sum(),
        };
        let rise_within = parts.iter().map(|part| self.values[part.end - 1] - self.values[part.start]).sum();
        let open = (self.resolution + scale * whole.slack) / rise;
        let is_fit = TENS.contains(&(tens as i32))
            && fits(&whole, rise)
            && fits(&within, rise_within)
            && parts.iter().all(part_fits);
        is_fit.then_some(Fit { direction, tens: tens as i32, digits: rise / self.resolution, open })
    }
}

/// The energy of a power in a part of the watch, in raw units times hours.
struct Flow {
    area: f64,
    /// What may be added or missing, because the power is known at some moments only.
    slack: f64,
}

impl Flow {
    fn of(samples: &[RegisterSample], power: &[f64], resolution: f64, part: Range<usize>) -> Flow {
        let mut flow = Flow { area: 0.0, slack: 0.0 };
        let mut largest: f64 = 0.0;
        for next in part.start + 1..part.end {
            let hours = (samples[next].at - samples[next - 1].at) / 3600.0;
            let (before, after) = (power[next - 1], power[next]);
            largest = largest.max(before).max(after);
            flow.area += hours * (before + after) / 2.0;
            flow.slack += hours * ((before - after).abs() / 2.0 + resolution);
        }
        flow.slack += COUNTER_LAG * largest;
        flow
    }
}
