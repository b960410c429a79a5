//! Finds pairs of an energy counter and a power: the counter rises by the power over time. Pure.

use super::mains::Mains;
use super::phases::{Phases, ScaledPlace};
use super::samples::{RegisterSample, ValuePlace};
use crate::meter::Kind;

/// A counter whose rise matches a power.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PowerCounterPair {
    /// The power in W.
    pub(super) power: ScaledPlace,
    /// The counter in Wh.
    pub(super) energy: ScaledPlace,
    /// The relative difference between the counter's rise and the energy of the power.
    pub(super) off: f64,
    /// Higher is better.
    pub(super) score: f64,
}

/// The usual scales of counters and powers, as powers of ten of a Wh and a W, the most common first.
const ENERGY_DIGITS: [i32; 8] = [3, 1, 0, 2, -1, -3, -2, 6];
const POWER_DIGITS: [i32; 6] = [0, -1, -2, 1, -3, 3];
/// The possible differences between these scales.
const TENS: std::ops::RangeInclusive<i32> = -9..=6;
/// The range of a plausible mean power in W.
const WATTS: (f64, f64) = (2.0, 1e6);
/// The allowed relative difference, in addition to the counter's resolution.
const TOLERANCE: f64 = 0.03;
/// The minimum rise of a counter, in units of its resolution.
const MIN_RISE: f64 = 8.0;
/// Maximum pairs.
const MAX_PAIRS: usize = 8;

/// The pairs, the best first.
pub(super) fn pairs(
    samples: &[RegisterSample],
    places: &[ValuePlace],
    mains: Option<&Mains>,
    phases: Option<&Phases>,
) -> Vec<PowerCounterPair> {
    let Some((first, last)) = samples.first().zip(samples.last()) else { return Vec::new() };
    let hours = (last.at - first.at) / 3600.0;
    if hours <= 0.0 {
        return Vec::new();
    }
    let counters: Vec<_> = places.iter().filter_map(|place| Counter::at(place, samples)).collect();
    let mut pairs: Vec<PowerCounterPair> = Vec::new();
    for place in places {
        let Some(series) = place.series(samples).filter(|series| series.iter().all(|raw| *raw > 0.0)) else { continue };
        let area = integral(samples, &series);
        for counter in &counters {
            if let Some(pair) = counter.paired_with(place, area, area / hours, mains, phases) {
                pairs.push(pair);
            }
        }
    }
    pairs.sort_by(|left, right| {
        let address = |pair: &PowerCounterPair| (pair.energy.place.block.address, pair.power.place.block.address);
        right.score.total_cmp(&left.score).then_with(|| address(left).cmp(&address(right)))
    });
    pairs.truncate(MAX_PAIRS);
    pairs
}

/// The integral of the series over time, in raw units times hours.
fn integral(samples: &[RegisterSample], series: &[f64]) -> f64 {
    let spans = samples.windows(2).map(|pair| pair[1].at - pair[0].at);
    spans.zip(series.windows(2)).map(|(span, pair)| span * (pair[0] + pair[1]) / 2.0).sum::<f64>() / 3600.0
}

/// A value that rises and never falls.
struct Counter {
    place: ValuePlace,
    last: f64,
    rise: f64,
    /// The resolution at this value.
    resolution: f64,
}

impl Counter {
    fn at(place: &ValuePlace, samples: &[RegisterSample]) -> Option<Counter> {
        let series = place.series(samples)?;
        let (first, last) = (*series.first()?, *series.last()?);
        let rises = first >= 0.0 && series.windows(2).all(|pair| pair[1] >= pair[0]) && last > first;
        let resolution = match place.format.kind {
            Kind::F32 => last * f64::from(f32::EPSILON),
            Kind::F64 => last * f64::EPSILON,
            _ => 1.0,
        };
        rises.then_some(Counter { place: *place, last, rise: last - first, resolution })
    }

    /// The pair of this counter and that power, if the rise divided by the energy of the power is about a power of ten.
    fn paired_with(
        &self,
        power: &ValuePlace,
        area: f64,
        mean: f64,
        mains: Option<&Mains>,
        phases: Option<&Phases>,
    ) -> Option<PowerCounterPair> {
        if power.block.overlaps(self.place.block)
            || power.block.function != self.place.block.function
            || self.rise < MIN_RISE * self.resolution
        {
            return None;
        }
        let ratio = self.rise / area;
        let tolerance = TOLERANCE + 1.5 * self.resolution / self.rise;
        let near = TENS.map(|tens| (tens, (ratio / 10_f64.powi(tens) - 1.0).abs()));
        let nearest = near.min_by(|(_, left), (_, right)| left.total_cmp(right));
        let (tens, off) = nearest.filter(|(_, off)| *off <= tolerance)?;
        let known = phases.and_then(|phases| phases.powers.iter().chain(&phases.total).find(|it| it.place == *power));
        let natural = POWER_DIGITS.iter().zip(0..).filter_map(|(digit, rank)| {
            let energy = digit - tens;
            let watts = mean * 10_f64.powi(*digit);
            let usual = ENERGY_DIGITS.iter().position(|known| *known == energy)?;
            let float_fits = !power.format.kind.is_float() || matches!(digit, 0 | 3);
            let allowed = known.is_none_or(|known| known.exponent == *digit);
            ((WATTS.0..=WATTS.1).contains(&watts) && float_fits && allowed).then_some((rank + usual, *digit, energy))
        });
        let (unusual, power_digit, energy_digit) = natural.min()?;
        let in_mains = |place: &ValuePlace| {
            mains.is_some_and(|it| it.function == place.block.function && it.format == place.format)
        };
        // Values of two registers are an even number of registers away from the voltages.
        let is_misaligned = |place: &ValuePlace| {
            mains.and_then(|mains| mains.volts.first()).is_some_and(|volt| {
                let apart = place.block.address.abs_diff(volt.place.block.address);
                place.block.count > 1 && volt.place.block.count > 1 && apart % 2 == 1
            })
        };
        let is_mains = mains.is_some_and(|mains| {
            mains.volts.iter().chain(&mains.hertz).any(|value| value.place.block.overlaps(power.block))
        });
        let total = phases.and_then(|phases| phases.total.as_ref()).is_some_and(|total| total.place == *power);
        let score = 6.0 * (1.0 - off / tolerance / 2.0) - 0.3 * unusual as f64
            + f64::from(u8::from(power.format == self.place.format))
            + f64::from(u8::from(in_mains(power)) * 2)
            + f64::from(u8::from(in_mains(&self.place)))
            - f64::from(u8::from(is_mains)) * 3.0
            - f64::from(u8::from(is_misaligned(power)) + u8::from(is_misaligned(&self.place))) * 2.0
            + f64::from(u8::from(known.is_some()) * 2)
            + f64::from(u8::from(total) * 4)
            + match (power.format.kind.registers(), self.place.format.kind.registers()) {
                // A counter of 16 bits would overflow too often: it is the low word of a wider one.
                (_, 1) => -2.0,
                (4, _) | (_, 4) => -1.0,
                _ => 0.0,
            };
        let scaled = |place: ValuePlace, exponent: i32, raw: f64| ScaledPlace {
            place,
            exponent,
            value: raw * 10_f64.powi(exponent),
        };
        Some(PowerCounterPair {
            power: scaled(*power, power_digit, mean),
            energy: scaled(self.place, energy_digit, self.last),
            off,
            score,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::meter::{Format, Function, RegisterRange};
    use crate::survey::samples::{RegisterSample, places};

    const BLOCK: RegisterRange = RegisterRange { function: Function::Input, address: 0, count: 12 };

    /// Voltages of three phases, a power in W, a counter in kWh and the seconds of a clock, as floats.
    fn floats(watts: f64, reading: f64, seconds: f64) -> RegisterSample {
        let energy = reading + watts / 1000.0 * seconds / 3600.0;
        let values = [230.1, 229.5, 231.2, watts as f32, energy as f32, 1000.0 + seconds as f32];
        let words = values.map(f32::to_bits).into_iter().flat_map(|bits| [(bits >> 16) as u16, bits as u16]).collect();
        RegisterSample { at: seconds, answers: [(BLOCK, words)].into() }
    }

    fn best(samples: &[RegisterSample]) -> Option<PowerCounterPair> {
        let places = places(&samples[0]);
        let mains = Mains::find(samples, &places);
        pairs(samples, &places, mains.as_ref(), None).into_iter().next()
    }

    #[test]
    fn an_integer_counter_is_found() {
        let sample = |seconds: f64| {
            // Resolutions of 0.1 W and 0.01 Wh, low word first.
            let energy = 4_000_000 + (1234.5 * seconds / 3600.0 * 100.0) as u32;
            let words = vec![2301, 12345, 0, energy as u16, (energy >> 16) as u16];
            RegisterSample { at: seconds, answers: [(RegisterRange { count: 5, ..BLOCK }, words)].into() }
        };
        let samples: Vec<_> = (0..7).map(|index| sample(f64::from(index) * 10.0)).collect();
        let pair = best(&samples).unwrap();
        assert_eq!((pair.power.place.block.address, pair.energy.place.block.address), (1, 3), "{pair:?}");
        assert_eq!(pair.power.exponent - pair.energy.exponent, 1, "{pair:?}");
        let format = Format { kind: Kind::U32, low_word_first: true, low_byte_first: false };
        assert!(pair.energy.place.format == format || pair.energy.place.format.kind == Kind::I32, "{pair:?}");
    }

    #[test]
    fn a_power_in_the_range_of_a_voltage_is_found() {
        let samples: Vec<_> = (0..13).map(|index| floats(231.4, 500.0, f64::from(index) * 10.0)).collect();
        let pair = best(&samples).unwrap();
        assert_eq!((pair.power.place.block.address, pair.energy.place.block.address), (6, 8), "{pair:?}");
    }

    #[test]
    fn a_constant_value_is_not_a_counter() {
        let samples: Vec<_> = (0..5).map(|_| floats(1500.0, 10.0, 0.0)).collect();
        assert_eq!(best(&samples), None);
        assert_eq!(best(&samples[..1]), None);
    }

    proptest! {
        #[test]
        fn a_float_counter_is_found(watts in 800.0_f64..20_000.0, reading in 0.0_f64..300.0) {
            let samples: Vec<_> = (0..7).map(|index| floats(watts, reading, f64::from(index) * 10.0)).collect();
            let pair = best(&samples).unwrap();
            prop_assert_eq!((pair.power.place.block.address, pair.energy.place.block.address), (6, 8));
            prop_assert_eq!((pair.power.exponent, pair.energy.exponent), (0, 3));
            prop_assert_eq!((pair.power.place.format.kind, pair.energy.place.format.kind), (Kind::F32, Kind::F32));
        }
    }
}
