use super::*;

#[test]
fn powers_are_exact() {
    assert_eq!(parse_power("20kW"), Some(Milliwatts(20_000_000)));
    assert_eq!(parse_power("5.5 kW"), Some(Milliwatts(5_500_000)));
    assert_eq!(parse_power("250mW"), Some(Milliwatts(250)));
    assert_eq!(parse_power("1.2MW"), Some(Milliwatts(1_200_000_000)));
    for wrong in ["", "20", "kW", "-1kW", "0W", "1e3W", "0.5mW", "20 KW", "2 0kW", "99999999GW"] {
        assert_eq!(parse_power(wrong), None, "{wrong}");
    }
}

#[test]
fn every_problem_is_told_with_its_place() {
    let text = "[bus.a]\nbuad = 9600\ntimeout = 3\nzzz = 1\n[bus.\"b c\"]\n";
    let document = DeTable::parse(text).unwrap();
    let findings = Findings::default();
    let root = Form::root(&document, &findings);
    for (_, bus) in root.named_tables("bus") {
        bus.field("baud");
        bus.field("timeout").unwrap().duration(Duration::ZERO..=Duration::from_secs(60));
        bus.required("serial", "the device");
        bus.finish();
    }
    root.finish();
    let told: Vec<_> =
        findings.into_vec().into_iter().map(|finding| (text[finding.span].to_owned(), finding.message)).collect();
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told.contains(&("3".into(), "`bus.a.timeout` is a whole number, not a time".into())), "{told:?}");
    assert!(told.contains(&("a".into(), "[bus.a] lacks `serial`".into())), "{told:?}");
    assert!(told.contains(&("buad".into(), "unknown key `buad` in [bus.a]".into())), "{told:?}");
}
