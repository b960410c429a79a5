//! The documents of `arkmeter ledger show` and `journal`, which are also those of the control socket.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store::{Contents, JournalQuery, JournalRow, LedgerSnapshot, MeterId, MeterRow};
use super::{LedgerError, machine, wording};
use crate::text::foreign;
use crate::units::{MilliwattHours, Name};

/// The version of both documents.
pub const SCHEMA: u32 = 1;

/// The ledger as of its last commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The last commit.
    pub at: Option<Timestamp>,
    /// Rises by 1 with each commit.
    #[serde(default)]
    pub generation: u64,
    /// By their names.
    pub meters: BTreeMap<Name, ShownMeter>,
    /// In the order of their keys.
    pub clients: Vec<ShownClient>,
    /// What is wrong with the ledger, if this is its copy.
    pub damaged: Option<String>,
    /// Whether it belongs to another machine: then nothing is reported until `ledger adopt`.
    pub other_machine: bool,
    /// When it was moved away, if it was: then nothing is reported until it is restored.
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
    /// Register + offset, in mWh: below `published_mwh` after a correction.
    pub counted_mwh: Option<i64>,
    /// The meter's serial number.
    pub serial: Option<String>,
    /// Why the register is not taken, as a message; absent if it is taken.
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

/// Part of the journal, the newest entry first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownJournal {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The newest first.
    pub entries: Vec<ShownEntry>,
}

/// An entry of the journal, which may stand for a series of similar decisions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownEntry {
    /// Its number, for `ledger undo`.
    pub id: i64,
    /// The meter or the client; absent if it is about the whole ledger.
    pub meter: Option<Name>,
    /// A verdict, an operator's command, what happened to a client, or what the ledger did itself.
    pub word: String,
    /// The first decision.
    pub at: Timestamp,
    /// The last decision of the series.
    pub last: Timestamp,
    /// The number of decisions.
    pub count: u64,
    /// The reason, as a message.
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
    /// The number of readings of the hold that it begins or ends.
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
    /// What undoing it adds to the offset, in mWh; absent if there is nothing to undo.
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
pub fn show(folder: &Path) -> Result<Shown, LedgerError> {
    let LedgerSnapshot { contents, fell_back, .. } = LedgerSnapshot::open(folder)?;
    Ok(Shown { damaged: fell_back, ..contents.into() })
}

/// These entries of the journal in that folder, where no daemon runs (blocking).
///
/// # Errors
/// When there is none, when it is in use, or when it cannot be read.
pub fn journal(folder: &Path, query: &JournalQuery) -> Result<ShownJournal, LedgerError> {
    let snapshot = LedgerSnapshot::open(folder)?;
    Ok(ShownJournal::new(snapshot.journal(query)?, &snapshot.contents.names()))
}

impl From<Contents> for Shown {
    fn from(contents: Contents) -> Self {
        let names = contents.names();
        let Contents { ledger, meters, clients, .. } = contents;
        let clients = clients.into_values().map(|client| {
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
            at: ledger.at.map(|at| at.wall),
            generation: ledger.generation,
            meters: meters.into_iter().map(|(name, meter)| (name, meter.into())).collect(),
            clients: clients.collect(),
            damaged: None,
            other_machine: ledger.is_foreign(machine::mark().as_deref()),
            retired: ledger.retired,
        }
    }
}

impl From<MeterRow> for ShownMeter {
    fn from(MeterRow { state, confirmed, updated, .. }: MeterRow) -> Self {
        ShownMeter {
            register_mwh: state.register(),
            published_mwh: state.published(),
            counted_mwh: state.counted(),
            serial: state.serial().map(|serial| foreign(serial, 64)),
            held: state.held().map(|held| wording::standing(&held)),
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
        let event = row.entry.as_ref();
        let serial = |serial: Option<&String>| serial.map(|serial| foreign(serial, 64));
        ShownEntry {
            register_before_mwh: event.and_then(|event| event.register_before),
            register_after_mwh: event.and_then(|event| event.register_after),
            published_before_mwh: event.and_then(|event| event.published_before),
            published_after_mwh: event.and_then(|event| event.published_after),
            serial_before: serial(event.and_then(|event| event.serial_before.as_ref())),
            serial_after: serial(event.and_then(|event| event.serial_after.as_ref())),
            readings: event.map_or(0, |event| event.readings),
            boot: event.map(|event| event.at.boot.to_string()),
            since_boot_s: event.map(|event| event.at.since_boot.as_millis() as f64 / 1000.0),
            clock_trusted: event.map(|event| event.at.trusted),
            correction_mwh: event.and_then(|event| event.correction),
            undoes: event.and_then(|event| event.undoes),
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
