//! Reads the registers that exist in a range: a refused block is halved until the existing registers are found.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::samples::RegisterSample;
use crate::meter::{Function, RegisterRange};
use crate::modbus::{Error, Line};
use crate::units::UnitId;

/// A range of registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterSpan {
    /// Input or holding registers.
    pub function: Function,
    /// The addresses, 0-based.
    pub registers: RangeInclusive<u16>,
}

/// Registers in the first requests: few meters allow more, and some allow less.
const FIRST_COUNT: u16 = 60;
/// The read ends after this many consecutive requests without an answer, if no register was read.
const MAX_SILENT: u32 = 3;

impl RegisterSpan {
    /// The blocks of the first requests.
    pub fn blocks(&self) -> Vec<RegisterRange> {
        let (first, last) = (u32::from(*self.registers.start()), u32::from(*self.registers.end()));
        let starts = (first..=last).step_by(usize::from(FIRST_COUNT));
        let block = |start: u32| {
            let count = (last + 1 - start).min(u32::from(FIRST_COUNT)) as u16;
            RegisterRange { function: self.function, address: start as u16, count }
        };
        starts.map(block).collect()
    }
}

/// The halves of a block; `None` for a single register. The first half has an even number of registers if possible, so that values of two
/// registers are not split.
fn halves(block: RegisterRange) -> Option<[RegisterRange; 2]> {
    if block.count < 2 {
        return None;
    }
    let half = block.count / 2;
    let first = if half > 1 { half & !1 } else { half };
    let second = RegisterRange { address: block.address + first, count: block.count - first, ..block };
    Some([RegisterRange { count: first, ..block }, second])
}

/// Adds the registers of these blocks to the sample, refused blocks in halves, with at most `budget` requests.
///
/// # Errors
/// The link is lost, or the meter does not answer.
pub async fn read_mapped(
    line: &mut Line,
    unit: UnitId,
    blocks: Vec<RegisterRange>,
    mut budget: u32,
    sample: &mut RegisterSample,
) -> Result<(), Error> {
    let mut open = blocks;
    open.reverse();
    let mut silent = 0;
    while let Some(block) = open.pop() {
        if budget == 0 {
            break;
        }
        budget -= 1;
        match line.read_twice(Duration::ZERO, unit, block).await {
            Ok(words) => {
                silent = 0;
                sample.answers.insert(block, words);
            }
            Err(error @ (Error::Open { .. } | Error::Closed { .. })) => return Err(error),
            Err(Error::Exception { code: 1, .. }) => {
                silent = 0;
                // The meter does not support the function.
                open.retain(|other| other.function != block.function);
            }
            Err(error) => {
                silent = if error.is_silence() { silent + 1 } else { 0 };
                if silent >= MAX_SILENT && sample.answers.is_empty() {
                    return Err(error);
                }
                // Some meters do not answer instead of sending an exception.
                if let Some([first, second]) = halves(block) {
                    open.extend([second, first]);
                }
            }
        }
    }
    Ok(())
}

/// Adds the registers of these blocks to the sample. False if a block could not be read.
///
/// # Errors
/// The link is lost.
pub async fn read_again(
    line: &mut Line,
    unit: UnitId,
    blocks: &[RegisterRange],
    sample: &mut RegisterSample,
) -> Result<bool, Error> {
    for block in blocks {
        match line.read_twice(Duration::ZERO, unit, *block).await {
            Ok(words) => drop(sample.answers.insert(*block, words)),
            Err(error) if error.is_of_the_link() => return Err(error),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blocks_and_halves_cover_the_range_once(first: u16, more in 0_u16..500) {
            let last = first.saturating_add(more);
            let range = RegisterSpan { function: Function::Input, registers: first..=last };
            let mut next = u32::from(first);
            for block in range.blocks() {
                prop_assert_eq!(u32::from(block.address), next);
                next += u32::from(block.count);
                match halves(block) {
                    None => prop_assert_eq!(block.count, 1),
                    Some([low, high]) => {
                        prop_assert!(low.count > 0 && high.count > 0);
                        prop_assert_eq!(low.count + high.count, block.count);
                        prop_assert_eq!((low.address, low.address + low.count), (block.address, high.address));
                    }
                }
            }
            prop_assert_eq!(next, u32::from(last) + 1);
        }
    }
}
