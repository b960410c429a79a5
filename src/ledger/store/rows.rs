//! The rows of the store, and how they are stored in their tables.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

use super::checked::{check, read, values, write};
use crate::clock::ClockReading;
use crate::guard::{EnergyBounds, GuardEvent, GuardState, Integral, MeterFigure, PowerSample, RegisterPoint};
use crate::ledger::client::ClientState;
use crate::ledger::settings::ClientKey;
use crate::shard::Shard;
use crate::storage::{Json, StoreFault, column, nanoseconds, second, total};
use crate::units::{MilliwattHours, Name};

/// What identifies a meter in the ledger permanently. Its name may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MeterId(pub i64);

column!(MeterId: "a meter's id", id => id.0, as_i64 => |number| Some(MeterId(number)));

/// The one row about the ledger as a whole. It is written with each commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LedgerRow {
    /// The schema's version, as in SQLite's `user_version`: a flipped bit there is not taken for a newer program's version.
    pub version: i64,
    /// Rises with each commit. Of the ledger and its copy, the intact one with the higher generation is opened.
    pub generation: u64,
    /// The last commit; absent before the first.
    pub at: Option<ClockReading>,
    /// The machine or the shard that the ledger belongs to; absent until one with an identity opens it.
    pub machine: Option<String>,
    /// When the ledger was moved to another machine.
    pub retired: Option<Timestamp>,
    /// The number of meters, by which a lost row is noticed.
    pub meters: u64,
    /// The number of clients, likewise.
    pub clients: u64,
}

/// One meter: a row of `meter`, which is written whenever the meter advanced, and one of `memory`, which is written when it changes.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterRow {
    /// Its key.
    pub id: MeterId,
    /// Its name in the configuration.
    pub name: Name,
    /// False after the store fell back to an older copy, until the meter's register was taken: its figure may be lower than what
    /// Arkreen has.
    pub confirmed: bool,
    /// When it was last read.
    pub updated: Timestamp,
    /// The figure and the memory.
    pub state: GuardState,
}

/// One client.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientRow {
    /// Its key in the table.
    pub id: i64,
    /// Its key at Arkreen.
    pub key: ClientKey,
    /// Its figure.
    pub state: ClientState,
}

/// An entry of the journal, which may stand for a series of similar decisions.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    /// Rises with each new row.
    pub id: i64,
    /// The meter; absent if the entry is about a client or the whole ledger.
    pub meter: Option<MeterId>,
    /// The client's name if it is about a client.
    pub client: Option<Name>,
    /// A verdict, an operator's command, what happened to a client, or what the ledger did by itself (`fallback`).
    pub word: String,
    /// The first decision.
    pub at: Timestamp,
    /// The last decision of the series.
    pub last: Timestamp,
    /// The number of decisions.
    pub count: u64,
    /// The reason, as a message.
    pub reason: String,
    /// The guard's event; of a series, with the values before its first decision and after its last.
    pub entry: Option<GuardEvent>,
}

/// What one transaction writes.
#[derive(Clone, Debug)]
pub struct Commit {
    /// When.
    pub at: ClockReading,
    /// Meters whose figure or name is new.
    pub meters: Vec<MeterRow>,
    /// Those of them whose memory has changed.
    pub memories: BTreeSet<MeterId>,
    /// Clients whose figure does not follow from their members', or that joined, left or were accepted.
    pub clients: Vec<ClientRow>,
    /// New entries, and series with new decisions.
    pub journal: Vec<JournalRow>,
    /// It has a decision: the copy is written again.
    pub copy: bool,
    /// This machine takes the ledger over.
    pub adopt: bool,
    /// The ledger is moved away: this machine no longer reports from it.
    pub retire: bool,
}

impl Commit {
    /// A commit that writes nothing yet.
    pub fn empty(at: ClockReading) -> Self {
        let (meters, memories, clients, journal) = Default::default();
        Commit { at, meters, memories, clients, journal, copy: false, adopt: false, retire: false }
    }
}

impl LedgerRow {
    /// Reads it.
    pub(super) fn read(connection: &Connection) -> Result<Self, StoreFault> {
        let mut rows = read(connection, "ledger", |row| {
            Ok(LedgerRow {
                version: row.get("version")?,
                generation: row.get("generation")?,
                at: row.get("at")?,
                machine: row.get("machine")?,
                retired: row.get("retired")?,
                meters: row.get("meters")?,
                clients: row.get("clients")?,
            })
        })?;
        rows.pop().ok_or_else(|| StoreFault::damaged("its last commit is missing"))
    }

    /// Writes it, with the present number of meters and clients.
    pub(super) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let count = |table| connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        (self.meters, self.clients) = (count("meter")?, count("client")?);
        let LedgerRow { version, generation, at, machine, retired, meters, clients } = self;
        write(connection, "ledger", [values(&[&1, version, generation, at, machine, retired, meters, clients])])
    }

    /// Whether it belongs to another machine than this one. That of a shard belongs to no machine.
    pub(crate) fn is_foreign(&self, ours: Option<&str>) -> bool {
        let machine = self.machine.as_deref().filter(|owner| Shard::of_owner(owner).is_none());
        machine.zip(ours).is_some_and(|(theirs, ours)| theirs != ours)
    }
}

impl MeterRow {
    /// Reads all meters.
    pub(super) fn read(connection: &Connection) -> Result<BTreeMap<Name, Self>, StoreFault> {
        let memories = read(connection, "memory", |row| {
            let Json(memory) = row.get("memory")?;
            Ok((row.get("meter")?, (memory, row.get("read_at")?)))
        })?;
        let mut memories: BTreeMap<MeterId, _> = memories.into_iter().collect();
        let meters = read(connection, "meter", |row| {
            Ok((row.get("id")?, row.get("name")?, row.get("confirmed")?, row.get("updated")?, figure(row)?))
        })?;
        let with_memory = |(id, name, confirmed, updated, figure): (MeterId, Name, _, _, _)| {
            let missing = || StoreFault::Damaged(format!("the memory of {name} is missing"));
            let (memory, read_at) = memories.remove(&id).ok_or_else(missing)?;
            let state = GuardState::from_halves(figure, memory, read_at);
            Ok((name.clone(), MeterRow { id, name, confirmed, updated, state }))
        };
        meters.into_iter().map(with_memory).collect()
    }

    /// Writes names and figures.
    pub(super) fn write(connection: &Connection, rows: &[Self]) -> rusqlite::Result<()> {
        write(connection, "meter", rows.iter().map(MeterRow::figure_values))
    }

    /// Writes memories.
    pub(super) fn write_memories<'a>(
        connection: &Connection,
        rows: impl IntoIterator<Item = &'a Self>,
    ) -> rusqlite::Result<()> {
        let read_at = |row: &MeterRow| row.state.figure.read_at;
        let memories = rows.into_iter().map(|row| values(&[&row.id, &Json(&row.state.memory), &read_at(row)]));
        write(connection, "memory", memories)
    }

    fn figure_values(&self) -> rusqlite::Result<Vec<Value>> {
        let MeterFigure { published, offset, serial, taken, totals, integral, .. } = &self.state.figure;
        let (before, sample) = (taken.map(|taken| taken.witness), integral.last);
        values(&[
            &self.id,
            &self.name,
            &self.confirmed,
            &second(self.updated),
            published,
            offset,
            serial,
            &total(totals.lower),
            &total(totals.upper),
            &nanoseconds(totals.covered),
            &taken.map(|taken| taken.value),
            &taken.map(|taken| taken.step),
            &taken.map(|taken| taken.at),
            &before.map(|before| total(before.lower)),
            &before.map(|before| total(before.upper)),
            &before.map(|before| nanoseconds(before.covered)),
            &taken.map(|taken| total(taken.debt)),
            &taken.map(|taken| taken.fresh),
            &taken.map(|taken| nanoseconds(taken.unseen)),
            &integral.counts,
            &total(integral.rest),
            &integral.owed,
            &sample.map(|sample| sample.power),
            &sample.map(|sample| sample.at),
        ])
    }
}

fn figure(row: &Row<'_>) -> rusqlite::Result<MeterFigure> {
    let taken = match row.get("register_mwh")? {
        None => None,
        Some(value) => Some(RegisterPoint {
            value,
            step: row.get("step_mwh")?,
            at: row.get("advanced_at")?,
            witness: bounds(row, "advanced_")?,
            debt: row.get("debt_mwh")?,
            fresh: row.get("fresh")?,
            unseen: duration(row, "unseen_ns")?,
        }),
    };
    let last = match row.get("sample_mw")? {
        None => None,
        Some(power) => Some(PowerSample { power, at: row.get("sample_at")? }),
    };
    let (counts, rest, owed) = (row.get("integrates")?, row.get("integral_rest")?, row.get("integral_owed_mwh")?);
    Ok(MeterFigure {
        published: row.get("published_mwh")?,
        offset: row.get("offset_mwh")?,
        serial: row.get("serial")?,
        taken,
        read_at: None,
        totals: bounds(row, "")?,
        integral: Integral { rest, counts, owed, last },
    })
}

fn bounds(row: &Row<'_>, prefix: &str) -> rusqlite::Result<EnergyBounds> {
    let [lower, upper, covered] = ["lower_uwh", "upper_uwh", "covered_ns"].map(|column| format!("{prefix}{column}"));
    Ok(EnergyBounds {
        lower: row.get(lower.as_str())?,
        upper: row.get(upper.as_str())?,
        covered: duration(row, &covered)?,
    })
}

fn duration(row: &Row<'_>, column: &str) -> rusqlite::Result<Duration> {
    row.get(column).map(Duration::from_nanos)
}

impl ClientRow {
    /// Reads all clients.
    pub(super) fn read(connection: &Connection) -> Result<Vec<Self>, StoreFault> {
        read(connection, "client", |row| {
            let Json(counted) = row.get("counted")?;
            ClientRow::from_row(row, row.get("id")?, counted)
        })
    }

    /// A client from its row. Those of version 1 have no id and name their members.
    pub(super) fn from_row(
        row: &Row<'_>,
        id: i64,
        counted: BTreeMap<MeterId, MilliwattHours>,
    ) -> rusqlite::Result<Self> {
        let key = ClientKey { url: row.get("url")?, client_id: row.get("client_id")? };
        let (energy, accepted) = (row.get("energy_mwh")?, row.get("accepted_mwh")?);
        let state = ClientState { energy, counted, accepted, accepted_at: row.get("accepted_at")? };
        Ok(ClientRow { id, key, state })
    }

    /// Writes clients.
    pub(super) fn write(connection: &Connection, rows: &[Self]) -> rusqlite::Result<()> {
        let row_values = |row: &ClientRow| {
            let ClientState { energy, counted, accepted, accepted_at } = &row.state;
            let accepted_at = accepted_at.map(second);
            values(&[&row.id, &row.key.url, &row.key.client_id, energy, accepted, &accepted_at, &Json(counted)])
        };
        write(connection, "client", rows.iter().map(row_values))
    }
}

impl JournalRow {
    /// An entry about the whole ledger.
    pub(in crate::ledger) fn of_ledger(id: i64, word: &str, reason: String, at: Timestamp) -> Self {
        JournalRow { id, meter: None, client: None, word: word.into(), at, last: at, count: 1, reason, entry: None }
    }

    /// A row that is there and cannot be read.
    pub(super) fn unreadable(id: i64, fault: &StoreFault) -> Self {
        JournalRow::of_ledger(id, "unreadable", fault.to_string(), Timestamp::UNIX_EPOCH)
    }

    /// The rows that `which` selects, and an [unreadable](Self::unreadable) one for each that is damaged.
    pub(super) fn read(
        connection: &Connection,
        which: &str,
        parameters: impl rusqlite::Params,
    ) -> rusqlite::Result<Vec<Self>> {
        let mut statement = connection.prepare(&format!("SELECT * FROM journal {which}"))?;
        let entries = statement.query_map(parameters, |row| {
            let parse = || JournalRow::from_row(row, row.get("word")?, row.get("meter")?, row.get("client")?);
            let entry = check("journal", row).and_then(|()| Ok(parse()?));
            Ok(entry.unwrap_or_else(|fault| JournalRow::unreadable(row.get(0).unwrap_or(0), &fault)))
        })?;
        entries.collect()
    }

    /// Writes entries.
    pub(super) fn write(connection: &Connection, rows: &[Self]) -> rusqlite::Result<()> {
        write(connection, "journal", rows.iter().map(JournalRow::values))
    }

    /// An entry from its row. Those of version 1 have another word and subject.
    pub(super) fn from_row(
        row: &Row<'_>,
        word: String,
        meter: Option<MeterId>,
        client: Option<Name>,
    ) -> rusqlite::Result<Self> {
        let (id, at, last, count) = (row.get("id")?, row.get("at")?, row.get("last")?, row.get("count")?);
        let entry = row.get::<_, Option<Json<_>>>("entry")?.map(|Json(entry)| entry);
        Ok(JournalRow { id, meter, client, word, at, last, count, reason: row.get("reason")?, entry })
    }

    fn values(&self) -> rusqlite::Result<Vec<Value>> {
        let of = |field: fn(&GuardEvent) -> Option<MilliwattHours>| self.entry.as_ref().and_then(field);
        values(&[
            &self.id,
            &self.meter,
            &self.client,
            &self.word,
            &second(self.at),
            &second(self.last),
            &self.count,
            &of(|entry| entry.register_before),
            &of(|entry| entry.register_after),
            &of(|entry| entry.published_before),
            &of(|entry| entry.published_after),
            &self.reason,
            &self.entry.as_ref().map(Json),
        ])
    }
}
