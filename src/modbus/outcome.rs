//! What a request that failed counts as.

use super::error::{Error, Garbled, Stray};
use crate::quality::{Count, Outcome};

/// `None` where nothing was asked.
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
        Garbled::Stray(stray) => stray.count(),
        _ => Count::Noise,
    }
}

impl Stray {
    fn count(&self) -> Count {
        if self.is_of_another_unit() {
            Count::WrongUnit
        } else if self.is_of_another_function() {
            Count::WrongFunction
        } else {
            Count::WrongLength
        }
    }
}
