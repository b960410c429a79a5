//! A store of version 1, as it is read once when it is brought to version 2: rows by the meter's name, the guard's whole state as one JSON
//! text, and beside it how far the meter got since that was written.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::rows::{ClientRow, JournalRow, LedgerRow, MemoryRow, MeterId, MeterRow};
use super::schema::VERSION;
use super::values::{self, CompactReading, Json, Second, UnsignedColumn, checksum, reading};
use crate::clock::ClockReading;
use crate::guard::{EnergyBounds, GuardEvent, GuardState, Integral, MeterFigure, PowerSample, RegisterPoint};
use crate::ledger::client::ClientState;
use crate::ledger::settings::ClientKey;
use crate::storage::StoreFault;
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

pub(super) const SCHEMA: &str = "\
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE meter (name TEXT PRIMARY KEY, held TEXT, confirmed INTEGER NOT NULL, state TEXT NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE figure (meter TEXT PRIMARY KEY, published_mwh INTEGER, register_mwh INTEGER, step_mwh INTEGER, advanced TEXT,
        updated TEXT NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE client (url TEXT NOT NULL, client_id TEXT NOT NULL, energy_mwh INTEGER, accepted_mwh INTEGER, accepted_at TEXT,
        counted TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (client_id, url));
    CREATE TABLE journal (id INTEGER PRIMARY KEY, meter TEXT, verdict TEXT NOT NULL, at TEXT NOT NULL, last TEXT NOT NULL,
        count INTEGER NOT NULL, register_before INTEGER, register_after INTEGER, published_before INTEGER, published_after INTEGER,
        reason TEXT NOT NULL, entry TEXT, crc INTEGER NOT NULL);";

/// The words of journal entries that are about a client; `set` is about either.
const CLIENT_WORDS: [&str; 3] = ["begun", "joined", "left"];

/// Journal entries that are copied at a time.
const PORTION: usize = 500;

/// All of it but the journal, in this version's rows.
pub(super) struct Older {
    pub ledger: LedgerRow,
    pub meters: Vec<MeterRow>,
    pub memories: Vec<MemoryRow>,
    pub clients: Vec<ClientRow>,
    /// The meters' ids by their names.
    pub ids: BTreeMap<Name, MeterId>,
}

/// The version in the table `meta`.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreFault> {
    let text = meta(connection, "version")?.unwrap_or_default();
    text.parse().map_err(|_| StoreFault::Damaged("its version is none".into()))
}

/// Reads everything and checks it. An empty store is one that was just created.
pub(super) fn read(connection: &Connection) -> Result<Older, StoreFault> {
    let Some(text) = meta(connection, "commit")? else {
        let began = connection.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0))? > 0;
        return if began { Err(StoreFault::Damaged("its last commit is missing".into())) } else { Ok(Older::empty()) };
    };
    let last: LastCommit = json(&text)?;
    let machine = meta(connection, "machine")?.filter(|machine| !machine.is_empty());
    let mut sum = 0i64;
    let (mut meters, mut memories) = (Vec::new(), Vec::new());
    let states = rows(connection, "meter", "name, held, confirmed, state", &mut sum, |row| {
        Ok((row.get("name")?, (row.get("confirmed")?, row.get("state")?)))
    })?;
    let mut states: BTreeMap<Name, (bool, String)> = states.into_iter().collect();
    let columns = "meter, published_mwh, register_mwh, step_mwh, advanced, updated";
    for row in rows(connection, "figure", columns, &mut sum, FigureV1::from_row)? {
        let id = MeterId(meters.len() as i64 + 1);
        let Some((confirmed, state)) = states.remove(&row.name) else {
            return Err(StoreFault::Damaged(format!("the state of {} is missing", row.name)));
        };
        let GuardState { figure, memory } = self::state(&row, &state)?;
        memories.push(MemoryRow { meter: id, memory, read_at: figure.read_at });
        meters.push(MeterRow { id, name: row.name, confirmed, updated: row.updated, figure });
    }
    if let Some(name) = states.keys().next() {
        return Err(StoreFault::Damaged(format!("the figure of {name} is missing")));
    }
    let ids: BTreeMap<_, _> = meters.iter().map(|row| (row.name.clone(), row.id)).collect();
    let columns = "url, client_id, energy_mwh, accepted_mwh, accepted_at, counted";
    let clients = rows(connection, "client", columns, &mut sum, |row| client(row, &ids))?;
    let clients: Vec<_> = (1..).zip(clients).map(|(id, (key, state))| ClientRow { id, key, state }).collect();
    if sum != last.seals {
        return Err(StoreFault::Damaged("its rows are not those of its last commit".into()));
    }
    let ledger = ledger(last, machine, meters.len(), clients.len());
    Ok(Older { ledger, meters, memories, clients, ids })
}

impl Older {
    fn empty() -> Self {
        let (meters, memories, clients, ids) = Default::default();
        Older { ledger: ledger(LastCommit::default(), None, 0, 0), meters, memories, clients, ids }
    }
}

/// The latest commit, as `meta` kept it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct LastCommit {
    sequence: u64,
    /// The sum of the checksums of all meters' and clients' rows.
    seals: i64,
    at: Option<ClockReading>,
    retired: Option<Timestamp>,
}

fn ledger(last: LastCommit, machine: Option<String>, meters: usize, clients: usize) -> LedgerRow {
    let LastCommit { sequence, at, retired, .. } = last;
    let (meters, clients) = (meters as u64, clients as u64);
    LedgerRow { version: VERSION, generation: sequence, at, machine, retired, meters, clients }
}

struct FigureV1 {
    name: Name,
    published: Option<MilliwattHours>,
    register: Option<MilliwattHours>,
    step: Option<MilliwattHours>,
    advanced: Option<String>,
    updated: Timestamp,
}

impl FigureV1 {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(FigureV1 {
            name: row.get("meter")?,
            published: row.get("published_mwh")?,
            register: row.get("register_mwh")?,
            step: row.get("step_mwh")?,
            advanced: row.get("advanced")?,
            updated: row.get::<_, Second>("updated")?.0,
        })
    }
}

/// When the register advanced, and the energy that the power samples account for since.
type AdvancedV1 = (CompactReading, u64, u64, u64);
/// The rest of the integral, the last sample, and when that was.
type IntegratedV1 = (u64, Milliwatts, CompactReading);

/// The state that was stored whole at some time, and had advanced since.
fn state(row: &FigureV1, stored: &str) -> Result<GuardState, StoreFault> {
    let mut state: GuardState = json(stored)?;
    if let (Some(published), Some(advanced)) = (row.published, &row.advanced) {
        state.figure.published = state.figure.published.max(Some(published));
        match (row.register, row.step) {
            (Some(register), Some(step)) => advance(&mut state.figure, register, step, advanced)?,
            _ => integrate(&mut state.figure, advanced)?,
        }
    }
    if state.figure.published != row.published {
        return Err(StoreFault::Damaged(format!("the figure and the state of {} differ", row.name)));
    }
    Ok(state)
}

fn advance(
    figure: &mut MeterFigure,
    value: MilliwattHours,
    step: MilliwattHours,
    advanced: &str,
) -> Result<(), StoreFault> {
    // The oldest programs did not store what power said since.
    let (at, lower, upper, covered) = match json::<AdvancedV1>(advanced) {
        Ok((at, lower, upper, covered)) => (reading(at)?, lower, upper, covered),
        Err(_) => (reading(json(advanced)?)?, 0, 0, 0),
    };
    let stored = figure.taken.filter(|taken| (taken.value, taken.at) == (value, at));
    let witness = stored.map_or(figure.totals, |taken| taken.witness);
    // An advance that was stored without its tolerance has used it up.
    let (debt, fresh, unseen) = (2 * step.get(), false, Duration::ZERO);
    let begun = RegisterPoint { value, step, at, witness, debt, fresh, unseen };
    figure.taken = Some(RegisterPoint { step, ..stored.unwrap_or(begun) });
    figure.totals = EnergyBounds {
        lower: witness.lower.saturating_add(lower),
        upper: witness.upper.saturating_add(upper),
        covered: witness.covered.saturating_add(Duration::from_nanos(covered)),
    };
    Ok(())
}

fn integrate(figure: &mut MeterFigure, advanced: &str) -> Result<(), StoreFault> {
    let (rest, power, at) = json::<IntegratedV1>(advanced)?;
    figure.integral = Integral { rest, last: Some(PowerSample { power, at: reading(at)? }), ..figure.integral };
    Ok(())
}

fn client(row: &Row<'_>, ids: &BTreeMap<Name, MeterId>) -> rusqlite::Result<(ClientKey, ClientState)> {
    let client_id: ClientId = row.get("client_id")?;
    let counted: Json<BTreeMap<Name, MilliwattHours>> = row.get("counted")?;
    let counted = counted.0.into_iter().filter_map(|(name, energy)| Some((*ids.get(&name)?, energy)));
    let state = ClientState {
        energy: row.get("energy_mwh")?,
        counted: counted.collect(),
        accepted: row.get("accepted_mwh")?,
        accepted_at: row.get::<_, Option<Second>>("accepted_at")?.map(|at| at.0),
    };
    Ok((ClientKey { url: row.get("url")?, client_id }, state))
}

/// Copies the journal out of `table`. An entry that fails its checksum stays as one that says so.
pub(super) fn copy_journal(
    connection: &Connection,
    table: &str,
    ids: &BTreeMap<Name, MeterId>,
) -> Result<(), StoreFault> {
    let columns = "id, meter, verdict, at, last, count, register_before, register_after, published_before, published_after, \
                   reason, entry";
    let mut statement = connection.prepare(&format!("SELECT {columns}, crc FROM {table} ORDER BY id"))?;
    let mut found = statement.query([])?;
    let mut portion = Vec::new();
    while let Some(row) = found.next()? {
        let read = check("journal", row, 12).and_then(|_| Ok(entry(row, ids)?));
        portion.push(match read {
            Ok(entry) => entry,
            Err(fault) => JournalRow::unreadable(row.get("id")?, &fault.to_string()),
        });
        if portion.len() == PORTION {
            values::write(connection, &std::mem::take(&mut portion))?;
        }
    }
    Ok(values::write(connection, &portion)?)
}

fn entry(row: &Row<'_>, ids: &BTreeMap<Name, MeterId>) -> rusqlite::Result<JournalRow> {
    let word: String = row.get("verdict")?;
    let name: Option<Name> = row.get("meter")?;
    let meter = name.as_ref().and_then(|name| ids.get(name)).copied();
    let meter = meter.filter(|_| !CLIENT_WORDS.contains(&word.as_str()));
    Ok(JournalRow {
        id: row.get("id")?,
        client: name.filter(|_| meter.is_none()),
        meter,
        word,
        at: row.get::<_, Second>("at")?.0,
        last: row.get::<_, Second>("last")?.0,
        count: row.get::<_, UnsignedColumn>("count")?.0,
        reason: row.get("reason")?,
        entry: row.get::<_, Option<Json<GuardEvent>>>("entry")?.map(|entry| entry.0),
    })
}

/// The rows of a table, each with the right checksum, which is added to `sum`.
fn rows<T>(
    connection: &Connection,
    table: &str,
    columns: &str,
    sum: &mut i64,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreFault> {
    let mut statement = connection.prepare(&format!("SELECT {columns}, crc FROM {table} ORDER BY rowid"))?;
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        *sum = sum.wrapping_add(check(table, row, columns.split(", ").count())?);
        rows.push(read(row)?);
    }
    Ok(rows)
}

/// The checksum behind the row's first columns, if it is right.
fn check(table: &str, row: &Row<'_>, columns: usize) -> Result<i64, StoreFault> {
    let values = (0..columns).map(|index| row.get(index)).collect::<Result<Vec<Value>, _>>()?;
    let found: i64 = row.get(columns)?;
    let right = found == checksum(table, &values);
    right
        .then_some(found)
        .ok_or_else(|| StoreFault::Damaged(format!("a row of its table `{table}` fails its checksum")))
}

fn meta(connection: &Connection, key: &str) -> Result<Option<String>, StoreFault> {
    let mut statement = connection.prepare("SELECT key, value, crc FROM meta WHERE key = ?1")?;
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    check("meta", row, 2)?;
    Ok(row.get("value")?)
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, StoreFault> {
    serde_json::from_str(text).map_err(|error| StoreFault::Damaged(format!("a state in it cannot be read: {error}")))
}
