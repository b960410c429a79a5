//! A row and its checksum: SQLite does not notice a flipped byte in a value, the seal does. All seals together tell an old row from the last.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Params, Row, params_from_iter};

use super::journal::Tally;
use crate::storage::StoreFault;

/// The seals of all rows. The last commit keeps what they come to, so that a row that is lost, or an old one come back, is noticed.
#[derive(Clone, Debug, Default)]
pub(super) struct Seals {
    /// Of each meter's and client's row.
    pub rows: BTreeMap<String, i64>,
    /// Of the journal, which is too long to be held; absent until it was counted, where the last commit is of a program that kept none.
    pub journal: Option<Tally>,
}

impl Seals {
    /// The sum of those of meters and clients.
    pub(super) fn sum(&self) -> i64 {
        self.rows.values().fold(0, |sum, seal| sum.wrapping_add(*seal))
    }
}

/// The CRC32 over a row of that table: each value with its type and length.
pub(super) fn seal(table: &str, values: &[Value]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(table.as_bytes());
    for value in values {
        match value {
            Value::Null => hasher.update(b"n"),
            Value::Integer(number) => {
                hasher.update(b"i");
                hasher.update(&number.to_le_bytes());
            }
            Value::Real(number) => {
                hasher.update(b"r");
                hasher.update(&number.to_le_bytes());
            }
            Value::Text(text) => {
                hasher.update(b"t");
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
            Value::Blob(bytes) => {
                hasher.update(b"b");
                hasher.update(&(bytes.len() as u64).to_le_bytes());
                hasher.update(bytes);
            }
        }
    }
    hasher.finalize().into()
}

/// The values with their seal behind them, as a statement takes them.
pub(super) fn sealed(table: &str, mut values: Vec<Value>) -> (impl Params, i64) {
    let seal = seal(table, &values);
    values.push(Value::Integer(seal));
    (params_from_iter(values), seal)
}

/// The `count` values of a row whose seal stands behind them, and the seal.
pub(super) fn open(table: &str, row: &Row<'_>, count: usize) -> Result<(Vec<Value>, i64), StoreFault> {
    let values = (0..count).map(|index| row.get(index)).collect::<Result<Vec<Value>, _>>()?;
    let found: i64 = row.get(count)?;
    if found != seal(table, &values) {
        return Err(StoreFault::Damaged(format!("a row of its table `{table}` fails its checksum")));
    }
    Ok((values, found))
}
