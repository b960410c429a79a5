//! The history as it is shown: read a page at a time, without taking it, whether a daemon runs or not.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::{Power, Slot, Stretch};
use crate::ledger::store::history::{HISTORY, known};
use crate::ledger::store::{BUSY_FOR, Fault, describe};
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The version of the document.
pub const SCHEMA: u32 = 1;
/// Slots of a page: some 400 KB as JSON.
const PAGE: usize = 2000;

/// Why the history cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error(
        "the history {} is damaged ({why}): the daemon sets it aside and begins anew when it comes upon the damage; `arkmeter ledger \
         journal` and the figures are not concerned",
        path.display()
    )]
    Damaged { path: PathBuf, why: String },
    #[error("the history {} cannot be read: run as root or as the user that arkmeter runs as", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
}

impl HistoryError {
    /// What the command should end with: 65 damaged, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            HistoryError::Damaged { .. } => 65,
            HistoryError::Unreadable { .. } => 1,
        }
    }
}

/// Which slots of a meter: those that ended after `from`, `to` included, and were written after the one called `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub meter: Name,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub after: i64,
}

impl Wanted {
    /// As it is asked for at the control socket.
    pub fn query(&self) -> String {
        let bound = |key, at: Option<Timestamp>| at.map_or(String::new(), |at| format!("&{key}={}", at.as_second()));
        format!("meter={}{}{}&after={}", self.meter, bound("from", self.from), bound("to", self.to), self.after)
    }

    /// `None` where the query is none.
    pub fn of_query(query: &str) -> Option<Self> {
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
        Some(Wanted { meter: meter?, from, to, after })
    }
}

/// Some slots of a meter, in the order in which they were recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    pub schema: u32,
    pub slots: Vec<Slot>,
    /// Behind which slot the next page begins; absent where this is the last.
    pub next: Option<i64>,
    /// Whether anything at all was ever recorded of that meter; where not, the meters of which something was.
    pub recorded: bool,
    pub others: Vec<Name>,
}

/// A page of the history in that folder (blocking); an empty one where nothing is recorded yet.
pub fn page(folder: &Path, wanted: &Wanted) -> Result<Page, HistoryError> {
    let path = folder.join(HISTORY);
    let empty = Page { schema: SCHEMA, slots: Vec::new(), next: None, recorded: false, others: Vec::new() };
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(empty),
        _ => {}
    }
    read(&path, wanted, empty).map_err(|fault| match fault {
        Fault::Unreadable(source) => HistoryError::Unreadable { path, source },
        fault => HistoryError::Damaged { path, why: describe(&fault) },
    })
}

fn read(path: &Path, wanted: &Wanted, mut page: Page) -> Result<Page, Fault> {
    // Writable where it may be: what a crash left half written is taken back before anything is read.
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.busy_timeout(BUSY_FOR)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // One commit is looked at, whatever a daemon writes meanwhile.
    connection.execute_batch("BEGIN")?;
    known(&connection)?;
    let query = "SELECT id FROM meter WHERE name = ?1";
    let meter: Option<i64> = connection.query_row(query, [wanted.meter.as_str()], |row| row.get(0)).optional()?;
    let Some(meter) = meter else {
        page.others = names(&connection)?;
        return Ok(page);
    };
    page.recorded = true;
    let before = format!("{SELECT} WHERE meter = ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1");
    let mut before = connection.query_row(&before, [meter, wanted.after], stored).optional()?;
    let mut statement = connection.prepare(&format!("{SELECT} WHERE meter = ?1 AND id > ?2 ORDER BY id"))?;
    let mut rows = statement.query([meter, wanted.after])?;
    while let Some(row) = rows.next()? {
        let row = stored(row)?;
        let late = wanted.from.is_none_or(|from| row.ended > from.as_second());
        if late && wanted.to.is_none_or(|to| row.ended <= to.as_second()) {
            page.slots.push(slot(&row, before.as_ref())?);
        }
        if page.slots.len() == PAGE {
            page.next = Some(row.id);
            break;
        }
        before = Some(row);
    }
    Ok(page)
}

fn names(connection: &Connection) -> Result<Vec<Name>, Fault> {
    let mut statement = connection.prepare("SELECT name FROM meter")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    // One that is no name belongs to a meter whose name another took over.
    let names: Result<Vec<_>, _> = names.map(|name| name.map(|name| Name::new(&name))).collect();
    Ok(names?.into_iter().flatten().collect())
}

const SELECT: &str =
    "SELECT id, ended, trusted, measured_ms, mean_mw, min_mw, max_mw, published_mwh, began, began_mwh FROM slot";

struct Stored {
    id: i64,
    ended: i64,
    trusted: bool,
    measured_ms: i64,
    power: [Option<i64>; 3],
    published: Option<i64>,
    began: Option<i64>,
    began_published: Option<i64>,
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        id: row.get(0)?,
        ended: row.get(1)?,
        trusted: row.get(2)?,
        measured_ms: row.get(3)?,
        power: [row.get(4)?, row.get(5)?, row.get(6)?],
        published: row.get(7)?,
        began: row.get(8)?,
        began_published: row.get(9)?,
    })
}

/// A slot as it is shown, with what lies between it and the one recorded before it.
fn slot(row: &Stored, before: Option<&Stored>) -> Result<Slot, Fault> {
    let published = energy(row.published)?;
    let last = before.map(|before| Ok::<_, Fault>((time(before.ended)?, energy(before.published)?))).transpose()?;
    let to = time(row.ended)?;
    // What the row says itself, else where the one before ended. That one may be gone, as the oldest: then what was measured is known.
    let began = row.began.map(time).transpose()?;
    let from = match (began, last) {
        (Some(began), _) => began,
        (None, Some((ended, _))) => ended,
        (None, None) => time(row.ended.saturating_sub(row.measured_ms / 1000))?,
    };
    let at_start = match (began, last) {
        (Some(_), _) => energy(row.began_published)?,
        (None, Some((_, published))) => published,
        (None, None) => None,
    };
    let between = |earlier: Option<MilliwattHours>, later: Option<MilliwattHours>| later?.checked_sub(earlier?);
    let gap = began.zip(last).map(|(began, (ended, published))| Stretch {
        from: ended,
        to: began,
        consumed_mwh: between(published, at_start),
    });
    let power = match row.power.map(|power| power.map(Milliwatts)) {
        [Some(mean_mw), Some(min_mw), Some(max_mw)] => Some(Power { mean_mw, min_mw, max_mw }),
        _ => None,
    };
    Ok(Slot {
        stretch: Stretch { from, to, consumed_mwh: between(at_start, published) },
        trusted: row.trusted,
        measured_ms: row.measured_ms.unsigned_abs(),
        power,
        published_mwh: published,
        gap,
    })
}

fn time(second: i64) -> Result<Timestamp, Fault> {
    Timestamp::from_second(second).map_err(|_| Fault::Damaged("a time in it is none".into()))
}

fn energy(value: Option<i64>) -> Result<Option<MilliwattHours>, Fault> {
    let energy = |value: i64| u64::try_from(value).ok().and_then(MilliwattHours::new);
    let energy = |value| energy(value).ok_or_else(|| Fault::Damaged("an energy in it is none".into()));
    value.map(energy).transpose()
}
