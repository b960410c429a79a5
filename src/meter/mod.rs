//! What a meter is: its profile, the registers to read in as few requests as possible, and how their answers decode.
//!
//! Pure: no IO, no clock, no task.

// From a register to a quantity.
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

// Which meter it is, and where its registers are.
mod chain;
mod chain_form;
mod identity;
mod identity_check;
mod location;
mod map_selection;

// The profile, the built-in ones, and what one poll reads.
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
