//! The rows of the store: the ledger itself, one row a meter and one for its memory, one a client, one a journal entry.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use serde::{Deserialize, Serialize};

use super::values::{ClockColumn, Json, Nanoseconds, Second, StoredRow, UnsignedColumn, values};
use crate::clock::ClockReading;
use crate::guard::{EnergyBounds, GuardEvent, GuardMemory, Integral, MeterFigure, PowerSample, RegisterPoint};
use crate::ledger::client::ClientState;
use crate::ledger::settings::ClientKey;
use crate::units::{ClientId, MilliwattHours, Name};

/// What identifies a meter in the ledger for good: its name may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MeterId(pub i64);

impl ToSql for MeterId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for MeterId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(MeterId)
    }
}

/// The one row about the ledger as a whole. It is written with each commit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LedgerRow {
    /// The schema's version, as in SQLite's `user_version`: a flipped bit there is not taken for a newer program's version.
    pub version: i64,
    /// Rises with each commit. Of the ledger and its copy, the intact one with the higher generation is opened.
    pub generation: u64,
    /// The last commit; absent before the first.
    pub at: Option<ClockReading>,
    /// The machine that the ledger belongs to; absent until a machine with an identity opens it.
    pub machine: Option<String>,
    /// When the ledger was moved to another machine.
    pub retired: Option<Timestamp>,
    /// The number of meters, by which a lost row is noticed.
    pub meters: u64,
    /// The number of clients, likewise.
    pub clients: u64,
}

/// One meter.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterRow {
    /// Its key.
    pub id: MeterId,
    /// Its name in the configuration.
    pub name: Name,
    /// False after the store fell back to an older copy, until the meter's register was taken: its figure may be older than what
    /// Arkreen holds.
    pub confirmed: bool,
    /// When it was last read.
    pub updated: Timestamp,
    /// Where the figure and the register are.
    pub figure: MeterFigure,
}

/// What the guard has learned of a meter.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryRow {
    /// The meter.
    pub meter: MeterId,
    /// The memory.
    pub memory: GuardMemory,
    /// When the register was last read, as of then: at a slot the time of its last advance is enough.
    pub read_at: Option<ClockReading>,
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

/// One entry of the journal, or a spell of similar ones.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    /// Rises with each new row.
    pub id: i64,
    /// The meter; absent where the entry is about a client or the whole ledger.
    pub meter: Option<MeterId>,
    /// The client's name where it is about a client.
    pub client: Option<Name>,
    /// A verdict, an operator's command, what happened to a client, or what the ledger did by itself (`fallback`).
    pub word: String,
    /// When it was decided.
    pub at: Timestamp,
    /// The last decision of the spell.
    pub last: Timestamp,
    /// Decisions in this row.
    pub count: u64,
    /// Why, for people.
    pub reason: String,
    /// Everything that the guard said; of a spell, what it began with and what it last came to.
    pub entry: Option<GuardEvent>,
}

impl StoredRow for LedgerRow {
    const TABLE: &str = "ledger";
    const COLUMNS: &[&str] = &["id", "version", "generation", "at", "machine", "retired", "meters", "clients"];

    fn to_values(&self) -> rusqlite::Result<Vec<Value>> {
        values(&[
            &1,
            &self.version,
            &UnsignedColumn(self.generation),
            &self.at.map(ClockColumn),
            &self.machine,
            &self.retired.map(|at| at.to_string()),
            &UnsignedColumn(self.meters),
            &UnsignedColumn(self.clients),
        ])
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(LedgerRow {
            version: row.get("version")?,
            generation: row.get::<_, UnsignedColumn>("generation")?.0,
            at: row.get::<_, Option<ClockColumn>>("at")?.map(|at| at.0),
            machine: row.get("machine")?,
            retired: row.get::<_, Option<Second>>("retired")?.map(|at| at.0),
            meters: row.get::<_, UnsignedColumn>("meters")?.0,
            clients: row.get::<_, UnsignedColumn>("clients")?.0,
        })
    }
}

impl StoredRow for MeterRow {
    const TABLE: &str = "meter";
    const COLUMNS: &[&str] = &[
        "id",
        "name",
        "confirmed",
        "updated",
        "published_mwh",
        "offset_mwh",
        "serial",
        "lower_uwh",
        "upper_uwh",
        "covered_ns",
        "register_mwh",
        "step_mwh",
        "advanced_at",
        "advanced_lower_uwh",
        "advanced_upper_uwh",
        "advanced_covered_ns",
        "debt_mwh",
        "fresh",
        "unseen_ns",
        "integrates",
        "integral_rest",
        "integral_owed_mwh",
        "sample_mw",
        "sample_at",
    ];

    fn to_values(&self) -> rusqlite::Result<Vec<Value>> {
        let MeterFigure { published, offset, serial, taken, totals, integral, .. } = &self.figure;
        let sample = integral.last;
        values(&[
            &self.id,
            &self.name,
            &self.confirmed,
            &Second(self.updated),
            published,
            offset,
            serial,
            &UnsignedColumn(totals.lower),
            &UnsignedColumn(totals.upper),
            &Nanoseconds(totals.covered),
            &taken.map(|taken| taken.value),
            &taken.map(|taken| taken.step),
            &taken.map(|taken| ClockColumn(taken.at)),
            &taken.map(|taken| UnsignedColumn(taken.witness.lower)),
            &taken.map(|taken| UnsignedColumn(taken.witness.upper)),
            &taken.map(|taken| Nanoseconds(taken.witness.covered)),
            &taken.map(|taken| UnsignedColumn(taken.debt)),
            &taken.map(|taken| taken.fresh),
            &taken.map(|taken| Nanoseconds(taken.unseen)),
            &integral.counts,
            &UnsignedColumn(integral.rest),
            &integral.owed,
            &sample.map(|sample| sample.power),
            &sample.map(|sample| ClockColumn(sample.at)),
        ])
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let figure = MeterFigure {
            published: row.get("published_mwh")?,
            offset: row.get("offset_mwh")?,
            serial: row.get("serial")?,
            taken: taken(row)?,
            read_at: None,
            totals: totals(row, ["lower_uwh", "upper_uwh", "covered_ns"])?,
            integral: integral(row)?,
        };
        Ok(MeterRow {
            id: row.get("id")?,
            name: row.get("name")?,
            confirmed: row.get("confirmed")?,
            updated: row.get::<_, Second>("updated")?.0,
            figure,
        })
    }
}

fn taken(row: &Row<'_>) -> rusqlite::Result<Option<RegisterPoint>> {
    let Some(value) = row.get("register_mwh")? else { return Ok(None) };
    Ok(Some(RegisterPoint {
        value,
        step: row.get("step_mwh")?,
        at: row.get::<_, ClockColumn>("advanced_at")?.0,
        witness: totals(row, ["advanced_lower_uwh", "advanced_upper_uwh", "advanced_covered_ns"])?,
        debt: row.get::<_, UnsignedColumn>("debt_mwh")?.0,
        fresh: row.get("fresh")?,
        unseen: row.get::<_, Nanoseconds>("unseen_ns")?.0,
    }))
}

fn totals(row: &Row<'_>, columns: [&str; 3]) -> rusqlite::Result<EnergyBounds> {
    let [lower, upper, covered] = columns;
    Ok(EnergyBounds {
        lower: row.get::<_, UnsignedColumn>(lower)?.0,
        upper: row.get::<_, UnsignedColumn>(upper)?.0,
        covered: row.get::<_, Nanoseconds>(covered)?.0,
    })
}

fn integral(row: &Row<'_>) -> rusqlite::Result<Integral> {
    let last = match row.get("sample_mw")? {
        None => None,
        Some(power) => Some(PowerSample { power, at: row.get::<_, ClockColumn>("sample_at")?.0 }),
    };
    Ok(Integral {
        rest: row.get::<_, UnsignedColumn>("integral_rest")?.0,
        counts: row.get("integrates")?,
        owed: row.get("integral_owed_mwh")?,
        last,
    })
}

impl StoredRow for MemoryRow {
    const TABLE: &str = "memory";
    const COLUMNS: &[&str] = &["meter", "memory", "read_at"];

    fn to_values(&self) -> rusqlite::Result<Vec<Value>> {
        values(&[&self.meter, &Json(&self.memory), &self.read_at.map(ClockColumn)])
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let read_at = row.get::<_, Option<ClockColumn>>("read_at")?.map(|at| at.0);
        Ok(MemoryRow { meter: row.get("meter")?, memory: row.get::<_, Json<_>>("memory")?.0, read_at })
    }
}

impl StoredRow for ClientRow {
    const TABLE: &str = "client";
    const COLUMNS: &[&str] = &["id", "url", "client_id", "energy_mwh", "accepted_mwh", "accepted_at", "counted"];

    fn to_values(&self) -> rusqlite::Result<Vec<Value>> {
        let ClientState { energy, counted, accepted, accepted_at } = &self.state;
        values(&[
            &self.id,
            &self.key.url,
            &self.key.client_id,
            energy,
            accepted,
            &accepted_at.map(Second),
            &Json(counted),
        ])
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let counted: Json<BTreeMap<MeterId, MilliwattHours>> = row.get("counted")?;
        let state = ClientState {
            energy: row.get("energy_mwh")?,
            counted: counted.0,
            accepted: row.get("accepted_mwh")?,
            accepted_at: row.get::<_, Option<Second>>("accepted_at")?.map(|at| at.0),
        };
        let client_id: ClientId = row.get("client_id")?;
        Ok(ClientRow { id: row.get("id")?, key: ClientKey { url: row.get("url")?, client_id }, state })
    }
}

impl StoredRow for JournalRow {
    const TABLE: &str = "journal";
    const COLUMNS: &[&str] = &[
        "id",
        "meter",
        "client",
        "word",
        "at",
        "last",
        "count",
        "register_before",
        "register_after",
        "published_before",
        "published_after",
        "reason",
        "entry",
    ];

    fn to_values(&self) -> rusqlite::Result<Vec<Value>> {
        let of = |field: fn(&GuardEvent) -> Option<MilliwattHours>| self.entry.as_ref().and_then(field);
        values(&[
            &self.id,
            &self.meter,
            &self.client,
            &self.word,
            &Second(self.at),
            &Second(self.last),
            &UnsignedColumn(self.count),
            &of(|entry| entry.register_before),
            &of(|entry| entry.register_after),
            &of(|entry| entry.published_before),
            &of(|entry| entry.published_after),
            &self.reason,
            &self.entry.as_ref().map(Json),
        ])
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(JournalRow {
            id: row.get("id")?,
            meter: row.get("meter")?,
            client: row.get("client")?,
            word: row.get("word")?,
            at: row.get::<_, Second>("at")?.0,
            last: row.get::<_, Second>("last")?.0,
            count: row.get::<_, UnsignedColumn>("count")?.0,
            reason: row.get("reason")?,
            entry: row.get::<_, Option<Json<GuardEvent>>>("entry")?.map(|entry| entry.0),
        })
    }
}

impl JournalRow {
    /// A row that is there and cannot be read.
    pub(super) fn unreadable(id: i64, why: &str) -> Self {
        let (word, at) = ("unreadable".into(), Timestamp::UNIX_EPOCH);
        let reason = why.to_owned();
        JournalRow { id, meter: None, client: None, word, at, last: at, count: 1, reason, entry: None }
    }
}

/// What one transaction writes.
#[derive(Clone, Debug)]
pub struct Commit {
    /// When.
    pub at: ClockReading,
    /// Figures that are new, and names.
    pub meters: Vec<MeterRow>,
    /// Memories that changed.
    pub memories: Vec<MemoryRow>,
    /// Clients whose figure does not follow from their members', or that joined, left or were accepted.
    pub clients: Vec<ClientRow>,
    /// New entries, and spells that went on.
    pub journal: Vec<JournalRow>,
    /// A decision is among it: the copy is written again.
    pub copy: bool,
    /// This machine takes the ledger over.
    pub adopt: bool,
    /// This machine gives the ledger away: nothing is reported from it any more.
    pub retire: bool,
}

impl Commit {
    /// One that writes nothing yet.
    pub fn empty(at: ClockReading) -> Self {
        let (meters, memories, clients, journal) = Default::default();
        Commit { at, meters, memories, clients, journal, copy: false, adopt: false, retire: false }
    }
}
