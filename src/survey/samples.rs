//! Samples of a meter's registers, and the numbers that they can represent. Pure.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::meter::{Answers, Format, Function, Kind, RegisterRange};

/// The registers of a meter at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegisterSample {
    /// Seconds since the first sample.
    pub at: f64,
    /// The load that was switched on for this sample, in W, where it is known.
    pub load: Option<f64>,
    /// The blocks that were read, and their registers.
    pub answers: Answers,
}

/// Registers and a format in which they can hold a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ValuePlace {
    pub(super) block: RegisterRange,
    pub(super) format: Format,
}

impl RegisterSample {
    /// The number at this place, if its registers are in one answer and represent a number.
    pub(super) fn number(&self, place: &ValuePlace) -> Option<f64> {
        place.block.out_of(&self.answers).and_then(|words| place.format.number(words))
    }
}

impl ValuePlace {
    /// The number in each sample; `None` if one is missing.
    pub(super) fn series(&self, samples: &[RegisterSample]) -> Option<Vec<f64>> {
        samples.iter().map(|sample| sample.number(self)).collect()
    }
}

/// The parts of a watch: one for each load, or three of equal length. Neighbours of equal length share a sample.
pub(super) fn parts(samples: &[RegisterSample]) -> Vec<Range<usize>> {
    if samples.iter().any(|sample| sample.load.is_some()) {
        let mut end = 0;
        let parts = samples.chunk_by(|left, right| left.load == right.load).map(|part| {
            end += part.len();
            end - part.len()..end
        });
        return parts.collect();
    }
    let last = samples.len().saturating_sub(1);
    (0..3).map(|part| last * part / 3..last * (part + 1) / 3 + 1).filter(|part| part.len() > 1).collect()
}

/// The sample without the holding registers, if they only repeat the input registers.
pub(super) fn without_mirror(samples: &[RegisterSample]) -> Vec<RegisterSample> {
    let of = |sample: &RegisterSample, function| {
        let all = registers(sample).into_iter().filter(|(other, ..)| *other == function);
        all.map(|(_, address, word)| (address, word)).collect::<Vec<_>>()
    };
    let is_mirror = |sample: &RegisterSample| {
        let input = of(sample, Function::Input);
        !input.is_empty() && of(sample, Function::Holding) == input
    };
    let mut samples = samples.to_vec();
    if samples.iter().all(is_mirror) {
        samples.iter_mut().for_each(|sample| sample.answers.retain(|block, _| block.function == Function::Input));
    }
    samples
}

const KINDS: [Kind; 8] = [Kind::U16, Kind::I16, Kind::U32, Kind::I32, Kind::F32, Kind::U64, Kind::I64, Kind::F64];

/// Every format: each type, each word order, and for floats each byte order.
fn formats() -> impl Iterator<Item = Format> {
    let orders = |kind: Kind| {
        let several = kind.registers() > 1;
        let words = if several { &[false, true][..] } else { &[false] };
        let bytes = if kind.is_float() { &[false, true][..] } else { &[false] };
        words.iter().flat_map(move |low_word_first| {
            bytes.iter().map(move |low_byte_first| Format {
                kind,
                low_word_first: *low_word_first,
                low_byte_first: *low_byte_first,
            })
        })
    };
    KINDS.into_iter().flat_map(orders)
}

/// Every place of a sample in every format whose registers are in one answer.
pub(super) fn places(sample: &RegisterSample) -> Vec<ValuePlace> {
    let (mut places, mut known) = (Vec::new(), BTreeSet::new());
    for (block, words) in &sample.answers {
        // Blocks may overlap.
        let mut here = BTreeSet::new();
        for format in formats() {
            let count = format.kind.registers();
            for offset in 0..(words.len() as u16 + 1).saturating_sub(count) {
                let Some(address) = block.address.checked_add(offset) else { break };
                let range = RegisterRange { address, count, ..*block };
                if !known.contains(&range) {
                    here.insert(range);
                    places.push(ValuePlace { block: range, format });
                }
            }
        }
        known.append(&mut here);
    }
    places.sort_by_key(|place: &ValuePlace| place.block);
    places
}

/// Each register that was read: function, address and content, in this order.
pub fn registers(sample: &RegisterSample) -> Vec<(Function, u16, u16)> {
    let words = |(block, words): (&RegisterRange, &Vec<u16>)| {
        let (function, first) = (block.function, block.address);
        (0..)
            .zip(words.clone())
            .map(move |(offset, word)| (function, first.wrapping_add(offset), word))
            .collect::<Vec<_>>()
    };
    let mut registers: Vec<_> = sample.answers.iter().flat_map(words).collect();
    registers.sort();
    registers.dedup();
    registers
}

/// The number that begins at this register, in every format that represents one.
pub fn readings(sample: &RegisterSample, function: Function, address: u16) -> Vec<(Format, f64)> {
    let at = |format: Format| {
        let block = RegisterRange { function, address, count: format.kind.registers() };
        Some((format, sample.number(&ValuePlace { block, format })?))
    };
    formats().filter_map(at).collect()
}
