//! When an account reports: slots on the wall clock, with a different phase for each account.
//!
//! The phase is a hash of the account's URL and client identifiers: it survives restarts, and a fleet does not call in the same
//! second. Missed slots are skipped; the counter carries the energy of the time between.
//!
//! After a start the first slot may be a whole interval away. So the account checks every few seconds which clients have a figure, and
//! reports each of them once, until all are reported or one interval has passed (the first reports).

use std::time::Duration;

use jiff::Timestamp;

use crate::units::ClientId;

/// How often the first reports are tried, if the interval is not shorter; the first check is within this time.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// The slots of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportSchedule {
    every: Duration,
    /// The position of the slots in the interval, as a fraction of 2^32.
    phase: u32,
}

impl ReportSchedule {
    /// `every` is at least 1 s. The order of the identifiers does not matter.
    pub(crate) fn new(every: Duration, url: &str, clients: impl IntoIterator<Item = ClientId>) -> Self {
        let mut clients: Vec<_> = clients.into_iter().collect();
        clients.sort();
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(url.as_bytes());
        clients.iter().for_each(|client| hasher.update(client.to_hex().as_bytes()));
        ReportSchedule { every, phase: hasher.finalize() }
    }

    /// How long from `wall` to the next slot: above a quarter of the interval, so that a wall clock that was set back a little
    /// does not have a slot twice, and at most one and a quarter.
    pub(crate) fn next(&self, wall: Timestamp) -> Duration {
        let every = self.every.as_nanos() as i128;
        let phase = self.part_of(self.every).as_nanos() as i128;
        let since_slot = (wall.as_nanosecond() - phase).rem_euclid(every);
        let ahead = every - since_slot;
        let ahead = if ahead * 4 > every { ahead } else { ahead + every };
        Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX))
    }

    /// The interval.
    pub(crate) fn every(&self) -> Duration {
        self.every
    }

    /// How long after its start an account checks for figures for the first time.
    pub(crate) fn first_check(&self) -> Duration {
        self.part_of(self.check_every())
    }

    /// The time from one check for first reports to the next.
    pub(crate) fn check_every(&self) -> Duration {
        self.every.min(CHECK_EVERY)
    }

    /// How long after its start the first reports end at the latest.
    pub(crate) fn first_reports_within(&self) -> Duration {
        self.every
    }

    fn part_of(&self, whole: Duration) -> Duration {
        whole.mul_f64(f64::from(self.phase) / 2f64.powi(32))
    }
}

#[cfg(test)]
mod tests;
