//! A meter's ledger goes on under another name: everything that is kept by the name goes along, in one transaction.

use rusqlite::{Connection, Transaction};

use super::journal::{self, Tally};
use super::rows::{self, JournalRow, MeterRow, Rename};
use super::seal::Seals;

/// Journal rows that are held in memory at a time.
const AT_A_TIME: usize = 100;

/// Takes the rows of the old name away, whose content is written under the new one with the same commit, and hands its journal on.
pub(super) fn rename(transaction: &Transaction<'_>, rename: &Rename, seals: &mut Seals) -> rusqlite::Result<()> {
    let from = rename.from.as_str();
    transaction.execute("DELETE FROM meter WHERE name = ?1", [from])?;
    transaction.execute("DELETE FROM figure WHERE meter = ?1", [from])?;
    for key in MeterRow::seal_keys_of(&rename.from) {
        seals.rows.remove(&key);
    }
    let mut behind = 0;
    while let Some(last) = hand_on(transaction, rename, behind, &mut seals.journal)? {
        behind = last;
    }
    Ok(())
}

/// Hands on the next rows behind that one; the last of them, or `None` where none is left. One that fails its checksum stays as it is.
fn hand_on(
    connection: &Connection,
    rename: &Rename,
    behind: i64,
    tally: &mut Option<Tally>,
) -> rusqlite::Result<Option<i64>> {
    let query = format!("{} WHERE meter = ?1 AND id > ?2 ORDER BY id LIMIT ?3", JournalRow::SELECT);
    let mut statement = connection.prepare(&query)?;
    let mut found = statement.query((rename.from.as_str(), behind, AT_A_TIME as i64))?;
    let (mut last, mut handed_on) = (None, Vec::new());
    while let Some(row) = found.next()? {
        let id = row.get(0)?;
        last = Some(id);
        if let Ok((mut values, _)) = rows::unseal(JournalRow::TABLE, row, JournalRow::COLUMNS) {
            values[JournalRow::METER] = rename.to.as_str().to_owned().into();
            handed_on.push((id, values));
        }
    }
    for (id, values) in handed_on {
        journal::put(connection, id, values, tally)?;
    }
    Ok(last)
}
