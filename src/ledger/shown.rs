//! The ledger on disk as it is shown: `arkmeter ledger show` and `journal`, and the same documents at the control socket.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store::{JournalRow, Look, MeterRow, OpenError, StoreError};
use crate::text::foreign;
use crate::units::{MilliwattHours, Name};

/// The version of both documents.
pub const SCHEMA: u32 = 1;
/// Entries of the journal that are shown at a time, at most.
pub const MOST: u32 = 5000;

/// Why the ledger cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] StoreError),
}

impl ShowError {
    pub fn exit_code(&self) -> u8 {
        match self {
            ShowError::Open(error) => error.exit_code(),
            ShowError::Read(_) => 1,
        }
    }
}

/// The ledger as of its last commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    pub schema: u32,
    /// Of the last commit.
    pub at: Option<Timestamp>,
    pub meters: BTreeMap<Name, ShownMeter>,
    pub clients: Vec<ShownClient>,
    /// Why this is the copy and not the ledger itself.
    pub damaged: Option<String>,
    /// Begun on another machine: nothing is reported until `ledger adopt`.
    pub other_machine: bool,
    /// Moved away then: nothing is reported until it is restored.
    #[serde(default)]
    pub retired: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownMeter {
    /// The last register taken.
    pub register_mwh: Option<MilliwattHours>,
    /// Absent before the baseline.
    pub published_mwh: Option<MilliwattHours>,
    /// What the counter alone would say: below `published_mwh` after a correction.
    pub counted_mwh: Option<i64>,
    pub serial: Option<String>,
    /// Why the register is not taken.
    pub held: Option<String>,
    /// False after the ledger fell back to an older copy, until the register is taken or the operator accepts the figure.
    pub confirmed: bool,
    pub updated: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownClient {
    /// Shortened.
    pub client_id: String,
    pub url: String,
    pub energy_mwh: Option<MilliwattHours>,
    /// The members, each with the published figure up to which it is contained in the client's.
    pub counted_mwh: BTreeMap<Name, MilliwattHours>,
    pub accepted_mwh: Option<MilliwattHours>,
    pub accepted_at: Option<Timestamp>,
}

/// Which entries of the journal: of one meter or of all, those before that one, so many of the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    pub meter: Option<Name>,
    pub before: Option<i64>,
    /// [`MOST`] where absent.
    pub most: Option<u32>,
}

impl Entries {
    /// As it is asked for at the control socket.
    pub fn query(&self) -> String {
        let meter = self.meter.as_ref().map(|name| format!("meter={name}"));
        let before = self.before.map(|id| format!("before={id}"));
        let most = self.most.map(|most| format!("most={most}"));
        meter.into_iter().chain(before).chain(most).collect::<Vec<_>>().join("&")
    }

    /// `None` where the query is none.
    pub fn of_query(query: &str) -> Option<Self> {
        let mut entries = Entries::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=')? {
                ("meter", name) => entries.meter = Some(Name::new(name)?),
                ("before", id) => entries.before = Some(id.parse().ok()?),
                ("most", number) => entries.most = Some(number.parse().ok()?),
                _ => return None,
            }
        }
        Some(entries)
    }
}

/// Part of the journal, the newest entry first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownJournal {
    pub schema: u32,
    pub entries: Vec<ShownEntry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownEntry {
    /// What `ledger undo` knows it by.
    pub id: i64,
    /// Or the client, where it is about one; absent where it concerns the whole ledger.
    pub meter: Option<Name>,
    /// A verdict, an operator's command, what happened to a client, or what the ledger did itself.
    pub word: String,
    pub at: Timestamp,
    /// Of the last decision that this entry stands for.
    pub last: Timestamp,
    /// Decisions that it stands for.
    pub count: u64,
    pub reason: String,
    pub register_before_mwh: Option<MilliwattHours>,
    pub register_after_mwh: Option<MilliwattHours>,
    pub published_before_mwh: Option<MilliwattHours>,
    pub published_after_mwh: Option<MilliwattHours>,
    pub serial_before: Option<String>,
    pub serial_after: Option<String>,
    /// Readings of the hold that it ends, or begins.
    #[serde(default)]
    pub readings: u32,
    /// Which boot it was decided in, how long after its beginning, and whether the wall clock was trusted.
    #[serde(default)]
    pub boot: Option<String>,
    #[serde(default)]
    pub since_boot_s: Option<f64>,
    #[serde(default)]
    pub clock_trusted: Option<bool>,
    /// What undoing it adds to the counter's figure; absent where there is nothing to undo.
    #[serde(default)]
    pub correction_mwh: Option<i64>,
    /// The entry that it undoes.
    #[serde(default)]
    pub undoes: Option<i64>,
}

/// The ledger in that folder, without taking it (blocking).
pub fn show(folder: &Path) -> Result<Shown, ShowError> {
    let look = Look::open(folder)?;
    let clients = look.contents.clients.into_iter().map(|(key, state)| ShownClient {
        client_id: key.client_id.to_string(),
        url: key.url,
        energy_mwh: state.energy,
        counted_mwh: state.counted,
        accepted_mwh: state.accepted,
        accepted_at: state.accepted_at,
    });
    Ok(Shown {
        schema: SCHEMA,
        at: look.at.map(|at| at.wall),
        clients: clients.collect(),
        meters: look.contents.meters.into_iter().map(|(name, row)| (name, ShownMeter::from(row))).collect(),
        damaged: look.fell_back,
        other_machine: look.other_machine,
        retired: look.retired,
    })
}

/// These entries of the journal in that folder, at most [`MOST`] (blocking).
pub fn journal(folder: &Path, wanted: &Entries) -> Result<ShownJournal, ShowError> {
    let Entries { meter, before, most } = wanted;
    let most = most.unwrap_or(MOST).min(MOST);
    let rows = Look::open(folder)?.journal_before(meter.as_ref(), before.unwrap_or(i64::MAX), most)?;
    Ok(ShownJournal { schema: SCHEMA, entries: rows.into_iter().map(ShownEntry::from).collect() })
}

impl From<MeterRow> for ShownMeter {
    fn from(row: MeterRow) -> Self {
        let MeterRow { state, confirmed, updated, .. } = row;
        ShownMeter {
            register_mwh: state.register(),
            published_mwh: state.published(),
            counted_mwh: state.counted(),
            serial: state.serial().map(|serial| foreign(serial, 64)),
            held: state.held(),
            confirmed,
            updated,
        }
    }
}

impl From<JournalRow> for ShownEntry {
    fn from(row: JournalRow) -> Self {
        let entry = row.entry.as_ref();
        let serial = |serial: Option<&String>| serial.map(|serial| foreign(serial, 64));
        ShownEntry {
            register_before_mwh: entry.and_then(|entry| entry.register_before),
            register_after_mwh: entry.and_then(|entry| entry.register_after),
            published_before_mwh: entry.and_then(|entry| entry.published_before),
            published_after_mwh: entry.and_then(|entry| entry.published_after),
            serial_before: serial(entry.and_then(|entry| entry.serial_before.as_ref())),
            serial_after: serial(entry.and_then(|entry| entry.serial_after.as_ref())),
            readings: entry.map_or(0, |entry| entry.readings),
            boot: entry.map(|entry| entry.at.boot.to_string()),
            since_boot_s: entry.map(|entry| entry.at.since_boot.as_millis() as f64 / 1000.0),
            clock_trusted: entry.map(|entry| entry.at.trusted),
            correction_mwh: entry.and_then(|entry| entry.correction),
            undoes: entry.and_then(|entry| entry.undoes),
            id: row.id,
            meter: row.meter,
            word: row.word,
            at: row.at,
            last: row.last,
            count: row.count,
            reason: row.reason,
        }
    }
}
