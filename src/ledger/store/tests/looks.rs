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
    assert!(refused.to_string().contains("the meter m0; the meter m1; the meter m2; the client 0x1111"), "{refused}");
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
    assert_eq!(restore(folder.path(), &elsewhere.path().join("none.db")).unwrap_err().exit_code(), 1);
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(2000));
    let fresh = tempfile::tempdir().unwrap();
    restore(fresh.path(), &saved).unwrap();
    assert_eq!(figure(&open(&fresh).unwrap().contents), Some(2000));
}
