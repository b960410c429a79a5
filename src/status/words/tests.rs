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
fn ages_have_a_suitable_unit() {
    let now = Timestamp::from_second(1_000_000_000).unwrap();
    let text = |seconds: i64| ago(Timestamp::from_second(1_000_000_000 - seconds).unwrap(), now);
    assert_eq!(text(-5), "just now");
    assert_eq!(text(0), "just now");
    assert_eq!(text(12), "12s ago");
    assert_eq!(text(600), "10m ago");
    assert_eq!(text(7_200), "2h ago");
    assert_eq!(text(3 * 86_400), "3 days ago");
}
