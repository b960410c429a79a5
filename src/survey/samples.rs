//! Samples of a meter's registers, and the numbers that they can represent. Pure.

use crate::meter::{Answers, Format, Function, Kind, RegisterRange};

/// The registers of a meter at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegisterSample {
    /// Seconds since the first sample.
    pub at: f64,
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
    let mut places = Vec::new();
    for (block, words) in &sample.answers {
        for format in formats() {
            let count = format.kind.registers();
            for offset in 0..(words.len() as u16 + 1).saturating_sub(count) {
                let Some(address) = block.address.checked_add(offset) else { break };
                places.push(ValuePlace { block: RegisterRange { address, count, ..*block }, format });
            }
        }
    }
    places.sort_by_key(|place: &ValuePlace| place.block);
    places.dedup();
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
