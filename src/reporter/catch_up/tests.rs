use super::*;

fn hour(left: u64, to_slot: u64, accepted: u32, since_last: Option<u64>) -> HourState {
    HourState {
        every: Duration::from_secs(120),
        to_slot: Duration::from_secs(to_slot),
        left: Duration::from_secs(left),
        accepted,
        since_last: since_last.map(Duration::from_secs),
        shared: false,
    }
}

#[test]
fn an_hour_with_enough_slots_has_no_extra_report() {
    for left in (0..=3600).step_by(60) {
        // As many were accepted as slots have passed.
        let accepted = (3600 - left) / 120;
        assert_eq!(next_extra(&hour(left, 120, accepted as u32 + 1, Some(0)), 0.0), None, "{left}");
    }
}

#[test]
fn the_missing_reports_are_spread_over_what_is_left_of_the_hour() {
    let late = hour(1000, 100, 0, None);
    assert_eq!(next_extra(&late, 0.0), Some(Duration::from_secs(1)));
    assert_eq!(next_extra(&hour(1, 100, 0, None), 0.0), None, "no busy loop at the end of an hour");
    assert_eq!(next_extra(&late, 0.5), Some(Duration::from_millis(37_500)), "boxes that come back at once are spread");
    let second = hour(900, 100, 1, Some(0));
    let wait = next_extra(&second, 0.99).unwrap();
    assert!((Duration::from_secs(58)..Duration::from_secs(74)).contains(&wait), "{wait:?}");
}

#[test]
fn no_two_reports_are_closer_than_ten_seconds() {
    assert_eq!(next_extra(&hour(60, 100, 0, Some(3)), 0.0), Some(Duration::from_secs(7)));
    assert_eq!(next_extra(&hour(60, 16, 0, Some(3)), 0.0), None, "the slot comes first");
    assert_eq!(next_extra(&hour(5, 100, 0, Some(3)), 0.0), None, "the hour is over by then");
}

#[test]
fn an_account_with_another_interval_keeps_it() {
    for every in [1, 10, 19, 301, 3600] {
        let state = HourState { every: Duration::from_secs(every), ..hour(600, every, 0, None) };
        assert_eq!(next_extra(&state, 0.0), None, "{every}");
    }
}

#[test]
fn after_a_shared_outage_less_than_every_slot_is_followed_by_one_extra_report() {
    let state = |to_slot, since_last, shared| HourState { shared, ..hour(600, to_slot, 1, Some(since_last)) };
    assert_eq!(next_extra(&state(120, 0, true), 0.0), Some(Duration::from_secs(72)), "this box's outage: 39 s");
    assert!(next_extra(&state(120, 0, false), 0.0) < Some(Duration::from_secs(40)));
    assert_eq!(next_extra(&state(120, 0, true), 0.79), Some(Duration::from_secs(72)));
    assert_eq!(next_extra(&state(120, 0, true), 0.8), None, "one slot of five has none");
    assert_eq!(next_extra(&state(48, 0, true), 0.0), None, "the slot comes before a second one");
}
