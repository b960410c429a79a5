//! Which registers are read in one poll, joined into as few requests as the profile allows, and what the answers mean.

use std::collections::BTreeMap;

use super::profile::{Function, Installation, Profile};
use crate::reading::Values;

/// One read request: `count` registers from the 0-based protocol address `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    pub function: Function,
    pub address: u16,
    /// 1 ..= 125.
    pub count: u16,
}

/// The answers of one poll: each block's registers, exactly as many as were asked for.
pub type Answers = BTreeMap<Block, Vec<u16>>;

/// What a poll's answers say, and why a value is absent ("energy: not a number").
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    pub values: Values,
    pub complaints: Vec<String>,
}

/// The requests of one meter's poll and the way from their answers to values.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadPlan {}

impl ReadPlan {
    pub fn new(_profile: &Profile, _installation: &Installation) -> Self {
        todo!()
    }

    /// What is read in each poll. Every value lies whole within one block.
    pub fn blocks(&self) -> &[Block] {
        todo!()
    }

    /// What is read for the serial number, when that is asked for.
    pub fn serial_blocks(&self) -> &[Block] {
        todo!()
    }

    /// The meter refused this block (exception 2 or 3): reads its values in smaller ones from now on. False where it is one value's already.
    pub fn split(&mut self, _refused: Block) -> bool {
        todo!()
    }

    /// Values whose block is not among the answers are absent.
    pub fn decode(&self, _answers: &Answers) -> Decoded {
        todo!()
    }
}
