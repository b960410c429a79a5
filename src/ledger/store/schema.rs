//! The tables, and the steps that lead an older store to them.

use rusqlite::Connection;
use rusqlite_migration::{HookError, HookResult, M, Migrations};

use super::rows::{ClientRow, JournalRow, LedgerRow, MemoryRow, MeterRow};
use super::v1;
use super::values::{self, StoredRow};
use crate::storage::StoreFault;

/// "arkm": what `file` and SQLite's header know the ledger by.
pub(super) const APPLICATION_ID: i64 = 0x6172_6b6d;
/// The version that this program writes: SQLite's `user_version`, and the same in the ledger's row.
pub(super) const VERSION: i64 = 2;

/// Figures are rewritten at each slot and memories rarely, so they are in tables of their own: a slot rewrites few pages. No table has an
/// index: each would be written as well. The journal refers to meters by id, so a new name is one row.
const TABLES: [(&str, &str); 5] = [
    (
        LedgerRow::TABLE,
        "CREATE TABLE ledger (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, generation INTEGER NOT NULL, at TEXT, machine TEXT, \
         retired TEXT, meters INTEGER NOT NULL, clients INTEGER NOT NULL, crc INTEGER NOT NULL)",
    ),
    (
        MeterRow::TABLE,
        "CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL, confirmed INTEGER NOT NULL, updated TEXT NOT NULL, \
         published_mwh INTEGER, offset_mwh INTEGER NOT NULL, serial TEXT, lower_uwh INTEGER NOT NULL, upper_uwh INTEGER NOT NULL, \
         covered_ns INTEGER NOT NULL, register_mwh INTEGER, step_mwh INTEGER, advanced_at TEXT, advanced_lower_uwh INTEGER, \
         advanced_upper_uwh INTEGER, advanced_covered_ns INTEGER, debt_mwh INTEGER, fresh INTEGER, unseen_ns INTEGER, \
         integrates INTEGER NOT NULL, integral_rest INTEGER NOT NULL, integral_owed_mwh INTEGER NOT NULL, sample_mw INTEGER, sample_at TEXT, crc INTEGER NOT NULL)",
    ),
    (
        MemoryRow::TABLE,
        "CREATE TABLE memory (meter INTEGER PRIMARY KEY, memory TEXT NOT NULL, read_at TEXT, crc INTEGER NOT NULL)",
    ),
    (
        ClientRow::TABLE,
        "CREATE TABLE client (id INTEGER PRIMARY KEY, url TEXT NOT NULL, client_id TEXT NOT NULL, energy_mwh INTEGER, \
         accepted_mwh INTEGER, accepted_at TEXT, counted TEXT NOT NULL, crc INTEGER NOT NULL)",
    ),
    (
        JournalRow::TABLE,
        "CREATE TABLE journal (id INTEGER PRIMARY KEY, meter INTEGER, client TEXT, word TEXT NOT NULL, at TEXT NOT NULL, \
         last TEXT NOT NULL, count INTEGER NOT NULL, register_before INTEGER, register_after INTEGER, published_before INTEGER, \
         published_after INTEGER, reason TEXT NOT NULL, entry TEXT, crc INTEGER NOT NULL)",
    ),
];

/// A new store takes them all, an older one those that it lacks.
pub(super) fn migrations() -> Migrations<'static> {
    Migrations::new(steps())
}

/// The step at index n leads from version n to n + 1.
pub(super) fn steps() -> Vec<M<'static>> {
    vec![M::up(v1::SCHEMA), M::up_with_hook("", to_version_2)]
}

fn to_version_2(transaction: &rusqlite::Transaction<'_>) -> HookResult {
    let older = v1::read(transaction).map_err(|fault| HookError::Hook(fault.to_string()))?;
    // The journal may be long: it is copied in portions.
    transaction.execute_batch(
        "DROP TABLE meta; DROP TABLE meter; DROP TABLE figure; DROP TABLE client; ALTER TABLE journal RENAME TO journal_v1",
    )?;
    for (_, create) in TABLES {
        transaction.execute(create, [])?;
    }
    values::write(transaction, [&older.ledger])?;
    values::write(transaction, &older.meters)?;
    values::write(transaction, &older.memories)?;
    values::write(transaction, &older.clients)?;
    v1::copy_journal(transaction, "journal_v1", &older.ids).map_err(|fault| HookError::Hook(fault.to_string()))?;
    transaction.execute("DROP TABLE journal_v1", [])?;
    Ok(())
}

/// Creates the tables of a new store.
pub(super) fn create(connection: &mut Connection) -> Result<(), StoreFault> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    migrate(connection, &migrations())
}

/// Leads a store to the last of these steps, all or nothing.
pub(super) fn migrate(connection: &mut Connection, steps: &Migrations<'_>) -> Result<(), StoreFault> {
    steps.to_latest(connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => StoreFault::from(err),
        rusqlite_migration::Error::Hook(why) => StoreFault::Damaged(why),
        other => StoreFault::Damaged(other.to_string()),
    })
}

/// The store's version, if it is a ledger of ours and not newer than `known`.
pub(super) fn version(connection: &Connection, known: i64) -> Result<i64, StoreFault> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(StoreFault::Damaged("it is no ledger of arkmeter".into()));
    }
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // A second time in a row with a checksum, so that a flipped bit is not taken for another program's version.
    let second = match found {
        1 => v1::version(connection)?,
        _ => connection.query_row("SELECT version FROM ledger WHERE id = 1", [], |row| row.get(0))?,
    };
    match found {
        _ if second != found || found < 1 => Err(StoreFault::Damaged("its two version numbers differ".into())),
        newer if newer > known => Err(StoreFault::Newer(newer)),
        found => Ok(found),
    }
}

/// Whether the tables are those that this program creates: a damaged definition would change how values are stored.
pub(super) fn check_tables(connection: &Connection) -> Result<(), StoreFault> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY rowid")?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found = found.collect::<Result<Vec<(String, String)>, _>>()?;
    let ours = TABLES.map(|(name, create)| (name.to_owned(), create.to_owned()));
    if found == ours { Ok(()) } else { Err(StoreFault::Damaged("its tables are not those of arkmeter".into())) }
}
