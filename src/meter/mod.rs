//! What a meter is: its profile, which registers to read in how few requests, and how their answers decode. Pure.

// From the register up: ranges, exact numbers, formats, units; then what they make up.
mod decode_error;
mod exact;
mod gaps;
mod modifiers;
mod number;
mod number_form;
mod quantity;
mod quantity_form;
mod range;
mod ratio;
mod raw;
mod register_form;
mod serial_number;
mod unit;

// What it takes to know that a meter is the one that is meant, and where its registers stand.
mod chain;
mod chain_form;
mod identity;
mod identity_check;
mod location;
mod map_selection;

mod library;
mod plan;
mod profile;
mod profile_form;

pub use chain::{Chain, Model, ModelLocation, Walk, Walked, common_texts};
pub use gaps::Gaps;
pub use identity::{AcceptedNumbers, Expectation, Expected, RefusedRanges};
pub use identity_check::IdentityCheck;
pub use library::{Library, LibraryEntry, library};
pub use location::Located;
pub use map_selection::{MapReading, MapSelection, SelectionOutcome};
pub use modifiers::{Exponent, Sign};
pub use number::{Format, Kind, Pattern};
pub use plan::{Decoded, ReadPlan};
pub use profile::{Installation, Profile, RegisterMap, SerialDefaults};
pub use quantity::{Number, Quantity};
pub use range::{Answers, Function, RegisterRange};
pub use ratio::TransformerRatio;
pub use serial_number::{SerialNumber, Writing};
pub use unit::{QuantityKind, QuantityUnit};
