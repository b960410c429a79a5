//! A ledger of a newer program, and an upgrade that fails.

use rusqlite_migration::{M, Migrations};

use super::*;

#[test]
fn a_newer_store_is_not_changed_and_the_older_copy_is_named() {
    let folder = folder_with_copy();
    let next = Schema { version: schema::VERSION + 1, steps: one_more(M::up_with_hook("", raise_version)) };
    drop(Store::open_with(folder.path(), options(), &next).unwrap());
    let error = open(&folder).err().unwrap();
    assert_eq!(kind(&error), "newer");
    let older = format!("ledger-v{}.db", schema::VERSION);
    assert!(error.to_string().contains(&older), "{error}");
    std::fs::rename(file(&folder, &older), file(&folder, "ledger.db")).unwrap();
    std::fs::remove_file(file(&folder, "ledger-copy.db")).unwrap();
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(2000), "the copy from before is a whole ledger");
}

#[test]
fn a_failed_upgrade_changes_nothing() {
    let folder = folder_with_copy();
    let fails = Schema { version: schema::VERSION + 1, steps: one_more(M::up("NO SQL")) };
    assert!(Store::open_with(folder.path(), options(), &fails).is_err());
    assert_eq!(figure(&open(&folder).unwrap().contents), Some(2000));
}

/// This program's schema and one more step.
fn one_more(step: M<'static>) -> Migrations<'static> {
    Migrations::new(schema::steps().into_iter().chain([step]).collect())
}

fn raise_version(transaction: &rusqlite::Transaction<'_>) -> rusqlite_migration::HookResult {
    let mut ledger = LedgerRow::read(transaction).unwrap();
    ledger.version += 1;
    Ok(ledger.write(transaction)?)
}
