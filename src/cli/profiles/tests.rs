use super::*;

fn listed(search: Option<&str>, json: bool) -> String {
    let mut out = Vec::new();
    list(search, json, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn shown(name: &str, json: bool) -> String {
    let mut out = Vec::new();
    show(name, json, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_list_is_searched_and_is_json_when_asked_for() {
    assert!(listed(None, false).contains("eastron-sdm630"));
    let found = listed(Some("abb"), false);
    assert!(found.contains("abb-b23") && found.contains("abb-b24") && !found.contains("eastron"), "{found}");
    assert!(found.lines().all(|line| line == line.trim_end()));
    assert!(listed(Some("no such meter"), false).starts_with("No built-in profile fits"));
    let all: Value = serde_json::from_str(&listed(None, true)).unwrap();
    assert_eq!(all.as_array().unwrap().len(), library().entries().len());
    assert_eq!(listed(Some("no such meter"), true), "[]\n");
}

#[test]
fn every_profile_can_be_shown_both_ways() {
    for Entry { profile, toml } in library().entries() {
        let text = shown(profile.name.as_str(), false);
        assert!(text.contains(toml.trim_end()), "{text}");
        let document: Value = serde_json::from_str(&shown(profile.name.as_str(), true)).unwrap();
        assert_eq!(document["toml"], **toml);
    }
}

#[test]
fn a_profile_is_shown_in_plain_words() {
    let text = shown("eastron-sdm120", false);
    for part in ["leaves the factory with: 2400 baud, parity none, 1 stop bit, unit 1", "0x0048 (72)", "1 kWh", "Mind:"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let ratio = shown("acrel-adl3000", false);
    assert!(ratio.contains("energy, multiplied by") && ratio.contains("0x008E (142)"), "{ratio}");
    assert!(shown("carlo-gavazzi-em340", false).contains("i32, low word first"));
    let document: Value = serde_json::from_str(&shown("abb-b24", true)).unwrap();
    assert_eq!(document["name"], "abb-b23");
    assert_eq!(document["energy"]["registers"][0]["register"], 0x5000);
    assert_eq!(document["energy"]["registers"][0]["scale"], "0.01");
}

#[test]
fn an_unknown_name_is_told_with_the_nearest() {
    let error = show("eastron-sdm36", false, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("did you mean `eastron-sdm"), "{error}");
    let error = show("zzz\u{1b}", false, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("no built-in profile is called `zzz?`;"), "{error}");
}

#[test]
fn what_tells_meters_apart_is_shown() {
    let toml = "vendor = \"A\"\nmodel = \"B\"\n[power]\nregister = 0\nfunction = \"input\"\ntype = \"u16\"\nunit = \"W\"\n\
        sign = { register = 1, negative = 1 }\n\
        [[identity]]\nregister = 11\nfunction = \"holding\"\ntype = \"u16\"\nvalues = [71, 72]\n\
        [map.old]\nnote = \"before 2019\"\n\
        [map.new.energy]\nregister = 4\nfunction = \"input\"\ntype = \"u32\"\nunit = \"Wh\"\nexponent = { register = 6 }\n\
        [[map.new.settings]]\nregister = 12\nfunction = \"holding\"\ntype = \"u16\"\nrange = [1, 3]\nset = \"menu 7\"\n"
        .replace("[map.old]", "[map.old.energy]\nregister = 8\nfunction = \"input\"\ntype = \"u32\"\nunit = \"Wh\"\n[map.old]");
    let document = toml::de::DeTable::parse(&toml).unwrap();
    let findings = crate::form::Findings::default();
    let form = crate::form::Form::root(&document, &findings);
    let profile = Profile::from_form(&crate::units::Name::new("acme").unwrap(), form);
    let profile = profile.unwrap_or_else(|| panic!("{:?}", findings.all()));
    let mut out = Vec::new();
    show_text(&Entry { profile: std::sync::Arc::new(profile.clone()), toml: "" }, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for part in
        ["Map old (before 2019):", "power, sign", "energy, power of ten", "Where no register tells which map it is"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("It is this meter where:\n  - holding 0x000B holds 71 or 72"), "{text}");
    let document = super::document(&profile);
    assert_eq!(document["maps"][0]["settings"][0]["set"], "menu 7");
    assert_eq!(document["maps"][1]["note"], "before 2019");
    assert_eq!(document["identity"][0]["holds"], "71 or 72");
}
