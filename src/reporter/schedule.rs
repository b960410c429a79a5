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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(digit: char) -> ClientId {
        ClientId::parse(&format!("0x{}", digit.to_string().repeat(64))).unwrap()
    }

    fn schedule(every: u64, clients: &[char]) -> ReportSchedule {
        ReportSchedule::new(Duration::from_secs(every), "https://api.example/v1", clients.iter().copied().map(client))
    }

    #[test]
    fn the_phase_is_the_accounts_own_and_survives_a_restart() {
        assert_eq!(schedule(120, &['1', '2']), schedule(120, &['2', '1']));
        assert_ne!(schedule(120, &['1', '2']), schedule(120, &['1', '3']));
        let elsewhere =
            ReportSchedule::new(Duration::from_secs(120), "https://other.example/v1", [client('1'), client('2')]);
        assert_ne!(schedule(120, &['1', '2']), elsewhere);
    }

    #[test]
    fn many_boxes_are_spread_over_the_interval() {
        let wall = Timestamp::from_second(1_800_000_000).unwrap();
        let boxes = (0..256).map(|number| ClientId::parse(&format!("0x{number:064x}")).unwrap());
        let mut quarters = [0; 4];
        for id in boxes {
            let schedule = ReportSchedule::new(Duration::from_secs(120), "https://api.example/v1", [id]);
            let phase = schedule.next(wall).as_secs() % 120;
            quarters[phase as usize / 30] += 1;
        }
        assert!(quarters.iter().all(|boxes| (32..=96).contains(boxes)), "{quarters:?}");
    }

    proptest! {
        #[test]
        fn slots_are_on_time_at_the_same_phase(every in 1u64..=3600, id in "[0-9a-f]{64}", wall in 0i64..4_000_000_000_000) {
            let id = ClientId::parse(&format!("0x{id}")).unwrap();
            let schedule = ReportSchedule::new(Duration::from_secs(every), "https://api.example/v1", [id]);
            let wall = Timestamp::from_millisecond(wall).unwrap();
            let ahead = schedule.next(wall);
            let every = Duration::from_secs(every);
            prop_assert!(ahead * 4 > every && ahead * 4 <= every * 5, "{ahead:?} of {every:?}");
            let slot = wall + ahead;
            prop_assert_eq!(schedule.next(slot), every, "from slot to slot it is one interval");
            prop_assert!(schedule.first_check() <= schedule.check_every());
            prop_assert!(schedule.check_every() <= every);
        }

        #[test]
        fn an_early_timer_does_not_repeat_its_slot(early in 0u64..200) {
            let schedule = schedule(1, &['1']);
            let wall = Timestamp::from_second(1_800_000_000).unwrap();
            let slot = wall + schedule.next(wall);
            let ahead = schedule.next(slot - Duration::from_millis(early));
            prop_assert_eq!(ahead, Duration::from_millis(1000 + early));
        }
    }
}
