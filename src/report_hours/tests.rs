use proptest::prelude::*;

use super::*;

/// The start of an hour.
const START: i64 = 500_000 * HOUR;

fn at(hour: i64, second: i64) -> Timestamp {
    Timestamp::from_second(START + hour * HOUR + second).unwrap()
}

#[test]
fn reports_are_counted_in_the_hour_and_the_week() {
    let mut hours = ReportHours::default();
    (0..15).for_each(|report| hours.count(at(0, report * 240)));
    assert_eq!((hours.in_hour(at(0, 3599)), hours.in_week(at(0, 3599))), (15, 12), "more than 12 do not count");
    hours.count(at(2, 0));
    assert_eq!((hours.in_hour(at(1, 0)), hours.in_hour(at(2, 0)), hours.in_hour(at(3, 0))), (0, 1, 0));
    assert_eq!(hours.in_week(at(2, 0)), 13);
    assert_eq!(hours.week(at(2, 0))[WEEK_HOURS - 3..], [15, 0, 1]);
    assert_eq!(hours.in_week(at(167, 0)), 13);
    assert_eq!(hours.in_week(at(168, 0)), 1, "a week later the first hour is over");
    assert_eq!(hours.in_week(at(1_000_000, 0)), 0);
}

#[test]
fn earlier_counts_are_added_hour_by_hour() {
    let hours = |reports: &[i64]| {
        let mut hours = ReportHours::default();
        reports.iter().for_each(|hour| hours.count(at(*hour, 0)));
        hours
    };
    let added = |now: &[i64], earlier: &[i64]| {
        let mut all = hours(now);
        all.add_earlier(&hours(earlier));
        all
    };
    assert_eq!(added(&[], &[1, 2]), hours(&[1, 2]));
    assert_eq!(added(&[2, 3], &[1, 2]), hours(&[1, 2, 2, 3]));
    assert_eq!(added(&[200], &[10, 40]), hours(&[40, 200]), "the first is more than a week ago");
    assert_eq!(added(&[3], &[2, 4]), hours(&[2, 3]), "an hour that has not been");
}

#[test]
fn an_hour_counts_no_more_than_it_can_hold() {
    let mut hours = ReportHours::default();
    (0..3600).for_each(|report| hours.count(at(0, report)));
    assert_eq!(hours.in_hour(at(0, 0)), 255);
}

#[test]
fn the_hour_ends_with_the_wall_clock() {
    assert_eq!(left_in_hour(at(0, 0)), Duration::from_secs(3600));
    assert_eq!(left_in_hour(at(0, 3599)), Duration::from_secs(1));
}

proptest! {
    /// A plain list of all reports agrees, also when the clock jumps, and so does what was stored and read again.
    #[test]
    fn the_counts_agree_with_a_plain_list(jumps in prop::collection::vec((-300_i64..300, 0_u8..4), 1..60)) {
        let (mut hours, mut list) = (ReportHours::default(), Vec::new());
        let mut hour = 0;
        for (jump, reports) in jumps {
            hour += jump;
            for _ in 0..reports {
                // A clock that is set back: later hours have not been. After a week they are forgotten.
                list.retain(|reported| (hour - WEEK_HOURS as i64 + 1..=hour).contains(reported));
                list.push(hour);
                hours.count(at(hour, 7));
            }
            if let Some(newest) = list.last() {
                for back in 0..WEEK_HOURS as i64 {
                    let reported = list.iter().filter(|reported| **reported == newest - back).count();
                    prop_assert_eq!(hours.in_hour(at(newest - back, 0)) as usize, reported);
                }
                for apart in [-300, -167, -1, 0, 1, 167, 300] {
                    let in_hour = |back| hours.in_hour(at(newest + apart - back, 0)) as u8;
                    let week: Vec<_> = (0..WEEK_HOURS as i64).rev().map(in_hour).collect();
                    prop_assert_eq!(&hours.week(at(newest + apart, 0))[..], &week[..]);
                }
                prop_assert_eq!(ReportHours::stored(hours.newest(), &hours.strip()), Some(hours.clone()));
            }
        }
    }
}
