//! Which meter is read next, and how long a silent meter is left alone. Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::doubled;

/// A meter that does not answer is tried again at least this often (or each poll, where that is rarer).
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);
/// A meter whose counter the ledger does not take is read at least this often.
const HELD_EVERY: Duration = Duration::from_secs(10);

/// The meters of one bus and when each is due.
#[derive(Debug)]
pub(super) struct PollSchedule {
    /// The time that a silent meter costs.
    timeout: Duration,
    meters: Vec<Due>,
}

#[derive(Debug)]
struct Due {
    poll_every: Duration,
    held: bool,
    at: Instant,
    /// Polls in a row that ended in silence.
    silent: u32,
}

impl Due {
    fn every(&self) -> Duration {
        if self.held { self.poll_every.min(HELD_EVERY) } else { self.poll_every }
    }
}

impl PollSchedule {
    /// All meters are due now, in their order.
    pub(super) fn new(poll_every: impl IntoIterator<Item = Duration>, timeout: Duration, now: Instant) -> Self {
        let due = |poll_every| Due { poll_every, held: false, at: now, silent: 0 };
        PollSchedule { timeout, meters: poll_every.into_iter().map(due).collect() }
    }

    /// The meter that is due first, and when. `None` on a bus without meters.
    pub(super) fn next(&self) -> Option<(usize, Instant)> {
        let due = self.meters.iter().enumerate().map(|(index, due)| (index, due.at));
        due.min_by_key(|(_, at)| *at)
    }

    /// The meter was polled and spoke: its next slot is the first that is not over. Slots that were missed are not made up for.
    pub(super) fn answered(&mut self, meter: usize, now: Instant) {
        let due = &mut self.meters[meter];
        if due.silent > 0 {
            (due.silent, due.at) = (0, now);
        }
        let (every, late) = (due.every(), now.saturating_duration_since(due.at));
        if due.at <= now {
            let missed = late.as_nanos() / every.as_nanos().max(1);
            due.at += every * u32::try_from(missed + 1).unwrap_or(u32::MAX);
        }
    }

    /// The meter was polled and did not answer: each time it is left alone for twice as long.
    ///
    /// Never shorter than the time-out: by then an answer that is merely late has come while nobody waits for it.
    pub(super) fn silent(&mut self, meter: usize, now: Instant) {
        let timeout = self.timeout;
        let due = &mut self.meters[meter];
        let first = due.every().max(timeout);
        due.at = now + doubled(first, due.silent, LONGEST_BACK_OFF.max(first));
        due.silent = due.silent.saturating_add(1);
    }

    /// Every meter is due: the box slept, or the link was what was silent.
    pub(super) fn all_due(&mut self, now: Instant) {
        self.meters.iter_mut().for_each(|due| due.at = due.at.min(now));
    }

    /// The ledger holds the meter, or no longer does. One that is newly held is read at once, unless it does not answer anyway.
    pub(super) fn hold(&mut self, meter: usize, held: bool, now: Instant) {
        let due = &mut self.meters[meter];
        if held && !due.held && due.silent == 0 {
            due.at = due.at.min(now);
        }
        due.held = held;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule(every: &[u64]) -> (PollSchedule, Instant) {
        let now = Instant::now();
        (PollSchedule::new(every.iter().map(|every| Duration::from_millis(*every)), SECOND, now), now)
    }

    #[test]
    fn all_meters_are_due_at_once_and_then_each_in_its_slot() {
        let (mut schedule, start) = schedule(&[10_000, 3_000]);
        assert_eq!(schedule.next(), Some((0, start)));
        schedule.answered(0, start + SECOND / 10);
        assert_eq!(schedule.next(), Some((1, start)));
        schedule.answered(1, start + SECOND / 5);
        assert_eq!(schedule.next(), Some((1, start + 3 * SECOND)));
        assert_eq!(PollSchedule::new([], SECOND, start).next(), None);
    }

    #[test]
    fn missed_slots_are_skipped_and_the_grid_remains() {
        let (mut schedule, start) = schedule(&[100]);
        schedule.answered(0, start + Duration::from_millis(350));
        assert_eq!(schedule.next(), Some((0, start + Duration::from_millis(400))));
        schedule.answered(0, start + Duration::from_millis(390));
        assert_eq!(schedule.next(), Some((0, start + Duration::from_millis(400))), "read early, on request");
    }

    #[test]
    fn a_dead_meter_is_polled_less_and_less_and_recovers_at_once() {
        let (mut schedule, start) = schedule(&[10_000]);
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..6 {
            schedule.silent(0, now);
            let (_, next) = schedule.next().unwrap();
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits, [10, 20, 40, 60, 60, 60]);
        schedule.answered(0, now);
        assert_eq!(schedule.next(), Some((0, now + 10 * SECOND)));
        schedule.silent(0, now);
        assert_eq!(schedule.next(), Some((0, now + 10 * SECOND)), "an answer ends the back-off");
    }

    #[test]
    fn back_off_is_at_least_the_timeout_and_the_poll_interval() {
        let (mut schedule, start) = schedule(&[100, 180_000]);
        schedule.silent(0, start);
        schedule.silent(1, start);
        assert_eq!(schedule.meters[0].at, start + SECOND);
        schedule.silent(1, start);
        assert_eq!(schedule.meters[1].at, start + 180 * SECOND);
    }

    #[test]
    fn a_held_meter_is_read_now_and_at_least_each_10_s() {
        let (mut schedule, start) = schedule(&[60_000]);
        schedule.answered(0, start);
        let now = start + 5 * SECOND;
        schedule.hold(0, true, now);
        assert_eq!(schedule.next(), Some((0, now)));
        schedule.answered(0, now);
        assert_eq!(schedule.next(), Some((0, now + 10 * SECOND)));
        schedule.hold(0, true, now + SECOND);
        assert_eq!(schedule.next(), Some((0, now + 10 * SECOND)), "still held is not newly held");
        schedule.silent(0, now);
        schedule.hold(0, false, now);
        schedule.hold(0, true, now);
        assert_eq!(schedule.next(), Some((0, now + 10 * SECOND)), "a dead meter stays backed off");
    }

    proptest! {
        /// On any slow bus every meter is polled, and none before its slot.
        #[test]
        fn every_meter_has_its_turn(
            every in prop::collection::vec(100u64..5_000, 1..8),
            costs in prop::collection::vec((1u64..400, any::<bool>()), 200..300),
        ) {
            let (mut schedule, start) = schedule(&every);
            let mut now = start;
            let mut polls = vec![0; every.len()];
            for (cost, answers) in costs {
                let (meter, due) = schedule.next().unwrap();
                now = now.max(due) + Duration::from_millis(cost);
                polls[meter] += 1;
                if answers { schedule.answered(meter, now) } else { schedule.silent(meter, now) }
                let next = schedule.meters[meter].at;
                prop_assert!(next > now && next <= now + 60 * SECOND);
            }
            prop_assert!(polls.iter().all(|count| *count > 0), "{polls:?}");
        }
    }
}
