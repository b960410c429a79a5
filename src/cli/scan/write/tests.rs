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
