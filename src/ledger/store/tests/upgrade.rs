//! Ledgers that earlier programs wrote: the README files in tests/whole/fixtures say how they were made.

use serde_json::Value;

use super::*;
use crate::ledger::shown;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/whole/fixtures");

/// A folder with the fixture's files.
fn fixture(version: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ledger.db", "ledger-copy.db"] {
        std::fs::copy(format!("{FIXTURES}/ledger-v{version}/{name}"), file(&folder, name)).unwrap();
    }
    folder
}

/// A document that the program printed which made the fixture.
fn expected(version: u32, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{FIXTURES}/ledger-v{version}/{name}")).unwrap()).unwrap()
}

fn same_meters_clients_and_journal(folder: &TempDir, version: u32) {
    let found = serde_json::to_value(shown::show(folder.path()).unwrap()).unwrap();
    let then = expected(version, "show.json");
    for key in ["at", "meters", "clients", "damaged", "retired"] {
        assert_eq!(found[key], then[key], "{key}");
    }
    let found = serde_json::to_value(shown::journal(folder.path(), &JournalQuery::default()).unwrap()).unwrap();
    assert_eq!(found["entries"], expected(version, "journal.json")["entries"]);
}

#[test]
fn a_ledger_of_version_1_is_read_without_being_changed() {
    let folder = fixture(1);
    same_meters_clients_and_journal(&folder, 1);
    assert!(!file(&folder, "ledger-v1.db").exists());
}

#[test]
fn a_ledger_of_version_1_is_upgraded_and_a_copy_is_kept() {
    let folder = fixture(1);
    let before = std::fs::read(file(&folder, "ledger.db")).unwrap();
    let opened = open(&folder).unwrap();
    assert_eq!(opened.fell_back, None);
    assert_eq!(opened.block, Some(ReportingBlock::Cloned));
    assert_eq!(opened.contents.meters.len(), 5);
    let garage = &opened.contents.meters[&name("garage")];
    assert!(garage.state.held().is_some() && garage.confirmed);
    opened.store.close().unwrap();
    same_meters_clients_and_journal(&folder, 1);
    let (_, kept) = opening::read_file(&file(&folder, "ledger-v1.db")).unwrap();
    assert_eq!(kept, open(&folder).unwrap().contents);
    assert_eq!(std::fs::read(file(&folder, "ledger-v1.db")).unwrap().len(), before.len());
}

#[test]
fn a_damaged_ledger_of_version_1_is_replaced_by_its_copy() {
    let folder = fixture(1);
    Connection::open(file(&folder, "ledger.db")).unwrap().execute("UPDATE figure SET step_mwh = 7", []).unwrap();
    let opened = open(&folder).unwrap();
    assert!(opened.fell_back.unwrap().contains("fails its checksum"));
    assert!(opened.contents.meters.len() == 5 && opened.contents.meters.values().all(|meter| !meter.confirmed));
}

#[test]
fn a_missing_row_in_a_ledger_of_version_1_is_detected() {
    let folder = fixture(1);
    Connection::open(file(&folder, "ledger.db"))
        .unwrap()
        .execute("DELETE FROM figure WHERE meter = 'garage'", [])
        .unwrap();
    assert!(open(&folder).unwrap().fell_back.is_some());
}

#[test]
fn a_ledger_of_version_2_opens_as_it_is_and_continues() {
    let folder = fixture(2);
    let before = std::fs::read(file(&folder, "ledger.db")).unwrap();
    same_meters_clients_and_journal(&folder, 2);
    assert_eq!(std::fs::read(file(&folder, "ledger.db")).unwrap(), before);
    let mut opened = open(&folder).unwrap();
    assert_eq!((opened.fell_back, opened.contents.ledger.generation), (None, 36));
    let mut row = opened.contents.meters[&name("basement")].clone();
    row.state.figure.published = Some(energy(50_006_400));
    let ids = [row.id].into();
    opened.store.commit(&Commit { meters: vec![row], memories: ids, ..Commit::empty(at(0)) }).unwrap();
    opened.store.close().unwrap();
    let opened = open(&folder).unwrap();
    let published = |text: &str| opened.contents.meters[&name(text)].state.published();
    assert_eq!((published("basement"), published("garage")), (Some(energy(50_006_400)), Some(energy(702_000_000))));
    assert_eq!((opened.contents.ledger.generation, opened.contents.meters.len(), opened.fell_back), (37, 5, None));
    assert!(!file(&folder, "ledger-v2.db").exists());
}
