//! The schedule with a borrower that always has a request.

use super::*;

/// A simulated bus; the first `dead` meters are dead.
#[derive(Clone, Debug)]
struct Bus {
    dead: usize,
    /// Poll interval and time of an answer of each meter, in ms.
    meters: Vec<(u64, u64)>,
    timeout: Duration,
}

/// What happened on it.
#[derive(Debug)]
struct Outcome {
    polls: Vec<u64>,
    lent: u64,
    /// The longest time from one lent request to the next.
    longest: Duration,
}

impl Bus {
    fn alike(count: usize, poll_every: u64, answer: u64) -> Self {
        Bus { dead: 0, meters: vec![(poll_every, answer); count], timeout: SECOND }
    }

    /// Runs it for an hour, with a borrower whose requests take `takes`.
    fn run(&self, takes: Option<Duration>) -> Outcome {
        let start = Instant::now();
        let of = Duration::from_millis;
        let mut schedule = PollSchedule::new(self.meters.iter().map(|(every, _)| of(*every)), self.timeout, start);
        let (mut now, mut last) = (start, start);
        let mut outcome = Outcome { polls: vec![0; self.meters.len()], lent: 0, longest: Duration::ZERO };
        while now < start + HOUR {
            if let Some(takes) = takes.filter(|takes| schedule.may_lend(*takes, now)) {
                now += takes;
                schedule.lent(takes, now);
                outcome.lent += 1;
                outcome.longest = outcome.longest.max(now - last);
                last = now;
                continue;
            }
            let (meter, due) = schedule.next(now).unwrap();
            if due > now {
                let lends_at = takes.map(|_| schedule.lends_from()).filter(|at| *at > now);
                now = lends_at.map_or(due, |at| due.min(at));
                continue;
            }
            let answers = meter >= self.dead;
            let took = if answers { of(self.meters[meter].1) } else { self.timeout };
            now += took;
            outcome.polls[meter] += 1;
            if answers { schedule.answered(meter, took, now) } else { schedule.silent(meter, took, now) }
        }
        outcome
    }

    /// The smallest share of its polls that a living meter keeps, in percent.
    fn kept(&self, with: &Outcome) -> u64 {
        let alone = self.run(None);
        let shares = with.polls[self.dead..].iter().zip(&alone.polls[self.dead..]);
        shares.map(|(with, alone)| with * 100 / alone.max(&1)).min().unwrap_or(100)
    }
}

#[test]
fn a_borrower_gets_the_time_between_the_polls_and_costs_none() {
    // Five meters of 9600 baud, polled every 10 s, and the search for a sixth.
    let bus = Bus::alike(5, 10_000, 200);
    let takes = Duration::from_millis(220);
    let with = bus.run(Some(takes));
    assert_eq!(bus.kept(&with), 100, "{with:?}");
    let used = takes * with.lent as u32;
    assert!(used >= HOUR * 8 / 10, "of nine tenths of the time only {used:?}");
    assert!(with.longest <= 5 * SECOND, "{with:?}");
}

#[test]
fn on_a_full_bus_a_borrower_gets_a_30th_of_the_time() {
    let bus = Bus::alike(19, 1000, 50);
    let with = bus.run(Some(SECOND / 5));
    assert!(bus.kept(&with) >= 92, "{}: {with:?}", bus.kept(&with));
    assert!((3600 / 31..=3600 / 29).contains(&with.lent), "{with:?}");
    let overfull = Bus::alike(40, 1000, 50);
    let with = overfull.run(Some(SECOND / 5));
    assert!(overfull.kept(&with) >= 90 && with.lent >= 3600 / 31, "{with:?}");
}

#[test]
fn a_borrower_and_dead_meters_take_turns() {
    let site = |dead| Bus { dead, ..Bus::alike(dead + 18, 1000, 50) };
    let bus = Bus { timeout: SECOND * 2, ..site(20) };
    let with = bus.run(Some(SECOND / 2));
    let probes: u64 = with.polls[..bus.dead].iter().sum();
    assert!(bus.kept(&with) >= 90, "{}: {with:?}", bus.kept(&with));
    assert!(with.lent >= 35 && probes >= 35, "{probes} probes: {with:?}");
    // Without any meter that answers.
    let silent = Bus { dead: 100, ..Bus::alike(100, 1000, 50) };
    let with = silent.run(Some(SECOND / 5));
    let probes: u64 = with.polls.iter().sum();
    assert!(with.lent >= 1000 && probes >= 1000, "{probes} probes: {}", with.lent);
}

/// Probes that cost nobody a slot must not use up the share of the bus, or a borrower with slower requests never gets its turn.
#[test]
fn probes_in_free_time_leave_the_share_of_the_bus_to_the_borrower() {
    let meters = vec![(500, 10), (700, 10), (8000, 10), (990, 20), (1390, 20)];
    let bus = Bus { dead: 3, meters, timeout: SECOND / 5 };
    let with = bus.run(Some(Duration::from_millis(1720)));
    assert!(with.lent >= 30, "{with:?}");
}

#[test]
fn the_pace_of_a_loan_is_what_the_borrower_gets() {
    for (bus, takes) in [
        (Bus::alike(5, 10_000, 200), SECOND / 5),
        (Bus::alike(5, 1000, 50), SECOND / 5),
        (Bus::alike(30, 10_000, 250), SECOND / 5),
        (Bus::alike(19, 1000, 50), SECOND / 5),
    ] {
        let start = Instant::now();
        let mut schedule =
            PollSchedule::new(bus.meters.iter().map(|(every, _)| Duration::from_millis(*every)), SECOND, start);
        for (meter, (_, answer)) in bus.meters.iter().enumerate() {
            schedule.answered(meter, Duration::from_millis(*answer), start);
        }
        let (pace, lent) = (schedule.lending_pace(takes), bus.run(Some(takes)).lent);
        let got = HOUR / lent as u32;
        assert!(pace <= got * 2 && got <= pace * 2, "{bus:?}: {pace:?} expected, {got:?} in fact");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// On any bus, living meters keep nine tenths of their polls, however much the borrower wants, and the borrower gets something. Where
    /// the polls need more time than there is, chance decides which slots a meter loses: there this holds for all meters together.
    #[test]
    fn polled_meters_keep_nine_tenths(
        meters in prop::collection::vec((500u64..20_000, 10u64..300), 1..40),
        dead in 0usize..4, timeout in 200u64..3_000, takes in 20u64..2_000,
    ) {
        let bus = Bus { dead: dead.min(meters.len() - 1), meters, timeout: Duration::from_millis(timeout) };
        let (with, alone) = (bus.run(Some(Duration::from_millis(takes))), bus.run(None));
        let (kept, usual) = (&with.polls[bus.dead..], &alone.polls[bus.dead..]);
        let busy: f64 = bus.meters[bus.dead..].iter().map(|(every, answer)| *answer as f64 / *every as f64).sum();
        let (all, usual_all) = (kept.iter().sum::<u64>(), usual.iter().sum::<u64>());
        prop_assert!(all * 10 + 10 >= usual_all * 9, "{bus:?}: {all} of {usual_all}");
        for (with, alone) in kept.iter().zip(usual).filter(|_| busy < 0.9) {
            prop_assert!(with * 10 + 10 >= alone * 9, "{bus:?}: {with} of {alone}");
        }
        prop_assert!(with.lent >= 5, "{with:?}");
    }
}
