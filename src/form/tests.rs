use super::*;
use crate::units::MilliwattHours;

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
fn every_problem_is_reported_with_its_span() {
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
    let messages: Vec<_> =
        findings.into_vec().into_iter().map(|finding| (text[finding.span].to_owned(), finding.message)).collect();
    assert_eq!(messages.len(), 5, "{messages:?}");
    assert!(messages.contains(&("3".into(), "`bus.a.timeout` is a whole number, not a time".into())), "{messages:?}");
    assert!(messages.contains(&("a".into(), "[bus.a] lacks `serial`".into())), "{messages:?}");
    assert!(messages.contains(&("buad".into(), "unknown key `buad` in [bus.a]".into())), "{messages:?}");
}

/// The help for the only problem of this table, if it may have these keys.
fn help(text: &str, keys: &[&'static str]) -> String {
    let document = DeTable::parse(text).unwrap();
    let findings = Findings::default();
    let form = Form::root(&document, &findings);
    keys.iter().for_each(|key| drop(form.field(key)));
    form.finish();
    let [problem] = &findings.into_vec()[..] else { panic!("{text}") };
    problem.help.clone().unwrap()
}

#[test]
fn names_from_other_programs_get_the_right_key() {
    let profile = ["power", "energy", "export_energy", "vendor"];
    let number = ["register", "function", "type", "unit", "scale"];
    let text = ["register", "function", "type", "registers"];
    let bus = ["serial", "tcp", "rtu_over_tcp", "baud", "timeout"];
    let meter = ["bus", "unit", "profile", "max_power"];
    for (wrong, keys, right) in [
        ("import_energy = {}", &profile[..], "energy"),
        ("imported_energy = {}", &profile, "energy"),
        ("total_energy = {}", &profile, "energy"),
        ("exported_energy = {}", &profile, "export_energy"),
        ("active_power = {}", &profile, "power"),
        ("registers = 5", &number, "register"),
        ("address = 5", &number, "register"),
        ("datatype = 'f32'", &number, "type"),
        ("count = 5", &text, "registers"),
        ("length = 5", &text, "registers"),
        ("address = 5", &meter, "unit"),
        ("slave_id = 5", &meter, "unit"),
        ("port = '/dev/ttyUSB0'", &bus, "serial"),
        ("device = '/dev/ttyUSB0'", &bus, "serial"),
        ("host = '10.0.0.1'", &bus, "tcp"),
        ("baudrate = 9600", &bus, "baud"),
    ] {
        assert_eq!(help(wrong, keys), format!("did you mean `{right}`?"), "{wrong}");
    }
    assert!(help("port = 502", &bus).contains("tcp = \"192.168.10.20:502\""));
    assert!(help("port = 502", &meter).starts_with("known keys: "));
}

#[test]
fn energies_are_exact() {
    let energy = |text| parse_energy(text).map(MilliwattHours::get);
    assert_eq!(energy("12.5kWh"), Some(12_500_000));
    assert_eq!(energy("300 Wh"), Some(300_000));
    assert_eq!(energy("1.2MWh"), Some(1_200_000_000));
    assert_eq!(energy("180004.166001kWh"), Some(180_004_166_001));
    assert_eq!(energy("0kWh"), Some(0));
    assert_eq!(energy("9007199254.740991kWh"), Some(MilliwattHours::MAX.get()));
    for wrong in ["", "12", "kWh", "-1kWh", "+1kWh", "1e3Wh", "0.5mWh", "1.2345678kWh", "9007199254.740992kWh", "20kW"]
    {
        assert_eq!(energy(wrong), None, "{wrong}");
    }
}
