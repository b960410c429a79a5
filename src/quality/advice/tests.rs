use proptest::prelude::*;

use super::*;
use crate::quality::window::RecentTally;
use crate::quality::{MeterQuality, RequestOutcome, RequestRecord, RequestTally};

const SECOND: Duration = Duration::from_secs(1);
const FINE: (RequestOutcome, u32) = (RequestOutcome::Answered, 100);

/// A meter with these numbers of requests by outcome: one per poll, 20 ms each, every ten seconds.
fn meter(unit: u8, requests: &[(RequestOutcome, u32)]) -> MeterQuality<'static> {
    flagged(unit, requests, |request| request)
}

fn flagged(
    unit: u8,
    requests: &[(RequestOutcome, u32)],
    change: impl Fn(RequestRecord) -> RequestRecord,
) -> MeterQuality<'static> {
    let mut tally = RequestTally::default();
    for (outcome, count) in requests {
        let took = Duration::from_millis(20);
        let request = RequestRecord {
            outcome: *outcome,
            took,
            silence: Duration::ZERO,
            slow: false,
            echo: false,
            late: false,
            discarded: false,
        };
        let mut poll = RequestTally::default();
        poll.note(&change(request));
        (0..*count).for_each(|_| tally.add_poll(&poll));
    }
    let name = ["", "boiler", "sauna", "pump", "stove", "oven", "car", "roof", "well", "lift"][usize::from(unit)];
    let over = 10 * SECOND * u32::try_from(tally.requests()).unwrap();
    MeterQuality { name, unit, poll_every: 10 * SECOND, recent: RecentTally { tally, over } }
}

fn advice_for(link: LinkKind, meters: &[MeterQuality<'static>]) -> Vec<String> {
    advice(&BusQuality { name: "cabinet", link, timeout: SECOND, meters: meters.to_vec() })
}

fn one(link: LinkKind, meters: &[MeterQuality<'static>]) -> String {
    let sentences = advice_for(link, meters);
    assert_eq!(sentences.len(), 1, "{sentences:?}");
    sentences.into_iter().next().unwrap()
}

fn failed(count: RequestCount, of: u32) -> [(RequestOutcome, u32); 2] {
    [(RequestOutcome::Answered, 100 - of), (RequestOutcome::Failed(count), of)]
}

use LinkKind::{Converter, Serial, Tcp};

#[test]
fn a_sound_bus_gets_no_advice() {
    assert_eq!(advice_for(Serial, &[]), Vec::<String>::new());
    let fine = [meter(1, &[FINE]), meter(2, &[FINE]), meter(3, &[])];
    assert_eq!(advice_for(Serial, &fine), Vec::<String>::new());
    let once = [meter(1, &failed(RequestCount::CrcErrors, 2)), meter(2, &failed(RequestCount::Timeouts, 4))];
    assert_eq!(advice_for(Serial, &once), Vec::<String>::new(), "so few can be chance");
    let few = [meter(1, &[(RequestOutcome::Answered, 15), (RequestOutcome::Failed(RequestCount::CrcErrors), 4)])];
    assert_eq!(advice_for(Serial, &few), Vec::<String>::new(), "19 requests are too few");
    let many = [meter(1, &[(RequestOutcome::Answered, 5), (RequestOutcome::Failed(RequestCount::CrcErrors), 5)])];
    assert!(one(Serial, &many).contains("50 % CRC errors"), "five are no chance");
}

#[test]
fn a_noisy_unit_among_sound_ones_points_to_its_wiring() {
    let noisy = meter(7, &failed(RequestCount::CrcErrors, 12));
    assert_eq!(
        one(Serial, &[meter(1, &[FINE]), noisy, meter(2, &[FINE])]),
        "Bus cabinet, roof, unit 7: 12 % CRC errors, the other units have none: check the wiring, terminals and shield at this unit."
    );
    let slightly = [(RequestOutcome::Answered, 999), (RequestOutcome::Failed(RequestCount::CrcErrors), 1)];
    assert!(one(Serial, &[noisy, meter(1, &slightly)]).contains("the other units have almost none: check the wiring"));
    assert_eq!(advice_for(Tcp, &[noisy, meter(1, &[FINE])]), Vec::<String>::new(), "Modbus TCP has no checksum");
    let two = [noisy, meter(4, &failed(RequestCount::CrcErrors, 30)), meter(1, &[FINE]), meter(2, &[FINE])];
    let sentence = one(Converter, &two);
    assert!(sentence.contains("units 7, 4: up to 30 % CRC errors, the other units have none"), "{sentence}");
    assert!(one(Serial, &[noisy]).contains("12 % CRC errors: check the wiring and the termination"));
    let cut = meter(7, &failed(RequestCount::Incomplete, 12));
    assert!(one(Serial, &[cut, meter(1, &[FINE])]).contains("12 % damaged answers"));
}

#[test]
fn noise_on_all_units_points_to_the_line() {
    let sentence =
        one(Serial, &[meter(1, &failed(RequestCount::CrcErrors, 9)), meter(2, &failed(RequestCount::CrcErrors, 12))]);
    let most = [3, 5, 6].map(|unit| meter(unit, &failed(RequestCount::CrcErrors, 9)));
    assert!(one(Serial, &[&most[..], &[meter(1, &[FINE])]].concat()).contains("up to 9 % CRC errors on most units:"));
    for words in ["up to 12 % CRC errors on all units", "termination", "bias", "baud rate", "common ground"] {
        assert!(sentence.contains(words), "{sentence}");
    }
}

#[test]
fn a_silent_unit_among_others_points_to_its_power_or_number() {
    let silent = meter(7, &[(RequestOutcome::Failed(RequestCount::Timeouts), 5)]);
    let sentence = one(Serial, &[silent, meter(1, &[FINE])]);
    assert!(
        sentence.contains("unit 7: no answer at all, other units answer: check the unit number, the power"),
        "{sentence}"
    );
    let sentence = one(Serial, &[meter(7, &failed(RequestCount::Timeouts, 8)), meter(1, &[FINE])]);
    assert!(sentence.contains("8 % timeouts, the other units have none: check the terminals"), "{sentence}");
    assert!(one(Serial, &[silent]).contains("no unit answers: check A and B (swapped?)"));
    assert!(one(Tcp, &[silent]).contains("no unit answers: check the unit numbers"));
    let all = [meter(1, &failed(RequestCount::Timeouts, 8)), meter(2, &failed(RequestCount::Timeouts, 9))];
    assert!(one(Serial, &all).contains("up to 9 % timeouts on all units: raise timeout in [bus.cabinet]"));
    let weak = meter(2, &failed(RequestCount::Timeouts, 8));
    let both = advice_for(Serial, &[silent, weak, meter(1, &[FINE])]).concat();
    assert!(both.contains("unit 7: no answer at all") && both.contains("unit 2: 8 % timeouts"), "{both}");
    let four = meter(7, &[(RequestOutcome::Failed(RequestCount::Timeouts), 4)]);
    assert_eq!(advice_for(Serial, &[four, meter(1, &[FINE])]), Vec::<String>::new());
}

#[test]
fn answers_near_the_timeout_need_a_longer_timeout() {
    let took = Duration::from_millis(900);
    let slow = |request| RequestRecord { slow: true, took, ..request };
    let sentence = one(Serial, &[flagged(7, &[FINE], slow), meter(1, &[FINE])]);
    assert!(sentence.contains("the last fifth of the timeout (1s): raise timeout in [bus.cabinet]"), "{sentence}");
    assert!(sentence.contains("unit 7: 100 % of the answers come in"), "{sentence}");
    let failing = flagged(7, &failed(RequestCount::Timeouts, 20), |request| RequestRecord { slow: true, ..request });
    assert!(one(Serial, &[failing, meter(1, &[FINE])]).contains("raise timeout"), "one cause gives one sentence");
}

#[test]
fn late_answers_need_a_longer_timeout() {
    let late = |request| RequestRecord { late: true, ..request };
    let gateway = flagged(7, &[(RequestOutcome::Failed(RequestCount::Timeouts), 10)], late);
    let sentence = one(Tcp, &[gateway, meter(1, &[(RequestOutcome::Answered, 5000)])]);
    assert!(sentence.contains("10 answers came after the timeout (the gateway queues"), "{sentence}");
    assert!(sentence.contains("raise timeout in [bus.cabinet] above 1s, or poll less often"), "{sentence}");
}

#[test]
fn discarded_bytes_point_to_what_sends_them() {
    let discarded = |request| RequestRecord { discarded: true, ..request };
    for (link, remedy) in [
        (Serial, "check the bias resistors"),
        (Converter, "switch off the converter's echo and its registration and heartbeat packets"),
        (Tcp, "switch off the converter's registration and heartbeat packets"),
    ] {
        let sentence = one(link, &[flagged(7, &[FINE], discarded), meter(1, &[FINE])]);
        assert!(sentence.contains("unit 7: 100 % of the answers come with bytes of no frame"), "{sentence}");
        assert!(sentence.contains(remedy), "{sentence}");
    }
    let rarely = [(RequestOutcome::Answered, 2)];
    assert_eq!(advice_for(Serial, &[flagged(7, &rarely, discarded), meter(1, &[FINE])]), Vec::<String>::new());
}

#[test]
fn gateway_exceptions_point_to_the_line_behind_it() {
    let path = [(RequestOutcome::Answered, 50), (RequestOutcome::Exception(10), 50)];
    assert!(one(Tcp, &[meter(7, &path)]).contains("unit 7: 50 % exceptions 10 (no route to this unit)"));
    let target = [(RequestOutcome::Exception(11), 6)];
    let sentence = one(Tcp, &[meter(7, &target), meter(1, &[FINE])]);
    assert!(sentence.contains("unit 7: 100 % exceptions 11 (the gateway gets no answer from this unit)"), "{sentence}");
}

#[test]
fn echoes_foreign_answers_busy_meters_and_lost_links_have_their_advice() {
    let echo = |request| RequestRecord { echo: true, ..request };
    assert!(one(Serial, &[flagged(7, &[FINE], echo)]).contains("switch the echo off"));
    let unheard = advice_for(Serial, &[flagged(7, &[(RequestOutcome::Failed(RequestCount::Timeouts), 20)], echo)]);
    assert!(unheard.iter().any(|sentence| sentence.contains("only our own requests come back")), "{unheard:?}");
    let foreign = failed(RequestCount::WrongUnit, 10);
    assert!(one(Serial, &[meter(7, &foreign)]).contains("another master on the line"));
    let busy = [(RequestOutcome::Answered, 90), (RequestOutcome::Exception(6), 10)];
    assert!(one(Serial, &[meter(7, &busy)]).contains("are refused as busy (exceptions 5 and 6): raise poll_every"));
    assert!(one(Tcp, &[meter(7, &failed(RequestCount::Lost, 10))]).contains("many gateways accept only one client"));
}

#[test]
fn an_overloaded_bus_is_reported_with_the_time_it_needs() {
    let quick = |unit, over| {
        let mut meter = meter(unit, &[FINE]);
        meter.recent.over = over;
        meter.poll_every = 30 * SECOND / 1000;
        meter
    };
    let sentence = one(Serial, &[quick(1, 4 * SECOND + SECOND / 4), quick(2, 4 * SECOND + SECOND / 4)]);
    assert_eq!(
        sentence,
        "Bus cabinet: the poll interval cannot be kept, because one round of its 2 meters takes 0.04 s, poll_every is 30ms: \
         raise poll_every, or use a second bus for some meters."
    );
    let mut meters = [quick(1, 20 * SECOND), quick(2, 20 * SECOND)];
    meters.iter_mut().for_each(|meter| meter.recent.tally.busy_us = 9_400_000);
    let sentence = one(Serial, &meters);
    let begin = "Bus cabinet: the poll interval cannot be kept, because the line is in use 94 % of the time; one round";
    assert!(sentence.starts_with(begin), "{sentence}");
    meters[0].poll_every = SECOND;
    assert!(one(Serial, &meters).contains("to poll its meters as configured takes 323 % of the time"));
    meters.iter_mut().for_each(|meter| meter.poll_every = SECOND / 5);
    assert!(one(Serial, &meters).contains("the poll interval is only just kept, because the line is in use 94 %"));
    let silent = meter(3, &[(RequestOutcome::Failed(RequestCount::Timeouts), 6)]);
    let with_a_silent_one =
        advice_for(Serial, &[meter(1, &[FINE]), MeterQuality { poll_every: SECOND / 100, ..silent }]);
    assert!(!with_a_silent_one.concat().contains("poll interval"), "{with_a_silent_one:?}");
}

#[test]
fn many_units_are_not_named_one_by_one() {
    let silent: Vec<_> = (1..=9).map(|unit| meter(unit, &[(RequestOutcome::Exception(11), 6)])).collect();
    assert!(one(Tcp, &silent).contains("units 1, 2, 3, 4, 5 and 4 more: up to 100 %"));
}

fn outcomes() -> impl Strategy<Value = RequestOutcome> {
    prop_oneof![
        Just(RequestOutcome::Answered),
        any::<u8>().prop_map(RequestOutcome::Exception),
        prop::sample::select(
            RequestCount::WORDS[1..RequestCount::ENDS]
                .iter()
                .map(|(count, _)| RequestOutcome::Failed(*count))
                .collect::<Vec<_>>()
        ),
    ]
}

proptest! {
    #[test]
    fn any_counts_give_whole_sentences_and_shares_up_to_100(
        link in prop::sample::select(vec![Serial, Converter, Tcp]),
        meters in prop::collection::vec((prop::collection::vec((outcomes(), 0u32..70), 0..4), any::<(bool, bool, bool)>()), 0..9),
        times in prop::collection::vec((0u64..20_000_000, 0u64..4_000_000, 1u64..200_000), 9),
    ) {
        let meters: Vec<_> = (1..).zip(&meters).zip(&times).map(|((unit, (requests, flags)), (took, over, every))| {
            let (slow, echo, late) = *flags;
            let mut meter = flagged(unit, requests, |request| RequestRecord { slow, echo, late, took: Duration::from_micros(*took), ..request });
            (meter.recent.over, meter.poll_every) = (Duration::from_millis(*over), Duration::from_millis(*every));
            meter
        }).collect();
        for sentence in advice_for(link, &meters) {
            prop_assert!(sentence.starts_with("Bus cabinet") && sentence.ends_with('.') && sentence.contains(": "), "{}", sentence);
            prop_assert!(sentence.len() < 400);
            let words: Vec<_> = sentence.split(' ').collect();
            for share in words.windows(2).filter(|pair| pair[1].starts_with('%')) {
                let share: u64 = share[0].parse().unwrap();
                prop_assert!(share <= 100 || sentence.contains("as configured"), "{}", sentence);
            }
        }
    }
}
