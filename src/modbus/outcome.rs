//! The quality statistics' name for a failed request.

use super::error::{Error, Garbled, UnexpectedFrame};
use crate::quality::{RequestCount, RequestOutcome};

/// `None` where no request was sent.
pub(super) fn outcome(error: &Error) -> Option<RequestOutcome> {
    Some(match error {
        Error::Exception { code, .. } => RequestOutcome::Exception(*code),
        Error::TimedOut { .. } => RequestOutcome::Failed(RequestCount::Timeouts),
        Error::Garbled { why, .. } => RequestOutcome::Failed(garbled(why)),
        Error::Closed { .. } => RequestOutcome::Failed(RequestCount::Lost),
        Error::Open { .. } => return None,
    })
}

fn garbled(why: &Garbled) -> RequestCount {
    match why {
        Garbled::Checksum => RequestCount::CrcErrors,
        Garbled::Incomplete { .. } => RequestCount::Incomplete,
        Garbled::Unexpected(frame) => unexpected(frame),
        Garbled::Inconsistent { .. } => RequestCount::WrongLength,
        _ => RequestCount::Noise,
    }
}

fn unexpected(frame: &UnexpectedFrame) -> RequestCount {
    if frame.is_of_another_unit() {
        RequestCount::WrongUnit
    } else if frame.is_of_another_function() {
        RequestCount::WrongFunction
    } else {
        RequestCount::WrongLength
    }
}
