//! Which meter is polled next, and how long polling backs off from a silent meter. Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::doubled;

/// Longest back-off from a silent meter, unless its poll interval or the timeout is longer.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);
/// Longest poll interval of a meter that the ledger holds.
const HELD_EVERY: Duration = Duration::from_secs(10);

/// When each meter of one bus is due. Meters are identified by their index.
#[derive(Debug)]
pub(super) struct PollSchedule {
    /// How long a request to a silent meter takes.
    timeout: Duration,
    meters: Vec<Due>,
}

#[derive(Debug)]
struct Due {
    poll_every: Duration,
    held: bool,
    at: Instant,
    /// Consecutive polls without an answer.
    silent: u32,
}

impl Due {
    fn interval(&self) -> Duration {
        if self.held { self.poll_every.min(HELD_EVERY) } else { self.poll_every }
    }
}

impl PollSchedule {
    /// A schedule in which all meters are due at `now`, in their order.
    pub(super) fn new(poll_every: impl IntoIterator<Item = Duration>, timeout: Duration, now: Instant) -> Self {
        let due = |poll_every| Due { poll_every, held: false, at: now, silent: 0 };
        PollSchedule { timeout, meters: poll_every.into_iter().map(due).collect() }
    }

    /// The meter that is due first, and when. `None` on a bus without meters.
    pub(super) fn next(&self) -> Option<(usize, Instant)> {
        let due = self.meters.iter().enumerate().map(|(index, due)| (index, due.at));
        due.min_by_key(|(_, at)| *at)
    }

    /// The meter answered a poll: it is due at its next slot. Missed slots are skipped.
    pub(super) fn answered(&mut self, meter: usize, now: Instant) {
        let due = &mut self.meters[meter];
        if due.silent > 0 {
            (due.silent, due.at) = (0, now);
        }
        let (interval, late) = (due.interval(), now.saturating_duration_since(due.at));
        if due.at <= now {
            let missed = late.as_nanos() / interval.as_nanos().max(1);
            due.at += interval * u32::try_from(missed + 1).unwrap_or(u32::MAX);
        }
    }

    /// The meter did not answer a poll: the back-off doubles with each silent poll.
    ///
    /// It is never shorter than the timeout, so that a late answer arrives before the next request.
    pub(super) fn silent(&mut self, meter: usize, now: Instant) {
        let timeout = self.timeout;
        let due = &mut self.meters[meter];
        let first = due.interval().max(timeout);
        due.at = now + doubled(first, due.silent, LONGEST_BACK_OFF.max(first));
        due.silent = due.silent.saturating_add(1);
    }

    /// Makes every meter due: the system was suspended, or the whole link was silent.
    pub(super) fn all_due(&mut self, now: Instant) {
        self.meters.iter_mut().for_each(|due| due.at = due.at.min(now));
    }

    /// Sets whether the ledger holds the meter. A newly held meter is due at once, unless it is silent.
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
    fn all_meters_are_due_at_first_and_then_each_in_its_slot() {
        let (mut schedule, start) = schedule(&[10_000, 3_000]);
        assert_eq!(schedule.next(), Some((0, start)));
        schedule.answered(0, start + SECOND / 10);
        assert_eq!(schedule.next(), Some((1, start)));
        schedule.answered(1, start + SECOND / 5);
        assert_eq!(schedule.next(), Some((1, start + 3 * SECOND)));
        assert_eq!(PollSchedule::new([], SECOND, start).next(), None);
    }

    #[test]
    fn missed_slots_are_skipped() {
        let (mut schedule, start) = schedule(&[100]);
        schedule.answered(0, start + Duration::from_millis(350));
        assert_eq!(schedule.next(), Some((0, start + Duration::from_millis(400))));
        schedule.answered(0, start + Duration::from_millis(390));
        assert_eq!(schedule.next(), Some((0, start + Duration::from_millis(400))), "polled early, on request");
    }

    #[test]
    fn the_back_off_from_a_silent_meter_doubles_and_ends_with_an_answer() {
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
    fn the_back_off_is_at_least_the_timeout_and_the_poll_interval() {
        let (mut schedule, start) = schedule(&[100, 180_000]);
        schedule.silent(0, start);
        schedule.silent(1, start);
        assert_eq!(schedule.meters[0].at, start + SECOND);
        schedule.silent(1, start);
        assert_eq!(schedule.meters[1].at, start + 180 * SECOND);
    }

    #[test]
    fn a_held_meter_is_polled_at_once_and_then_every_10_s() {
        let (mut schedule, start) = schedule(&[60_000]);
        schedule.answered(0, start);
        let now = start + 5 * SECOND;
        schedule.hold(0, true, now);
        assert_eq!(schedule.next(), Some((0, now)));
        schedule.answered(0, now);
        assert_eq!(schedule.next(), Some((0, now + 10 * SECOND)));
        schedule.hold(0, true, now + SECOND);
        assert_eq!(schedule.next(), Some((0, now + 10 * SECOND)), "it was held before");
        schedule.silent(0, now);
        schedule.hold(0, false, now);
        schedule.hold(0, true, now);
        assert_eq!(schedule.next(), Some((0, now + 10 * SECOND)), "a silent meter keeps its back-off");
    }

    proptest! {
        /// On a bus of any speed, every meter is polled, and none is due before its slot.
        #[test]
        fn every_meter_is_polled(
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
