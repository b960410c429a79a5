//! What a meter is: its profile, which registers to read in how few requests, and how their answers decode. Pure.

mod plan;
mod profile;

pub use plan::{Answers, Block, Decoded, ReadPlan};
pub use profile::{Function, Installation, Profile};
