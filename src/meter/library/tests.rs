//! The files of config/profiles themselves; tests/whole/meters reads each as its meter would be read.

use std::collections::BTreeSet;

use super::*;
use crate::meter::{Installation, ReadPlan};
use crate::units::Name;

#[test]
fn every_file_is_a_profile_under_its_own_name() {
    for slot in &SLOTS {
        let entry = parse(slot.toml).unwrap_or_else(|findings| panic!("{findings:#?}\n{}", slot.toml));
        let profile = &entry.profile;
        assert_eq!(profile.name.as_str(), slot.name);
        assert!(slot.toml.starts_with(&format!("[profile.{}]\n", slot.name)), "{}", slot.toml);
        assert!(profile.confirmed >= 1 && !profile.sources.is_empty(), "{} has no source", slot.name);
        assert!(slot.toml.len() < 2500, "{} is long: each is a part of the program", slot.name);
    }
}

#[test]
fn every_file_of_the_folder_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/profiles");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = files.filter_map(|file| file.strip_suffix(".toml").map(str::to_owned)).collect();
    assert_eq!(files, library().names().map(str::to_owned).collect());
    assert!(library().names().is_sorted());
}

#[test]
fn the_first_lines_say_what_the_whole_says() {
    for slot in &SLOTS {
        let (head, profile) = (slot.head(), &slot.entry().unwrap().profile);
        assert_eq!((head.vendor, head.model), (profile.vendor.as_str(), profile.model.as_str()));
        let aliases: Vec<_> = profile.aliases.iter().map(Name::as_str).collect();
        assert_eq!(head.aliases().collect::<Vec<_>>(), aliases, "{}", slot.name);
    }
}

#[test]
fn no_name_or_alias_is_there_twice() {
    let mut met = BTreeSet::new();
    for name in SLOTS.iter().flat_map(Slot::names) {
        assert!(met.insert(name), "{name} is there twice");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{name}");
    }
}

/// Meters whose registers lie too far apart for two requests.
const THREE_REQUESTS: &[&str] = &[
    // The ratio registers lie apart from both the power and the counter.
    "acrel-adl400",
    "chint-dtsu666",
];

#[test]
fn a_poll_takes_one_request_or_two() {
    let requests = |entry: &LibraryEntry| ReadPlan::new(&entry.profile, &Installation::default()).ranges().len();
    let in_one: Vec<_> = library().entries().filter(|entry| requests(entry) == 1).map(name_of).collect();
    let in_more: Vec<_> = library().entries().filter(|entry| requests(entry) > 2).map(name_of).collect();
    assert_eq!(in_more, THREE_REQUESTS);
    assert_eq!(in_one, IN_ONE_REQUEST);
}

fn name_of(entry: &LibraryEntry) -> &str {
    entry.profile.name.as_str()
}

/// Where power and counter are side by side, or what is between is known to be there. Every other meter takes two.
const IN_ONE_REQUEST: &[&str] = &[
    "carlo-gavazzi-em112",
    "carlo-gavazzi-em210",
    "carlo-gavazzi-em24-e1",
    "carlo-gavazzi-em340",
    "carlo-gavazzi-em511",
    "carlo-gavazzi-em540",
    "carlo-gavazzi-em580",
    "eastron-sdm120",
    "eastron-sdm230",
    "eastron-sdm630",
    "eastron-sdm630mct",
    "eastron-sdm72d-m-2",
    "garo-gnm3d",
    "hiking-dds238",
    "hiking-dds238-old",
    "ime-conto-d4-pt",
    "janitza-b23",
    "janitza-umg96rm",
    "peacefair-pzem-004t-v3",
    "peacefair-pzem-017",
    "solaredge-meter-1",
    "sunspec-meter",
];

#[test]
fn what_can_count_twice_says_so() {
    for name in ["orno-or-we-504", "orno-or-we-515", "peacefair-pzem-004t-v3", "generic-ddm18sd"] {
        assert!(library().find(name).unwrap().profile.energy.as_ref().unwrap().both_directions, "{name}");
    }
}

#[test]
fn names_are_found_by_alias_and_near_misses() {
    assert_eq!(library().find("abb-b24").unwrap().profile.name.as_str(), "abb-b23");
    assert!(library().find("abb-b2").is_none());
    assert_eq!(library().nearest("eastron-sdm360"), Some("eastron-sdm630"));
    assert_eq!(library().nearest("Eastron-SDM630"), Some("eastron-sdm630"));
    assert!(library().near("eastron-sdm36").len() > 1);
    assert_eq!(library().nearest("zzz"), None);
}

#[test]
fn a_search_looks_at_names_vendor_and_model() {
    let found = |text| library().search(text).into_iter().map(name_of).collect::<Vec<_>>();
    assert_eq!(found("sdm 630"), ["eastron-sdm630", "eastron-sdm630mct"]);
    assert_eq!(found("WEIDMÜLLER 525"), ["weidmueller-em525"]);
    assert_eq!(found("d24"), [""; 0]);
    assert_eq!(found("abb b24"), ["abb-b23"]);
    assert_eq!(found("").len(), SLOTS.len());
}

#[test]
fn a_profile_is_read_when_it_is_asked_for_and_once() {
    let first = library().find("garo-gnm3d").unwrap();
    assert!(std::ptr::eq(first, library().find("garo-gnm3d-lp").unwrap()));
}
