//! The documents of `arkmeter ledger show` and `journal`, which are also those of the control socket.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::LedgerStopped;
use super::store::{JournalQuery, JournalRow, LedgerSnapshot, LedgerView, MeterId, OpenError, StoreError, StoredMeter};
use crate::text::foreign;
use crate::units::{MilliwattHours, Name};

/// The version of both documents.
pub const SCHEMA: u32 = 1;
/// Entries of the journal that are shown at a time, at most.
pub const MOST: u32 = 5000;

/// Why the ledger cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] StoreError),
    /// The daemon's ledger has stopped.
    #[error(transparent)]
    Stopped(#[from] LedgerStopped),
}

/// The ledger as of its last commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The last commit.
    pub at: Option<Timestamp>,
    /// Rises with each commit.
    #[serde(default)]
    pub generation: u64,
    /// By their names.
    pub meters: BTreeMap<Name, ShownMeter>,
    /// In the order of their keys.
    pub clients: Vec<ShownClient>,
    /// Why this is the copy and not the ledger itself.
    pub damaged: Option<String>,
    /// Begun on another machine: nothing is reported until `ledger adopt`.
    pub other_machine: bool,
    /// Moved away then: nothing is reported until it is restored.
    #[serde(default)]
    pub retired: Option<Timestamp>,
}

/// One meter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownMeter {
    /// The last register taken.
    pub register_mwh: Option<MilliwattHours>,
    /// Absent before the baseline.
    pub published_mwh: Option<MilliwattHours>,
    /// What the counter alone would say: below `published_mwh` after a correction.
    pub counted_mwh: Option<i64>,
    /// The meter's serial number.
    pub serial: Option<String>,
    /// Why the register is not taken.
    pub held: Option<String>,
    /// False after the ledger fell back to an older copy, until the register is taken or the operator accepts the figure.
    pub confirmed: bool,
    /// When it was last read.
    pub updated: Timestamp,
}

/// One client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownClient {
    /// Shortened.
    pub client_id: String,
    /// The endpoint.
    pub url: String,
    /// Its figure.
    pub energy_mwh: Option<MilliwattHours>,
    /// The members, each with the published figure up to which it is contained in the client's.
    pub counted_mwh: BTreeMap<Name, MilliwattHours>,
    /// What Arkreen accepted last.
    pub accepted_mwh: Option<MilliwattHours>,
    /// When that was.
    pub accepted_at: Option<Timestamp>,
}

/// Which entries of the journal: of one meter or of all, those before that one, so many of the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedEntries {
    /// The meter or the client.
    pub meter: Option<Name>,
    /// The entry before which they are.
    pub before: Option<i64>,
    /// [`MOST`] where absent.
    pub most: Option<u32>,
}

impl WantedEntries {
    /// As a query of the control socket.
    pub fn to_query(&self) -> String {
        let meter = self.meter.as_ref().map(|name| format!("meter={name}"));
        let before = self.before.map(|id| format!("before={id}"));
        let most = self.most.map(|most| format!("most={most}"));
        meter.into_iter().chain(before).chain(most).collect::<Vec<_>>().join("&")
    }

    /// From a query of the control socket; `None` where it is none.
    pub fn parse(query: &str) -> Option<Self> {
        let mut entries = WantedEntries::default();
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

    /// The same for the store.
    pub(super) fn query(&self) -> JournalQuery {
        let most = self.most.unwrap_or(MOST).min(MOST);
        JournalQuery { subject: self.meter.clone(), before: self.before.unwrap_or(i64::MAX), most }
    }
}

/// Part of the journal, the newest entry first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownJournal {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The newest first.
    pub entries: Vec<ShownEntry>,
}

/// One entry of the journal, or a spell of similar ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownEntry {
    /// What `ledger undo` knows it by.
    pub id: i64,
    /// Or the client, where it is about one; absent where it concerns the whole ledger.
    pub meter: Option<Name>,
    /// A verdict, an operator's command, what happened to a client, or what the ledger did itself.
    pub word: String,
    /// When it was decided.
    pub at: Timestamp,
    /// Of the last decision that this entry stands for.
    pub last: Timestamp,
    /// Decisions that it stands for.
    pub count: u64,
    /// Why, for people.
    pub reason: String,
    /// The last register taken, before.
    pub register_before_mwh: Option<MilliwattHours>,
    /// The last register taken, after.
    pub register_after_mwh: Option<MilliwattHours>,
    /// The published figure before.
    pub published_before_mwh: Option<MilliwattHours>,
    /// The published figure after.
    pub published_after_mwh: Option<MilliwattHours>,
    /// The serial number before.
    pub serial_before: Option<String>,
    /// The serial number after.
    pub serial_after: Option<String>,
    /// Readings of the hold that it ends, or begins.
    #[serde(default)]
    pub readings: u32,
    /// The boot in which it was decided.
    #[serde(default)]
    pub boot: Option<String>,
    /// The time since the boot in seconds.
    #[serde(default)]
    pub since_boot_s: Option<f64>,
    /// Whether the wall clock was trusted.
    #[serde(default)]
    pub clock_trusted: Option<bool>,
    /// What undoing it adds to the counter's figure; absent where there is nothing to undo.
    #[serde(default)]
    pub correction_mwh: Option<i64>,
    /// The entry that it undoes.
    #[serde(default)]
    pub undoes: Option<i64>,
}

/// The ledger in that folder, where no daemon runs (blocking).
///
/// # Errors
/// When there is none, when it is in use, or when it cannot be read.
pub fn show(folder: &Path) -> Result<Shown, ShowError> {
    Ok(LedgerSnapshot::open(folder)?.view.into())
}

/// These entries of the journal in that folder, at most [`MOST`], where no daemon runs (blocking).
///
/// # Errors
/// When there is none, when it is in use, or when it cannot be read.
pub fn journal(folder: &Path, wanted: &WantedEntries) -> Result<ShownJournal, ShowError> {
    let snapshot = LedgerSnapshot::open(folder)?;
    Ok(ShownJournal::new(snapshot.journal(&wanted.query())?, &snapshot.names()))
}

impl From<LedgerView> for Shown {
    fn from(view: LedgerView) -> Self {
        let LedgerView { contents, at, generation, fell_back, other_machine, retired } = view;
        let names: BTreeMap<_, _> = contents.meters.values().map(|meter| (meter.id, meter.name.clone())).collect();
        let clients = contents.clients.into_values().map(|client| {
            let counted = client.state.counted.into_iter();
            ShownClient {
                client_id: client.key.client_id.to_string(),
                url: client.key.url,
                energy_mwh: client.state.energy,
                counted_mwh: counted.filter_map(|(id, energy)| Some((names.get(&id)?.clone(), energy))).collect(),
                accepted_mwh: client.state.accepted,
                accepted_at: client.state.accepted_at,
            }
        });
        Shown {
            schema: SCHEMA,
            at: at.map(|at| at.wall),
            generation,
            clients: clients.collect(),
            meters: contents.meters.into_iter().map(|(name, meter)| (name, ShownMeter::from(meter))).collect(),
            damaged: fell_back,
            other_machine,
            retired,
        }
    }
}

impl From<StoredMeter> for ShownMeter {
    fn from(meter: StoredMeter) -> Self {
        let StoredMeter { state, confirmed, updated, .. } = meter;
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

impl ShownJournal {
    /// These rows, with the meters' names.
    pub(super) fn new(rows: Vec<JournalRow>, names: &BTreeMap<MeterId, Name>) -> Self {
        let entries = rows.into_iter().map(|row| ShownEntry::new(row, names)).collect();
        ShownJournal { schema: SCHEMA, entries }
    }
}

impl ShownEntry {
    fn new(row: JournalRow, names: &BTreeMap<MeterId, Name>) -> Self {
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
            meter: row.meter.and_then(|id| names.get(&id).cloned()).or(row.client),
            word: row.word,
            at: row.at,
            last: row.last,
            count: row.count,
            reason: row.reason,
        }
    }
}
