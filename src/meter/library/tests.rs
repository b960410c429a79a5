//! The files of `config/profiles` themselves. `tests/whole/meters` reads each built-in meter as the poller reads it.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::meter::{Installation, ReadPlan, RegisterRange};

#[test]
fn every_file_is_a_profile_of_the_same_name() {
    for file in PROFILES.files() {
        let toml = file.contents_utf8().unwrap();
        let entry = parse(toml).unwrap_or_else(|findings| panic!("{findings:#?}\n{toml}"));
        let profile = &entry.profile;
        assert_eq!(Path::new(&format!("{}.toml", profile.name)), file.path());
        assert!(toml.starts_with(&format!("[profile.{}]\n", profile.name)), "{toml}");
        assert!(profile.confirmed >= 1 && !profile.sources.is_empty(), "{} has no source", profile.name);
        assert!(library().names().any(|name| name == profile.name.as_str()), "{}", profile.name);
    }
    assert!(library().names().is_sorted());
}

#[test]
fn every_file_of_the_folder_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/profiles");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = files.filter_map(|file| file.strip_suffix(".toml").map(str::to_owned)).collect();
    assert_eq!(files, library().names().map(str::to_owned).collect());
}

#[test]
fn no_name_or_alias_is_used_twice() {
    let mut used = BTreeSet::new();
    for name in library().entries().flat_map(LibraryEntry::names) {
        assert!(used.insert(name), "{name} is used twice");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{name}");
    }
}

#[test]
fn meters_with_one_counter_for_both_directions_are_marked() {
    for name in ["orno-or-we-504", "orno-or-we-515", "peacefair-pzem-004t-v3", "generic-ddm18sd"] {
        assert!(library().find(name).unwrap().profile.energy.as_ref().unwrap().both_directions, "{name}");
    }
}

#[test]
fn profiles_are_found_by_alias_and_similar_names_are_suggested() {
    assert_eq!(library().find("abb-b24").unwrap().profile.name.as_str(), "abb-b23");
    assert!(library().find("abb-b2").is_none());
    assert_eq!(library().nearest("eastron-sdm360"), Some("eastron-sdm630"));
    assert_eq!(library().nearest("Eastron-SDM630"), Some("eastron-sdm630"));
    assert!(library().near("eastron-sdm36").len() > 1);
    assert_eq!(library().nearest("zzz"), None);
    assert_eq!(library().near("sdm630")[..2], ["eastron-sdm630", "eastron-sdm630-v2"]);
    assert_eq!(library().nearest("SDM120"), Some("eastron-sdm120"));
}

#[test]
fn a_search_covers_names_vendor_and_model() {
    let found = |text| library().search(text).into_iter().map(|entry| entry.profile.name.as_str()).collect::<Vec<_>>();
    assert_eq!(found("sdm 630"), ["eastron-sdm630", "eastron-sdm630mct"]);
    assert_eq!(found("WEIDMÜLLER 525"), ["weidmueller-em525"]);
    assert_eq!(found("d24"), [""; 0]);
    assert_eq!(found("abb b24"), ["abb-b23"]);
    assert_eq!(found("").len(), library().entries().count());
}

/// Some firmware of the KSEM counts the exported energy downwards from 0.
#[test]
fn the_exported_energy_of_a_ksem_is_a_magnitude() {
    let profile = &library().find("kostal-ksem").unwrap().profile;
    let plan = ReadPlan::new(profile, &Installation { reversed: true, ..Installation::default() });
    for words in [[0, 0, 0x0012, 0xD687], [0xFFFF, 0xFFFF, 0xFFED, 0x2979]] {
        let read = |range: &RegisterRange| {
            let at = |address: u16| address.checked_sub(0x0204).and_then(|at| words.get(usize::from(at))).copied();
            (*range, (0..range.count).map(|offset| at(range.address + offset).unwrap_or(0)).collect())
        };
        let decoded = plan.decode(&plan.ranges().iter().map(read).collect());
        // 1 234 567 tenths of a Wh.
        assert_eq!(decoded.values.register.map(|it| it.value.get()), Some(123_456_700), "{words:x?}");
    }
}
