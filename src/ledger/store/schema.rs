//! The tables, and the migrations of older stores.

use rusqlite::Connection;
use rusqlite_migration::{HookError, HookResult, M, Migrations};

use super::v1;
use crate::storage::StoreFault;

/// "arkm": identifies the file as a ledger, in SQLite's header.
pub(super) const APPLICATION_ID: i64 = 0x6172_6b6d;
/// The version that this program writes: SQLite's `user_version`, and the same in the ledger's row.
pub(super) const VERSION: i64 = 2;

/// Figures are rewritten at each slot and memories rarely, so they are in tables of their own: a slot rewrites few pages. No table has an
/// index: each would be written as well. The journal refers to meters by id, so a new name is one row.
const TABLES: [&str; 5] = [
    "CREATE TABLE ledger (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, generation INTEGER NOT NULL, at TEXT, machine TEXT, \
     retired TEXT, meters INTEGER NOT NULL, clients INTEGER NOT NULL, crc INTEGER NOT NULL)",
    "CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL, confirmed INTEGER NOT NULL, updated TEXT NOT NULL, \
     published_mwh INTEGER, offset_mwh INTEGER NOT NULL, serial TEXT, lower_uwh INTEGER NOT NULL, upper_uwh INTEGER NOT NULL, \
     covered_ns INTEGER NOT NULL, register_mwh INTEGER, step_mwh INTEGER, advanced_at TEXT, advanced_lower_uwh INTEGER, \
     advanced_upper_uwh INTEGER, advanced_covered_ns INTEGER, debt_mwh INTEGER, fresh INTEGER, unseen_ns INTEGER, \
     integrates INTEGER NOT NULL, integral_rest INTEGER NOT NULL, integral_owed_mwh INTEGER NOT NULL, sample_mw INTEGER, sample_at TEXT, crc INTEGER NOT NULL)",
    "CREATE TABLE memory (meter INTEGER PRIMARY KEY, memory TEXT NOT NULL, read_at TEXT, crc INTEGER NOT NULL)",
    "CREATE TABLE client (id INTEGER PRIMARY KEY, url TEXT NOT NULL, client_id TEXT NOT NULL, energy_mwh INTEGER, \
     accepted_mwh INTEGER, accepted_at TEXT, counted TEXT NOT NULL, crc INTEGER NOT NULL)",
    "CREATE TABLE journal (id INTEGER PRIMARY KEY, meter INTEGER, client TEXT, word TEXT NOT NULL, at TEXT NOT NULL, \
     last TEXT NOT NULL, count INTEGER NOT NULL, register_before INTEGER, register_after INTEGER, published_before INTEGER, \
     published_after INTEGER, reason TEXT NOT NULL, entry TEXT, crc INTEGER NOT NULL)",
];

/// The schema that a store is brought to: in tests also a later one.
pub(super) struct Schema {
    pub version: i64,
    pub steps: Migrations<'static>,
}

impl Schema {
    /// This program's.
    pub(super) fn current() -> Self {
        Schema { version: VERSION, steps: Migrations::new(steps()) }
    }

    /// Brings a store to it: all steps that are missing, or none.
    pub(super) fn apply(&self, connection: &mut Connection) -> Result<(), StoreFault> {
        Ok(self.steps.to_latest(connection)?)
    }
}

/// The step at index n leads from version n to n + 1.
pub(super) fn steps() -> Vec<M<'static>> {
    vec![M::up(v1::SCHEMA), M::up_with_hook("", to_version_2)]
}

fn to_version_2(transaction: &rusqlite::Transaction<'_>) -> HookResult {
    let hook_error = |fault: StoreFault| HookError::Hook(fault.to_string());
    let older = v1::read(transaction).map_err(hook_error)?;
    // The journal may be long: it is copied in portions.
    transaction.execute_batch(
        "DROP TABLE meta; DROP TABLE meter; DROP TABLE figure; DROP TABLE client; ALTER TABLE journal RENAME TO journal_v1",
    )?;
    for create in TABLES {
        transaction.execute(create, [])?;
    }
    v1::write(transaction, older).map_err(hook_error)?;
    transaction.execute("DROP TABLE journal_v1", [])?;
    Ok(())
}

/// The store's version, if it is a ledger of arkmeter and not newer than `known`.
pub(super) fn version(connection: &Connection, known: i64) -> Result<i64, StoreFault> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(StoreFault::damaged("it is no ledger of arkmeter"));
    }
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // It is also in a row with a checksum, so that a flipped bit is not taken for another program's version.
    let second = match found {
        1 => v1::version(connection)?,
        _ => connection.query_row("SELECT version FROM ledger WHERE id = 1", [], |row| row.get(0))?,
    };
    match found {
        _ if second != found || found < 1 => Err(StoreFault::damaged("its two version numbers differ")),
        newer if newer > known => Err(StoreFault::Newer(newer)),
        found => Ok(found),
    }
}

/// Fails unless the tables are those that this program creates: a damaged definition would change how values are stored.
pub(super) fn check_tables(connection: &Connection) -> Result<(), StoreFault> {
    let definition = "SELECT iif(type = 'table' AND name = tbl_name, sql, NULL) FROM sqlite_schema ORDER BY rowid";
    let mut statement = connection.prepare(definition)?;
    let found: Vec<Option<String>> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let ours = found.iter().map(Option::as_deref).eq(TABLES.map(Some));
    if ours { Ok(()) } else { Err(StoreFault::damaged("its tables are not those of arkmeter")) }
}
