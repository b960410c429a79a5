//! The schedule alone: slots, back-off, and the share of probes.

mod lending;

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
    assert_eq!(schedule.next(start), Some((0, start)));
    schedule.answered(0, SECOND / 10, start + SECOND / 10);
    assert_eq!(schedule.next(start), Some((1, start)));
    schedule.answered(1, SECOND / 10, start + SECOND / 5);
    assert_eq!(schedule.next(start), Some((1, start + 3 * SECOND)));
    assert_eq!(PollSchedule::new([], SECOND, start).next(start), None);
}

#[test]
fn missed_slots_are_skipped() {
    let (mut schedule, start) = schedule(&[100]);
    schedule.answered(0, SECOND / 10, start + Duration::from_millis(350));
    assert_eq!(schedule.next(start), Some((0, start + Duration::from_millis(400))));
    schedule.answered(0, SECOND / 10, start + Duration::from_millis(390));
    assert_eq!(schedule.next(start), Some((0, start + Duration::from_millis(400))), "polled early, on request");
}

#[test]
fn the_back_off_from_a_silent_meter_doubles_and_ends_with_an_answer() {
    let (mut schedule, start) = schedule(&[10_000]);
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..6 {
        schedule.silent(0, SECOND, now);
        let (_, next) = schedule.next(now).unwrap();
        waits.push((next - now).as_secs());
        now = next;
    }
    assert_eq!(waits, [10, 20, 40, 60, 60, 60]);
    schedule.answered(0, SECOND / 10, now);
    assert_eq!(schedule.next(now), Some((0, now + 10 * SECOND)));
    schedule.silent(0, SECOND, now);
    assert_eq!(schedule.next(now), Some((0, now + 10 * SECOND)), "an answer ends the back-off");
}

#[test]
fn the_back_off_is_at_least_the_timeout_and_the_poll_interval() {
    let (mut schedule, start) = schedule(&[100, 180_000]);
    schedule.silent(0, SECOND, start);
    schedule.silent(1, SECOND, start);
    assert_eq!(schedule.meters[0].at, start + SECOND);
    schedule.silent(1, SECOND, start);
    assert_eq!(schedule.meters[1].at, start + 180 * SECOND);
}

#[test]
fn a_held_meter_is_polled_at_once_and_then_every_10_s() {
    let (mut schedule, start) = schedule(&[60_000]);
    schedule.answered(0, SECOND / 10, start);
    let now = start + 5 * SECOND;
    schedule.hold(0, true, now);
    assert_eq!(schedule.next(now), Some((0, now)));
    schedule.answered(0, SECOND / 10, now);
    assert_eq!(schedule.next(now), Some((0, now + 10 * SECOND)));
    schedule.hold(0, true, now + SECOND);
    assert_eq!(schedule.next(now), Some((0, now + 10 * SECOND)), "it was held before");
    schedule.silent(0, SECOND, now);
    schedule.hold(0, false, now);
    schedule.hold(0, true, now);
    assert_eq!(schedule.next(now), Some((0, now + 10 * SECOND)), "a silent meter keeps its back-off");
}

/// A simulated bus: the first meters are dead, the others answer.
#[derive(Clone, Copy, Debug)]
struct Site {
    living: usize,
    dead: usize,
    poll_every: Duration,
    answer: Duration,
    timeout: Duration,
}

/// What happened on a simulated bus.
#[derive(Debug)]
struct Run {
    polls: Vec<u64>,
    /// The longest time between two polls of a meter.
    longest: Vec<Duration>,
    round: ProbeRound,
}

impl Site {
    fn run(&self, warm_up: Duration, length: Duration) -> Run {
        let start = Instant::now();
        let count = self.dead + self.living;
        let mut schedule = PollSchedule::new(vec![self.poll_every; count], self.timeout, start);
        let mut now = start;
        let mut polls = vec![0; count];
        let mut last = vec![start + warm_up; count];
        let mut longest = vec![Duration::ZERO; count];
        while now < start + warm_up + length {
            let meter = polled_next(&schedule, &mut now);
            let answers = meter >= self.dead;
            let took = if answers { self.answer } else { self.timeout };
            now += took;
            if now >= start + warm_up {
                polls[meter] += 1;
                longest[meter] = longest[meter].max(now - last[meter]);
                last[meter] = now;
            }
            if answers { schedule.answered(meter, took, now) } else { schedule.silent(meter, took, now) }
        }
        Run { polls, longest, round: schedule.probe_round() }
    }
}

/// Waits as the task does.
fn polled_next(schedule: &PollSchedule, now: &mut Instant) -> usize {
    loop {
        match schedule.next(*now).unwrap() {
            (meter, due) if due <= *now => return meter,
            (_, later) => *now = later,
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn living_meters_keep_their_slots_and_dead_ones_are_probed_in_the_time_that_remains() {
    let site = Site { living: 30, dead: 120, poll_every: SECOND * 10, answer: SECOND / 20, timeout: SECOND };
    let run = site.run(Duration::ZERO, HOUR);
    let kept = run.polls[site.dead..].iter().min().unwrap();
    assert!(*kept >= 360 - 14, "of 360 slots only {kept}, although the first round of all meters takes two minutes");
    let probes = &run.polls[..site.dead];
    let (least, most) = (probes.iter().min().unwrap(), probes.iter().max().unwrap());
    assert!(most - least <= 2, "they are probed in turn: {probes:?}");
    assert!(*least >= 3600 / 160, "there was time for more than {least} probes");
    assert_eq!(run.round.dead, 120);
    let takes = run.round.takes.unwrap();
    assert!(takes >= SECOND * 120 && takes <= SECOND * 160, "{takes:?}");
}

/// A start, or the end of a suspension, beside meters that are not there.
#[test]
fn meters_that_were_read_keep_their_slots_while_the_others_are_first_tried() {
    let (every, count) = (SECOND * 10, 150);
    let start = Instant::now();
    let mut schedule = PollSchedule::new(vec![every; count], SECOND, start);
    let mut now = start;
    let mut polls = vec![Vec::new(); count];
    while polls.iter().any(Vec::is_empty) {
        let meter = polled_next(&schedule, &mut now);
        let answers = meter.is_multiple_of(5);
        let took = if answers { SECOND / 20 } else { SECOND };
        now += took;
        polls[meter].push(now);
        if answers { schedule.answered(meter, took, now) } else { schedule.silent(meter, took, now) }
    }
    assert!(now - start < SECOND * 140, "all were tried after {:?}", now - start);
    for living in polls.iter().step_by(5) {
        let longest = living.windows(2).map(|pair| pair[1] - pair[0]).chain([now - living[living.len() - 1]]).max();
        assert!(longest <= Some(every + SECOND * 4), "not polled for {longest:?}");
    }
}

#[test]
fn without_time_for_probes_they_take_a_30th_of_it() {
    let site = Site { living: 18, dead: 20, poll_every: SECOND, answer: SECOND / 20, timeout: SECOND * 2 };
    let run = site.run(HOUR / 10, HOUR);
    let kept = run.polls[site.dead..].iter().min().unwrap();
    assert!(*kept >= 3600 * 9 / 10, "of 3600 slots only {kept}");
    let probes: u64 = run.polls[..site.dead].iter().sum();
    assert!((58..=60).contains(&probes), "{probes} probes of 2 s");
    let takes = run.round.takes.unwrap();
    assert!(takes.abs_diff(SECOND * 2 * 30 * 20) <= SECOND * 20, "{takes:?}");
}

#[test]
fn a_single_missed_poll_is_no_probe_and_a_second_one_is() {
    let (mut schedule, start) = schedule(&[1000; 2]);
    for meter in [0, 1] {
        schedule.answered(meter, SECOND / 10, start);
    }
    assert_eq!(schedule.probe_round(), ProbeRound { dead: 0, takes: None });
    schedule.silent(0, SECOND, start + SECOND * 2);
    assert_eq!(schedule.probe_round().dead, 0);
    assert_eq!(schedule.next(start + SECOND * 3), Some((1, start + SECOND)));
    schedule.silent(0, SECOND, start + SECOND * 4);
    assert_eq!(schedule.probe_round().dead, 1);
}

#[test]
fn after_a_common_silence_the_first_answer_makes_all_due() {
    let (mut schedule, start) = schedule(&[1000; 9]);
    for round in 0..20 {
        for meter in 0..9 {
            schedule.silent(meter, SECOND, start + SECOND * (10 * round + meter as u32));
        }
    }
    let back = start + SECOND * 400;
    assert_eq!(schedule.probe_round().dead, 9);
    schedule.answered(0, SECOND / 10, back);
    assert_eq!(schedule.probe_round().dead, 0);
    assert!(schedule.meters[1..].iter().all(|due| due.at <= back), "{schedule:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

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
            let meter = polled_next(&schedule, &mut now);
            let took = Duration::from_millis(cost);
            now += took;
            polls[meter] += 1;
            if answers { schedule.answered(meter, took, now) } else { schedule.silent(meter, took, now) }
            let next = schedule.meters[meter].at;
            prop_assert!(next > now && next <= now + 60 * SECOND);
        }
        prop_assert!(polls.iter().all(|count| *count > 0), "{polls:?}");
    }

    /// On any bus, living meters get nine tenths of the polls that they would get without the dead ones, and each dead meter is probed.
    #[test]
    fn dead_meters_take_a_bounded_share(
        living in 1usize..40, dead in 1usize..120, poll in 200u64..20_000, answer in 10u64..200, timeout in 200u64..5_000,
    ) {
        let of = Duration::from_millis;
        let site = Site { living, dead, poll_every: of(poll), answer: of(answer), timeout: of(timeout) };
        let (warm_up, length) = (of(timeout) * dead as u32 * 2, HOUR / 2);
        let alone = Site { dead: 0, ..site }.run(warm_up, length);
        let run = site.run(warm_up, length);
        let (kept, usual) = (run.polls[dead..].iter().min().unwrap(), alone.polls.iter().min().unwrap());
        prop_assert!(kept * 10 + 10 >= usual * 9, "{site:?}: {kept} of {usual}");
        // Its turn comes at the latest when each dead meter was probed in the share that is always there.
        let turn = of(timeout.max(poll)) * SPARE_SHARE * dead as u32 + LONGEST_BACK_OFF + of(answer) * (living + dead) as u32;
        let latest = run.longest[..dead].iter().max().unwrap();
        prop_assert!(*latest <= turn, "{site:?}: probed after {latest:?}, not {turn:?}");
    }
}

#[test]
fn buses_begin_in_groups_that_are_spread_over_the_interval() {
    let starts = |buses: usize, every: u64| -> Vec<u64> {
        let every = Duration::from_secs(every);
        (0..buses).map(|index| starts_after(index, buses, every).as_millis() as u64).collect()
    };
    assert_eq!(starts(16, 60), [0; 16], "a usual site does not wait");
    let many = starts(500, 10);
    assert!(many.iter().all(|start| *start < 10_000), "within one interval");
    assert!(many.windows(2).all(|pair| pair[0] <= pair[1]) && many.last().unwrap() > &9_000, "over all of it");
    let most = many.chunk_by(|left, right| left == right).map(<[_]>::len).max();
    assert_eq!(most, Some(TOGETHER));
    assert_eq!(starts(33, 180)[32], 2_000, "no longer than necessary");
}
