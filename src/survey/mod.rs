//! Finding out what is on a line: the sweep over settings and units, what each thing found is, and what the registers of an unknown
//! meter mean. What decides is pure; it is asked through a [`crate::modbus::Line`], which can read and nothing else.

// What to ask in which order, and what silence means.
mod evidence;
mod order;

// What a meter's answers mean, and what they say about its model.
mod judge;
mod mains;
mod samples;

// What an unknown meter's registers mean.
mod draft;
mod pair;
mod phases;

// Asking.
mod chain;
mod examine;
mod registers;
mod sweep;

mod proposal;

pub use draft::{Meaning, RegisterAnalysis, RegisterGuess};
pub use evidence::ScanEvidence;
pub use examine::{Examination, examine};
pub use judge::{Candidate, Confidence};
pub use order::{LineSettings, settings, units};
pub use proposal::{Proposal, propose, same_link};
pub use registers::{RegisterSpan, read_again, read_mapped};
pub use samples::{RegisterSample, readings, registers};
pub use sweep::{FoundUnit, Sweep, SweepProgress};
