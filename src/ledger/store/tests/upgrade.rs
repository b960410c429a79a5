//! A ledger that the first schema wrote: tests/whole/fixtures/ledger-v1 says how it was made.

use serde_json::Value;

use super::*;
use crate::ledger::shown::{self, WantedEntries};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/whole/fixtures/ledger-v1");

/// A folder with the fixture's files.
fn fixture() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ledger.db", "ledger-copy.db"] {
        std::fs::copy(format!("{FIXTURE}/{name}"), file(&folder, name)).unwrap();
    }
    folder
}

/// A document that the program of then printed, as far as this one's has the same fields.
fn expected(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{FIXTURE}/{name}")).unwrap()).unwrap()
}

fn same_meters_clients_and_journal(folder: &TempDir) {
    let found = serde_json::to_value(shown::show(folder.path()).unwrap()).unwrap();
    let then = expected("show.json");
    for key in ["at", "meters", "clients", "damaged", "retired"] {
        assert_eq!(found[key], then[key], "{key}");
    }
    let found = serde_json::to_value(shown::journal(folder.path(), &WantedEntries::default()).unwrap()).unwrap();
    assert_eq!(found["entries"], expected("journal.json")["entries"]);
}

#[test]
fn a_ledger_of_version_1_is_read_without_being_changed() {
    let folder = fixture();
    same_meters_clients_and_journal(&folder);
    assert!(!file(&folder, "ledger-v1.db").exists());
}

#[test]
fn a_ledger_of_version_1_is_upgraded_and_a_copy_is_kept() {
    let folder = fixture();
    let before = std::fs::read(file(&folder, "ledger.db")).unwrap();
    let opened = open(&folder).unwrap();
    assert_eq!(opened.fell_back, None);
    assert!(opened.other_machine && opened.retired.is_none());
    assert_eq!(opened.contents.meters.len(), 5);
    let garage = &opened.contents.meters[&name("garage")];
    assert!(garage.state.held().is_some() && garage.confirmed);
    opened.store.close().unwrap();
    same_meters_clients_and_journal(&folder);
    let kept = LedgerSnapshot::at(&file(&folder, "ledger-v1.db")).unwrap();
    assert_eq!(kept.view.contents, open(&folder).unwrap().contents);
    assert_eq!(std::fs::read(file(&folder, "ledger-v1.db")).unwrap().len(), before.len());
}

#[test]
fn a_damaged_ledger_of_version_1_gives_way_to_its_copy() {
    let folder = fixture();
    Connection::open(file(&folder, "ledger.db")).unwrap().execute("UPDATE figure SET step_mwh = 7", []).unwrap();
    let opened = open(&folder).unwrap();
    assert!(opened.fell_back.unwrap().contains("fails its checksum"));
    assert!(opened.contents.meters.len() == 5 && opened.contents.meters.values().all(|meter| !meter.confirmed));
}

#[test]
fn an_old_row_in_a_ledger_of_version_1_is_noticed() {
    let folder = fixture();
    Connection::open(file(&folder, "ledger.db"))
        .unwrap()
        .execute("DELETE FROM figure WHERE meter = 'garage'", [])
        .unwrap();
    assert!(open(&folder).unwrap().fell_back.is_some());
}
