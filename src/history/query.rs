//! Reads the history, one page at a time.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::periods::ShownTime;
use super::store::{HISTORY, check_version};
use super::{HistorySlot, Interval, PowerSummary, RecordedSlot, SlotStart};
use crate::storage::{DiskError, StoreFault, check_store, connect};
use crate::units::{MilliwattHours, Name};

/// The version of the JSON document.
pub const SCHEMA: u32 = 1;
/// Slots of a page: about 400 KB of JSON.
const PAGE: usize = 2000;

/// Why the history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryReadError {
    /// The file is not a history of this program, or is broken.
    #[error(
        "the history {} is damaged ({why}): the daemon sets it aside and starts a new one when it finds the damage; figures and \
         `arkmeter ledger journal` are not affected",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file could not be read.
    #[error("the history {} cannot be read: {}", path.display(), read_remedy(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: DiskError,
    },
    /// The task that reads it has ended.
    #[error("the daemon is stopping")]
    Stopped,
}

/// The slots of a meter that ended after `from` and began before `to`, and were written after the slot numbered `after`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// The meter.
    pub meter: Name,
    /// Slots that ended then are left out.
    #[serde(default, with = "jiff::fmt::serde::timestamp::second::optional")]
    pub from: Option<Timestamp>,
    /// Slots that ended then are the last ones, beside one that lasts over this time.
    #[serde(default, with = "jiff::fmt::serde::timestamp::second::optional")]
    pub to: Option<Timestamp>,
    /// [`HistoryPage::next`] of the previous page; 0 for the first.
    #[serde(default)]
    pub after: i64,
}

/// Some slots of a meter, in the order in which they were recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// [`SCHEMA`].
    pub schema: u32,
    /// At most 2000.
    pub slots: Vec<RecordedSlot>,
    /// Where the next page continues; absent on the last.
    pub next: Option<i64>,
    /// Whether anything was ever recorded of that meter.
    pub recorded: bool,
    /// If not, the meters that have records.
    pub others: Vec<Name>,
}

fn read_remedy(error: &DiskError) -> &'static str {
    match error {
        DiskError::Unfit(_) => error.remedy(),
        _ => "run as root or as the user that arkmeter runs as",
    }
}

/// Reads a page of the history in that folder (blocking); an empty page where nothing is recorded yet.
///
/// # Errors
/// When the file is damaged or cannot be read.
pub fn read_page(folder: &Path, query: &HistoryQuery) -> Result<HistoryPage, HistoryReadError> {
    let path = folder.join(HISTORY);
    let empty = HistoryPage { schema: SCHEMA, slots: Vec::new(), next: None, recorded: false, others: Vec::new() };
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(empty),
        _ => {}
    }
    read(&path, query, empty).map_err(|fault| match fault {
        StoreFault::Disk(source) => HistoryReadError::Unreadable { path, source },
        fault => HistoryReadError::Damaged { path, why: fault.to_string() },
    })
}

fn read(path: &Path, query: &HistoryQuery, mut page: HistoryPage) -> Result<HistoryPage, StoreFault> {
    // Opened for writing if this user may, so that SQLite can roll back what a crash left half written. Nothing else is changed.
    check_store(path)?;
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    // One transaction, so that concurrent writes do not matter.
    connection.execute_batch("BEGIN")?;
    check_version(&connection)?;
    let sql = "SELECT id FROM meter WHERE name = ?1";
    let Some(meter) = connection.query_row(sql, [&query.meter], |row| row.get::<_, i64>(0)).optional()? else {
        page.others = names(&connection)?;
        return Ok(page);
    };
    page.recorded = true;
    let shown = ShownTime { from: query.from, to: query.to };
    let parse = |row: &Row<'_>| Ok((row.get("id")?, stored_slot(row, &query.meter)?));
    let before = "SELECT * FROM slot WHERE meter = ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1";
    let mut before =
        connection.query_row(before, [meter, query.after], parse).optional()?.map(|(_, slot): (i64, _)| slot);
    let mut statement = connection.prepare("SELECT * FROM slot WHERE meter = ?1 AND id > ?2 ORDER BY id")?;
    for row in statement.query_map([meter, query.after], parse)? {
        let (id, slot) = row?;
        let slot_read = recorded(&slot, before.as_ref());
        if shown.has_part_of(slot_read.interval.from, slot_read.interval.to) {
            page.slots.push(slot_read);
        }
        if page.slots.len() == PAGE {
            page.next = Some(id);
            break;
        }
        before = Some(slot);
    }
    Ok(page)
}

fn names(connection: &Connection) -> Result<Vec<Name>, StoreFault> {
    let mut statement = connection.prepare("SELECT name FROM meter")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    // A text that is not a name belongs to a meter whose name another meter took over.
    let names: Result<Vec<_>, _> = names.map(|name| name.map(|name| Name::new(&name))).collect();
    Ok(names?.into_iter().flatten().collect())
}

/// A row of the table `slot`.
pub(super) fn stored_slot(row: &Row<'_>, meter: &Name) -> rusqlite::Result<HistorySlot> {
    let time = |second| {
        Timestamp::from_second(second)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, error.into()))
    };
    let power = match row.get("mean_mw")? {
        None => None,
        Some(mean_mw) => Some(PowerSummary { mean_mw, min_mw: row.get("min_mw")?, max_mw: row.get("max_mw")? }),
    };
    let began = match row.get("began")? {
        None => None,
        Some(second) => Some(SlotStart { at: time(second)?, published: row.get("began_mwh")? }),
    };
    Ok(HistorySlot {
        meter: meter.clone(),
        ended: time(row.get("ended")?)?,
        trusted: row.get("trusted")?,
        measured: Duration::from_millis(row.get("measured_ms")?),
        power,
        published: row.get("published_mwh")?,
        began,
    })
}

/// The slot, and the gap between it and the one recorded before it.
fn recorded(slot: &HistorySlot, before: Option<&HistorySlot>) -> RecordedSlot {
    // The slot's own start, else the end of the one before. If that was deleted, only the measured time is known.
    let (from, at_start) = match (slot.began, before) {
        (Some(began), _) => (began.at, began.published),
        (None, Some(before)) => (before.ended, before.published),
        (None, None) => (slot.ended.saturating_sub(slot.measured).unwrap_or(slot.ended), None),
    };
    let between = |earlier: Option<MilliwattHours>, later: Option<MilliwattHours>| later?.checked_sub(earlier?);
    let gap = slot.began.zip(before).map(|(began, before)| Interval {
        from: before.ended,
        to: began.at,
        consumed_mwh: between(before.published, at_start),
    });
    RecordedSlot {
        interval: Interval { from, to: slot.ended, consumed_mwh: between(at_start, slot.published) },
        trusted: slot.trusted,
        measured_ms: u64::try_from(slot.measured.as_millis()).unwrap_or(u64::MAX),
        power: slot.power,
        published_mwh: slot.published,
        gap,
    }
}
