//! A history made of parts of others, for a ledger that has meters of several.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction};

use super::store::{HISTORY, HistoryStore};
use crate::storage::{DiskError, StoreFault, close, file_id};

/// The columns of a slot, but for its meter.
const SLOT: &str = "ended, trusted, measured_ms, mean_mw, min_mw, max_mw, published_mwh, began, began_mwh";

/// Whether something of this name, in the source at this position, is wanted.
type Wanted<'a> = &'a dyn Fn(usize, &str) -> bool;

/// The number of each meter or client in the new history, by its name.
type Numbers = BTreeMap<String, i64>;

/// Why no history was gathered.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// One that is there cannot be read.
    #[error("the history {} cannot be used: {}, or move it away (no figure depends on it)", path.display(), source.remedy())]
    Present {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: DiskError,
    },
    /// The new one cannot be written.
    #[error("{} cannot be written: {}", path.display(), source.remedy())]
    New {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: DiskError,
    },
}

impl GatherError {
    fn present<E: Into<StoreFault>>(folder: &Path) -> impl Fn(E) -> Self {
        let path = folder.join(HISTORY);
        move |fault| GatherError::Present { path: path.clone(), source: fault.into().into_disk_error() }
    }

    fn new<E: Into<StoreFault>>(folder: &Path) -> impl Fn(E) -> Self {
        let path = folder.join(HISTORY);
        move |fault| GatherError::New { path: path.clone(), source: fault.into().into_disk_error() }
    }
}

/// Makes a history ready to be gathered from. A file of an earlier version is brought up to date, and a damaged one set aside, as the daemon does;
/// returns why.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn make_ready(folder: &Path) -> Result<Option<String>, GatherError> {
    let ready = || match file_id(&folder.join(HISTORY))? {
        None => Ok(None),
        Some(_) => HistoryStore::open_checked(folder).map(|(_, aside)| aside),
    };
    ready().map_err(GatherError::present(folder))
}

/// Creates a history in the folder `new` with the wanted meters and clients of the histories in the folders `from`, which are
/// [ready](make_ready).
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn gather(from: &[&Path], new: &Path, meter: Wanted<'_>, client: Wanted<'_>) -> Result<(), GatherError> {
    let mut target = begin(new).map_err(GatherError::new(new))?;
    let (mut meters, mut clients) = (Numbers::new(), Numbers::new());
    for (source, folder) in from.iter().enumerate() {
        let path = folder.join(HISTORY);
        if file_id(&path).map_err(GatherError::present(folder))?.is_none() {
            continue;
        }
        let wanted = [("meter", meter, &mut meters), ("client", client, &mut clients)];
        add(&mut target, &path, source, wanted).map_err(|error| match StoreFault::from(error) {
            fault if fault.is_of_content() => GatherError::present(folder)(fault),
            fault => GatherError::new(new)(fault),
        })?;
    }
    finish(target).map_err(GatherError::new(new))
}

fn begin(new: &Path) -> Result<Connection, StoreFault> {
    let target = HistoryStore::create_unjournaled(new)?;
    // Rows are in the order of time, across all sources. The index orders them without a sorter in memory.
    target.execute_batch(
        "CREATE TEMP TABLE place (kind TEXT NOT NULL, old INTEGER NOT NULL, new INTEGER NOT NULL, PRIMARY KEY (kind, old)) WITHOUT ROWID;
         CREATE TABLE incoming AS SELECT * FROM slot WHERE 0;
         CREATE INDEX incoming_ended ON incoming (ended, id);",
    )?;
    Ok(target)
}

fn finish(target: Connection) -> rusqlite::Result<()> {
    target.execute_batch(&format!(
        "INSERT INTO slot (meter, {SLOT}) SELECT meter, {SLOT} FROM incoming ORDER BY ended, id; DROP TABLE incoming;"
    ))?;
    close(target)
}

/// Adds what is wanted of the history at `path`.
fn add(
    target: &mut Connection,
    path: &Path,
    source: usize,
    wanted: [(&str, Wanted<'_>, &mut Numbers); 2],
) -> rusqlite::Result<()> {
    target.execute("ATTACH ?1 AS old", [path.to_string_lossy()])?;
    let transaction = target.transaction()?;
    transaction.execute("DELETE FROM place", [])?;
    for (kind, wanted, numbers) in wanted {
        place(&transaction, kind, &|name| wanted(source, name), numbers)?;
    }
    transaction.execute_batch(&format!(
        "INSERT INTO incoming (id, meter, {SLOT}) SELECT s.id, p.new, {SLOT} FROM old.slot s JOIN place p ON p.kind = 'meter' AND p.old = s.meter;
         INSERT INTO main.day SELECT d.day, p.new, d.energy_mwh, d.covered_s FROM old.day d JOIN place p ON p.kind = 'meter' AND p.old = d.meter
            WHERE true ON CONFLICT DO NOTHING;
         INSERT INTO main.client_hour SELECT h.hour, p.new, h.reports FROM old.client_hour h
            JOIN place p ON p.kind = 'client' AND p.old = h.client WHERE true ON CONFLICT DO NOTHING;"
    ))?;
    transaction.commit()?;
    target.execute_batch("DETACH old")
}

/// Gives each wanted name its number in the new history. The numbers are kept outside of it: its tables have no index by name, so that finding
/// each would read the whole table for each.
fn place(
    target: &Transaction<'_>,
    kind: &str,
    wanted: &dyn Fn(&str) -> bool,
    numbers: &mut Numbers,
) -> rusqlite::Result<()> {
    let mut names = target.prepare(&format!("SELECT id, name FROM old.{kind}"))?;
    let mut new = target.prepare(&format!("INSERT INTO main.{kind} (id, name) VALUES (?1, ?2)"))?;
    let mut placed = target.prepare("INSERT INTO place VALUES (?1, ?2, ?3)")?;
    let mut rows = names.query([])?;
    while let Some(row) = rows.next()? {
        let (old, name): (i64, String) = row.try_into()?;
        if !wanted(&name) {
            continue;
        }
        let next = numbers.len() as i64 + 1;
        let number = *numbers.entry(name.clone()).or_insert(next);
        if number == next {
            new.execute((number, &name))?;
        }
        placed.execute((kind, old, number))?;
    }
    Ok(())
}
