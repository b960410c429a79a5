//! Reads the history, one page at a time.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::store::{HISTORY, check_version};
use super::{Interval, PowerSummary, RecordedSlot};
use crate::storage::{StoreFault, connect};
use crate::units::{MilliwattHours, Milliwatts, Name};

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
    #[error("the history {} cannot be read: run as root or as the user that arkmeter runs as", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// The task that reads it has ended.
    #[error("the daemon is stopping")]
    Stopped,
}

/// The slots of a meter that ended after `from` and not after `to`, and were written after the slot numbered `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The meter.
    pub meter: Name,
    /// Exclusive.
    pub from: Option<Timestamp>,
    /// Inclusive.
    pub to: Option<Timestamp>,
    /// [`HistoryPage::next`] of the previous page; 0 for the first.
    pub after: i64,
}

impl HistoryQuery {
    /// As the query of a URL.
    pub fn to_query(&self) -> String {
        let bound = |key, at: Option<Timestamp>| at.map_or(String::new(), |at| format!("&{key}={}", at.as_second()));
        format!("meter={}{}{}&after={}", self.meter, bound("from", self.from), bound("to", self.to), self.after)
    }

    /// Parses [`to_query`](Self::to_query); `None` where that fails.
    pub fn parse(query: &str) -> Option<Self> {
        let (mut meter, mut from, mut to, mut after) = (None, None, None, 0);
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=')?;
            let second = || Timestamp::from_second(value.parse().ok()?).ok();
            match key {
                "meter" => meter = Some(Name::new(value)?),
                "from" => from = Some(second()?),
                "to" => to = Some(second()?),
                "after" => after = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(HistoryQuery { meter: meter?, from, to, after })
    }
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
        StoreFault::Unreadable(source) => HistoryReadError::Unreadable { path, source },
        fault => HistoryReadError::Damaged { path, why: fault.to_string() },
    })
}

fn read(path: &Path, query: &HistoryQuery, mut page: HistoryPage) -> Result<HistoryPage, StoreFault> {
    // Opened for writing where this user may, so that SQLite can roll back what a crash left half written. Nothing else is changed.
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    // One transaction, so that concurrent writes do not matter.
    connection.execute_batch("BEGIN")?;
    check_version(&connection)?;
    let sql = "SELECT id FROM meter WHERE name = ?1";
    let meter: Option<i64> = connection.query_row(sql, [query.meter.as_str()], |row| row.get(0)).optional()?;
    let Some(meter) = meter else {
        page.others = names(&connection)?;
        return Ok(page);
    };
    page.recorded = true;
    let before = format!("{SELECT} WHERE meter = ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1");
    let mut before = connection.query_row(&before, [meter, query.after], SlotRow::read).optional()?;
    let mut statement = connection.prepare(&format!("{SELECT} WHERE meter = ?1 AND id > ?2 ORDER BY id"))?;
    for row in statement.query_map([meter, query.after], SlotRow::read)? {
        let row = row?;
        let late_enough = query.from.is_none_or(|from| row.ended > from.as_second());
        if late_enough && query.to.is_none_or(|to| row.ended <= to.as_second()) {
            page.slots.push(row.to_slot(before.as_ref())?);
        }
        if page.slots.len() == PAGE {
            page.next = Some(row.id);
            break;
        }
        before = Some(row);
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

const SELECT: &str =
    "SELECT id, ended, trusted, measured_ms, mean_mw, min_mw, max_mw, published_mwh, began, began_mwh FROM slot";

/// A row of the table `slot`.
struct SlotRow {
    id: i64,
    ended: i64,
    trusted: bool,
    measured_ms: i64,
    mean_mw: Option<i64>,
    min_mw: Option<i64>,
    max_mw: Option<i64>,
    published_mwh: Option<i64>,
    began: Option<i64>,
    began_mwh: Option<i64>,
}

impl SlotRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(SlotRow {
            id: row.get("id")?,
            ended: row.get("ended")?,
            trusted: row.get("trusted")?,
            measured_ms: row.get("measured_ms")?,
            mean_mw: row.get("mean_mw")?,
            min_mw: row.get("min_mw")?,
            max_mw: row.get("max_mw")?,
            published_mwh: row.get("published_mwh")?,
            began: row.get("began")?,
            began_mwh: row.get("began_mwh")?,
        })
    }

    /// The slot, and the gap between it and the one recorded before it.
    fn to_slot(&self, before: Option<&SlotRow>) -> Result<RecordedSlot, StoreFault> {
        let published = energy(self.published_mwh)?;
        let last = before.map(|row| Ok::<_, StoreFault>((time(row.ended)?, energy(row.published_mwh)?))).transpose()?;
        let began = self.began.map(time).transpose()?;
        // The slot's own start, else the end of the one before. If that was deleted, only the measured time is known.
        let (from, at_start) = match (began, last) {
            (Some(began), _) => (began, energy(self.began_mwh)?),
            (None, Some((ended, published))) => (ended, published),
            (None, None) => (time(self.ended.saturating_sub(self.measured_ms / 1000))?, None),
        };
        let between = |earlier: Option<MilliwattHours>, later: Option<MilliwattHours>| later?.checked_sub(earlier?);
        let gap = began.zip(last).map(|(began, (ended, published))| Interval {
            from: ended,
            to: began,
            consumed_mwh: between(published, at_start),
        });
        let power = match (self.mean_mw, self.min_mw, self.max_mw) {
            (Some(mean), Some(min), Some(max)) => {
                Some(PowerSummary { mean_mw: Milliwatts(mean), min_mw: Milliwatts(min), max_mw: Milliwatts(max) })
            }
            _ => None,
        };
        Ok(RecordedSlot {
            interval: Interval { from, to: time(self.ended)?, consumed_mwh: between(at_start, published) },
            trusted: self.trusted,
            measured_ms: self.measured_ms.unsigned_abs(),
            power,
            published_mwh: published,
            gap,
        })
    }
}

fn time(second: i64) -> Result<Timestamp, StoreFault> {
    Timestamp::from_second(second).map_err(|_| StoreFault::Damaged("it has an invalid time".into()))
}

fn energy(value: Option<i64>) -> Result<Option<MilliwattHours>, StoreFault> {
    let energy = |value: i64| u64::try_from(value).ok().and_then(MilliwattHours::new);
    let energy = |value| energy(value).ok_or_else(|| StoreFault::Damaged("it has an invalid energy".into()));
    value.map(energy).transpose()
}
