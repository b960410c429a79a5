//! The quality statistics' name for a failed request.

use super::error::{Error, Garbled, UnexpectedFrame};
use crate::quality::{Count, Outcome};

/// `None` where no request was sent.
pub(super) fn outcome(error: &Error) -> Option<Outcome> {
    Some(match error {
        Error::Exception { code, .. } => Outcome::Exception(*code),
        Error::TimedOut { .. } => Outcome::Failed(Count::Timeouts),
        Error::Garbled { why, .. } => Outcome::Failed(garbled(why)),
        Error::Closed { .. } => Outcome::Failed(Count::Lost),
        Error::Open { .. } => return None,
    })
}

fn garbled(why: &Garbled) -> Count {
    match why {
        Garbled::Checksum => Count::CrcErrors,
        Garbled::Incomplete { .. } => Count::Incomplete,
        Garbled::Unexpected(frame) => unexpected(frame),
        _ => Count::Noise,
    }
}

fn unexpected(frame: &UnexpectedFrame) -> Count {
    if frame.is_of_another_unit() {
        Count::WrongUnit
    } else if frame.is_of_another_function() {
        Count::WrongFunction
    } else {
        Count::WrongLength
    }
}
