//! What the store survives, and what it refuses.

mod damage;
mod lengths;
mod shards;
mod snapshots;
mod upgrade;
mod versions;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::ledger::client::ClientState;
use crate::ledger::testing::{at, client, energy, meter, name, state};

const MACHINE: &str = "11111111";

fn options() -> StoreOptions {
    StoreOptions { durable: true, machine: Some(MACHINE.into()) }
}

fn open(folder: &TempDir) -> Result<Opened, OpenError> {
    Store::open(folder.path(), options())
}

fn file(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

/// The kind of an error, in a word.
fn kind(error: &OpenError) -> &'static str {
    match error {
        OpenError::InUse { .. } => "in use",
        OpenError::Nothing { .. } => "nothing",
        OpenError::NotBegun { .. } => "not begun",
        OpenError::OtherShard { .. } => "other shard",
        OpenError::Resizing { .. } => "resizing",
        OpenError::Elsewhere { .. } => "elsewhere",
        OpenError::Folder { .. } => "folder",
        OpenError::Disk { .. } => "disk",
        OpenError::Damaged { .. } => "damaged",
        OpenError::Newer { .. } => "newer",
    }
}

/// A commit of so many meters and one client, all at `register`.
fn commit(meters: usize, register: u64, decided: bool) -> Commit {
    // What is for people is kept to the second.
    let wall = Timestamp::from_second(at(register).wall.as_second()).unwrap();
    let state = state(&meter("any"), register);
    let ids = (0..meters).map(|index| MeterId(index as i64 + 1));
    let row = |id: MeterId| {
        let (name, state) = (name(&format!("m{}", id.0 - 1)), state.clone());
        MeterRow { id, name, confirmed: true, updated: wall, state }
    };
    let entry = JournalRow {
        id: register as i64,
        meter: Some(MeterId(1)),
        client: None,
        word: "baseline".into(),
        at: wall,
        last: wall,
        count: 1,
        reason: "three readings agree".into(),
        entry: None,
    };
    let counted = [(MeterId(1), energy(register))].into();
    let balance = ClientState { energy: Some(energy(register)), counted, ..ClientState::default() };
    Commit {
        meters: ids.clone().map(row).collect(),
        memories: ids.collect(),
        clients: vec![ClientRow { id: 1, key: client("c", "1", &[]).key, state: balance }],
        journal: vec![entry],
        copy: decided,
        ..Commit::empty(at(register))
    }
}

/// The newest entries of the journal, of that meter or client or of all.
fn journal(store: &Store, meter: Option<&str>, most: u32) -> Vec<JournalRow> {
    store.journal(&JournalQuery { meter: meter.map(name), ..JournalQuery::newest(most) }).unwrap()
}

/// The one figure that meters and client agree on; `None` for an empty ledger.
fn figure(contents: &Contents) -> Option<u64> {
    let meters = contents.meters.values().map(|row| row.state.published());
    let clients = contents.clients.values().map(|client| client.state.energy);
    let mut figures: Vec<_> = meters.chain(clients).map(|figure| figure.map(|energy| energy.get())).collect();
    figures.dedup();
    assert!(figures.len() <= 1, "meters and client are of different commits: {figures:?}");
    figures.pop().flatten()
}

/// A folder whose ledger is at 2000 and whose copy is at 1000, after an orderly end.
fn folder_with_copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).unwrap().store;
    store.commit(&commit(3, 1000, true)).unwrap();
    assert!(store.copy_if_due(&at(1000)).unwrap());
    store.commit(&commit(3, 2000, false)).unwrap();
    assert!(!store.copy_if_due(&at(2000)).unwrap(), "nothing was decided");
    store.close().unwrap();
    folder
}

#[test]
fn a_commit_is_read_back_and_its_files_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(&folder).unwrap();
    assert_eq!(figure(&opened.contents), None);
    let commit = commit(2, 1000, true);
    opened.store.commit(&commit).unwrap();
    opened.store.copy_if_due(&at(1000)).unwrap();
    let names = ["lock", "ledger.db", "ledger.db-wal", "ledger-copy.db"];
    for name in names {
        let mode = file(&folder, name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(opened.store);
    let mut opened = open(&folder).unwrap();
    opened.store.commit(&Commit::empty(at(1010))).unwrap();
    assert!(!file(&folder, "ledger.db-shm").exists(), "the log's index is in memory alone");
    assert_eq!((commit.meters.len(), commit.memories.len()), (2, 2));
    assert_eq!(opened.contents.meters.into_values().collect::<Vec<_>>(), commit.meters);
    assert_eq!(opened.contents.clients.into_values().collect::<Vec<_>>(), commit.clients);
    assert_eq!(opened.contents.next_journal, 1001);
    assert_eq!(journal(&opened.store, Some("m0"), 10), commit.journal);
    assert_eq!(journal(&opened.store, Some("m1"), 10), []);
    assert_eq!(opened.fell_back, None);
}

#[test]
fn a_second_arkmeter_is_refused_and_the_first_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder).unwrap();
    let error = open(&folder).err().unwrap();
    assert_eq!(kind(&error), "in use");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(first);
    open(&folder).unwrap();
}

#[test]
fn a_path_that_is_no_folder_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(&file(&folder, "new"), options()).unwrap());
    let missing = Store::open(&file(&folder, "missing/state"), options()).err().unwrap();
    assert!(missing.to_string().contains("missing/state does not exist and cannot be created: create it"), "{missing}");
    std::fs::write(file(&folder, "plain"), "").unwrap();
    let plain = Store::open(&file(&folder, "plain"), options()).err().unwrap();
    assert!(plain.to_string().contains("is not a folder"), "{plain}");
    let unwritable = Store::open(Path::new("/proc"), options()).err().unwrap();
    assert!(unwritable.to_string().contains("/proc/lock"), "{unwritable}");
    assert_eq!([missing, plain, unwritable].map(|error| kind(&error)), ["folder", "folder", "disk"]);
}

#[test]
fn a_flipped_byte_never_becomes_another_figure() {
    let folder = folder_with_copy();
    let (ledger, copy) = (file(&folder, "ledger.db"), file(&folder, "ledger-copy.db"));
    let (good, good_copy) = (std::fs::read(&ledger).unwrap(), std::fs::read(&copy).unwrap());
    let mut fallbacks = 0;
    for (index, flip) in (0..good.len()).step_by(37).chain(0..100).zip([0xff, 0x01, 0x80].into_iter().cycle()) {
        let mut bytes = good.clone();
        bytes[index] ^= flip;
        std::fs::write(&ledger, bytes).unwrap();
        std::fs::write(&copy, &good_copy).unwrap();
        let opened = open(&folder).unwrap_or_else(|error| panic!("byte {index}: {error}"));
        let confirmed = opened.contents.meters.values().all(|row| row.confirmed);
        match opened.fell_back {
            None => assert_eq!((figure(&opened.contents), confirmed), (Some(2000), true), "byte {index}"),
            Some(_) => assert_eq!((figure(&opened.contents), confirmed), (Some(1000), false), "byte {index}"),
        }
        fallbacks += u32::from(opened.fell_back.is_some());
    }
    assert!(fallbacks > 100, "most of the file is content: {fallbacks}");
}

#[test]
fn a_flipped_byte_in_the_log_leads_back_to_an_earlier_commit_at_most() {
    let folder = folder_with_copy();
    let mut store = open(&folder).unwrap().store;
    for register in [3000, 4000] {
        store.commit(&commit(3, register, false)).unwrap();
    }
    // As a power cut leaves them: a log that was never folded in.
    let files =
        ["ledger.db", "ledger.db-wal"].map(|name| (file(&folder, name), std::fs::read(file(&folder, name)).unwrap()));
    drop(store);
    for index in (0..files[1].1.len()).step_by(97) {
        let mut files = files.clone();
        files[1].1[index] ^= 0xff;
        files.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        let opened = open(&folder).unwrap_or_else(|error| panic!("byte {index}: {error}"));
        let figure = figure(&opened.contents).unwrap();
        assert!([1000, 2000, 3000, 4000].contains(&figure), "byte {index}: {figure}");
    }
}

#[test]
fn a_changed_value_with_the_old_checksum_is_detected() {
    for change in [
        "UPDATE client SET energy_mwh = 2001",
        "UPDATE client SET counted = '{\"1\":1999}'",
        "UPDATE meter SET offset_mwh = 1",
        "UPDATE meter SET published_mwh = 2001",
        "UPDATE meter SET name = 'm9' WHERE id = 1",
        "UPDATE meter SET confirmed = 0",
        "UPDATE meter SET step_mwh = 7",
        "UPDATE memory SET memory = replace(memory, 'false', 'true')",
        "UPDATE ledger SET machine = '33333333'",
        "UPDATE ledger SET generation = 9",
        "DELETE FROM meter WHERE name = 'm2'",
        "DELETE FROM memory WHERE meter = 2",
        "DELETE FROM client",
    ] {
        let folder = folder_with_copy();
        let changed = Connection::open(file(&folder, "ledger.db")).unwrap().execute(change, []).unwrap();
        assert!(changed > 0, "{change}");
        let opened = open(&folder).unwrap();
        assert!(opened.fell_back.is_some(), "{change}");
        assert_eq!(figure(&opened.contents), Some(1000));
    }
}

#[test]
fn a_ledger_older_than_its_copy_is_replaced_by_it() {
    let folder = folder_with_copy();
    let older = std::fs::read(file(&folder, "ledger.db")).unwrap();
    let mut store = open(&folder).unwrap().store;
    store.commit(&commit(3, 3000, true)).unwrap();
    store.copy_if_due(&at(3000)).unwrap();
    store.close().unwrap();
    std::fs::write(file(&folder, "ledger.db"), &older).unwrap();
    let opened = open(&folder).unwrap();
    assert_eq!(figure(&opened.contents), Some(3000));
    assert!(opened.fell_back.unwrap().contains("older than its own copy"));
    assert!(opened.contents.meters.values().all(|meter| !meter.confirmed));
    drop(opened.store);
    // Where that copy is damaged the ledger goes on, and says that it may be too old.
    std::fs::write(file(&folder, "ledger.db"), &older).unwrap();
    Connection::open(file(&folder, "ledger-copy.db")).unwrap().execute("UPDATE meter SET step_mwh = 7", []).unwrap();
    let opened = open(&folder).unwrap();
    assert_eq!(figure(&opened.contents), Some(2000));
    assert!(opened.fell_back.is_some() && opened.contents.meters.values().all(|meter| !meter.confirmed));
    assert_eq!(journal(&opened.store, None, 1)[0].word, "fallback");
}

#[test]
fn damage_without_a_good_copy_is_refused_with_a_remedy() {
    let folder = folder_with_copy();
    for name in ["ledger.db", "ledger-copy.db"] {
        std::fs::write(file(&folder, name), "no database, whatever its name says").unwrap();
    }
    let error = open(&folder).err().unwrap();
    assert_eq!(kind(&error), "damaged");
    for part in ["ledger.db is damaged", "so is its copy", "ledger restore"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(std::fs::read_to_string(file(&folder, "ledger.db")).unwrap().starts_with("no database"), "left as it was");
}

#[test]
fn a_missing_ledger_is_a_first_start_only_without_other_files() {
    let folder = folder_with_copy();
    std::fs::remove_file(file(&folder, "ledger.db")).unwrap();
    let opened = open(&folder).unwrap();
    assert!(opened.fell_back.unwrap().contains("it is missing"));
    assert_eq!(figure(&opened.contents), Some(1000));
    assert_eq!(journal(&opened.store, None, 1)[0].word, "fallback");
    drop(opened.store);
    for left in ["ledger.db-wal", "ledger-v1.db", "ledger-set-aside.db"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(file(&folder, left), "").unwrap();
        assert_eq!(open(&folder).err().map(|error| kind(&error)), Some("damaged"), "{left}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(file(&folder, "ledger.db"), "").unwrap();
    assert_eq!(open(&folder).err().map(|error| kind(&error)), Some("damaged"), "an empty file was a ledger once");
}

#[test]
fn meters_stay_unconfirmed_until_a_commit_confirms_them() {
    let folder = folder_with_copy();
    std::fs::write(file(&folder, "ledger.db"), "x").unwrap();
    drop(open(&folder).unwrap());
    let mut opened = open(&folder).unwrap();
    assert_eq!(opened.fell_back, None);
    assert!(opened.contents.meters.values().all(|row| !row.confirmed));
    opened.store.commit(&commit(3, 3000, false)).unwrap();
    drop(opened.store);
    assert!(open(&folder).unwrap().contents.meters.values().all(|row| row.confirmed));
}

#[test]
fn a_full_disk_loses_one_commit_and_nothing_before_it() {
    let folder = folder_with_copy();
    let mut store = open(&folder).unwrap().store;
    let pages = |store: &Store, count: i64| {
        store.connection.pragma_update(None, "max_page_count", count).unwrap();
    };
    pages(&store, 1);
    let error = store.commit(&commit(200, 3000, false)).unwrap_err();
    assert!(error.to_string().contains("free some space"), "{error}");
    pages(&store, 100_000);
    drop(store);
    let mut opened = open(&folder).unwrap();
    assert_eq!(figure(&opened.contents), Some(2000));
    opened.store.commit(&commit(200, 3000, false)).unwrap();
    drop(opened);
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(3000));
}

#[test]
fn removed_files_end_the_store_and_the_copy_continues() {
    for (taken, foreign) in [("ledger.db", None), ("ledger.db-wal", None), ("ledger.db", Some("another file"))] {
        let folder = folder_with_copy();
        let mut store = open(&folder).unwrap().store;
        store.commit(&commit(3, 3000, true)).unwrap();
        store.copy_if_due(&at(3000)).unwrap();
        std::fs::remove_file(file(&folder, taken)).unwrap();
        if let Some(text) = foreign {
            std::fs::write(file(&folder, taken), text).unwrap();
        }
        let error = store.commit(&commit(3, 4000, false)).unwrap_err();
        assert!(matches!(error, StoreError::Removed { .. }), "{error}");
        let message = error.to_string();
        assert!(
            message.contains(taken) && message.contains("was removed or replaced while arkmeter was using it"),
            "{message}"
        );
        drop(store);
        let opened = open(&folder).unwrap();
        assert_eq!(figure(&opened.contents), Some(3000), "{taken} {foreign:?}");
        assert_eq!(opened.fell_back.is_some(), taken == "ledger.db", "a log that is gone was checkpointed at the end");
    }
}

#[test]
fn a_removed_folder_ends_the_store() {
    let parent = tempfile::tempdir().unwrap();
    let (here, away) = (parent.path().join("state"), parent.path().join("away"));
    std::fs::create_dir(&here).unwrap();
    let mut store = Store::open(&here, options()).unwrap().store;
    store.commit(&commit(3, 1000, true)).unwrap();
    std::fs::rename(&here, &away).unwrap();
    assert!(matches!(store.commit(&commit(3, 2000, false)), Err(StoreError::Removed { .. })));
    drop(store);
    std::fs::rename(&away, &here).unwrap();
    assert_eq!(figure(&Store::open(&here, options()).unwrap().contents), Some(1000));
}

#[test]
fn the_journal_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).unwrap().store;
    let last = JOURNAL_ROWS as u64 + 1;
    for register in [1, 2, last] {
        store.commit(&commit(1, register, false)).unwrap();
    }
    let ids: Vec<_> = journal(&store, None, 10).iter().map(|row| row.id).collect();
    assert_eq!(ids, [last as i64, 2]);
}

#[test]
fn a_damaged_journal_row_is_shown_as_unreadable() {
    let folder = folder_with_copy();
    Connection::open(file(&folder, "ledger.db"))
        .unwrap()
        .execute("UPDATE journal SET reason = 'x' WHERE id = 1000", [])
        .unwrap();
    let opened = open(&folder).unwrap();
    let words: Vec<_> = journal(&opened.store, None, 10).into_iter().map(|row| row.word).collect();
    assert_eq!(words, ["baseline", "unreadable"]);
}

#[test]
fn another_machine_is_detected_until_it_adopts() {
    let folder = folder_with_copy();
    let other = || StoreOptions { machine: Some("22222222".into()), ..options() };
    let mut opened = Store::open(folder.path(), other()).unwrap();
    assert_eq!(opened.block, Some(ReportingBlock::Cloned));
    opened.store.commit(&Commit { adopt: true, ..commit(3, 3000, false) }).unwrap();
    drop(opened);
    assert_eq!(Store::open(folder.path(), other()).unwrap().block, None);
    assert_eq!(open(&folder).unwrap().block, Some(ReportingBlock::Cloned));
    let without_identity = StoreOptions { machine: None, ..options() };
    assert_eq!(Store::open(folder.path(), without_identity).unwrap().block, None);
}
