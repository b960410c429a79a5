//! Finds currents and powers by their relation to the voltages: power is at most voltage times current, and the total is the sum of the
//! phases. Pure.

use super::mains::Mains;
use super::samples::{RegisterSample, ValuePlace};
use crate::meter::RegisterRange;

/// The currents and powers of the phases with known voltages, and the total power.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Phases {
    pub(super) currents: Vec<ScaledPlace>,
    pub(super) powers: Vec<ScaledPlace>,
    pub(super) total: Option<ScaledPlace>,
}

/// A value with its scale: the raw value times 10 to the power `exponent` is `value`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ScaledPlace {
    pub(super) place: ValuePlace,
    pub(super) exponent: i32,
    pub(super) value: f64,
}

/// Registers after the first voltage that are searched.
const SEARCH_LENGTH: u16 = 64;
/// The range of a plausible current in A.
const AMPERES: (f64, f64) = (0.02, 2000.0);
/// The range of a load's power factor, with the rounding of three registers.
const FACTOR: (f64, f64) = (0.3, 1.02);

impl Phases {
    /// Currents and powers with the same register spacing as the voltages, each power at most voltage times current. A single voltage is not
    /// enough: too many registers would match.
    pub(super) fn find(mains: &Mains, samples: &[RegisterSample]) -> Option<Phases> {
        let volts: Vec<_> = mains.volts.iter().take(3).collect();
        let [first, second, ..] = volts[..] else { return None };
        let stride = second.place.block.address - first.place.block.address;
        let places: Vec<ValuePlace> = volts.iter().map(|volt| volt.place).collect();
        if places.windows(2).any(|pair| pair[1].block.address - pair[0].block.address != stride) {
            return None;
        }
        let shifted_by = |by: u16| places.iter().map(|place| shifted(place, by)).collect::<Option<Vec<_>>>();
        let scaled = |places: &[ValuePlace], exponent| {
            places.iter().map(|place| ScaledPlace::at(*place, exponent, samples)).collect::<Option<Vec<_>>>()
        };
        let is_float = mains.format.kind.is_float();
        let exponents = if is_float { &[0][..] } else { &[-3, -2, -1, 0] };
        // Floats are in W or kW.
        let power_exponents = if is_float { &[0, 3][..] } else { exponents };
        let offsets = (places.len() as u16 * stride..SEARCH_LENGTH).step_by(usize::from(stride.max(1)));
        for ampere in offsets.clone() {
            for watt in offsets.clone().filter(|watt| *watt >= ampere + places.len() as u16 * stride) {
                let (Some(amperes), Some(watts)) = (shifted_by(ampere), shifted_by(watt)) else { continue };
                for current_exponent in exponents {
                    let Some(currents) = scaled(&amperes, *current_exponent) else { continue };
                    if !currents.iter().all(|it| (AMPERES.0..=AMPERES.1).contains(&it.value.abs())) {
                        continue;
                    }
                    for power_exponent in power_exponents {
                        let Some(powers) = scaled(&watts, *power_exponent) else { continue };
                        let fits = volts.iter().zip(&currents).zip(&powers).all(|((volt, current), power)| {
                            let factor = power.value.abs() / (volt.value * current.value.abs());
                            (FACTOR.0..=FACTOR.1).contains(&factor)
                        });
                        if fits {
                            return Some(Phases { currents, powers, total: None });
                        }
                    }
                }
            }
        }
        None
    }

    /// Sets the total to the first of these places that is the sum of the phases in all samples.
    pub(super) fn find_total(&mut self, samples: &[RegisterSample], places: &[ValuePlace]) {
        let Some(exponent) = self.powers.first().map(|power| power.exponent) else { return };
        let format = self.powers[0].place.format;
        let total = places.iter().filter(|place| place.format == format).find(|place| {
            !self.powers.iter().any(|power| power.place == **place)
                && samples.iter().all(|sample| {
                    let phases: Option<f64> = self.powers.iter().map(|power| sample.number(&power.place)).sum();
                    let (Some(phases), Some(total)) = (phases, sample.number(place)) else { return false };
                    phases.abs() > 0.0 && (total - phases).abs() <= phases.abs() * 0.01
                })
        });
        self.total = total.and_then(|place| ScaledPlace::at(*place, exponent, samples));
    }
}

impl ScaledPlace {
    fn at(place: ValuePlace, exponent: i32, samples: &[RegisterSample]) -> Option<ScaledPlace> {
        let raw = samples.first()?.number(&place)?;
        Some(ScaledPlace { place, exponent, value: raw * 10_f64.powi(exponent) })
    }
}

fn shifted(place: &ValuePlace, by: u16) -> Option<ValuePlace> {
    let address = place.block.address.checked_add(by)?;
    Some(ValuePlace { block: RegisterRange { address, ..place.block }, ..*place })
}
