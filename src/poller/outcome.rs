//! What a poll of a meter gave, and how it ended.

use super::reply::PollReply;
use crate::clock::ClockReading;
use crate::modbus::Error;
use crate::reading::Values;

/// What a poll gave.
#[derive(Debug)]
pub(super) struct PollOutcome {
    pub(super) values: Values,
    /// When the register came; without one, when the last answer came.
    pub(super) at: Option<ClockReading>,
    /// Why something is missing, for people.
    pub(super) error: Option<String>,
    pub(super) end: PollEnd,
}

/// How a poll ended.
#[derive(Debug)]
pub(super) enum PollEnd {
    /// The meter spoke, if only to refuse.
    Answered,
    /// It did not, or not in a way that can be trusted; its remaining blocks were left.
    Silent,
    /// The link is gone; the meter is not to blame.
    Lost(Error),
}

impl PollOutcome {
    /// The meter spoke, and nothing that it said is used.
    pub(super) fn refused(why: String) -> Self {
        PollOutcome { values: Values::default(), at: None, error: Some(why), end: PollEnd::Answered }
    }

    /// It did not speak, or the link is gone.
    pub(super) fn failed(failure: Error) -> Self {
        let error = Some(failure.to_string());
        let end = if failure.is_of_the_link() { PollEnd::Lost(failure) } else { PollEnd::Silent };
        PollOutcome { values: Values::default(), at: None, error, end }
    }

    pub(super) fn has_values(&self) -> bool {
        self.values.power.is_some() || self.values.register.is_some()
    }

    /// For whoever asked for this poll.
    pub(super) fn said(self) -> PollReply {
        let none = (!self.has_values()).then(|| "it gave no value".to_owned());
        PollReply { error: self.error.or(none), values: self.values }
    }
}
