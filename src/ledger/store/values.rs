//! How values of the ledger lie in columns, and the checksum of a row.
//!
//! SQLite does not notice a flipped byte in a value: each row ends with a CRC32 over its table's name and its values.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use crate::clock::{BootId, ClockReading};
use crate::storage::StoreFault;
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// A row of one table.
pub(super) trait StoredRow: Sized {
    /// The table.
    const TABLE: &'static str;
    /// Its columns without the checksum, the integer key first.
    const COLUMNS: &'static [&'static str];

    /// The values in the order of [`Self::COLUMNS`].
    fn to_values(&self) -> rusqlite::Result<Vec<Value>>;

    /// The row from its columns.
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self>;
}

/// Writes rows, each in the place of the one with its key.
pub(super) fn write<'a, R: StoredRow + 'a>(
    connection: &Connection,
    rows: impl IntoIterator<Item = &'a R>,
) -> rusqlite::Result<()> {
    let marks = vec!["?"; R::COLUMNS.len() + 1].join(", ");
    let columns = R::COLUMNS.join(", ");
    let mut statement =
        connection.prepare(&format!("INSERT OR REPLACE INTO {} ({columns}, crc) VALUES ({marks})", R::TABLE))?;
    for row in rows {
        let mut values = row.to_values()?;
        values.push(Value::Integer(checksum(R::TABLE, &values)));
        statement.execute(params_from_iter(values))?;
    }
    Ok(())
}

/// The query of a table's rows; `which` is the rest of the statement.
pub(super) fn select<R: StoredRow>(which: &str) -> String {
    format!("SELECT {}, crc FROM {} {which}", R::COLUMNS.join(", "), R::TABLE)
}

/// All rows of a table, in the order of their keys.
pub(super) fn read_all<R: StoredRow>(connection: &Connection) -> Result<Vec<R>, StoreFault> {
    let mut statement = connection.prepare(&select::<R>(&format!("ORDER BY {}", R::COLUMNS[0])))?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(check(row)?);
    }
    Ok(all)
}

/// A row whose checksum is right.
pub(super) fn check<R: StoredRow>(row: &Row<'_>) -> Result<R, StoreFault> {
    let values = (0..R::COLUMNS.len()).map(|index| row.get(index)).collect::<Result<Vec<Value>, _>>()?;
    if row.get::<_, i64>("crc")? != checksum(R::TABLE, &values) {
        return Err(StoreFault::Damaged(format!("a row of its table `{}` fails its checksum", R::TABLE)));
    }
    Ok(R::from_row(row)?)
}

/// The CRC32 over a row of that table: each value with its type and length.
pub(super) fn checksum(table: &str, values: &[Value]) -> i64 {
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

/// These values as a row holds them.
pub(super) fn values(all: &[&dyn ToSql]) -> rusqlite::Result<Vec<Value>> {
    let value = |value: &&dyn ToSql| match value.to_sql()? {
        ToSqlOutput::Owned(value) => Ok(value),
        ToSqlOutput::Borrowed(value) => Ok(value.try_into()?),
        _ => Err(rusqlite::Error::ToSqlConversionFailure("a value that no column holds".into())),
    };
    all.iter().map(value).collect()
}

fn strange(what: &'static str) -> FromSqlError {
    FromSqlError::Other(format!("a column that should hold {what} does not").into())
}

fn number<T: TryFrom<i64>>(value: ValueRef<'_>, what: &'static str) -> FromSqlResult<T> {
    T::try_from(value.as_i64()?).map_err(|_| strange(what))
}

impl ToSql for MilliwattHours {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        // At most 2^53 - 1, so within i64.
        Ok((self.get() as i64).into())
    }
}

impl FromSql for MilliwattHours {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        MilliwattHours::new(number(value, "an energy")?).ok_or_else(|| strange("an energy"))
    }
}

impl ToSql for Milliwatts {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for Milliwatts {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Milliwatts)
    }
}

impl ToSql for Name {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Name {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Name::new(value.as_str()?).ok_or_else(|| strange("a name"))
    }
}

impl ToSql for ClientId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_hex().into())
    }
}

impl FromSql for ClientId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        ClientId::parse(value.as_str()?).ok_or_else(|| strange("a client id"))
    }
}

/// A count or a running total; what is beyond the column's range stays at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnsignedColumn(pub(super) u64);

impl ToSql for UnsignedColumn {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for UnsignedColumn {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        number(value, "a count").map(UnsignedColumn)
    }
}

/// A duration in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nanoseconds(pub(super) Duration);

impl ToSql for Nanoseconds {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0.as_nanos()).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Nanoseconds {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        number(value, "a duration").map(|nanoseconds| Nanoseconds(Duration::from_nanos(nanoseconds)))
    }
}

/// A time that is shown to people, to the second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Second(pub(super) Timestamp);

impl ToSql for Second {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into())
    }
}

impl FromSql for Second {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Second).map_err(|_| strange("a time"))
    }
}

/// A JSON text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: serde::Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = serde_json::to_string(&self.0);
        Ok(text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?.into())
    }
}

impl<T: serde::de::DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Json).map_err(|error| FromSqlError::Other(error.into()))
    }
}

/// A clock reading to the nanosecond, in few bytes, as it is written at each slot: boot, seconds and nanoseconds since it, wall clock,
/// whether that is trusted.
pub(super) type CompactReading = (BootId, u64, u32, Timestamp, bool);

/// A clock reading as JSON in the order boot, seconds since boot, nanoseconds, wall clock, trusted.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockColumn(pub(super) ClockReading);

impl ToSql for ClockColumn {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let ClockReading { boot, since_boot, wall, trusted } = self.0;
        let compact: CompactReading = (boot, since_boot.as_secs(), since_boot.subsec_nanos(), wall, trusted);
        let text = serde_json::to_string(&compact);
        Ok(text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?.into())
    }
}

impl FromSql for ClockColumn {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let Json(compact) = Json::column_result(value)?;
        reading(compact).map(ClockColumn).map_err(|fault| FromSqlError::Other(fault.to_string().into()))
    }
}

/// The clock reading that was written in few bytes.
pub(super) fn reading((boot, seconds, nanoseconds, wall, trusted): CompactReading) -> Result<ClockReading, StoreFault> {
    let since_boot = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanoseconds.into()));
    let since_boot = since_boot.ok_or_else(|| StoreFault::Damaged("a clock reading in it is none".into()))?;
    Ok(ClockReading { boot, since_boot, wall, trusted })
}
