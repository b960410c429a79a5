//! The ledger as commands read it, backups of it, and the way back from one.

use super::*;

/// Saves the ledger in that folder as `ledger backup` does if no daemon runs.
fn backup(folder: &Path, target: &Path) -> Result<(), BackupError> {
    let saving = Saving::begin(target)?;
    saving.write(&LedgerSnapshot::open(folder)?)?;
    saving.check()?;
    saving.finish()
}

#[test]
fn a_snapshot_needs_the_lock_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        matches!(LedgerSnapshot::open(folder.path()), Err(OpenError::Nothing { .. })),
        "nothing is created by reading"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let mut store = open(&folder).unwrap().store;
    store.commit(&commit(2, 1000, true)).unwrap();
    assert!(matches!(LedgerSnapshot::open(folder.path()), Err(OpenError::InUse { .. })));
    assert_eq!(figure(&store.contents().unwrap()), Some(1000));
    store.commit(&commit(2, 2000, false)).unwrap();
    assert_eq!(figure(&store.contents().unwrap()), Some(2000));
    // Left as after a crash: with a log.
    drop(store);
    let before = std::fs::read(file(&folder, "ledger.db")).unwrap();
    let snapshot = LedgerSnapshot::open(folder.path()).unwrap();
    assert_eq!(figure(&snapshot.contents), Some(2000));
    assert!(snapshot.contents.ledger.is_foreign(Some("another")), "a test's machine is not this one");
    assert_eq!(snapshot.journal(&JournalQuery::newest(10)).unwrap().len(), 2);
    assert!(matches!(open(&folder), Err(OpenError::InUse { .. })), "as long as it is read");
    drop(snapshot);
    assert_eq!(std::fs::read(file(&folder, "ledger.db")).unwrap(), before);
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(2000));
}

#[test]
fn a_copy_of_a_running_ledger_is_complete_and_has_no_name() {
    let folder = folder_with_copy();
    let store = open(&folder).unwrap().store;
    let mut copy = store.unnamed_copy().unwrap();
    let saved = file(&folder, "saved.db");
    std::io::copy(&mut copy, &mut File::create(&saved).unwrap()).unwrap();
    assert_eq!(figure(&opening::read_file(&saved).unwrap().1), Some(2000));
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("backup")));
}

#[test]
fn a_snapshot_of_a_damaged_ledger_is_the_copy_and_changes_neither() {
    let folder = folder_with_copy();
    let ledger = file(&folder, "ledger.db");
    std::fs::write(&ledger, b"no ledger").unwrap();
    let snapshot = LedgerSnapshot::open(folder.path()).unwrap();
    assert!(snapshot.fell_back.is_some());
    assert_eq!(figure(&snapshot.contents), Some(1000));
    assert_eq!(std::fs::read(&ledger).unwrap(), b"no ledger");
    drop(snapshot);
    std::fs::write(file(&folder, "ledger-copy.db"), b"neither").unwrap();
    assert_eq!(kind(&LedgerSnapshot::open(folder.path()).err().unwrap()), "damaged");
}

#[test]
fn a_backup_is_complete_and_private_and_replaces_a_lost_ledger() {
    let folder = folder_with_copy();
    let elsewhere = tempfile::tempdir().unwrap();
    let saved = elsewhere.path().join("saved.db");
    let running = open(&folder).unwrap();
    assert!(matches!(backup(folder.path(), &saved), Err(BackupError::Open(OpenError::InUse { .. }))));
    drop(running);
    backup(folder.path(), &saved).unwrap();
    let running = open(&folder).unwrap();
    assert!(matches!(restore(folder.path(), &saved), Err(BackupError::Open(OpenError::InUse { .. }))));
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
    assert_eq!(journal(&opened.store, None, 1)[0].word, "restore");
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
    let message = "meter m0 (0.003 kWh here, 0.002 kWh in the backup), meter m1 (";
    assert!(refused.to_string().contains(message) && refused.to_string().contains("client 0x1111"), "{refused}");
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
fn a_file_that_is_no_backup_is_refused_and_an_empty_folder_accepts_one() {
    let (folder, elsewhere) = (folder_with_copy(), tempfile::tempdir().unwrap());
    let (saved, garbage) = (elsewhere.path().join("saved.db"), elsewhere.path().join("garbage.db"));
    backup(folder.path(), &saved).unwrap();
    let mut bytes = std::fs::read(&saved).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&garbage, bytes).unwrap();
    let refused = restore(folder.path(), &garbage).unwrap_err();
    assert!(matches!(refused, BackupError::NoBackup { .. }), "{refused}");
    for (named, remedy) in [(elsewhere.path().join("none.db"), "check its name"), (folder.path().into(), "is no file")]
    {
        let refused = restore(folder.path(), &named).unwrap_err();
        let message = refused.to_string();
        assert!(message.contains(remedy) && !message.contains("[state]"), "{message}");
    }
    let refused = backup(folder.path(), &elsewhere.path().join("none/saved.db")).unwrap_err().to_string();
    assert!(refused.contains("create its folder first") && !refused.contains("[state]"), "{refused}");
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(2000));
    let fresh = tempfile::tempdir().unwrap();
    restore(fresh.path(), &saved).unwrap();
    assert_eq!(figure(&open(&fresh).unwrap().contents), Some(2000));
}

#[test]
fn a_moved_ledger_stays_retired_also_in_its_copy() {
    let folder = folder_with_copy();
    let mut store = open(&folder).unwrap().store;
    store.commit(&Commit { retire: true, ..commit(3, 3000, false) }).unwrap();
    // The power goes before the copy was made.
    drop(store);
    let mut store = open(&folder).unwrap().store;
    store.commit(&commit(3, 3000, false)).unwrap();
    drop(store);
    let retired = Some(ReportingBlock::Retired(at(3000).wall));
    assert_eq!(open(&folder).unwrap().block, retired, "a later commit says it too");
    std::fs::write(file(&folder, "ledger.db"), b"no ledger").unwrap();
    let opened = open(&folder).unwrap();
    assert!(opened.fell_back.is_some());
    assert_eq!(opened.block, retired, "nor does a copy bring it back");
}

#[test]
fn a_moved_ledger_belongs_to_the_machine_that_restores_it() {
    let folder = folder_with_copy();
    let elsewhere = tempfile::tempdir().unwrap();
    let (before, moved) = (elsewhere.path().join("before.db"), elsewhere.path().join("moved.db"));
    backup(folder.path(), &before).unwrap();
    let mut store = open(&folder).unwrap().store;
    store.commit(&Commit { retire: true, ..commit(3, 3000, true) }).unwrap();
    store.close().unwrap();
    backup(folder.path(), &moved).unwrap();
    let other = StoreOptions { machine: Some("22222222".into()), ..options() };
    let [by_backup, by_move] = [before, moved.clone()].map(|saved| {
        let there = tempfile::tempdir().unwrap();
        let restored = restore(there.path(), &saved).unwrap();
        let opened = Store::open(there.path(), other.clone()).unwrap();
        (restored.moved, opened.block)
    });
    assert_eq!((by_backup, by_move), ((false, Some(ReportingBlock::Cloned)), (true, None)));
    // The same file brings it back to the machine that gave it away.
    assert!(restore(folder.path(), &moved).unwrap().moved);
    let opened = open(&folder).unwrap();
    assert_eq!((figure(&opened.contents), opened.block), (Some(3000), None));
    std::fs::write(file(&folder, "ledger.db"), b"no ledger").unwrap();
    drop(opened);
    assert_eq!(open(&folder).unwrap().block, None, "nor does its copy say otherwise");
}

#[test]
fn a_rename_changes_one_row_and_the_journal_follows() {
    let folder = folder_with_copy();
    let mut store = open(&folder).unwrap().store;
    let mut renamed = Commit { journal: Vec::new(), clients: Vec::new(), ..commit(1, 2000, true) };
    renamed.meters[0].name = name("other");
    store.commit(&renamed).unwrap();
    assert_eq!([journal(&store, Some("other"), 10).len(), journal(&store, Some("m0"), 10).len()], [2, 0]);
    drop(store);
    let opened = open(&folder).unwrap();
    assert_eq!((figure(&opened.contents), opened.fell_back), (Some(2000), None));
    let names: Vec<_> = opened.contents.meters.keys().map(|name| name.to_string()).collect();
    assert_eq!(names, ["m1", "m2", "other"]);
}
