//! What is in a ledger. Nothing of it is used before all of it was checked.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::rows::{ClientRow, JournalRow, LedgerRow, MeterId, MeterRow};
use super::schema;
use crate::ledger::settings::ClientKey;
use crate::storage::StoreFault;
use crate::units::Name;

/// The most entries of the journal that are read at a time.
pub const MAX_ENTRIES: u32 = 5000;

/// What a ledger held when it was read, without its journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// The row about the ledger as a whole.
    pub ledger: LedgerRow,
    /// By their names.
    pub meters: BTreeMap<Name, MeterRow>,
    /// By their keys at Arkreen.
    pub clients: BTreeMap<ClientKey, ClientRow>,
    /// The id of the next new journal row.
    pub next_journal: i64,
}

impl Contents {
    /// Checks the whole file and reads it. It has this program's version.
    pub(super) fn inspect(connection: &Connection) -> Result<Self, StoreFault> {
        let verdict: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreFault::Damaged(crate::text::foreign(&verdict, 200)));
        }
        schema::check_tables(connection)?;
        Contents::read(connection)
    }

    /// Reads everything; each row's checksum is checked.
    pub(super) fn read(connection: &Connection) -> Result<Self, StoreFault> {
        let (ledger, meters) = (LedgerRow::read(connection)?, MeterRow::read(connection)?);
        let clients = ClientRow::read(connection)?.into_iter().map(|row| (row.key.clone(), row));
        let last: Option<i64> = connection.query_row("SELECT max(id) FROM journal", [], |row| row.get(0))?;
        let mut contents = Contents { ledger, meters, clients: clients.collect(), next_journal: last.unwrap_or(0) + 1 };
        // A row that is lost, or a name that two rows have.
        let (meters, clients) = (contents.meters.len() as u64, contents.clients.len() as u64);
        if (meters, clients) != (contents.ledger.meters, contents.ledger.clients) {
            return Err(StoreFault::damaged("a meter or client is missing"));
        }
        let published: BTreeMap<_, _> =
            contents.meters.values().map(|meter| (meter.id, meter.state.published())).collect();
        contents.clients.values_mut().for_each(|row| row.state.follow(|id| *published.get(&id)?));
        Ok(contents)
    }

    /// The meters' names by their ids.
    pub(crate) fn names(&self) -> BTreeMap<MeterId, Name> {
        self.meters.values().map(|meter| (meter.id, meter.name.clone())).collect()
    }
}

/// Which entries of the journal are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalQuery {
    /// Only those about the meter or the client of this name.
    pub meter: Option<Name>,
    /// Only those before this one.
    pub before: Option<i64>,
    /// The maximum number, of the newest; [`MAX_ENTRIES`] where absent.
    pub most: Option<u32>,
}

impl JournalQuery {
    /// The newest entries of all.
    pub fn newest(most: u32) -> Self {
        JournalQuery { most: Some(most), ..JournalQuery::default() }
    }

    /// Reads them, the newest first. One that fails its checksum is there as `unreadable`.
    pub(super) fn read(&self, connection: &Connection) -> rusqlite::Result<Vec<JournalRow>> {
        let which = "WHERE id < ?1 AND (?2 IS NULL OR client = ?2 OR meter IN (SELECT id FROM meter WHERE name = ?2)) \
                     ORDER BY id DESC LIMIT ?3";
        let most = self.most.unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES);
        JournalRow::read(connection, which, (self.before.unwrap_or(i64::MAX), self.meter.as_ref(), most))
    }
}
