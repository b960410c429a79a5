//! The ledgers of shards.

use super::*;
use crate::shard::{Shard, ShardCount, Sharding};

fn shard(number: u16, count: u16) -> Shard {
    ShardCount::new(count).unwrap().shard(number).unwrap()
}

fn as_shard(shard: Shard) -> StoreOptions {
    StoreOptions { durable: true, machine: Some(shard.owner()) }
}

fn begun(folder: &TempDir, count: u16) -> Result<usize, String> {
    let ledgers = begin_shards(folder.path(), Sharding::All(ShardCount::new(count).unwrap()));
    ledgers.map(|all| all.iter().filter(|one| one.begun).count()).map_err(|error| error.to_string())
}

#[test]
fn a_shard_begins_no_ledger_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = shard(2, 4).state_folder(folder.path());
    let error = Store::open(&path, as_shard(shard(2, 4))).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "shard 2 of 4 has no ledger in {}: its volume is mounted empty or elsewhere, unless this is the first start of all; only then, \
             `arkmeter shard init --shards 4` begins the ledgers",
            path.display()
        )
    );
    assert!(!path.exists());
    let only = begin_shards(folder.path(), Sharding::One(shard(2, 4))).unwrap();
    assert_eq!(only, [NewLedger { shard: shard(2, 4), folder: path.clone(), begun: true }]);
    assert_eq!(begun(&folder, 4), Ok(3), "the others");
    let mut opened = Store::open(&path, as_shard(shard(2, 4))).unwrap();
    assert_eq!(opened.block, None);
    opened.store.commit(&commit(1, 1000, true)).unwrap();
    opened.store.copy_if_due(&at(1)).unwrap();
    assert_eq!(begun(&folder, 4), Ok(0), "one that is open stays as well");
    drop(opened);
    let again = Store::open(&path, as_shard(shard(2, 4))).unwrap().contents;
    assert_eq!(again.meters[&name("m0")].state.published(), Some(energy(1000)));
    // An emptied folder.
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(kind(&Store::open(&path, as_shard(shard(2, 4))).err().unwrap()), "not begun");
}

#[test]
fn the_ledger_of_another_shard_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    begun(&folder, 4).unwrap();
    let path = shard(2, 4).state_folder(folder.path());
    let message = |options| {
        let error = Store::open(&path, options).err().unwrap();
        assert_eq!(kind(&error), "other shard");
        error.to_string().replace(path.to_str().unwrap(), "FOLDER")
    };
    assert_eq!(
        message(as_shard(shard(3, 4))),
        "the ledger in FOLDER belongs to shard 2 of 4, but this is shard 3 of 4: mount the state of shard 3 there, or correct the shard's \
         number"
    );
    assert_eq!(
        message(as_shard(shard(2, 6))),
        "the ledger in FOLDER belongs to shard 2 of 4, but this is shard 2 of 6: stop all shards and run `arkmeter shard resize --from 4 --to \
         6`, or correct the number of shards"
    );
    for machine in [Some(MACHINE.to_owned()), None] {
        assert_eq!(
            message(StoreOptions { durable: true, machine }),
            "the ledger in FOLDER belongs to shard 2 of 4, but this is no shard: stop all shards and run `arkmeter shard resize --from 4 --to \
             none`, or correct the number of shards"
        );
    }
    let error = begun(&folder, 6).unwrap_err();
    assert!(error.contains("belongs to shard 1 of 4, but this is shard 1 of 6"), "{error}");
    assert!(!folder.path().join("shard-5").exists());
}

#[test]
fn who_lost_the_lock_writes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(&folder).unwrap().store;
    first.commit(&commit(1, 1000, false)).unwrap();
    std::fs::remove_file(file(&folder, "lock")).unwrap();
    let error = first.commit(&commit(1, 2000, false)).unwrap_err();
    assert!(matches!(error, StoreError::LockLost { .. }), "{error}");
    // As if another machine had it.
    std::fs::write(file(&folder, "lock"), "").unwrap();
    let other = std::fs::File::open(file(&folder, "lock")).unwrap();
    other.lock().unwrap();
    let error = first.commit(&commit(1, 2000, false)).unwrap_err();
    assert!(error.to_string().contains("another arkmeter took it"), "{error}");
}

#[test]
fn a_ledger_without_shards_is_not_taken_by_one() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).unwrap());
    let error = Store::open(folder.path(), as_shard(shard(1, 4))).err().unwrap();
    assert_eq!(
        error.to_string().replace(folder.path().to_str().unwrap(), "FOLDER"),
        "the ledger in FOLDER belongs to no shard, but this is shard 1 of 4: stop all shards and run `arkmeter shard resize --from none --to \
         4`, or correct the number of shards"
    );
    // Nor are the shards begun beside it.
    let error = begun(&folder, 4).unwrap_err();
    assert!(error.contains("belongs to no shard"), "{error}");
}
