//! What the store survives, and what it refuses.

mod counted;
mod damage;
mod looks;
mod older;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::ledger::client::ClientState;
use crate::ledger::testing::{at, client, energy, meter, name, state};

const MACHINE: &str = "11111111";

fn options() -> Options {
    Options { durable: true, machine: Some(MACHINE.into()) }
}

fn open(folder: &TempDir) -> Result<Opened, OpenError> {
    Store::open(folder.path(), options())
}

fn file(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

/// A commit of so many meters and one client, all at `register`.
fn commit(meters: usize, register: u64, decided: bool) -> Commit {
    // What is for people is kept to the second.
    let wall = Timestamp::from_second(at(register).wall.as_second()).unwrap();
    let settings = meter("any");
    let row = |index| MeterRow {
        name: name(&format!("m{index}")),
        state: state(&settings, register),
        confirmed: true,
        updated: wall,
        whole: true,
    };
    let entry = JournalRow {
        id: register as i64,
        meter: Some(name("m0")),
        word: "baseline".into(),
        at: wall,
        last: wall,
        count: 1,
        reason: "three readings agree".into(),
        entry: None,
    };
    let counted = [(name("m0"), energy(register))].into();
    let state = ClientState { energy: Some(energy(register)), counted, ..ClientState::default() };
    Commit {
        at: at(register),
        renames: Vec::new(),
        meters: (0..meters).map(row).collect(),
        clients: vec![ClientRow { key: client("c", "1", &[]).key, state }],
        journal: vec![entry],
        copy: decided,
        adopt: false,
        retire: false,
    }
}

/// The one figure that meters and client agree on; `None` for an empty ledger.
fn figure(contents: &Contents) -> Option<u64> {
    let meters = contents.meters.values().map(|row| row.state.published());
    let clients = contents.clients.values().map(|client| client.energy);
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
fn what_was_committed_is_there_again_and_nobody_else_can_read_it() {
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
    assert_eq!(opened.contents.meters.into_values().collect::<Vec<_>>(), commit.meters);
    let clients: Vec<_> = opened.contents.clients.into_iter().map(|(key, state)| ClientRow { key, state }).collect();
    assert_eq!(clients, commit.clients);
    assert_eq!(opened.contents.next_journal, 1001);
    assert_eq!(opened.store.journal(Some(&name("m0")), 10).unwrap(), commit.journal);
    assert_eq!(opened.store.journal(Some(&name("m1")), 10).unwrap(), []);
    assert_eq!(opened.fell_back, None);
}

#[test]
fn a_second_arkmeter_is_refused_and_told_who_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder).unwrap();
    let error = open(&folder).err().unwrap();
    assert_eq!(error.exit_code(), 75);
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(first);
    open(&folder).unwrap();
}

#[test]
fn a_folder_that_is_none_is_named_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(&file(&folder, "new"), options()).unwrap());
    let missing = Store::open(&file(&folder, "missing/state"), options()).err().unwrap();
    assert!(missing.to_string().contains("missing/state does not exist and cannot be made: create it"), "{missing}");
    std::fs::write(file(&folder, "plain"), "").unwrap();
    let plain = Store::open(&file(&folder, "plain"), options()).err().unwrap();
    assert!(plain.to_string().contains("is not a folder"), "{plain}");
    let unwritable = Store::open(Path::new("/proc"), options()).err().unwrap();
    assert!(unwritable.to_string().contains("/proc/lock"), "{unwritable}");
    assert_eq!([missing, plain, unwritable].map(|error| error.exit_code()), [1, 1, 1]);
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
fn a_value_changed_behind_its_seal_is_noticed() {
    for change in [
        "UPDATE client SET energy_mwh = 2001",
        "UPDATE client SET counted = '{\"m0\":1999}'",
        "UPDATE meter SET state = replace(state, '\"offset\":0', '\"offset\":1')",
        "UPDATE meter SET confirmed = 0",
        "UPDATE figure SET step_mwh = 7",
        "UPDATE meta SET value = '33333333' WHERE key = 'machine'",
        "DELETE FROM meter WHERE name = 'm2'",
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
fn an_old_row_come_back_is_noticed() {
    let folder = folder_with_copy();
    let sql = |path: &str| Connection::open(file(&folder, path)).unwrap();
    let old: (String, i64) = sql("ledger-copy.db")
        .query_row("SELECT state, crc FROM meter WHERE name = 'm1'", [], |row| row.try_into())
        .unwrap();
    sql("ledger.db").execute("UPDATE meter SET state = ?1, crc = ?2 WHERE name = 'm1'", old).unwrap();
    assert!(open(&folder).unwrap().fell_back.is_some());
}

#[test]
fn without_a_good_copy_damage_is_an_end_with_a_way_out() {
    let folder = folder_with_copy();
    for name in ["ledger.db", "ledger-copy.db"] {
        std::fs::write(file(&folder, name), "no database, whatever its name says").unwrap();
    }
    let error = open(&folder).err().unwrap();
    assert_eq!(error.exit_code(), 65);
    for part in ["ledger.db is damaged", "so is its copy", "ledger restore"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(std::fs::read_to_string(file(&folder, "ledger.db")).unwrap().starts_with("no database"), "left as it was");
}

#[test]
fn a_missing_ledger_is_a_first_start_only_where_nothing_is_left() {
    let folder = folder_with_copy();
    std::fs::remove_file(file(&folder, "ledger.db")).unwrap();
    let opened = open(&folder).unwrap();
    assert!(opened.fell_back.unwrap().contains("it is missing"));
    assert_eq!(figure(&opened.contents), Some(1000));
    assert_eq!(opened.store.journal(None, 1).unwrap()[0].word, "fallback");
    drop(opened.store);
    for left in ["ledger.db-wal", "ledger-v1.db", "ledger-set-aside.db"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(file(&folder, left), "").unwrap();
        assert_eq!(open(&folder).err().map(|error| error.exit_code()), Some(65), "{left}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(file(&folder, "ledger.db"), "").unwrap();
    assert_eq!(open(&folder).err().map(|error| error.exit_code()), Some(65), "an empty file was a ledger once");
}

#[test]
fn what_is_unconfirmed_stays_so_until_a_commit_says_otherwise() {
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
fn a_newer_store_is_left_alone_and_its_copy_named() {
    let folder = folder_with_copy();
    let connection = Connection::open(file(&folder, "ledger.db")).unwrap();
    let newer: Migration = |_| Ok(());
    let mut steps = MIGRATIONS.to_vec();
    steps.push(newer);
    drop(connection);
    drop(Store::open_with(folder.path(), options(), &steps).unwrap());
    let error = open(&folder).err().unwrap();
    assert_eq!(error.exit_code(), 65);
    let older = format!("ledger-v{}.db", inspect::VERSION);
    assert!(error.to_string().contains(&older), "{error}");
    std::fs::rename(file(&folder, &older), file(&folder, "ledger.db")).unwrap();
    std::fs::remove_file(file(&folder, "ledger-copy.db")).unwrap();
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(2000), "the copy from before is a whole ledger");
}

#[test]
fn an_older_store_is_lifted_step_by_step_or_not_at_all() {
    let folder = folder_with_copy();
    let adds: Migration = |transaction| transaction.execute("CREATE TABLE more (x)", []).map(drop);
    let fails: Migration = |transaction| transaction.execute("NO SQL", []).map(drop);
    assert!(Store::open_with(folder.path(), options(), &[adds, fails]).is_err());
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(2000), "nothing of a failed step stays");
    let opened = Store::open_with(folder.path(), options(), &[adds, |_| Ok(())]).unwrap();
    assert_eq!(figure(&opened.contents), Some(2000));
    let connection = opened.store.connection.as_ref().unwrap();
    assert_eq!(inspect::version(connection, 3).unwrap(), 3);
}

#[test]
fn a_full_disk_loses_the_commit_whole_and_nothing_before_it() {
    let folder = folder_with_copy();
    let mut store = open(&folder).unwrap().store;
    let pages = |store: &Store, count: i64| {
        store.connection.as_ref().unwrap().pragma_update(None, "max_page_count", count).unwrap();
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
fn files_that_are_taken_away_are_written_anew() {
    for (taken, foreign) in [("ledger.db", None), ("ledger.db-wal", None), ("ledger.db", Some("another file"))] {
        let folder = folder_with_copy();
        let mut store = open(&folder).unwrap().store;
        store.commit(&commit(3, 3000, false)).unwrap();
        std::fs::remove_file(file(&folder, taken)).unwrap();
        if let Some(text) = foreign {
            std::fs::write(file(&folder, taken), text).unwrap();
        }
        store.commit(&commit(3, 4000, false)).unwrap();
        store.commit(&commit(3, 5000, false)).unwrap();
        drop(store);
        let opened = open(&folder).unwrap();
        assert_eq!((figure(&opened.contents), opened.fell_back), (Some(5000), None), "{taken} {foreign:?}");
        let rows = opened.store.journal(None, 10).unwrap();
        assert_eq!(rows.len(), 5, "the journal came along");
        assert_eq!(file(&folder, "ledger-set-aside.db").exists(), foreign.is_some() || taken == "ledger.db-wal");
    }
}

#[test]
fn a_folder_that_goes_and_comes_back_costs_only_the_commits_between() {
    let parent = tempfile::tempdir().unwrap();
    let (here, away) = (parent.path().join("state"), parent.path().join("away"));
    std::fs::create_dir(&here).unwrap();
    let mut store = Store::open(&here, options()).unwrap().store;
    store.commit(&commit(3, 1000, true)).unwrap();
    std::fs::rename(&here, &away).unwrap();
    for _ in 0..2 {
        let error = store.commit(&commit(3, 2000, false)).unwrap_err();
        assert!(error.to_string().contains("ledger.db cannot be written"), "{error}");
    }
    std::fs::rename(&away, &here).unwrap();
    store.commit(&commit(3, 3000, false)).unwrap();
    drop(store);
    assert_eq!(figure(&Store::open(&here, options()).unwrap().contents), Some(3000));
}

#[test]
fn the_journal_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).unwrap().store;
    let last = JOURNAL_ROWS as u64 + 1;
    for register in [1, 2, last] {
        store.commit(&commit(1, register, false)).unwrap();
    }
    let ids: Vec<_> = store.journal(None, 10).unwrap().iter().map(|row| row.id).collect();
    assert_eq!(ids, [last as i64, 2]);
}

#[test]
fn a_damaged_journal_row_is_told_and_stops_nothing() {
    let folder = folder_with_copy();
    Connection::open(file(&folder, "ledger.db"))
        .unwrap()
        .execute("UPDATE journal SET reason = 'x' WHERE id = 1000", [])
        .unwrap();
    let opened = open(&folder).unwrap();
    let words: Vec<_> = opened.store.journal(None, 10).unwrap().into_iter().map(|row| row.word).collect();
    assert_eq!(words, ["baseline", "unreadable"]);
}

#[test]
fn another_machine_is_noticed_until_it_adopts() {
    let folder = folder_with_copy();
    let other = || Options { machine: Some("22222222".into()), ..options() };
    let mut opened = Store::open(folder.path(), other()).unwrap();
    assert!(opened.other_machine);
    opened.store.commit(&Commit { adopt: true, ..commit(3, 3000, false) }).unwrap();
    drop(opened);
    assert!(!Store::open(folder.path(), other()).unwrap().other_machine);
    assert!(open(&folder).unwrap().other_machine);
    assert!(!Store::open(folder.path(), Options { machine: None, ..options() }).unwrap().other_machine);
}
