//! The result of one poll of a meter.

use super::reply::PollReply;
use crate::clock::ClockReading;
use crate::modbus::Error;
use crate::reading::Values;

/// The result of one poll.
#[derive(Debug)]
pub(super) struct PollOutcome {
    pub(super) values: Values,
    /// When the energy register was received; without one, when the last answer was received.
    pub(super) at: Option<ClockReading>,
    /// Why a value is missing.
    pub(super) error: Option<String>,
    pub(super) end: PollEnd,
}

/// How a poll ended.
#[derive(Debug)]
pub(super) enum PollEnd {
    /// The meter answered. An exception is an answer too.
    Answered,
    /// The meter did not answer, or its answers were damaged. The remaining blocks were not read.
    Silent,
    /// The link is lost; this says nothing about the meter.
    Lost(Error),
}

impl PollOutcome {
    /// The meter answered, and none of its values may be used.
    pub(super) fn refused(why: String) -> Self {
        PollOutcome { values: Values::default(), at: None, error: Some(why), end: PollEnd::Answered }
    }

    /// The meter did not answer, or the link is lost.
    pub(super) fn failed(failure: Error) -> Self {
        let error = Some(failure.to_string());
        let end = if failure.is_of_the_link() { PollEnd::Lost(failure) } else { PollEnd::Silent };
        PollOutcome { values: Values::default(), at: None, error, end }
    }

    pub(super) fn has_values(&self) -> bool {
        self.values.power.is_some() || self.values.register.is_some()
    }

    /// The reply to a command that requested this poll.
    pub(super) fn into_reply(self) -> PollReply {
        let none = (!self.has_values()).then(|| "the meter gave no value".to_owned());
        PollReply { error: self.error.or(none), values: self.values }
    }
}
