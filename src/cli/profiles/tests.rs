use serde_json::Value;

use super::*;

fn listed(search: &str, json: bool) -> String {
    let mut out = Vec::new();
    list(search, json, None, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn shown(name: &str, json: bool) -> String {
    let mut out = Vec::new();
    show(name, json, None, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Checks the text as a file of that name: whether it is valid, standard error and standard output.
fn checked(file: &str, text: &str, json: bool) -> (bool, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    std::fs::write(&path, text).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let valid = check(&path, json, false, &mut out, &mut err).unwrap();
    let err = String::from_utf8(err).unwrap().replace(folder.path().to_str().unwrap(), "");
    (valid, err, String::from_utf8(out).unwrap())
}

const OWN: &str = r#"[profile.acme-100]
vendor = "Acme"
model = "100"
power = { register = 0x0C, function = "input", type = "f32", unit = "W" }
energy = { register = 0x0E, function = "input", type = "u32", unit = "Wh" }
"#;

#[test]
fn the_list_can_be_searched_and_printed_as_json() {
    assert!(listed("", false).contains("eastron-sdm630"));
    let found = listed("abb", false);
    assert!(found.contains("abb-b23") && found.contains("abb-b24") && !found.contains("eastron"), "{found}");
    assert!(found.lines().all(|line| line == line.trim_end()));
    assert!(listed("no such meter", false).starts_with("No built-in profile matches"));
    let all: Value = serde_json::from_str(&listed("", true)).unwrap();
    assert_eq!(all.as_array().unwrap().len(), library().names().count());
    assert_eq!(listed("no such meter", true), "[]\n");
}

#[test]
fn every_profile_can_be_shown_both_ways() {
    for LibraryEntry { profile, toml } in library().entries() {
        let text = shown(profile.name.as_str(), false);
        assert!(text.contains(toml.trim_end()), "{text}");
        assert!(profile.sources.iter().chain(&profile.quirks).all(|line| text.contains(&format!("  - {line}\n"))));
        let document: Value = serde_json::from_str(&shown(profile.name.as_str(), true)).unwrap();
        assert_eq!(document["toml"], **toml);
    }
}

#[test]
fn a_profile_is_shown_as_text() {
    let text = shown("eastron-sdm120", false);
    for part in ["factory settings: 2400 baud, parity none, 1 stop bit, unit 1", "0x0048 (72)", "1 kWh", "Notes:"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let ratio = shown("acrel-adl3000", false);
    assert!(ratio.contains("energy, multiplied by") && ratio.contains("0x008E (142)"), "{ratio}");
    let em24 = shown("carlo-gavazzi-em24", false);
    for part in [
        "i32, low word first",
        "  - holding 0x000B holds 71, 72 or 73\n",
        "  - holding 0x1101 holds 7: set application H",
    ] {
        assert!(em24.contains(part), "{part}: {em24}");
    }
    let document: Value = serde_json::from_str(&shown("abb-b24", true)).unwrap();
    assert_eq!(document["name"], "abb-b23");
    assert_eq!(document["energy"]["registers"][0]["register"], 0x5000);
    assert_eq!(document["energy"]["registers"][0]["scale"], "0.01");
}

#[test]
fn maps_and_identity_registers_are_shown() {
    let text = shown("chint-dtsu666", false);
    for part in ["Map block-10 (mbmd", "0x101E", "Map block-40 (", "0x401E", "If no register identifies the map"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(shown("ime-conto-d2", false).contains("power, sign"));
    assert!(shown("iskra-wm3m4", false).contains("energy, power of ten"));
    let optional = shown("eastron-sdm630", false);
    let line = "Identified by:\n  - holding 0xFC02 holds 112, or does not exist\n";
    assert!(optional.contains(line), "{optional}");
    let document: Value = serde_json::from_str(&shown("chint-dtsu666", true)).unwrap();
    assert_eq!(document["maps"][1]["note"], "openWB, Tasmota; a third says that some firmware lacks it");
    let document: Value = serde_json::from_str(&shown("carlo-gavazzi-em24", true)).unwrap();
    assert_eq!(document["identity"][0]["holds"], "71, 72 or 73");
    assert_eq!(document["settings"][0]["register"], 0x1101);
}

#[test]
fn a_profile_of_sunspec_models_is_shown() {
    let text = shown("sunspec-211-214", false);
    for part in ["SunSpec models, searched at 40000, 50000, 0 or 40001", "Map float (models 211 to 214)", "0x0012 (18)"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let document: Value = serde_json::from_str(&shown("sunspec-meter", true)).unwrap();
    assert_eq!(document["maps"][0]["models"], json!([201, 202, 203, 204]));
    assert_eq!(document["chain"]["bases"][1], 50000);
    let own = OWN.replace("model = \"100\"", "model = \"100\"\nmodels = [203]");
    let (valid, err, out) = checked("own.toml", &own, false);
    assert!(valid && out.contains("input 0x0000..0x000F (16), addresses from the start of model 203\n"), "{err}{out}");
}

#[test]
fn an_unknown_name_gets_the_nearest_names() {
    let error = show("eastron-sdm36", false, None, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("did you mean `eastron-sdm") && error.contains("` or `"), "{error}");
    let error = show("zzz\u{1b}", false, None, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("no built-in profile is called `zzz?`;"), "{error}");
}

#[test]
fn a_valid_file_shows_what_would_be_read() {
    let (valid, err, out) = checked("own.toml", OWN, false);
    assert!(valid, "{err}");
    assert_eq!(err, "/own.toml is valid; compare the first readings with the meter's display\n");
    assert!(out.contains("acme-100: Acme 100") && out.contains("each poll: input 0x000C..0x000F (4)\n"), "{out}");
    let (valid, _, out) = checked("own.toml", OWN, true);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert!(valid && document["valid"] == true && document["profiles"][0]["name"] == "acme-100");
}

#[test]
fn phase_powers_patterns_for_no_value_and_rollovers_are_shown() {
    let phases = "phase_power = { function = \"input\", type = \"i32\", unit = \"W\", sum = [{ register = 0x20 }, { register = 0x22 }] }\n";
    let (valid, err, out) = checked("own.toml", &format!("{OWN}{phases}"), false);
    assert!(valid, "{err}");
    for part in [
        "phase_power, summand",
        "0x0022 (34)",
        "energy has no value at 0xFFFFFFFF\n",
        "phase_power has no value at 0x7FFFFFFF, 0x80000000\n",
        "energy starts again at 0 after a raw count of 4294967296\n",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let eight = OWN.replace(
        "unit = \"Wh\"",
        "unit = \"Wh\", rollover = 100000000, invalid = [{ mask = 0xFFFF0000, value = 0x7FFF0000 }]",
    );
    let (_, _, out) = checked("own.toml", &eight, false);
    for part in ["raw count of 100000000\n", "energy has no value at 0x7FFF0000 under 0xFFFF0000\n"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (_, _, out) = checked("own.toml", &format!("{OWN}{phases}"), true);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["profiles"][0]["phase_power"]["registers"][1]["register"], 0x22, "{document:#}");
}

#[test]
fn an_alias_of_another_profile_is_an_error_in_each_form_of_file() {
    let taken = OWN.replace("model", "aliases = [\"eastron-sdm630\"]\nmodel");
    for text in [taken.as_str(), taken.split_once('\n').unwrap().1] {
        let (valid, err, _) = checked("acme-100.toml", text, false);
        assert!(!valid && err.contains("has the alias eastron-sdm630, which the profile eastron-sdm630 has"), "{err}");
    }
}

#[test]
fn a_file_may_be_a_configuration_or_a_single_profile() {
    let (valid, err, _) = checked("arkmeter.toml", &format!("[bus.a]\nserial = 1\n{OWN}"), false);
    assert!(valid, "{err}");
    let bare = OWN.split_once('\n').unwrap().1;
    let (valid, err, out) = checked("acme-200.toml", bare, false);
    assert!(valid && out.starts_with("acme-200: Acme 100\n"), "{err}{out}");
}

#[test]
fn every_problem_of_a_file_is_shown_with_its_line() {
    let wrong = OWN.replace("\"f32\"", "\"f33\"").replace("unit = \"Wh\"", "unit = \"W\"").replace("model", "modell");
    let (valid, err, out) = checked("own.toml", &wrong, false);
    assert!(!valid && out.is_empty());
    for part in ["/own.toml:3:1", "did you mean `model`?", "/own.toml:4:", "/own.toml:5:", "^^^^^", "4 errors"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let (_, _, out) = checked("own.toml", &wrong, true);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&document["valid"], &document["problems"][1]["line"]), (&json!(false), &json!(3)));
}

#[test]
fn a_file_without_a_profile_is_an_error() {
    let errors = |text: &str| checked("own.toml", text, false).1;
    assert!(errors("").contains("there is no profile in this file"));
    assert!(errors("profil = 1\n").contains("unknown key `profil`"));
    assert!(errors("[profile.x\n").contains("this is not TOML"));
    let built_in = OWN.replace("acme-100", "abb-b23");
    assert!(errors(&built_in).contains("has the name of a built-in profile"), "{}", errors(&built_in));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert!(!check(Path::new("/nowhere/own.toml"), false, false, &mut out, &mut err).unwrap());
    assert_eq!(String::from_utf8(err).unwrap(), "there is no file /nowhere/own.toml\n");
}
