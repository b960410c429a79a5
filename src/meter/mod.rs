//! What a meter is: its profile, which registers to read in how few requests, and how their answers decode. Pure.

// From the register up: blocks, exact numbers, formats, units; then what they make up.
mod absent;
mod beside;
mod block;
mod exact;
mod gaps;
mod number;
mod number_form;
mod quantity;
mod quantity_form;
mod ratio;
mod raw;
mod register_form;
mod serial_number;
mod unit;

// What it takes to know that a meter is the one that is meant, and where its registers stand.
mod chain;
mod chain_form;
mod contest;
mod identity;
mod place;
mod standing;

mod library;
mod plan;
mod profile;
mod profile_form;

pub use beside::{Exponent, Sign};
pub use block::{Answers, Function, RegisterRange};
pub use chain::{Chain, Model, Place, Walk, Walked, common_texts};
pub use contest::{Contest, Outcome, Sample};
pub use gaps::Gaps;
pub use identity::{Accepted, Expectation, Expected, Refused};
pub use library::{Entry, Library, library};
pub use number::{Format, Kind, Pattern};
pub use place::Located;
pub use plan::{Decoded, ReadPlan};
pub use profile::{Installation, Map, Parity, Profile, SerialDefaults};
pub use quantity::{Number, Quantity};
pub use ratio::Ratio;
pub use serial_number::{SerialNumber, Writing};
pub use standing::Standing;
pub use unit::{Measure, Unit};
