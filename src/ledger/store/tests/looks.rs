//! Looks at the ledger, backups of it, and the way back from one.

use super::*;

#[test]
fn a_look_sees_the_last_commit_while_the_store_is_open_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Look::open(folder.path()), Err(OpenError::Nothing { .. })), "nothing is begun by looking");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let mut store = open(&folder).unwrap().store;
    store.commit(&commit(2, 1000, true)).unwrap();
    let look = Look::open(folder.path()).unwrap();
    store.commit(&commit(2, 2000, false)).unwrap();
    assert_eq!(figure(&look.contents), Some(1000));
    let words: Vec<_> = look.journal(None, 10).unwrap().into_iter().map(|row| row.word).collect();
    assert_eq!(words, ["baseline"], "what is looked at stays as it was");
    assert!(look.other_machine, "a test's machine is not this one");
    drop(look);
    assert_eq!(figure(&Look::open(folder.path()).unwrap().contents), Some(2000));
    assert_eq!(Look::open(folder.path()).unwrap().journal(Some(&name("m1")), 10).unwrap(), []);
    store.close().unwrap();
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(2000));
}

#[test]
fn a_look_at_a_damaged_ledger_shows_the_copy_and_leaves_both_as_they_are() {
    let folder = folder_with_copy();
    let ledger = file(&folder, "ledger.db");
    std::fs::write(&ledger, b"no ledger").unwrap();
    let look = Look::open(folder.path()).unwrap();
    assert!(look.fell_back.is_some());
    assert_eq!(figure(&look.contents), Some(1000));
    assert_eq!(std::fs::read(&ledger).unwrap(), b"no ledger");
    drop(look);
    std::fs::write(file(&folder, "ledger-copy.db"), b"neither").unwrap();
    assert_eq!(Look::open(folder.path()).unwrap_err().exit_code(), 65);
}

#[test]
fn a_backup_is_whole_private_and_restored_where_the_ledger_is_lost() {
    let folder = folder_with_copy();
    let elsewhere = tempfile::tempdir().unwrap();
    let saved = elsewhere.path().join("saved.db");
    let running = open(&folder).unwrap();
    backup(folder.path(), &saved).unwrap();
    assert!(matches!(restore(folder.path(), &saved), Err(BackupError::Open(error)) if error.exit_code() == 75));
    drop(running);
    assert_eq!(std::fs::metadata(&saved).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(backup(folder.path(), &saved), Err(BackupError::Exists(_))), "no backup is overwritten");

    // The ledger is damaged, and its copy is older than the backup.
    std::fs::write(file(&folder, "ledger.db"), b"no ledger").unwrap();
    assert!(matches!(backup(folder.path(), &elsewhere.path().join("x.db")), Err(BackupError::Damaged(_))));
    restore(folder.path(), &saved).unwrap();
    let opened = open(&folder).unwrap();
    assert_eq!((figure(&opened.contents), opened.fell_back), (Some(2000), None));
    assert!(
        opened.contents.meters.values().all(|row| !row.confirmed),
        "older than what was published, for all we know"
    );
    assert_eq!(opened.store.journal(None, 1).unwrap()[0].word, "restore");
    drop(opened.store);
    std::fs::write(file(&folder, "ledger.db"), b"no ledger").unwrap();
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(2000), "the copy is the restored one's");
}

#[test]
fn a_backup_is_not_restored_over_higher_figures() {
    let folder = folder_with_copy();
    let elsewhere = tempfile::tempdir().unwrap();
    let (saved, later) = (elsewhere.path().join("saved.db"), elsewhere.path().join("later.db"));
    backup(folder.path(), &saved).unwrap();
    let mut store = open(&folder).unwrap().store;
    store.commit(&commit(3, 3000, true)).unwrap();
    store.copy_if_due(&at(3000)).unwrap();
    store.close().unwrap();
    let refused = restore(folder.path(), &saved).unwrap_err();
    let told = "meter m0 (0.003 kWh here, 0.002 kWh in the backup), meter m1 (";
    assert!(refused.to_string().contains(told) && refused.to_string().contains("client 0x1111"), "{refused}");
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(3000));
    // Of a damaged one its copy still speaks.
    std::fs::write(file(&folder, "ledger.db"), b"no ledger").unwrap();
    assert!(matches!(restore(folder.path(), &saved), Err(BackupError::Falls(_))));
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(3000));
    // What is as high as what is there may take its place.
    backup(folder.path(), &later).unwrap();
    restore(folder.path(), &later).unwrap();
    let opened = open(&folder).unwrap();
    assert_eq!((figure(&opened.contents), opened.fell_back), (Some(3000), None));
}

#[test]
fn what_is_no_backup_is_refused_and_an_empty_folder_takes_one() {
    let (folder, elsewhere) = (folder_with_copy(), tempfile::tempdir().unwrap());
    let (saved, garbage) = (elsewhere.path().join("saved.db"), elsewhere.path().join("garbage.db"));
    backup(folder.path(), &saved).unwrap();
    let mut bytes = std::fs::read(&saved).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&garbage, bytes).unwrap();
    let refused = restore(folder.path(), &garbage).unwrap_err();
    assert_eq!(refused.exit_code(), 65, "{refused}");
    for (named, remedy) in [(elsewhere.path().join("none.db"), "check its name"), (folder.path().into(), "is no file")]
    {
        let refused = restore(folder.path(), &named).unwrap_err();
        let told = refused.to_string();
        assert!(refused.exit_code() == 1 && told.contains(remedy) && !told.contains("[state]"), "{told}");
    }
    let refused = backup(folder.path(), &elsewhere.path().join("none/saved.db")).unwrap_err().to_string();
    assert!(refused.contains("create its folder first") && !refused.contains("[state]"), "{refused}");
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(2000));
    let fresh = tempfile::tempdir().unwrap();
    restore(fresh.path(), &saved).unwrap();
    assert_eq!(figure(&open(&fresh).unwrap().contents), Some(2000));
}

#[test]
fn what_was_given_away_stays_so_in_the_ledger_and_in_its_copy() {
    let folder = folder_with_copy();
    let mut store = open(&folder).unwrap().store;
    store.commit(&Commit { retire: true, ..commit(3, 3000, false) }).unwrap();
    // The power goes before the copy was made.
    drop(store);
    let mut store = open(&folder).unwrap().store;
    store.commit(&commit(3, 3000, false)).unwrap();
    drop(store);
    let wall = at(3000).wall;
    assert_eq!(open(&folder).unwrap().retired, Some(wall), "a later commit says it too");
    std::fs::write(file(&folder, "ledger.db"), b"no ledger").unwrap();
    let opened = open(&folder).unwrap();
    assert!(opened.fell_back.is_some());
    assert_eq!(opened.retired, Some(wall), "nor does a copy bring it back");
}

#[test]
fn what_was_moved_is_that_of_the_machine_which_takes_it_up() {
    let folder = folder_with_copy();
    let elsewhere = tempfile::tempdir().unwrap();
    let (before, moved) = (elsewhere.path().join("before.db"), elsewhere.path().join("moved.db"));
    backup(folder.path(), &before).unwrap();
    let mut store = open(&folder).unwrap().store;
    store.commit(&Commit { retire: true, ..commit(3, 3000, true) }).unwrap();
    store.close().unwrap();
    backup(folder.path(), &moved).unwrap();
    let other = Options { machine: Some("22222222".into()), ..options() };
    let [by_backup, by_move] = [before, moved.clone()].map(|saved| {
        let there = tempfile::tempdir().unwrap();
        let restored = restore(there.path(), &saved).unwrap();
        let opened = Store::open(there.path(), other.clone()).unwrap();
        assert_eq!(opened.retired, None);
        (restored.moved, opened.other_machine)
    });
    assert_eq!((by_backup, by_move), ((false, true), (true, false)));
    // The same file brings it back to the machine that gave it away.
    assert!(restore(folder.path(), &moved).unwrap().moved);
    let opened = open(&folder).unwrap();
    assert_eq!((figure(&opened.contents), opened.retired, opened.other_machine), (Some(3000), None, false));
    std::fs::write(file(&folder, "ledger.db"), b"no ledger").unwrap();
    drop(opened);
    assert_eq!(open(&folder).unwrap().retired, None, "nor does its copy say otherwise");
}

#[test]
fn a_new_name_takes_everything_along_and_leaves_nothing_under_the_old_one() {
    let folder = folder_with_copy();
    let mut store = open(&folder).unwrap().store;
    let [old, new] = ["m0", "other"].map(name);
    let rows: Vec<_> =
        (1..=250).map(|id| JournalRow { id: 5000 + id, ..commit(1, 1000, false).journal.remove(0) }).collect();
    store.commit(&Commit { journal: rows, ..commit(3, 2000, false) }).unwrap();
    let mut renamed = commit(3, 3000, true);
    renamed.meters[0].name = new.clone();
    renamed.renames = vec![Rename { from: old.clone(), to: new.clone() }];
    store.commit(&renamed).unwrap();
    let handed_on = store.journal(Some(&new), 1000).unwrap().len();
    assert_eq!((handed_on, store.journal(Some(&old), 10).unwrap().len()), (252, 1), "what comes with it stays");
    drop(store);
    let opened = open(&folder).unwrap();
    assert_eq!((figure(&opened.contents), opened.fell_back), (Some(3000), None), "its seals hold");
    assert!(opened.contents.meters.contains_key(&new) && !opened.contents.meters.contains_key(&old));
}
