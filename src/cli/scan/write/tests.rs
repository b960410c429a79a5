use std::os::unix::fs::PermissionsExt;

use super::*;

const BEFORE: &str = "# Cabinet in the cellar.\n[bus.cabinet] # the left one\ntcp = \"10.0.0.7\"";
const LINES: &str =
    "[meter.meter_1]\nbus = \"cabinet\"\nunit = 1\nprofile = \"eastron-sdm630\"\nmax_power = \"20kW\"\n";

fn configuration(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("arkmeter.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    (folder, path)
}

#[test]
fn the_existing_text_stays_unchanged() {
    let (folder, path) = configuration(BEFORE);
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    append(&link, LINES, &Environment::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{BEFORE}\n\n{LINES}"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn lines_that_fail_the_check_are_not_written() {
    for (before, lines) in [
        (BEFORE, "[meter.meter_1]\nbus = \"cellar\"\nunit = 1\nprofile = \"eastron-sdm630\"\n"),
        ("bus = { cabinet = { tcp = \"10.0.0.7\" } }\n", "[bus.other]\ntcp = \"10.0.0.8\"\n"),
        ("[meter.meter_1]\nthis is not TOML\n", LINES),
    ] {
        let (folder, path) = configuration(before);
        let error = append(&path, lines, &Environment::default()).unwrap_err();
        assert!(matches!(error, WriteError::Refused(_)), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_missing_configuration_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("arkmeter.toml");
    let lines = format!("[bus.cabinet]\ntcp = \"10.0.0.7\"\n\n{LINES}");
    append(&path, &lines, &Environment::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), lines);
}

#[test]
fn the_main_file_is_changed_and_never_a_part() {
    let (folder, path) = configuration("");
    let part = folder.path().join("conf.d/10-bus.toml");
    fs::create_dir(part.parent().unwrap()).unwrap();
    fs::write(&part, BEFORE).unwrap();
    append(&path, LINES, &Environment::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), LINES, "the bus is in a part, so the line fits");
    assert_eq!(fs::read_to_string(&part).unwrap(), BEFORE);
    fs::write(&part, format!("{BEFORE}\n[meter.meter_2]\nunit = 2\n")).unwrap();
    let before = fs::read_to_string(&path).unwrap();
    let error = append(&path, &LINES.replace("meter_1", "meter_2"), &Environment::default()).unwrap_err();
    assert_eq!(
        error.to_string().replace(folder.path().to_str().unwrap(), "DIR"),
        "DIR/conf.d/10-bus.toml has a [meter.meter_2] too, which would be put over the new one: nothing was written; use another name, \
         or move that part away"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

/// The annotated example, and what a scan has found beside it.
#[test]
fn the_meter_of_the_example_makes_room_for_those_that_were_found() {
    let example = include_str!("../../../../config/arkmeter.toml");
    let (_folder, path) = configuration(example);
    let config = Config::load(&path, &Environment::default()).unwrap().0;
    let found = "[bus.bus_2]\ntcp = \"10.0.0.7\"\n\n[meter.meter_1]\nbus = \"bus_2\"\nunit = 1\nprofile = \"eastron-sdm630\"\nmax_power = \"20kW\"\n";
    add_meters(&path, found, Some(&config), &Environment::default()).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let (config, _) = Config::load(&path, &Environment::default()).unwrap();
    assert_eq!(config.meters.keys().map(Name::as_str).collect::<Vec<_>>(), ["meter_1"]);
    assert_eq!(config.buses.keys().map(Name::as_str).collect::<Vec<_>>(), ["bus_2"], "its adapter is not there");
    let place = text.find(found.trim_end()).expect("the lines are in one piece");
    let heading = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} is kept"));
    assert!(heading("# ---- The meters ----") < place && place < heading("# ---- A meter that is not built in ----"));
    assert!(text.contains("[account.main]") && text.contains("[bus.gateway]\n#     tcp") && !text.contains(GONE));
    // A second scan appends.
    let more = found.replace("bus_2", "bus_3").replace("meter_1", "meter_2").replace("10.0.0.7", "10.0.0.8");
    add_meters(&path, &more, Some(&config), &Environment::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{text}\n{more}"));
}

#[test]
fn a_meter_that_is_not_the_examples_stays() {
    let own = format!(
        "{BEFORE}\n\n[account.main]\ntoken_file = \"main.token\"\n\n[meter.sauna]\nbus = \"cabinet\"\nunit = 2\nprofile = \"eastron-sdm630\"\nmax_power = \"9kW\"\n"
    );
    let (_folder, path) = configuration(&own);
    let config = Config::load(&path, &Environment::default()).unwrap().0;
    add_meters(&path, LINES, Some(&config), &Environment::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{own}\n{LINES}"));
}
