//! Finds and identifies meters: the sweep over line settings and units, the model of each meter that was found, and the registers of an
//! unsupported meter. The decisions are pure. All requests go through a [`crate::modbus::Line`], which can only read.

// The order of the sweep, and the advice after it.
mod evidence;
mod order;

// The assessment of profiles by a meter's answers.
mod judge;
mod mains;
mod samples;

// The registers of an unsupported meter.
mod conclusion;
mod doubt;
mod draft;
mod interpretation;
mod pair;
mod phases;
mod rules;
mod words;

// Requests to meters.
mod chain;
mod examine;
mod registers;
mod sweep;

// Addresses as typed.
mod addresses;

// Lines for the configuration.
mod proposal;

pub use addresses::addresses;
pub use conclusion::Display;
pub use draft::{MeasuredQuantity, RegisterAnalysis, RegisterGuess};
pub use evidence::ScanEvidence;
pub use examine::{Examination, examine};
pub use judge::{Candidate, Confidence};
pub use order::{LineSettings, settings, tcp_units, units};
pub use proposal::{Proposal, bus_lines, is_placeholder, propose, quoted, same_link};
pub(crate) use proposal::{same_settings, unused};
pub use registers::{RegisterSpan, UnreadRange, bridges, read_again, read_mapped};
pub use samples::{RegisterSample, readings, registers};
pub use sweep::{FoundUnit, Sweep, SweepProgress};
