//! What is noticed of a journal that lost entries, or got older ones back.

use super::*;

/// Entries with these numbers, and nothing else.
fn entries(ids: std::ops::RangeInclusive<i64>, reason: &str) -> Commit {
    let one = commit(1, *ids.start() as u64, false);
    let row =
        |id: i64| JournalRow { id, at: wall(id), last: wall(id), reason: reason.into(), ..one.journal[0].clone() };
    Commit { journal: ids.map(row).collect(), meters: Vec::new(), clients: Vec::new(), ..one }
}

fn wall(id: i64) -> Timestamp {
    Timestamp::from_second(at(id as u64).wall.as_second()).unwrap()
}

/// Opens it and counts.
fn lost(folder: &TempDir) -> (Store, Option<String>) {
    let mut store = open(folder).unwrap().store;
    let lost = store.count_journal_if_due(&at(1)).unwrap();
    (store, lost)
}

fn harm(folder: &TempDir, change: &str) {
    let changed = Connection::open(file(folder, "ledger.db")).unwrap().execute(change, []).unwrap();
    assert!(changed > 0, "{change}");
}

/// The ledger as it is now, in a file of its own.
fn keep(folder: &TempDir) -> PathBuf {
    let before = file(folder, "before.db");
    std::fs::copy(file(folder, "ledger.db"), &before).unwrap();
    before
}

/// Has rows of that file come back.
fn bring_back(folder: &TempDir, before: &Path, rows: &str) {
    let connection = Connection::open(file(folder, "ledger.db")).unwrap();
    connection.execute("ATTACH ?1 AS before", [before.to_str()]).unwrap();
    assert!(connection.execute(rows, []).unwrap() > 0, "{rows}");
}

/// A ledger whose journal has the entries 1 to 40.
fn folder_with_journal() -> TempDir {
    let folder = folder_with_copy();
    harm(&folder, "DELETE FROM journal");
    let connection = Connection::open(file(&folder, "ledger.db")).unwrap();
    let mut last = inspect::last_commit(&connection).unwrap();
    last.journal = Some(journal::Tally::default());
    inspect::write_commit(&connection, &last).unwrap();
    drop(connection);
    let mut store = open(&folder).unwrap().store;
    store.commit(&entries(1..=40, "because")).unwrap();
    folder
}

#[test]
fn whatever_is_written_the_journal_is_what_the_last_commit_says() {
    let folder = folder_with_journal();
    let [old, new] = ["m0", "other"].map(name);
    let last = JOURNAL_ROWS + 7;
    let mut renamed = commit(3, 3000, true);
    renamed.meters[0].name = new.clone();
    renamed.renames = vec![Rename { from: old, to: new }];
    // New ones, others in the place of some, none, handed on under another name, and the oldest removed.
    let commits = [entries(41..=60, "because"), entries(30..=65, "another reason"), commit(3, 2000, false), renamed];
    for commit in commits.into_iter().chain([entries(last..=last, "the newest"), entries(9..=9, "again")]) {
        let (mut store, lost) = lost(&folder);
        assert_eq!(lost, None);
        store.commit(&commit).unwrap();
        store.commit(&commit).unwrap();
    }
    assert_eq!(lost(&folder).1, None);
    assert_eq!(open(&folder).unwrap().contents.next_journal, last + 1);
}

#[test]
fn what_is_lost_of_the_journal_is_told_once_with_numbers_and_times() {
    for (change, told) in [
        (
            "DELETE FROM journal WHERE id BETWEEN 11 AND 20",
            "it has 30 entries, and 40 were on the disk; no entries 11 to 20 from 2027-01-15T08:00:10Z up to 2027-01-15T08:00:21Z",
        ),
        (
            "DELETE FROM journal WHERE id > 39",
            "it has 39 entries, and 40 were on the disk; no entry 40 from 2027-01-15T08:00:39Z",
        ),
        (
            "DELETE FROM journal WHERE id < 3",
            "it has 38 entries, and 40 were on the disk; no entries 1 to 2 up to 2027-01-15T08:00:03Z",
        ),
        ("DELETE FROM journal", "it has 0 entries, and 40 were on the disk; no entries 1 to 40"),
        (
            "UPDATE journal SET reason = 'x' WHERE id = 7",
            "it has 40 entries, and 40 were on the disk; entry 7 fails its checksum",
        ),
        (
            "UPDATE journal SET crc = 1 WHERE id <= 7",
            "it has 40 entries, and 40 were on the disk; entry 1 fails its checksum; entry 2 fails its checksum; entry 3 fails its \
             checksum; entry 4 fails its checksum; entry 5 fails its checksum; and more",
        ),
    ] {
        let folder = folder_with_journal();
        harm(&folder, change);
        assert_eq!(Look::open(folder.path()).unwrap().lost().unwrap().as_deref(), Some(told), "{change}");
        let (store, lost) = lost(&folder);
        assert_eq!(lost.as_deref(), Some(told), "{change}");
        assert!(self::lost_after(&folder, store).is_none(), "{change}: it is known now");
    }
}

/// What is told at the next start, after a commit.
fn lost_after(folder: &TempDir, mut store: Store) -> Option<String> {
    store.commit(&entries(41..=41, "lost")).unwrap();
    let ids: Vec<_> = store.journal(None, 1).unwrap().iter().map(|row| row.id).collect();
    assert_eq!(ids, [41]);
    drop(store);
    lost(folder).1
}

#[test]
fn while_it_is_in_use_the_journal_is_counted_once_a_day() {
    let folder = folder_with_journal();
    let (mut store, none) = lost(&folder);
    store.connection.as_ref().unwrap().execute("DELETE FROM journal WHERE id = 40", []).unwrap();
    let later = store.count_journal_if_due(&at(24 * 3600)).unwrap();
    assert_eq!((none, later), (None, None));
    assert!(store.count_journal_if_due(&at(1 + 24 * 3600)).unwrap().is_some());
}

#[test]
fn an_older_entry_in_the_place_of_a_newer_is_noticed_and_no_number_is_given_twice() {
    let folder = folder_with_journal();
    let older: (String, i64) = Connection::open(file(&folder, "ledger.db"))
        .unwrap()
        .query_row("SELECT reason, crc FROM journal WHERE id = 40", [], |row| row.try_into())
        .unwrap();
    open(&folder).unwrap().store.commit(&entries(40..=40, "it went on")).unwrap();
    let connection = Connection::open(file(&folder, "ledger.db")).unwrap();
    connection.execute("UPDATE journal SET reason = ?1, crc = ?2 WHERE id = 40", older).unwrap();
    drop(connection);
    let told = lost(&folder).1.unwrap();
    assert!(told.contains("older than the last that was written in its place"), "{told}");
    harm(&folder, "DELETE FROM journal WHERE id > 30");
    assert_eq!(open(&folder).unwrap().contents.next_journal, 41);
}

#[test]
fn entries_that_come_back_after_they_were_removed_are_noticed() {
    let folder = folder_with_journal();
    let before = keep(&folder);
    let last = JOURNAL_ROWS + 7;
    open(&folder).unwrap().store.commit(&entries(last..=last, "the newest")).unwrap();
    bring_back(&folder, &before, "INSERT INTO journal SELECT * FROM before.journal WHERE id < 3");
    let told = lost(&folder).1.unwrap();
    assert!(told.starts_with("it has 36 entries, and 34 were on the disk"), "{told}");
}

#[test]
fn a_ledger_whose_journal_was_never_counted_opens_as_ever_and_is_counted_once() {
    let folder = folder_with_journal();
    let kept = |connection: &Connection| inspect::last_commit(connection).unwrap();
    let ledger = Connection::open(file(&folder, "ledger.db")).unwrap();
    inspect::write_commit(&ledger, &LastCommit { journal: None, ..kept(&ledger) }).unwrap();
    drop(ledger);
    let Opened { mut store, contents, fell_back, .. } = open(&folder).unwrap();
    assert_eq!((figure(&contents), fell_back, contents.next_journal), (Some(2000), None, 41));
    store.commit(&entries(41..=41, "because")).unwrap();
    assert_eq!(kept(store.connection.as_ref().unwrap()).journal, None, "no commit reads it all");
    assert_eq!(store.count_journal_if_due(&at(1)).unwrap(), None);
    store.commit(&entries(42..=42, "because")).unwrap();
    assert_eq!(kept(store.connection.as_ref().unwrap()).journal.map(|tally| tally.last), Some(42));
    drop(store);
    assert_eq!(lost(&folder).1, None);
    harm(&folder, "DELETE FROM journal WHERE id = 41");
    assert!(lost(&folder).1.is_some());
}

#[test]
fn a_figure_that_comes_back_without_its_meter_is_nobodys() {
    let folder = folder_with_copy();
    let before = keep(&folder);
    let [old, new] = ["m0", "other"].map(name);
    let mut renamed = commit(3, 3000, true);
    renamed.meters[0].name = new.clone();
    renamed.renames = vec![Rename { from: old.clone(), to: new }];
    open(&folder).unwrap().store.commit(&renamed).unwrap();
    bring_back(&folder, &before, "INSERT INTO figure SELECT * FROM before.figure WHERE meter = 'm0'");
    let mut opened = open(&folder).unwrap();
    assert_eq!((figure(&opened.contents), &opened.fell_back), (Some(3000), &None));
    assert!(!opened.contents.meters.contains_key(&old));
    opened.store.commit(&commit(3, 4000, false)).unwrap();
    drop(opened);
    let opened = open(&folder).unwrap();
    assert_eq!(opened.fell_back, None);
    assert_eq!(
        opened.contents.meters[&old].state.published(),
        Some(energy(4000)),
        "a new one of that name writes over it"
    );
}
