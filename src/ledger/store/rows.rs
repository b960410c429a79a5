//! What lies in the store: one row a meter, one a client, one a journal entry; and how each is written and read back.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Value;

use super::seal;
use crate::clock::{BootId, ClockReading};
use crate::guard::{Advance, AdvanceKind, EnergyBounds, GuardEvent, GuardState};
use crate::ledger::client::ClientState;
use crate::ledger::settings::ClientKey;
use crate::storage::StoreFault;
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// One meter, as it is stored: how far it got, in a few bytes, and its whole state where more than that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterRow {
    pub name: Name,
    pub state: GuardState,
    /// False after the store fell back to an older copy, until the meter's register was taken: its figure may be older than what
    /// Arkreen holds.
    pub confirmed: bool,
    /// When it was last read.
    pub updated: Timestamp,
    /// The whole state is written, not only how far the meter got.
    pub whole: bool,
}

/// One client, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientRow {
    pub key: ClientKey,
    pub state: ClientState,
}

/// One entry of the journal, or a spell of like ones.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    /// Rises with each new row.
    pub id: i64,
    /// Absent where it concerns the whole store.
    pub meter: Option<Name>,
    /// A verdict, or the name of what the ledger did itself (`fallback`).
    pub word: String,
    pub at: Timestamp,
    /// Of the last entry of the spell.
    pub last: Timestamp,
    /// Entries in this row.
    pub count: u64,
    /// Why, for people.
    pub reason: String,
    /// Everything the guard said; of a spell what it began with and what it last came to.
    pub entry: Option<GuardEvent>,
}

/// A meter's ledger goes on under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    pub from: Name,
    pub to: Name,
}

/// What one transaction brings to the disk.
#[derive(Clone, Debug)]
pub struct Commit {
    pub at: ClockReading,
    /// Done before everything else, in this order.
    pub renames: Vec<Rename>,
    pub meters: Vec<MeterRow>,
    pub clients: Vec<ClientRow>,
    /// New rows, and spells that went on.
    pub journal: Vec<JournalRow>,
    /// A decision is among it: the copy is made anew.
    pub copy: bool,
    /// This machine takes the ledger over.
    pub adopt: bool,
    /// This machine gives the ledger away: nothing is reported from it any more.
    pub retire: bool,
}

impl Commit {
    /// One that brings nothing yet.
    pub fn empty(at: ClockReading) -> Self {
        let (renames, meters, clients, journal) = Default::default();
        Commit { at, renames, meters, clients, journal, copy: false, adopt: false, retire: false }
    }
}

/// What a store held when it was opened.
#[derive(Debug, Default)]
pub struct Contents {
    pub meters: BTreeMap<Name, MeterRow>,
    pub clients: BTreeMap<ClientKey, ClientState>,
    /// The id of the next new journal row.
    pub next_journal: i64,
}

impl MeterRow {
    pub(super) const TABLE: &str = "meter";
    pub(super) const COLUMNS: usize = 4;
    pub(super) const CREATE: &str = "CREATE TABLE meter (name TEXT PRIMARY KEY, held TEXT, confirmed INTEGER NOT NULL, state TEXT NOT NULL, \
         crc INTEGER NOT NULL)";
    pub(super) const SELECT: &str = "SELECT name, held, confirmed, state, crc FROM meter";
    pub(super) const WRITE: &str = "INSERT INTO meter VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE SET \
         held = ?2, confirmed = ?3, state = ?4, crc = ?5";

    pub(super) const FIGURE_TABLE: &str = "figure";
    pub(super) const FIGURE_COLUMNS: usize = 6;
    pub(super) const FIGURE_CREATE: &str = "CREATE TABLE figure (meter TEXT PRIMARY KEY, published_mwh INTEGER, register_mwh INTEGER, \
         step_mwh INTEGER, advanced TEXT, updated TEXT NOT NULL, crc INTEGER NOT NULL)";
    pub(super) const FIGURE_SELECT: &str =
        "SELECT meter, published_mwh, register_mwh, step_mwh, advanced, updated, crc FROM figure";
    pub(super) const FIGURE_WRITE: &str = "INSERT INTO figure VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (meter) DO UPDATE SET \
         published_mwh = ?2, register_mwh = ?3, step_mwh = ?4, advanced = ?5, updated = ?6, crc = ?7";

    /// The whole state.
    pub(super) fn values(&self) -> serde_json::Result<Vec<Value>> {
        Ok(vec![
            self.name.as_str().to_owned().into(),
            self.state.held().into(),
            self.confirmed.into(),
            serde_json::to_string(&self.state)?.into(),
        ])
    }

    /// How far it got.
    pub(super) fn figure_values(&self) -> serde_json::Result<Vec<Value>> {
        let (register, step, advanced) = match self.state.advance().map(|advance| advance.kind) {
            Some(AdvanceKind::Counter { register, step, at, since }) => {
                (Some(register), Some(step), Some(written_advance(&at, &since)?))
            }
            Some(AdvanceKind::Integral { rest, power, at }) => (None, None, Some(written_sample(rest, power, &at)?)),
            None => (None, None, None),
        };
        Ok(vec![
            self.name.as_str().to_owned().into(),
            energy(self.state.published()),
            energy(register),
            energy(step),
            advanced.into(),
            second(self.updated).into(),
        ])
    }

    /// What its seals go by in the sum over all rows.
    pub(super) fn seal_keys(&self) -> [String; 2] {
        MeterRow::seal_keys_of(&self.name)
    }

    pub(super) fn seal_keys_of(name: &Name) -> [String; 2] {
        [format!("meter {name}"), format!("figure {name}")]
    }

    /// The meter as both rows say it.
    pub(super) fn read(values: Vec<Value>, figure: Vec<Value>) -> Result<Self, StoreFault> {
        let [name, _, confirmed, state] = <[Value; Self::COLUMNS]>::try_from(values).map_err(|_| strange("meter"))?;
        let [of, published, register, step, advanced, updated] =
            <[Value; Self::FIGURE_COLUMNS]>::try_from(figure).map_err(|_| strange("figure"))?;
        if name != of {
            return Err(strange("figure"));
        }
        let mut state: GuardState = json(&text(state)?)?;
        if let (Some(figure), true) = (read_energy(published.clone())?, advanced != Value::Null) {
            let (advanced, register, step) = (text(advanced)?, read_energy(register)?, read_energy(step)?);
            let kind = match (register, step) {
                (Some(register), Some(step)) => read_advance(&advanced, register, step)?,
                _ => read_sample(&advanced)?,
            };
            state.resume(Advance { published: figure, kind });
        }
        // Said in both rows: one more check of both.
        if published != energy(state.published()) {
            return Err(strange("figure"));
        }
        let name = Name::new(&text(name)?).ok_or_else(|| strange("meter"))?;
        let confirmed = confirmed == Value::Integer(1);
        Ok(MeterRow { name, state, confirmed, updated: time(updated)?, whole: true })
    }
}

impl ClientRow {
    pub(super) const TABLE: &str = "client";
    pub(super) const COLUMNS: usize = 6;
    pub(super) const CREATE: &str = "CREATE TABLE client (url TEXT NOT NULL, client_id TEXT NOT NULL, energy_mwh INTEGER, accepted_mwh INTEGER, \
         accepted_at TEXT, counted TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (client_id, url))";
    pub(super) const SELECT: &str =
        "SELECT url, client_id, energy_mwh, accepted_mwh, accepted_at, counted, crc FROM client";
    pub(super) const WRITE: &str = "INSERT INTO client VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (client_id, url) DO UPDATE SET \
         energy_mwh = ?3, accepted_mwh = ?4, accepted_at = ?5, counted = ?6, crc = ?7";

    pub(super) fn values(&self) -> serde_json::Result<Vec<Value>> {
        Ok(vec![
            self.key.url.clone().into(),
            self.key.client_id.to_hex().into(),
            energy(self.state.energy),
            energy(self.state.accepted),
            self.state.accepted_at.map(second).into(),
            serde_json::to_string(&self.state.counted)?.into(),
        ])
    }

    /// What its seal goes by in the sum over all rows.
    pub(super) fn seal_key(&self) -> String {
        format!("client {} {}", self.key.client_id.to_hex(), self.key.url)
    }

    pub(super) fn read(values: Vec<Value>) -> Result<Self, StoreFault> {
        let [url, client_id, figure, accepted, accepted_at, counted] =
            <[Value; Self::COLUMNS]>::try_from(values).map_err(|_| strange("client"))?;
        let client_id = ClientId::parse(&text(client_id)?).ok_or_else(|| strange("client"))?;
        let accepted_at = if accepted_at == Value::Null { None } else { Some(time(accepted_at)?) };
        let state = ClientState {
            energy: read_energy(figure)?,
            counted: json(&text(counted)?)?,
            accepted: read_energy(accepted)?,
            accepted_at,
        };
        Ok(ClientRow { key: ClientKey { url: text(url)?, client_id }, state })
    }
}

impl JournalRow {
    pub(super) const TABLE: &str = "journal";
    pub(super) const COLUMNS: usize = 12;
    /// Which of them is the meter's name.
    pub(super) const METER: usize = 1;
    /// And which of them says when it began.
    pub(super) const AT: usize = 3;
    pub(super) const CREATE: &str = "CREATE TABLE journal (id INTEGER PRIMARY KEY, meter TEXT, verdict TEXT NOT NULL, at TEXT NOT NULL, last TEXT NOT NULL, \
         count INTEGER NOT NULL, register_before INTEGER, register_after INTEGER, published_before INTEGER, published_after INTEGER, \
         reason TEXT NOT NULL, entry TEXT, crc INTEGER NOT NULL)";
    pub(super) const SELECT: &str = "SELECT id, meter, verdict, at, last, count, register_before, register_after, published_before, \
         published_after, reason, entry, crc FROM journal";
    pub(super) const WRITE: &str =
        "INSERT OR REPLACE INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

    pub(super) fn values(&self) -> serde_json::Result<Vec<Value>> {
        let of = |field: fn(&GuardEvent) -> Option<MilliwattHours>| energy(self.entry.as_ref().and_then(field));
        Ok(vec![
            self.id.into(),
            self.meter.as_ref().map(|name| name.as_str().to_owned()).into(),
            self.word.clone().into(),
            second(self.at).into(),
            second(self.last).into(),
            i64::try_from(self.count).unwrap_or(i64::MAX).into(),
            of(|entry| entry.register_before),
            of(|entry| entry.register_after),
            of(|entry| entry.published_before),
            of(|entry| entry.published_after),
            self.reason.clone().into(),
            self.entry.as_ref().map(serde_json::to_string).transpose()?.into(),
        ])
    }

    /// A row that is there and says nothing reliable.
    pub(super) fn unreadable(id: i64, why: &str) -> Self {
        let (word, at) = ("unreadable".into(), Timestamp::UNIX_EPOCH);
        JournalRow { id, meter: None, word, at, last: at, count: 1, reason: why.to_owned(), entry: None }
    }

    pub(super) fn read(values: Vec<Value>) -> Result<Self, StoreFault> {
        let [id, meter, word, at, last, count, _, _, _, _, reason, entry] =
            <[Value; Self::COLUMNS]>::try_from(values).map_err(|_| strange("journal"))?;
        let (Value::Integer(id), Value::Integer(count)) = (id, count) else { return Err(strange("journal")) };
        let meter = if meter == Value::Null { None } else { Name::new(&text(meter)?) };
        let entry = if entry == Value::Null { None } else { Some(json(&text(entry)?)?) };
        let count = u64::try_from(count).map_err(|_| strange("journal"))?;
        Ok(JournalRow {
            id,
            meter,
            word: text(word)?,
            at: time(at)?,
            last: time(last)?,
            count,
            reason: text(reason)?,
            entry,
        })
    }
}

/// A line of text with a checksum: what the store says of itself.
pub(super) mod meta {
    pub(crate) const TABLE: &str = "meta";
    pub(crate) const CREATE: &str =
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL)";
    pub(crate) const SELECT: &str = "SELECT key, value, crc FROM meta WHERE key = ?1";
    pub(crate) const WRITE: &str =
        "INSERT INTO meta VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET value = ?2, crc = ?3";
}

/// The values of one row of that table, its seal checked.
pub(super) fn unseal(table: &str, row: &rusqlite::Row<'_>, columns: usize) -> Result<(Vec<Value>, i64), StoreFault> {
    seal::open(table, row, columns)
}

fn strange(table: &str) -> StoreFault {
    StoreFault::Damaged(format!("a row of its table `{table}` says what no arkmeter writes"))
}

fn energy(value: Option<MilliwattHours>) -> Value {
    // At most 2^53 - 1, so within i64.
    value.map(|energy| energy.get() as i64).into()
}

fn read_energy(value: Value) -> Result<Option<MilliwattHours>, StoreFault> {
    match value {
        Value::Null => Ok(None),
        Value::Integer(number) => {
            let energy = u64::try_from(number).ok().and_then(MilliwattHours::new);
            energy.map(Some).ok_or_else(|| strange("client"))
        }
        _ => Err(strange("client")),
    }
}

/// A stamp in as few bytes as it needs, to the nanosecond: it is written with each slot.
type Written = (BootId, u64, u32, Timestamp, bool);

fn written(at: &ClockReading) -> Written {
    (at.boot, at.since_boot.as_secs(), at.since_boot.subsec_nanos(), at.wall, at.trusted)
}

fn stamp((boot, seconds, nanoseconds, wall, trusted): Written) -> Result<ClockReading, StoreFault> {
    let since_boot = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanoseconds.into()));
    let since_boot = since_boot.ok_or_else(|| strange("figure"))?;
    Ok(ClockReading { boot, since_boot, wall, trusted })
}

/// When a counter was first seen where it stands, and what power has said since.
fn written_advance(at: &ClockReading, since: &EnergyBounds) -> serde_json::Result<String> {
    serde_json::to_string(&(written(at), since.lower, since.upper, since.covered.as_nanos()))
}

fn read_advance(text: &str, register: MilliwattHours, step: MilliwattHours) -> Result<AdvanceKind, StoreFault> {
    // Of a program that did not store what power said there is the stamp alone.
    let (at, lower, upper, covered) =
        json::<(Written, u64, u64, u64)>(text).or_else(|_| json::<Written>(text).map(|at| (at, 0, 0, 0)))?;
    let since = EnergyBounds { lower, upper, covered: Duration::from_nanos(covered) };
    Ok(AdvanceKind::Counter { register, step, at: stamp(at)?, since })
}

/// How far an integrated meter got.
fn written_sample(rest: u64, power: Milliwatts, at: &ClockReading) -> serde_json::Result<String> {
    serde_json::to_string(&(rest, power, written(at)))
}

fn read_sample(text: &str) -> Result<AdvanceKind, StoreFault> {
    let (rest, power, at) = json::<(u64, Milliwatts, Written)>(text)?;
    Ok(AdvanceKind::Integral { rest, power, at: stamp(at)? })
}

/// To the second: for people.
fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn time(value: Value) -> Result<Timestamp, StoreFault> {
    text(value)?.parse().map_err(|_| StoreFault::Damaged("a time in it is none".into()))
}

fn text(value: Value) -> Result<String, StoreFault> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(StoreFault::Damaged("a text in it is none".into())),
    }
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreFault> {
    serde_json::from_str(text).map_err(|error| StoreFault::Damaged(format!("a state in it cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::{meter, name, state};

    #[test]
    fn a_row_without_what_power_said_since_is_read_as_well() {
        let updated = Timestamp::UNIX_EPOCH;
        let row = MeterRow { name: name("a"), state: state(&meter("a"), 1000), confirmed: true, updated, whole: true };
        let (values, figure) = (row.values().unwrap(), row.figure_values().unwrap());
        assert_eq!(MeterRow::read(values.clone(), figure.clone()).unwrap(), row);
        let at = row.state.advance().and_then(|advance| match advance.kind {
            AdvanceKind::Counter { at, .. } => Some(at),
            AdvanceKind::Integral { .. } => None,
        });
        let mut alone = figure;
        alone[4] = Value::Text(serde_json::to_string(&written(&at.unwrap())).unwrap());
        assert_eq!(MeterRow::read(values, alone).unwrap().state.published(), row.state.published());
    }
}
