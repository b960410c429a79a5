//! Finds mains voltages and frequency in a meter's registers (about 230 V or 120 V, 50 or 60 Hz), and with them the meter's number format.
//! Pure.

use super::pair::Series;
use super::samples::{RegisterSample, ValuePlace};
use crate::meter::{Format, Function, Kind, RegisterRange};

/// A value that is a plausible mains voltage or frequency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MainsValue {
    pub(super) place: ValuePlace,
    /// The raw value times 10 to this power is in V or Hz.
    pub(super) exponent: i32,
    pub(super) value: f64,
    /// The weight of the evidence: higher for formats in which chance matches are rare.
    pub(super) weight: f64,
}

/// The mains values in one format.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mains {
    pub(super) function: Function,
    pub(super) format: Format,
    pub(super) volts: Vec<MainsValue>,
    pub(super) hertz: Vec<MainsValue>,
    /// The word order is not a guess: a float is nearly the same one register before it in the other order.
    pub(super) order_is_proved: bool,
}

/// Ranges in V, phase to neutral and phase to phase, +-10 %: 230/400 V and 120/208 V. Sources: IEC 60038; EN 50160 (230 V +-10 %); ANSI C84.1.
const VOLTS: [(f64, f64); 4] = [(207.0, 253.0), (108.0, 132.0), (360.0, 440.0), (187.0, 206.9)];
/// Ranges in Hz. Source: EN 50160 (50 Hz +-1 %); the same width for 60 Hz.
const HERTZ: [(f64, f64); 2] = [(49.5, 50.5), (59.5, 60.5)];
/// The usual scales of voltage and frequency in meters.
const VOLT_EXPONENTS: [i32; 3] = [0, -1, -2];
const HERTZ_EXPONENTS: [i32; 4] = [0, -1, -2, -3];
/// Maximum voltages that count: one for each phase.
const MAX_VOLTS: usize = 3;
/// The word order is proved if the values in the other order have less than this part of the weight.
const MAX_OPPOSITE: f64 = 0.75;
/// A value that rises this often and never falls is no mains value.
const MIN_RISES: usize = 3;
/// A lower total weight may be chance.
const CONVINCING: f64 = 3.5;

impl Mains {
    /// The mains values in the format with the most evidence; `None` if there is too little.
    pub(super) fn find(samples: &[RegisterSample], places: &[ValuePlace]) -> Option<Mains> {
        let mut families: Vec<Mains> = Vec::new();
        for place in places.iter().filter(|place| !is_signed(place.format.kind)) {
            let volts = mains_value(place, samples, &VOLTS, &VOLT_EXPONENTS);
            let hertz = mains_value(place, samples, &HERTZ, &HERTZ_EXPONENTS);
            if volts.is_none() && hertz.is_none() {
                continue;
            }
            let (function, format) = (place.block.function, place.format);
            let known = families.iter().position(|it| it.function == function && it.format == format);
            let family = known.unwrap_or_else(|| {
                let (volts, hertz) = (Vec::new(), Vec::new());
                families.push(Mains { function, format, volts, hertz, order_is_proved: false });
                families.len() - 1
            });
            families[family].volts.extend(volts);
            families[family].hertz.extend(hertz);
        }
        families.iter_mut().for_each(Mains::keep_most_common);
        let convincing = |it: &Mains| !it.volts.is_empty() && it.weight() >= CONVINCING;
        // Among equals, the wider format: a value of two registers also appears in its low register alone while the high one is zero. Then
        // even addresses: a float is nearly the same one register later in the other word order.
        let even = |it: &Mains| it.volts.iter().all(|value| value.place.block.address % 2 == 0);
        let rank = |it: &Mains| {
            let weight = (it.weight() * 10.0) as i64;
            (weight, it.format.kind.registers(), even(it), !it.format.low_word_first)
        };
        let mut best = families.iter().filter(|it| convincing(it)).max_by_key(|it| rank(it))?.clone();
        let opposite = |it: &&Mains| {
            it.format == Format { low_word_first: !best.format.low_word_first, ..best.format }
                && it.function == best.function
        };
        let second = families.iter().filter(opposite).map(Mains::weight).fold(0.0, f64::max);
        best.order_is_proved = best.format.kind.is_float() && second < best.weight() * MAX_OPPOSITE;
        Some(best)
    }

    /// Whether a voltage of the row that begins with the first one, or the frequency, is in these registers.
    pub(super) fn is_at(&self, range: RegisterRange) -> bool {
        let row = self.volts.first().map_or(0, |first| u32::from(first.place.block.address));
        let in_row = |(index, it): &(u32, &MainsValue)| {
            u32::from(it.place.block.address) == row + index * u32::from(it.place.block.count)
        };
        let volts = (0..).zip(&self.volts).take_while(in_row).map(|(_, it)| it);
        let mut places = volts.chain(self.hertz.first()).map(|it| it.place.block);
        places.any(|block| block.overlaps(range))
    }

    /// `230.1 V, 229.8 V, 50.0 Hz`.
    pub(super) fn words(&self) -> String {
        let volts = self.volts.iter().take(3).map(|value| format!("{:.1} V", value.value));
        volts
            .chain(self.hertz.iter().take(1).map(|value| format!("{:.2} Hz", value.value)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Keeps the voltages with the most common scale and address parity.
    fn keep_most_common(&mut self) {
        let layout = |value: &MainsValue| {
            let RegisterRange { address, count, .. } = value.place.block;
            (value.exponent, if count > 1 { address % 2 } else { 0 })
        };
        let alike = |one: &&MainsValue| self.volts.iter().filter(|other| layout(other) == layout(one)).count();
        // Among equals, the first.
        if let Some(usual) = self.volts.iter().rev().max_by_key(alike).map(layout) {
            self.volts.retain(|value| layout(value) == usual);
            self.hertz.retain(|value| layout(value).1 == usual.1);
        }
    }

    fn weight(&self) -> f64 {
        let volts: f64 = self.volts.iter().take(MAX_VOLTS).map(|value| value.weight).sum();
        let hertz = self.hertz.iter().map(|value| value.weight).fold(0.0, f64::max);
        volts + hertz
    }
}

fn is_signed(kind: Kind) -> bool {
    matches!(kind, Kind::I16 | Kind::I32 | Kind::I64)
}

/// The value at this place if it is in one of the ranges in all samples.
fn mains_value(
    place: &ValuePlace,
    samples: &[RegisterSample],
    ranges: &[(f64, f64)],
    exponents: &[i32],
) -> Option<MainsValue> {
    let values = Series::at(*place, samples)?;
    let (series, first) = (&values.values, values.first());
    // A voltage goes up and down: what only rises is a counter.
    let rises = series.windows(2).filter(|pair| pair[1] > pair[0]).count();
    if rises >= MIN_RISES && values.never_falls() {
        return None;
    }
    let exponents = if place.format.kind.is_float() { &exponents[..1] } else { exponents };
    let fits = |exponent: &&i32| {
        let scale = 10_f64.powi(**exponent);
        ranges.iter().any(|(low, high)| series.iter().all(|raw| (*low..=*high).contains(&(raw * scale))))
    };
    let exponent = *exponents.iter().find(fits)?;
    let weight = match place.format.kind {
        Kind::F32 => 4.0,
        Kind::F64 => 3.0,
        // An unscaled integer is often another quantity.
        _ if exponent == 0 => 0.5,
        Kind::U64 => 1.0,
        _ => 2.0,
    };
    Some(MainsValue { place: *place, exponent, value: first * 10_f64.powi(exponent), weight })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::samples::{RegisterSample, places};

    fn find(words: &[u16]) -> Option<Mains> {
        let block = RegisterRange { function: Function::Input, address: 0, count: words.len() as u16 };
        let samples = [RegisterSample { at: 0.0, load: None, answers: [(block, words.to_vec())].into() }];
        Mains::find(&samples, &places(&samples[0]))
    }

    fn floats(values: &[f32]) -> Vec<u16> {
        values.iter().map(|it| it.to_bits()).flat_map(|bits| [(bits >> 16) as u16, bits as u16]).collect()
    }

    #[test]
    fn mains_voltages_reveal_the_format() {
        let mains = find(&floats(&[230.1, 229.7, 231.0, 1.2, 0.4, 49.98])).unwrap();
        assert_eq!((mains.format.kind, mains.volts.len(), mains.hertz.len()), (Kind::F32, 3, 1));
        assert_eq!(mains.words(), "230.1 V, 229.7 V, 231.0 V, 49.98 Hz");
        let mut swapped = floats(&[119.6, 120.3]);
        swapped.chunks_mut(2).for_each(|pair| pair.reverse());
        assert!(find(&swapped).unwrap().format.low_word_first);
        let narrow = find(&[2301, 2296, 2310, 4999, 17]).unwrap();
        assert_eq!((narrow.format.kind, narrow.volts.len()), (Kind::U16, 3));
        let wide = find(&[0, 2301, 0, 2296, 0, 2310, 0, 4999]).unwrap();
        assert_eq!((wide.format.kind, wide.format.low_word_first), (Kind::U32, false));
    }

    #[test]
    fn values_with_another_scale_or_address_parity_are_ignored() {
        // The fourth is a counter.
        let mains = find(&[2301, 2296, 2310, 23_010, 4999]).unwrap();
        assert_eq!(mains.volts.len(), 3, "{mains:?}");
        let mut words = floats(&[230.1, 229.7, 231.0, 49.98]);
        // A float at an odd address.
        words.push(0);
        words.extend(floats(&[228.8]));
        assert_eq!(find(&words).unwrap().volts.len(), 3);
    }

    #[test]
    fn the_word_order_of_floats_is_found() {
        let mains = find(&floats(&[230.1, 229.7, 231.0, 230.4, 230.6, 229.9, 230.2, 230.0])).unwrap();
        assert_eq!((mains.format.low_word_first, mains.volts[0].place.block.address), (false, 0));
    }

    #[test]
    fn other_numbers_are_not_mains_values() {
        assert_eq!(find(&[1, 2, 3, 4, 230, 50]), None);
        assert_eq!(find(&[0; 40]), None);
        assert_eq!(find(&[0xFFFF; 40]), None);
        assert_eq!(find(&floats(&[f32::NAN, 1.0, 1e9])), None);
    }
}
