//! A meter's ledger goes on under another name: everything that is kept by the name goes along, in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction};

use super::rows::{self, JournalRow, MeterRow, Rename};
use super::seal;

/// Journal rows that are held in memory at a time.
const AT_A_TIME: usize = 100;

/// Takes the rows of the old name away, whose content is written under the new one with the same commit, and hands its journal on.
pub(super) fn rename(
    transaction: &Transaction<'_>,
    rename: &Rename,
    seals: &mut BTreeMap<String, i64>,
) -> rusqlite::Result<()> {
    let from = rename.from.as_str();
    transaction.execute("DELETE FROM meter WHERE name = ?1", [from])?;
    transaction.execute("DELETE FROM figure WHERE meter = ?1", [from])?;
    for key in MeterRow::seal_keys_of(&rename.from) {
        seals.remove(&key);
    }
    let mut behind = 0;
    while let Some(last) = hand_on(transaction, rename, behind)? {
        behind = last;
    }
    Ok(())
}

/// Hands on the next rows behind that one; the last of them, or `None` where none is left. One that fails its checksum stays as it is.
fn hand_on(connection: &Connection, rename: &Rename, behind: i64) -> rusqlite::Result<Option<i64>> {
    let query = format!("{} WHERE meter = ?1 AND id > ?2 ORDER BY id LIMIT ?3", JournalRow::SELECT);
    let mut statement = connection.prepare(&query)?;
    let mut found = statement.query((rename.from.as_str(), behind, AT_A_TIME as i64))?;
    let (mut last, mut handed_on) = (None, Vec::new());
    while let Some(row) = found.next()? {
        last = Some(row.get(0)?);
        if let Ok((mut values, _)) = rows::unseal(JournalRow::TABLE, row, JournalRow::COLUMNS) {
            values[JournalRow::METER] = rename.to.as_str().to_owned().into();
            handed_on.push(values);
        }
    }
    let mut write = connection.prepare(JournalRow::WRITE)?;
    for values in handed_on {
        write.execute(seal::sealed(JournalRow::TABLE, values).0)?;
    }
    Ok(last)
}
