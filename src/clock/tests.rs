use super::*;

fn stamp(boot: u128, since_boot: u64, wall: i64, trusted: bool) -> ClockReading {
    let wall = Timestamp::from_second(wall).unwrap();
    ClockReading { boot: BootId(boot), since_boot: Duration::from_secs(since_boot), wall, trusted }
}

#[test]
fn within_a_boot_the_wall_clock_does_not_matter() {
    let later = stamp(1, 100, 5, false);
    assert_eq!(later.since(&stamp(1, 40, 1_000_000, true)), Some(Duration::from_secs(60)));
}

#[test]
fn across_boots_both_wall_clocks_must_be_trusted() {
    let later = stamp(2, 1, 1_000_060, true);
    assert_eq!(later.since(&stamp(1, 40, 1_000_000, true)), Some(Duration::from_secs(60)));
    assert_eq!(later.since(&stamp(1, 40, 1_000_000, false)), None);
    assert_eq!(later.since(&stamp(1, 40, 2_000_000, true)), None, "one of the two wall clocks is wrong");
}

#[test]
fn the_system_clock_runs_and_takes_a_confirmation() {
    let clock = Clock::system();
    let first = clock.now();
    assert!(clock.now().since(&first).is_some());
    assert_eq!(clock.confirm(first.wall), None);
    assert!(clock.now().trusted);
    let before = clock.now().wall;
    let ahead = clock.confirm(before.saturating_sub(SignedDuration::from_hours(1)).unwrap()).unwrap();
    assert_eq!(ahead.as_hours(), 1);
    assert_eq!(clock.now().trusted, synchronised(), "a Date that differs by an hour confirms nothing");
}
