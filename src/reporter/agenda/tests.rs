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
    /// A first start.
    async fn new(every: Duration) -> Self {
        Self::after_reports_of(every, &[]).await
    }

    /// A start after which these clients were reported before.
    async fn after_reports_of(every: Duration, before: &[&str]) -> Self {
        let now = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap()).now();
        let id = ClientId::parse(&format!("0x{}", "1".repeat(64))).unwrap();
        let schedule = ReportSchedule::new(every, "https://api.example/v1", [id]);
        Bench { agenda: Agenda::new(schedule, names(&["a", "b"]), &names(before), &now), now }
    }

    fn go_to(&mut self, time: Duration) {
        let ahead = time.saturating_sub(self.now.since_boot);
        self.now = ClockReading { since_boot: self.now.since_boot + ahead, wall: self.now.wall + ahead, ..self.now };
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
    assert_eq!(bench.agenda.due(&bench.now).unwrap().send, names(&["b"]), "a new token says nothing about a client");
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

#[tokio::test]
async fn after_a_restart_only_new_clients_are_reported_before_their_slot() {
    let mut bench = Bench::after_reports_of(EVERY, &["a"]).await;
    let start = bench.now.since_boot;
    assert_eq!(bench.next().send, names(&["b"]));
    assert!(bench.now.since_boot - start <= Duration::from_secs(5));
    bench.agenda.sent(&names(&["b"]));
    bench.next();
    let slot = bench.now.since_boot;
    for number in 1..=3 {
        bench.next();
        assert_eq!(bench.now.since_boot, slot + EVERY * number, "from here on there are only slots");
    }
}

#[tokio::test]
async fn after_a_restart_a_seldom_account_reports_within_eight_minutes() {
    let hour = Duration::from_secs(3600);
    let mut bench = Bench::after_reports_of(hour, &["a", "b"]).await;
    let start = bench.now.since_boot;
    assert_eq!(bench.next().send, names(&["a", "b"]));
    assert!(bench.now.since_boot - start <= Duration::from_secs(480));
    assert_eq!((bench.agenda.slot - bench.now.since_boot).as_nanos() % (hour / 8).as_nanos(), 0, "at its own phase");
    bench.next();
    let second = bench.now.since_boot;
    bench.agenda.sent(&names(&["a", "b"]));
    bench.next();
    assert!(second - start <= Duration::from_secs(960) && bench.now.since_boot > second);
}

#[tokio::test]
async fn an_attempt_at_a_slot_keeps_the_phase() {
    let mut bench = Bench::new(EVERY).await;
    let slot = bench.open() + EVERY;
    let seconds = Duration::from_secs;
    for (from, wait, at) in [(slot - EVERY, 0, slot), (slot - seconds(119), 0, slot), (slot, 0, slot + EVERY)] {
        assert_eq!(bench.agenda.time_of(NextAttempt::SlotAfter(seconds(wait)), from), at);
    }
    for (wait, at) in [(1, slot), (119, slot), (120, slot + EVERY), (3600, slot + EVERY * 30)] {
        assert_eq!(bench.agenda.time_of(NextAttempt::SlotAfter(seconds(wait)), slot - EVERY), at, "{wait}");
    }
}
