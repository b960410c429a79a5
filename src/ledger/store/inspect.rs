//! Whether a file is a whole ledger of ours, and what is in it. Nothing of it is believed before all of it was checked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction};
use serde::{Deserialize, Serialize};

use super::journal::Tally;
use super::rows::{ClientRow, Contents, JournalRow, MeterRow, meta, unseal};
use super::seal::{self, Seals};
use crate::clock::ClockReading;
use crate::storage::StoreFault;

/// "arkm": what `file` and SQLite's header know the ledger by.
pub(super) const APPLICATION_ID: i64 = 0x6172_6b6d;

/// One step from a store's version to the next.
pub(super) type Migration = fn(&Transaction<'_>) -> rusqlite::Result<()>;
/// The step at index n leads from version n + 1 to n + 2.
pub(super) const MIGRATIONS: &[Migration] = &[];
/// The version that this program writes: SQLite's `user_version`, and the same in `meta`.
pub(super) const VERSION: i64 = 1 + MIGRATIONS.len() as i64;

/// The latest commit, as `meta` keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LastCommit {
    /// Commits since the ledger began: the copy is never ahead of the ledger.
    pub sequence: u64,
    /// The sum of the seals of all meters' and clients' rows: a row that is lost, or an old one come back, is noticed.
    pub seals: i64,
    /// Absent before the first.
    pub at: Option<ClockReading>,
    /// When the ledger was given to another machine. In this row because it is sealed and cannot be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Timestamp>,
    /// Of the journal; absent where a program wrote this that kept none, or where it was not counted since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Tally>,
}

/// A ledger that was found to be whole.
#[derive(Debug)]
pub(super) struct Whole {
    pub contents: Contents,
    pub seals: Seals,
    pub commit: LastCommit,
}

/// Makes the tables of a new store.
pub(super) fn create_tables(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (_, create) in TABLES {
        transaction.execute(create, [])?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    set_version(&transaction, VERSION)?;
    let journal = Some(Tally::default());
    write_commit(&transaction, &LastCommit { sequence: 0, seals: 0, at: None, retired: None, journal })?;
    transaction.commit()
}

/// The store's version, if it is one of ours and not newer than this program knows.
pub(super) fn version(connection: &Connection, known: i64) -> Result<i64, StoreFault> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(StoreFault::Damaged("it is no ledger of arkmeter".into()));
    }
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // Said twice, so that a flipped bit is not taken for another program's version.
    if read_meta(connection, "version")?.and_then(|text| text.parse().ok()) != Some(found) || found < 1 {
        return Err(StoreFault::Damaged("its version is said in two ways".into()));
    }
    if found > known { Err(StoreFault::Newer(found)) } else { Ok(found) }
}

/// Leads a store from its version to the one that `steps` end at, all or nothing.
pub(super) fn migrate(connection: &mut Connection, from: i64, steps: &[Migration]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for step in &steps[(from - 1) as usize..] {
        step(&transaction)?;
    }
    set_version(&transaction, 1 + steps.len() as i64)?;
    transaction.commit()
}

/// Checks everything and reads it. The store has this program's version.
pub(super) fn inspect(connection: &Connection) -> Result<Whole, StoreFault> {
    // Not the quick one, which does not compare indexes with their tables: rows are written by way of an index.
    let verdict: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreFault::Damaged(crate::text::foreign(&verdict, 200)));
    }
    for (table, create) in TABLES {
        let query = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        let found: Option<String> = connection.query_row(query, [table], |row| row.get(0)).optional()?;
        if found.as_deref() != Some(create) {
            return Err(StoreFault::Damaged(format!("its table `{table}` is another than arkmeter's")));
        }
    }
    read_meta(connection, "machine")?;
    let commit = last_commit(connection)?;
    let seals = Seals { journal: commit.journal, ..Seals::default() };
    let mut whole = Whole { contents: Contents::default(), seals, commit };
    let mut figures = figures(connection)?;
    let mut statement = connection.prepare(MeterRow::SELECT)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (values, seal) = unseal(MeterRow::TABLE, row, MeterRow::COLUMNS)?;
        let name = row.get::<_, String>(0)?;
        let figure =
            figures.remove(&name).ok_or_else(|| StoreFault::Damaged(format!("the figure of {name} is missing")))?;
        let (figure, figure_seal) = figure;
        let row = MeterRow::read(values, figure)?;
        whole.seals.rows.extend(row.seal_keys().into_iter().zip([seal, figure_seal]));
        whole.contents.meters.insert(row.name.clone(), row);
    }
    let mut statement = connection.prepare(ClientRow::SELECT)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (values, seal) = unseal(ClientRow::TABLE, row, ClientRow::COLUMNS)?;
        let row = ClientRow::read(values)?;
        whole.seals.rows.insert(row.seal_key(), seal);
        whole.contents.clients.insert(row.key, row.state);
    }
    let Contents { meters, clients, .. } = &mut whole.contents;
    clients.values_mut().for_each(|state| state.follow(|name| meters.get(name)?.state.published()));
    if whole.commit.seals != whole.seals.sum() {
        return Err(StoreFault::Damaged("its rows are not those of its last commit".into()));
    }
    let last: Option<i64> = connection.query_row("SELECT max(id) FROM journal", [], |row| row.get(0))?;
    let written = whole.seals.journal.map_or(0, |tally| tally.last);
    whole.contents.next_journal = last.unwrap_or(0).max(written) + 1;
    Ok(whole)
}

/// How far each meter got, by its name, with the row's seal.
fn figures(connection: &Connection) -> Result<BTreeMap<String, (Vec<Value>, i64)>, StoreFault> {
    let mut figures = BTreeMap::new();
    let mut statement = connection.prepare(MeterRow::FIGURE_SELECT)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        figures.insert(row.get(0)?, unseal(MeterRow::FIGURE_TABLE, row, MeterRow::FIGURE_COLUMNS)?);
    }
    Ok(figures)
}

pub(super) fn last_commit(connection: &Connection) -> Result<LastCommit, StoreFault> {
    let text =
        read_meta(connection, "commit")?.ok_or_else(|| StoreFault::Damaged("its last commit is missing".into()))?;
    serde_json::from_str(&text).map_err(|error| StoreFault::Damaged(format!("its last commit cannot be read: {error}")))
}

pub(super) fn write_commit(connection: &Connection, commit: &LastCommit) -> rusqlite::Result<()> {
    let text = serde_json::to_string(commit).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    write_meta(connection, "commit", text)
}

pub(super) fn read_meta(connection: &Connection, key: &str) -> Result<Option<String>, StoreFault> {
    let mut statement = connection.prepare(meta::SELECT)?;
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (values, _) = unseal(meta::TABLE, row, 2)?;
    match values.into_iter().nth(1) {
        Some(Value::Text(text)) => Ok(Some(text)),
        _ => Err(StoreFault::Damaged(format!("its `{key}` is no text"))),
    }
}

pub(super) fn write_meta(connection: &Connection, key: &str, value: String) -> rusqlite::Result<()> {
    let (values, _) = seal::sealed(meta::TABLE, vec![key.to_owned().into(), value.into()]);
    connection.prepare(meta::WRITE)?.execute(values)?;
    Ok(())
}

fn set_version(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", version)?;
    write_meta(connection, "version", version.to_string())
}

const TABLES: [(&str, &str); 5] = [
    (meta::TABLE, meta::CREATE),
    (MeterRow::TABLE, MeterRow::CREATE),
    (MeterRow::FIGURE_TABLE, MeterRow::FIGURE_CREATE),
    (ClientRow::TABLE, ClientRow::CREATE),
    (JournalRow::TABLE, JournalRow::CREATE),
];
