//! Which client is due when: slots, the first reports after a start, pauses of the account and of single clients.
//!
//! All times are since the boot; only slots come from the wall clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::schedule::ReportSchedule;
use crate::clock::ClockReading;
use crate::units::Name;

/// The due times of one account.
#[derive(Clone, Debug)]
pub(crate) struct Agenda {
    schedule: ReportSchedule,
    clients: BTreeSet<Name>,
    slot: Duration,
    first_reports: Option<FirstReports>,
    paused_until: Option<Duration>,
    /// Clients with a due time of their own, before or after the next slot.
    held_until: BTreeMap<Name, Duration>,
}

#[derive(Clone, Debug)]
struct FirstReports {
    next_check: Duration,
    ends: Duration,
    /// Clients that were not reported since the start.
    unsent: BTreeSet<Name>,
}

/// What is due now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueReports {
    /// The clients whose figures are requested from the ledger: all of them at a slot, because the ledger commits then.
    pub(crate) request: BTreeSet<Name>,
    /// Those of them that may be sent.
    pub(crate) send: BTreeSet<Name>,
}

impl Agenda {
    pub(crate) fn new(schedule: ReportSchedule, clients: BTreeSet<Name>, now: &ClockReading) -> Self {
        let start = now.since_boot;
        let first_reports = FirstReports {
            next_check: start + schedule.first_check(),
            ends: start + schedule.first_reports_within(),
            unsent: clients.clone(),
        };
        let slot = start + schedule.next(now.wall);
        Agenda {
            schedule,
            clients,
            slot,
            first_reports: Some(first_reports),
            paused_until: None,
            held_until: BTreeMap::new(),
        }
    }

    /// When something is due next.
    pub(crate) fn wake(&self) -> Duration {
        match self.paused_until {
            Some(until) => until.min(self.slot),
            None => self.next_report(),
        }
    }

    /// When something may be sent next.
    pub(crate) fn next_report(&self) -> Duration {
        if let Some(until) = self.paused_until {
            return until;
        }
        let check = self.first_reports.as_ref().map(|first| first.next_check);
        let earliest = self.held_until.values().copied().chain(check).min();
        earliest.unwrap_or(self.slot).min(self.slot)
    }

    /// What is due at `now`. It then counts as done. `None` before [`Agenda::wake`].
    pub(crate) fn due(&mut self, now: &ClockReading) -> Option<DueReports> {
        let at = now.since_boot;
        if at < self.wake() {
            return None;
        }
        let is_slot = at >= self.slot;
        if is_slot {
            self.slot = at + self.schedule.next(now.wall);
        }
        let unsent = self.check_first_reports(at);
        if self.paused_until.is_some_and(|until| at < until) {
            return Some(DueReports { request: self.clients.clone(), send: BTreeSet::new() });
        }
        let after_pause = self.paused_until.take().is_some();
        let released: BTreeSet<_> =
            self.held_until.extract_if(.., |_, until| *until <= at).map(|(name, _)| name).collect();
        let mut send = if is_slot || after_pause { self.clients.clone() } else { &unsent | &released };
        send.retain(|client| !self.held_until.contains_key(client));
        Some(DueReports { request: if is_slot { self.clients.clone() } else { send.clone() }, send })
    }

    /// Everything is due now, regardless of slot, pause and hold. It then counts as done.
    pub(crate) fn all_now(&mut self) -> DueReports {
        self.paused_until = None;
        self.held_until.clear();
        DueReports { request: self.clients.clone(), send: self.clients.clone() }
    }

    /// The reports of these clients are sent.
    pub(crate) fn sent<'a>(&mut self, clients: impl IntoIterator<Item = &'a Name>) {
        let Some(first) = &mut self.first_reports else { return };
        clients.into_iter().for_each(|client| {
            first.unsent.remove(client);
        });
        if first.unsent.is_empty() {
            self.first_reports = None;
        }
    }

    /// Nothing is sent before `until`.
    pub(crate) fn pause(&mut self, until: Duration) {
        self.paused_until = Some(until);
    }

    /// This client is not sent before `until`, and then at once.
    pub(crate) fn hold(&mut self, client: &Name, until: Duration) {
        self.held_until.insert(client.clone(), until);
    }

    /// The account's pause ends now.
    pub(crate) fn end_pause(&mut self, now: Duration) {
        if let Some(until) = &mut self.paused_until {
            *until = now.min(*until);
        }
    }

    /// All pauses and holds end now.
    pub(crate) fn end_all_pauses(&mut self, now: Duration) {
        self.end_pause(now);
        self.held_until.values_mut().for_each(|until| *until = now.min(*until));
    }

    /// The clients whose first report is tried at `at`.
    fn check_first_reports(&mut self, at: Duration) -> BTreeSet<Name> {
        let Some(first) = &mut self.first_reports else { return BTreeSet::new() };
        if at < first.next_check {
            return BTreeSet::new();
        }
        let unsent = first.unsent.clone();
        first.next_check = at + self.schedule.check_every();
        if first.next_check > first.ends {
            self.first_reports = None;
        }
        unsent
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::Clock;
    use crate::units::ClientId;

    const EVERY: Duration = Duration::from_secs(120);

    fn names(names: &[&str]) -> BTreeSet<Name> {
        names.iter().map(|name| Name::new(name).unwrap()).collect()
    }

    struct Bench {
        agenda: Agenda,
        now: ClockReading,
    }

    impl Bench {
        async fn new(every: Duration) -> Self {
            let now = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap()).now();
            let id = ClientId::parse(&format!("0x{}", "1".repeat(64))).unwrap();
            let schedule = ReportSchedule::new(every, "https://api.example/v1", [id]);
            Bench { agenda: Agenda::new(schedule, names(&["a", "b"]), &now), now }
        }

        fn go_to(&mut self, time: Duration) {
            let ahead = time.saturating_sub(self.now.since_boot);
            self.now =
                ClockReading { since_boot: self.now.since_boot + ahead, wall: self.now.wall + ahead, ..self.now };
        }

        /// Advances to the next wake-up and takes the due reports.
        fn next(&mut self) -> DueReports {
            self.go_to(self.agenda.wake());
            self.agenda.due(&self.now).expect("something is due when the agenda wakes")
        }

        /// Lets the first reports pass.
        fn open(&mut self) -> Duration {
            self.agenda.sent(&names(&["a", "b"]));
            self.next();
            self.now.since_boot
        }
    }

    #[tokio::test]
    async fn the_first_report_does_not_wait_for_the_slot() {
        let mut bench = Bench::new(EVERY).await;
        let start = bench.now.since_boot;
        assert_eq!(bench.next().send, names(&["a", "b"]));
        assert!(bench.now.since_boot - start <= Duration::from_secs(5));
        bench.agenda.sent(&names(&["a"]));
        let look = bench.next();
        assert_eq!(look, DueReports { request: names(&["b"]), send: names(&["b"]) }, "b was not ready, a is through");
        assert!(bench.now.since_boot - start <= Duration::from_secs(10));
        bench.agenda.sent(&names(&["b"]));
        bench.next();
        let slot = bench.now.since_boot;
        bench.next();
        assert_eq!(bench.now.since_boot - slot, EVERY, "from here on there are only slots");
    }

    #[tokio::test]
    async fn the_opening_ends_even_if_a_client_is_never_ready() {
        let mut bench = Bench::new(EVERY).await;
        let start = bench.now.since_boot;
        let mut looks = 0;
        while bench.now.since_boot - start < EVERY * 5 {
            bench.next();
            looks += 1;
        }
        assert!((24..=31).contains(&looks), "{looks} in ten minutes");
    }

    #[tokio::test]
    async fn missed_slots_are_skipped_by_the_agenda() {
        let mut bench = Bench::new(EVERY).await;
        let slot = bench.open();
        bench.go_to(slot + EVERY * 10 + Duration::from_secs(1));
        assert!(bench.agenda.due(&bench.now).is_some());
        assert_eq!(bench.agenda.due(&bench.now), None);
        assert_eq!(bench.agenda.wake(), slot + EVERY * 11, "the phase is kept");
    }

    #[tokio::test]
    async fn an_account_reports_every_second_if_configured() {
        let mut bench = Bench::new(Duration::from_secs(1)).await;
        let slot = bench.open();
        for number in 1..=10 {
            assert_eq!(bench.next().send, names(&["a", "b"]));
            assert_eq!(bench.now.since_boot - slot, Duration::from_secs(number));
        }
    }

    #[tokio::test]
    async fn a_paused_account_sends_nothing_and_the_ledger_keeps_its_slots() {
        let mut bench = Bench::new(EVERY).await;
        let slot = bench.open();
        bench.agenda.pause(slot + EVERY * 2 + Duration::from_secs(7));
        for _ in 0..2 {
            assert_eq!(bench.next(), DueReports { request: names(&["a", "b"]), send: names(&[]) });
        }
        assert_eq!(bench.next().send, names(&["a", "b"]));
        assert_eq!(bench.now.since_boot, slot + EVERY * 2 + Duration::from_secs(7));
    }

    #[tokio::test]
    async fn a_retry_does_not_wait_for_the_slot_and_a_held_client_does_not_hold_up_others() {
        let mut bench = Bench::new(EVERY).await;
        let slot = bench.open();
        let [a, b] = ["a", "b"].map(|name| Name::new(name).unwrap());
        bench.agenda.hold(&a, slot + Duration::from_secs(3));
        bench.agenda.hold(&b, slot + EVERY * 3 - Duration::from_secs(1));
        assert_eq!(bench.next(), DueReports { request: names(&["a"]), send: names(&["a"]) });
        assert_eq!(bench.now.since_boot, slot + Duration::from_secs(3));
        assert_eq!(bench.next(), DueReports { request: names(&["a", "b"]), send: names(&["a"]) });
        assert_eq!(bench.next().send, names(&["a"]));
        assert_eq!(bench.next().send, names(&["b"]));
        assert_eq!(bench.next().send, names(&["a", "b"]));
    }

    #[tokio::test]
    async fn a_reload_ends_pauses_at_once() {
        let mut bench = Bench::new(EVERY).await;
        let slot = bench.open();
        let far = slot + Duration::from_secs(3600);
        bench.agenda.hold(&Name::new("a").unwrap(), far);
        bench.agenda.pause(far);
        bench.go_to(slot + Duration::from_secs(1));
        assert_eq!(bench.agenda.due(&bench.now), None);
        bench.agenda.end_pause(bench.now.since_boot);
        assert_eq!(
            bench.agenda.due(&bench.now).unwrap().send,
            names(&["b"]),
            "a new token says nothing about a client"
        );
        bench.agenda.end_all_pauses(bench.now.since_boot);
        assert_eq!(bench.agenda.due(&bench.now).unwrap().send, names(&["a"]));
        bench.agenda.pause(far);
        bench.agenda.hold(&Name::new("a").unwrap(), far);
        assert_eq!(bench.agenda.all_now().send, names(&["a", "b"]));
    }

    #[tokio::test]
    async fn wake_ups_never_become_a_busy_loop() {
        let mut bench = Bench::new(EVERY).await;
        let slot = bench.open();
        bench.agenda.hold(&Name::new("a").unwrap(), slot);
        bench.next();
        assert!(bench.agenda.wake() > bench.now.since_boot, "a hold is used up even if nothing could be sent");
        bench.agenda.pause(slot);
        bench.next();
        assert!(bench.agenda.wake() > bench.now.since_boot, "so is a pause");
    }
}
