//! Reads a store of version 1, to upgrade it: its rows are keyed by the meter's name, the guard's whole state is one JSON text, and another
//! table has how far the meter advanced since that was written.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Row};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::checked::{check, read as read_rows};
use super::contents::Contents;
use super::rows::{ClientRow, JournalRow, LedgerRow, MeterId, MeterRow};
use super::schema::VERSION;
use crate::clock::ClockReading;
use crate::guard::{EnergyBounds, GuardState, Integral, MeterFigure, PowerSample, RegisterPoint};
use crate::storage::{CompactReading, Json, StoreFault, expand};
use crate::units::{MilliwattHours, Milliwatts, Name};

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

/// The version in the table `meta`.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreFault> {
    let text = meta(connection, "version")?.unwrap_or_default();
    text.parse().map_err(|_| StoreFault::damaged("its version is none"))
}

/// Reads everything but the journal and checks it. An empty store is one that was just created.
pub(super) fn read(connection: &Connection) -> Result<Contents, StoreFault> {
    let last: LastCommit = match meta(connection, "commit")? {
        Some(text) => json(&text)?,
        None if connection.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0))? > 0 => {
            return Err(StoreFault::damaged("its last commit is missing"));
        }
        None => LastCommit::default(),
    };
    let mut sum = 0i64;
    let mut add_checksum = |row: &Row<'_>| -> rusqlite::Result<()> {
        sum = sum.wrapping_add(row.get("crc")?);
        Ok(())
    };
    let states = read_rows(connection, "meter", |row| {
        add_checksum(row)?;
        Ok((row.get("name")?, (row.get("confirmed")?, row.get("state")?)))
    })?;
    let mut states: BTreeMap<Name, (bool, String)> = states.into_iter().collect();
    let figures = read_rows(connection, "figure", |row| {
        add_checksum(row)?;
        Ok(FigureV1 {
            name: row.get("meter")?,
            published: row.get("published_mwh")?,
            register: row.get("register_mwh")?,
            step: row.get("step_mwh")?,
            advanced: row.get("advanced")?,
            updated: row.get("updated")?,
        })
    })?;
    let mut contents = Contents::default();
    for (id, row) in (1..).map(MeterId).zip(figures) {
        let missing = || StoreFault::Damaged(format!("the state of {} is missing", row.name));
        let (confirmed, state) = states.remove(&row.name).ok_or_else(missing)?;
        let state = self::state(&row, &state)?;
        let FigureV1 { name, updated, .. } = row;
        contents.meters.insert(name.clone(), MeterRow { id, name, confirmed, updated, state });
    }
    if let Some(name) = states.keys().next() {
        return Err(StoreFault::Damaged(format!("the figure of {name} is missing")));
    }
    let mut ids = 1..;
    let clients = read_rows(connection, "client", |row| {
        add_checksum(row)?;
        let Json(counted) = row.get::<_, Json<BTreeMap<Name, MilliwattHours>>>("counted")?;
        let counted = counted.into_iter().filter_map(|(name, energy)| Some((contents.meters.get(&name)?.id, energy)));
        ClientRow::from_row(row, ids.next().unwrap_or_default(), counted.collect())
    })?;
    if sum != last.seals {
        return Err(StoreFault::damaged("its rows are not those of its last commit"));
    }
    contents.clients = clients.into_iter().map(|row| (row.key.clone(), row)).collect();
    let machine = meta(connection, "machine")?.filter(|machine| !machine.is_empty());
    let LastCommit { sequence, at, retired, .. } = last;
    contents.ledger = LedgerRow { version: VERSION, generation: sequence, at, machine, retired, ..contents.ledger };
    Ok(contents)
}

/// Writes them and the journal, which is in `journal_v1`, to the tables of version 2.
pub(super) fn write(connection: &Connection, contents: Contents) -> Result<(), StoreFault> {
    let Contents { mut ledger, meters, clients, .. } = contents;
    let ids: BTreeMap<_, _> = meters.values().map(|row| (row.name.clone(), row.id)).collect();
    let (meters, clients): (Vec<_>, Vec<_>) = (meters.into_values().collect(), clients.into_values().collect());
    MeterRow::write(connection, &meters)?;
    MeterRow::write_memories(connection, &meters)?;
    ClientRow::write(connection, &clients)?;
    let mut statement = connection.prepare("SELECT * FROM journal_v1 ORDER BY id")?;
    let mut found = statement.query([])?;
    let mut journal = Vec::new();
    while let Some(row) = found.next()? {
        let id = row.get("id")?;
        let entry = check("journal", row).and_then(|()| Ok(entry(row, &ids)?));
        journal.push(entry.unwrap_or_else(|fault| JournalRow::unreadable(id, &fault)));
        // It may be long, so it is not kept in memory.
        if journal.len() == PORTION {
            JournalRow::write(connection, &std::mem::take(&mut journal))?;
        }
    }
    JournalRow::write(connection, &journal)?;
    Ok(ledger.write(connection)?)
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

struct FigureV1 {
    name: Name,
    published: Option<MilliwattHours>,
    register: Option<MilliwattHours>,
    step: Option<MilliwattHours>,
    advanced: Option<String>,
    updated: Timestamp,
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
        Ok((at, lower, upper, covered)) => (expand(at), lower, upper, covered),
        Err(_) => (expand(json(advanced)?), 0, 0, 0),
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
    figure.integral = Integral { rest, last: Some(PowerSample { power, at: expand(at) }), ..figure.integral };
    Ok(())
}

fn entry(row: &Row<'_>, ids: &BTreeMap<Name, MeterId>) -> rusqlite::Result<JournalRow> {
    let word: String = row.get("verdict")?;
    let name: Option<Name> = row.get("meter")?;
    let meter = name.as_ref().and_then(|name| ids.get(name)).copied();
    let meter = meter.filter(|_| !CLIENT_WORDS.contains(&word.as_str()));
    JournalRow::from_row(row, word, meter, name.filter(|_| meter.is_none()))
}

fn meta(connection: &Connection, key: &str) -> Result<Option<String>, StoreFault> {
    let mut statement = connection.prepare("SELECT * FROM meta WHERE key = ?1")?;
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    check("meta", row)?;
    Ok(row.get("value")?)
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, StoreFault> {
    serde_json::from_str(text).map_err(|error| StoreFault::Damaged(format!("a state in it cannot be read: {error}")))
}
