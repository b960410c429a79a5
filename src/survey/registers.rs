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

/// Registers that were not read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadRange {
    /// The registers.
    pub range: RegisterRange,
    /// `refused (exception 2)`.
    pub why: String,
}

/// Adds the registers of these blocks to the sample, refused blocks in halves, with at most `budget` requests. Returns what was not read.
///
/// # Errors
/// The link is lost, the other end speaks another protocol, or the meter does not answer.
pub async fn read_mapped(
    line: &mut Line,
    unit: UnitId,
    blocks: Vec<RegisterRange>,
    mut budget: u32,
    sample: &mut RegisterSample,
) -> Result<Vec<UnreadRange>, Error> {
    let mut open = blocks;
    open.reverse();
    let mut unread = Vec::new();
    let mut silent = 0;
    while let Some(block) = open.pop() {
        if budget == 0 {
            unread.push(UnreadRange { range: block, why: "not requested: too many requests for one run".to_owned() });
            continue;
        }
        budget -= 1;
        match line.read_twice(Duration::ZERO, unit, block).await {
            Ok(words) => {
                silent = 0;
                sample.answers.insert(block, words);
            }
            Err(error @ (Error::Open { .. } | Error::Closed { .. })) => return Err(error),
            // No other registers help.
            Err(error) if error.is_of_another_protocol() && sample.answers.is_empty() => return Err(error),
            Err(Error::Exception { code: 1, .. }) => {
                silent = 0;
                let why = "the meter does not support this function (exception 1)";
                let (same, others) =
                    open.into_iter().partition(|other: &RegisterRange| other.function == block.function);
                open = others;
                unread.extend(
                    [vec![block], same].concat().into_iter().map(|range| UnreadRange { range, why: why.to_owned() }),
                );
            }
            Err(error) => {
                silent = if error.is_silence() { silent + 1 } else { 0 };
                if silent >= MAX_SILENT && sample.answers.is_empty() {
                    return Err(error);
                }
                // Some meters do not answer instead of sending an exception.
                match (halves(block), &error) {
                    (Some([first, second]), _) => open.extend([second, first]),
                    (None, Error::Exception { code, .. }) => {
                        unread.push(UnreadRange { range: block, why: format!("refused (exception {code})") });
                    }
                    (None, _) => unread.push(UnreadRange { range: block, why: format!("no valid answer ({error})") }),
                }
            }
        }
    }
    Ok(joined(unread))
}

/// Neighbours with the same reason as one range, in the order of their addresses.
fn joined(mut unread: Vec<UnreadRange>) -> Vec<UnreadRange> {
    unread.sort_by_key(|it| it.range);
    let mut all: Vec<UnreadRange> = Vec::new();
    for next in unread {
        match all.last_mut() {
            Some(last)
                if last.why == next.why
                    && last.range.function == next.range.function
                    && last.range.end() == u32::from(next.range.address) =>
            {
                last.range.count += next.range.count;
            }
            _ => all.push(next),
        }
    }
    all
}

/// The blocks over the borders between neighbouring blocks: a value of up to four registers may begin in one and end in the next.
pub fn bridges(sample: &RegisterSample) -> Vec<RegisterRange> {
    const SIDE: u16 = 3;
    let blocks: Vec<RegisterRange> = sample.answers.keys().copied().collect();
    let bridge = |pair: &[RegisterRange]| {
        let (left, right) = (pair[0], pair[1]);
        let are_neighbours = left.function == right.function && left.end() == u32::from(right.address);
        let (before, after) = (left.count.min(SIDE), right.count.min(SIDE));
        let address = right.address - before.min(right.address);
        are_neighbours.then_some(RegisterRange { address, count: before + after, ..right })
    };
    blocks.windows(2).filter_map(bridge).collect()
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

    #[test]
    fn a_value_over_the_border_of_two_blocks_is_read_in_one_answer() {
        let span = RegisterSpan { function: Function::Input, registers: 0..=119 };
        let answers = span.blocks().into_iter().map(|block| (block, vec![0; usize::from(block.count)])).collect();
        let sample = RegisterSample { answers, ..RegisterSample::default() };
        assert_eq!(bridges(&sample), [RegisterRange { function: Function::Input, address: 57, count: 6 }]);
    }

    #[test]
    fn unread_neighbours_are_one_range() {
        let one = |address, why: &str| UnreadRange {
            range: RegisterRange { function: Function::Input, address, count: 1 },
            why: why.to_owned(),
        };
        let all = joined(vec![one(9, "refused"), one(7, "refused"), one(8, "refused"), one(10, "silent")]);
        assert_eq!((all.len(), all[0].range.address, all[0].range.count), (2, 7, 3));
    }

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
