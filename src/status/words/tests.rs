use super::*;

#[test]
fn powers_and_energies_have_their_unit() {
    assert_eq!(power(Milliwatts(5_250)), "5.2 W");
    assert_eq!(power(Milliwatts(-950_000)), "-950 W");
    assert_eq!(power(Milliwatts(1_234_000)), "1.23 kW");
    assert_eq!(energy(MilliwattHours::ZERO), "0.000 kWh");
    assert_eq!(energy(MilliwattHours::new(180_004_166_999).unwrap()), "180004.166 kWh");
}

#[test]
fn silent_meters_come_with_the_time_of_a_round_of_probes() {
    let bus = |silent, probe_round_s| {
        let document = crate::status::compose::tests::document(&crate::status::compose::tests::cabinet());
        silent_meters(&BusStatus { silent, probe_round_s, ..document.buses["cabinet"].clone() })
    };
    assert_eq!(bus(0, None), None);
    assert_eq!(bus(1, None).unwrap(), "1 meter does not answer");
    assert_eq!(bus(1, Some(60.0)).unwrap(), "1 meter does not answer; it is tried every 1m");
    assert_eq!(bus(120, Some(133.0)).unwrap(), "120 meters do not answer; one round of probes takes 2m 13s");
    assert_eq!(bus(120, Some(-1e300)).unwrap(), "120 meters do not answer", "from another program");
}

#[test]
fn ages_have_a_suitable_unit() {
    let now = Timestamp::from_second(1_000_000_000).unwrap();
    let text = |seconds: i64| ago(Timestamp::from_second(1_000_000_000 - seconds).unwrap(), now);
    assert_eq!(text(-5), "just now");
    assert_eq!(text(0), "just now");
    assert_eq!(text(12), "12 s ago");
    assert_eq!(text(600), "10 min ago");
    assert_eq!(text(7_200), "2 h ago");
    assert_eq!(text(3 * 86_400), "3 days ago");
}
