//! Rows with checksums. SQLite does not notice a flipped byte in a value, so each row ends with a CRC32 over its table's name and its
//! other columns.

use rusqlite::types::{ToSql, ToSqlOutput, Value};
use rusqlite::{Connection, Row, params_from_iter};

use crate::storage::StoreFault;

/// Writes rows with their checksums, each in the place of the one with its key.
pub(super) fn write(
    connection: &Connection,
    table: &str,
    rows: impl IntoIterator<Item = rusqlite::Result<Vec<Value>>>,
) -> rusqlite::Result<()> {
    let mut statement = None;
    // One after the other: together the rows of many meters take much memory.
    for values in rows {
        let mut values = values?;
        values.push(checksum(table, &values).into());
        let statement = match &mut statement {
            Some(statement) => statement,
            None => {
                let marks = vec!["?"; values.len()].join(", ");
                statement.insert(connection.prepare(&format!("INSERT OR REPLACE INTO {table} VALUES ({marks})"))?)
            }
        };
        statement.execute(params_from_iter(values))?;
    }
    Ok(())
}

/// All rows of a table in the order of their keys. Each has the right checksum.
pub(super) fn read<T>(
    connection: &Connection,
    table: &str,
    mut parse: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreFault> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY rowid"))?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        check(table, row)?;
        all.push(parse(row)?);
    }
    Ok(all)
}

/// Fails unless the last column has the right checksum of the others.
pub(super) fn check(table: &str, row: &Row<'_>) -> Result<(), StoreFault> {
    let columns = row.as_ref().column_count().saturating_sub(1);
    let values = (0..columns).map(|index| row.get(index)).collect::<Result<Vec<Value>, _>>()?;
    match row.get::<_, i64>(columns)? == checksum(table, &values) {
        true => Ok(()),
        false => Err(StoreFault::Damaged(format!("a row of its table `{table}` fails its checksum"))),
    }
}

/// The CRC32 over a row of that table: each value with its type and length.
fn checksum(table: &str, values: &[Value]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(table.as_bytes());
    let mut add = |kind: &[u8], value: &[u8]| {
        hasher.update(kind);
        hasher.update(value);
    };
    for value in values {
        match value {
            Value::Null => add(b"n", b""),
            Value::Integer(number) => add(b"i", &number.to_le_bytes()),
            Value::Real(number) => add(b"r", &number.to_le_bytes()),
            Value::Text(text) => {
                add(b"t", &(text.len() as u64).to_le_bytes());
                add(b"", text.as_bytes());
            }
            Value::Blob(bytes) => {
                add(b"b", &(bytes.len() as u64).to_le_bytes());
                add(b"", bytes);
            }
        }
    }
    hasher.finalize().into()
}

/// These columns as a row holds them.
pub(super) fn values(columns: &[&dyn ToSql]) -> rusqlite::Result<Vec<Value>> {
    let value = |column: &&dyn ToSql| match column.to_sql()? {
        ToSqlOutput::Owned(value) => Ok(value),
        ToSqlOutput::Borrowed(value) => Ok(value.try_into()?),
        _ => Err(rusqlite::Error::ToSqlConversionFailure("a value that no column holds".into())),
    };
    columns.iter().map(value).collect()
}
