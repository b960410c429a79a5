//! Whether a file is an intact ledger, and what is in it. Nothing of it is used before all of it was checked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::Connection;

use super::rows::{ClientRow, JournalRow, LedgerRow, MemoryRow, MeterId, MeterRow};
use super::schema;
use super::values::{self, StoredRow, check, read_all, select};
use crate::guard::{GuardMemory, GuardState};
use crate::ledger::settings::ClientKey;
use crate::storage::StoreFault;
use crate::units::Name;

/// What a store held when it was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// By their names.
    pub meters: BTreeMap<Name, StoredMeter>,
    /// By their keys at Arkreen.
    pub clients: BTreeMap<ClientKey, ClientRow>,
    /// The id of the next new journal row.
    pub next_journal: i64,
}

/// One meter, both halves of its state together.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMeter {
    /// Its key.
    pub id: MeterId,
    /// Its name.
    pub name: Name,
    /// The guard's state.
    pub state: GuardState,
    /// The half of the state that is written when it changes, as it is on disk.
    pub memory: GuardMemory,
    /// See [`MeterRow::confirmed`].
    pub confirmed: bool,
    /// When it was last read.
    pub updated: Timestamp,
}

/// A ledger that was found to be intact.
#[derive(Debug)]
pub(super) struct Intact {
    pub contents: Contents,
    pub ledger: LedgerRow,
}

/// Checks everything and reads it. The store has this program's version.
pub(super) fn inspect(connection: &Connection) -> Result<Intact, StoreFault> {
    let verdict: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreFault::Damaged(crate::text::foreign(&verdict, 200)));
    }
    schema::check_tables(connection)?;
    read(connection)
}

/// Reads everything; each row's checksum is checked.
pub(super) fn read(connection: &Connection) -> Result<Intact, StoreFault> {
    let ledger = ledger_row(connection)?;
    let mut memories: BTreeMap<_, _> =
        read_all::<MemoryRow>(connection)?.into_iter().map(|row| (row.meter, row)).collect();
    let mut contents = Contents::default();
    for MeterRow { id, name, confirmed, updated, figure } in read_all(connection)? {
        let stored = memories.remove(&id);
        let stored = stored.ok_or_else(|| StoreFault::Damaged(format!("the memory of {name} is missing")))?;
        let MemoryRow { memory, read_at, .. } = stored;
        let state = GuardState::from_halves(figure, memory.clone(), read_at);
        contents.meters.insert(name.clone(), StoredMeter { id, name, state, memory, confirmed, updated });
    }
    for row in read_all::<ClientRow>(connection)? {
        contents.clients.insert(row.key.clone(), row);
    }
    // A row that is lost, or a name that two rows have.
    if (contents.meters.len() as u64, contents.clients.len() as u64) != (ledger.meters, ledger.clients) {
        return Err(StoreFault::Damaged("a meter or client is missing".into()));
    }
    let figures: BTreeMap<_, _> = contents.meters.values().map(|meter| (meter.id, meter.state.published())).collect();
    contents.clients.values_mut().for_each(|row| row.state.follow(|id| *figures.get(&id)?));
    let last: Option<i64> = connection.query_row("SELECT max(id) FROM journal", [], |row| row.get(0))?;
    contents.next_journal = last.unwrap_or(0) + 1;
    Ok(Intact { contents, ledger })
}

/// The row about the ledger as a whole.
pub(super) fn ledger_row(connection: &Connection) -> Result<LedgerRow, StoreFault> {
    let mut rows = read_all(connection)?;
    rows.pop().ok_or_else(|| StoreFault::Damaged("its last commit is missing".into()))
}

/// Which entries of the journal are read: those before `before`, at most `most` of the newest.
#[derive(Clone, Debug)]
pub struct JournalQuery {
    /// Only entries about the meter or the client of this name.
    pub subject: Option<Name>,
    /// The entry before which they are.
    pub before: i64,
    /// The maximum number.
    pub most: u32,
}

impl JournalQuery {
    /// The newest entries of all meters.
    pub fn newest(most: u32) -> Self {
        JournalQuery { subject: None, before: i64::MAX, most }
    }
}

/// Entries of the journal, the newest first. One that fails its checksum is there as `unreadable`.
pub(super) fn journal(connection: &Connection, query: &JournalQuery) -> rusqlite::Result<Vec<JournalRow>> {
    let which = "WHERE id < ?1 AND (?2 IS NULL OR client = ?2 OR meter IN (SELECT id FROM meter WHERE name = ?2)) \
                 ORDER BY id DESC LIMIT ?3";
    let mut statement = connection.prepare(&select::<JournalRow>(which))?;
    let mut rows = statement.query((query.before, query.subject.as_ref(), query.most))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let unreadable = |fault: StoreFault| JournalRow::unreadable(row.get(0).unwrap_or(0), &fault.to_string());
        entries.push(check(row).unwrap_or_else(unreadable));
    }
    Ok(entries)
}

/// The names of the meters.
pub(super) fn names(connection: &Connection) -> Result<BTreeMap<MeterId, Name>, StoreFault> {
    Ok(read_all::<MeterRow>(connection)?.into_iter().map(|row| (row.id, row.name)).collect())
}

/// Writes the row about the ledger as a whole, with the current number of meters and clients.
pub(super) fn write_ledger_row(connection: &Connection, row: &mut LedgerRow) -> rusqlite::Result<()> {
    let count = |table: &str| -> rusqlite::Result<i64> {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
    };
    row.meters = count(MeterRow::TABLE)?.unsigned_abs();
    row.clients = count(ClientRow::TABLE)?.unsigned_abs();
    values::write(connection, [&*row])
}
