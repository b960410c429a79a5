use proptest::prelude::*;

use super::*;

fn client(digit: char) -> ClientId {
    ClientId::parse(&format!("0x{}", digit.to_string().repeat(64))).unwrap()
}

fn schedule(every: u64, clients: &[char]) -> ReportSchedule {
    ReportSchedule::new(Duration::from_secs(every), "https://api.example/v1", clients.iter().copied().map(client))
}

#[test]
fn the_phase_is_the_accounts_own_and_survives_a_restart() {
    assert_eq!(schedule(120, &['1', '2']), schedule(120, &['2', '1']));
    assert_ne!(schedule(120, &['1', '2']), schedule(120, &['1', '3']));
    let elsewhere =
        ReportSchedule::new(Duration::from_secs(120), "https://other.example/v1", [client('1'), client('2')]);
    assert_ne!(schedule(120, &['1', '2']), elsewhere);
}

#[test]
fn many_boxes_are_spread_over_the_interval() {
    let wall = Timestamp::from_second(1_800_000_000).unwrap();
    let boxes = (0..256).map(|number| ClientId::parse(&format!("0x{number:064x}")).unwrap());
    let mut quarters = [0; 4];
    for id in boxes {
        let schedule = ReportSchedule::new(Duration::from_secs(120), "https://api.example/v1", [id]);
        let phase = schedule.next(wall).as_secs() % 120;
        quarters[phase as usize / 30] += 1;
    }
    assert!(quarters.iter().all(|boxes| (32..=96).contains(boxes)), "{quarters:?}");
}

proptest! {
    #[test]
    fn slots_are_on_time_at_the_same_phase(every in 1u64..=3600, id in "[0-9a-f]{64}", wall in 0i64..4_000_000_000_000) {
        let id = ClientId::parse(&format!("0x{id}")).unwrap();
        let schedule = ReportSchedule::new(Duration::from_secs(every), "https://api.example/v1", [id]);
        let wall = Timestamp::from_millisecond(wall).unwrap();
        let ahead = schedule.next(wall);
        let every = Duration::from_secs(every);
        prop_assert!(ahead * 4 > every && ahead * 4 <= every * 5, "{ahead:?} of {every:?}");
        let slot = wall + ahead;
        prop_assert_eq!(schedule.next(slot), every, "from slot to slot it is one interval");
        prop_assert!(schedule.first_check() <= schedule.check_every());
        prop_assert!(schedule.check_every() <= every);
    }

    #[test]
    fn an_early_timer_does_not_repeat_its_slot(early in 0u64..200) {
        let schedule = schedule(1, &['1']);
        let wall = Timestamp::from_second(1_800_000_000).unwrap();
        let slot = wall + schedule.next(wall);
        let ahead = schedule.next(slot - Duration::from_millis(early));
        prop_assert_eq!(ahead, Duration::from_millis(1000 + early));
    }
}
