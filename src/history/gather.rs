//! A history made of parts of others, for a ledger that has meters of several.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::store::{HISTORY, HistoryStore};
use crate::storage::{StoreFault, close, connect, file_id};

/// The columns of a slot, but for its meter.
const SLOT: &str = "ended, trusted, measured_ms, mean_mw, min_mw, max_mw, published_mwh, began, began_mwh";

/// Whether something of this name, in the source at this position, is wanted.
type Wanted<'a> = &'a dyn Fn(usize, &str) -> bool;

/// Creates a history in the folder `new` with the wanted meters and clients of the histories in the folders `from`. A file of an earlier version
/// is brought up to date first, and a damaged one set aside, as the daemon does.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn gather(from: &[&Path], new: &Path, meter: Wanted<'_>, client: Wanted<'_>) -> Result<(), StoreFault> {
    drop(HistoryStore::create(new)?);
    let target = connect(&new.join(HISTORY))?;
    // The caller synchronises the file when it is complete.
    target.pragma_update(None, "synchronous", "off")?;
    // Rows are in the order of time, across all sources. The index orders them without a sorter in memory.
    target.execute_batch(
        "CREATE TEMP TABLE place (kind TEXT NOT NULL, old INTEGER NOT NULL, new INTEGER NOT NULL, PRIMARY KEY (kind, old)) WITHOUT ROWID;
         CREATE TABLE incoming AS SELECT * FROM slot WHERE 0;
         CREATE INDEX incoming_ended ON incoming (ended, id);",
    )?;
    for (source, folder) in from.iter().enumerate() {
        let path = folder.join(HISTORY);
        if file_id(&path)?.is_none() {
            continue;
        }
        drop(HistoryStore::open(folder)?);
        target.execute("ATTACH ?1 AS old", [path.to_string_lossy()])?;
        add(&target, source, meter, client)?;
        target.execute_batch("DETACH old")?;
    }
    target.execute_batch(&format!(
        "INSERT INTO slot (meter, {SLOT}) SELECT meter, {SLOT} FROM incoming ORDER BY ended, id; DROP TABLE incoming;"
    ))?;
    Ok(close(target)?)
}

fn add(target: &Connection, source: usize, meter: Wanted<'_>, client: Wanted<'_>) -> Result<(), StoreFault> {
    target.execute_batch("BEGIN; DELETE FROM place")?;
    for (kind, wanted) in [("meter", meter), ("client", client)] {
        let mut names = target.prepare(&format!("SELECT id, name FROM old.{kind}"))?;
        let names: BTreeMap<i64, String> =
            names.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        for (old, name) in names.into_iter().filter(|(_, name)| wanted(source, name)) {
            let find = format!("SELECT id FROM main.{kind} WHERE name = ?1");
            let new = match target.query_row(&find, [&name], |row| row.get::<_, i64>(0)).optional()? {
                Some(new) => new,
                None => {
                    target.execute(&format!("INSERT INTO main.{kind} (name) VALUES (?1)"), [&name])?;
                    target.last_insert_rowid()
                }
            };
            target.execute("INSERT INTO place VALUES (?1, ?2, ?3)", (kind, old, new))?;
        }
    }
    target.execute_batch(&format!(
        "INSERT INTO incoming (id, meter, {SLOT}) SELECT s.id, p.new, {SLOT} FROM old.slot s JOIN place p ON p.kind = 'meter' AND p.old = s.meter;
         INSERT INTO main.day SELECT d.day, p.new, d.energy_mwh, d.covered_s FROM old.day d JOIN place p ON p.kind = 'meter' AND p.old = d.meter
            WHERE true ON CONFLICT DO NOTHING;
         INSERT INTO main.client_hour SELECT h.hour, p.new, h.reports FROM old.client_hour h
            JOIN place p ON p.kind = 'client' AND p.old = h.client WHERE true ON CONFLICT DO NOTHING;
         COMMIT"
    ))?;
    Ok(())
}
