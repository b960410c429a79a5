use super::*;
use crate::meter::profile::tests::{good, parsed};
use crate::meter::{Function, Installation, ReadPlan};

const METER: &str = "vendor = \"A\"\nmodel = \"B\"\n";
const POWER: &str = "power = { register = 0, function = \"input\", type = \"u16\", unit = \"W\" }\n";

fn expects(register: u16, value: u16) -> String {
    format!("{{ register = {register}, function = \"holding\", type = \"u16\", values = [{value}] }}")
}

fn map(name: &str, identity: &str, energy: u16) -> String {
    format!(
        "[map.{name}]\nidentity = [{identity}]\n\
         energy = {{ register = {energy}, function = \"input\", type = \"u32\", unit = \"Wh\" }}\n"
    )
}

/// The possible maps, or why there is none.
fn check(toml: &str, registers: &[(u16, u16)]) -> Result<Vec<String>, IdentityCheck> {
    let profile = Arc::new(good(toml));
    let (mut answers, mut refused) = (Answers::new(), Vec::new());
    for range in profile.identity_requests() {
        match registers.iter().find(|(address, _)| *address == range.address) {
            Some((_, word)) => _ = answers.insert(range, vec![*word]),
            None => refused.push((range, 2)),
        }
    }
    match profile.check_identity(&answers, &refused) {
        IdentityCheck::Matches(fits) => {
            Ok(fits.iter().map(|it| it.map.as_ref().map_or("", |map| map.as_str()).to_owned()).collect())
        }
        other => Err(other),
    }
}

#[test]
fn identity_registers_select_a_map() {
    let own = format!("identity = [{}]\n", expects(1, 5));
    let toml = [METER, POWER, &own, &map("a", &expects(2, 1), 10), &map("b", &expects(2, 2), 20)].concat();
    assert_eq!(check(&toml, &[(1, 5), (2, 1)]), Ok(vec!["a".to_owned()]));
    assert_eq!(check(&toml, &[(1, 5), (2, 2)]), Ok(vec!["b".to_owned()]));
    for wrong in [&[(1, 6), (2, 1)][..], &[(2, 1)]] {
        assert!(
            matches!(check(&toml, wrong), Err(IdentityCheck::OtherMeter(why)) if why.contains("this is not acme-100")),
            "{wrong:?}"
        );
    }
    let none = check(&toml, &[(1, 5), (2, 3)]);
    assert!(
        matches!(&none, Err(IdentityCheck::OtherMeter(why)) if why.contains("no map of acme-100 matches: map a: ")),
        "{none:?}"
    );
    let profile = Arc::new(good(&toml));
    assert_eq!(profile.identity_requests().len(), 2, "each register is read once");
    assert!(matches!(profile.check_identity(&Answers::new(), &[]), IdentityCheck::Unknown(_)));
}

#[test]
fn maps_without_an_identity_remain_where_no_other_matches() {
    let toml = [METER, POWER, &map("a", &expects(2, 1), 10), &map("b", "", 20), &map("c", "", 30)].concat();
    assert_eq!(check(&toml, &[(2, 1)]), Ok(vec!["a".to_owned()]));
    for other in [&[(2, 9)][..], &[]] {
        assert_eq!(check(&toml, other), Ok(vec!["b".to_owned(), "c".to_owned()]));
    }
}

#[test]
fn settings_must_match() {
    let setting = |value| expects(3, value).replace(" }", ", set = \"menu 7\" }");
    let toml = [METER, POWER, &format!("settings = [{}]\n", setting(7))].concat();
    assert_eq!(check(&toml, &[(3, 7)]), Ok(vec![String::new()]));
    let wrong = check(&toml, &[(3, 1)]);
    assert!(
        matches!(&wrong, Err(IdentityCheck::WrongSettings(why)) if why.contains("holds 1") && why.ends_with("set menu 7 at the meter")),
        "{wrong:?}"
    );
    // A setting may also select a map.
    let with = |name, value, energy| format!("{}settings = [{}]\n", map(name, "", energy), setting(value));
    let toml = [METER, POWER, &with("a", 1, 10), &with("b", 2, 20)].concat();
    assert_eq!(check(&toml, &[(3, 2)]), Ok(vec!["b".to_owned()]));
    assert!(matches!(check(&toml, &[(3, 9)]), Err(IdentityCheck::WrongSettings(_))));
}

#[test]
fn a_map_inherits_the_tables_of_its_profile() {
    let serial = "serial_number = { register = 50, function = \"input\", type = \"bcd32\" }\n";
    let toml =
        [METER, "max_power = \"5kW\"\n", POWER, serial, &map("a", &expects(2, 1), 10), &map("b", &expects(2, 2), 20)]
            .concat();
    let profile = good(&toml);
    let a = &profile.map("a").unwrap().profile;
    let b = &profile.map("b").unwrap().profile;
    assert_eq!((a.map.as_ref().unwrap().as_str(), a.maps.len(), profile.maps.len()), ("a", 0, 2));
    assert_eq!((&a.power, &a.serial_number, a.max_power), (&b.power, &b.serial_number, profile.max_power));
    assert_ne!(a.energy, b.energy);
    assert_eq!(a.identity.len(), 1);
    assert_eq!(profile.energy, a.energy, "the profile has the registers of its first map");
    let plan = ReadPlan::new(b, &Installation::default());
    let twenty = RegisterRange { function: Function::Input, address: 20, count: 2 };
    assert!(plan.ranges().contains(&twenty) && profile.map("c").is_none());
    let serial = plan.serial_ranges()[0];
    let read = plan.decode(&[(serial, vec![0x0012, 0x3456])].into_iter().collect());
    assert_eq!(read.values.serial.as_deref(), Some("00123456"));
}

#[test]
fn invalid_maps_are_refused() {
    let counted = map("a", &expects(2, 1), 10);
    let uncounted = format!("[map.b]\nidentity = [{}]\n", expects(2, 2));
    for (maps, span, message) in [
        ([&counted, &uncounted], "b", "differs from map a in that one has a counter"),
        ([&map("a", "", 10), &map("b", "", 10)], "b", "is equal to map a"),
        ([&counted, &map("b", "", 10).replace("[map.b]", "[map.b]\nvendor = \"x\"")], "vendor", "unknown key `vendor`"),
        ([&counted, &map("b c", "", 10).replace("[map.b c]", "[map.\"b c\"]")], "[map.\"b c\"]", "is not a name"),
        ([&counted, &map("b", "", 10).replace("u32", "u33")], "\"u33\"", "`map.b.energy.type` is not an allowed value"),
    ] {
        let (profile, told) = parsed(&[METER, POWER, maps[0], maps[1]].concat());
        assert_eq!(profile, None);
        assert!(told.iter().any(|(at, what)| at.contains(span) && what.contains(message)), "{message}: {told:?}");
    }
    let (profile, told) = parsed(&[METER, &counted, &map("b", "", 20)].concat());
    assert_eq!(profile, None);
    assert!(told.iter().any(|(_, what)| what == "[map.a] lacks `power`, and so does the profile"), "{told:?}");
}

#[test]
fn a_meter_is_recognised_by_its_answers() {
    let own = format!("identity = [{}]\n", expects(1, 5));
    let profile = good(&[METER, POWER, &own].concat());
    let range = profile.identity_requests()[0];
    let answers = |word: u16| [(range, vec![word])].into_iter().collect();
    assert!(profile.recognises(&answers(5)) && !profile.recognises(&answers(6)));
    assert!(!profile.recognises(&Answers::new()));
    assert!(!good(&[METER, POWER].concat()).recognises(&answers(5)), "it has no identity registers");
    let by_map = good(&[METER, POWER, &map("a", &expects(1, 5), 10), &map("b", "", 20)].concat());
    assert!(by_map.recognises(&answers(5)) && !by_map.recognises(&answers(6)));
}
