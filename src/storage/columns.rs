//! How quantities, names and times lie in the columns of a store.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::{BootId, ClockReading};
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

/// Implements both directions for a type: its value as an integer or a text, and back if that is in its range.
macro_rules! column {
    ($type:ty: $what:literal, $value:ident => $stored:expr, $read:ident => $parse:expr) => {
        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                let $value = self;
                Ok($stored.into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                $parse(value.$read()?).ok_or_else(|| {
                    FromSqlError::Other(concat!("a column that should hold ", $what, " does not").into())
                })
            }
        }
    };
}

// At most 2^53 - 1, so within i64.
column!(MilliwattHours: "an energy", energy => energy.get() as i64, as_i64 => |number: i64| {
    u64::try_from(number).ok().and_then(MilliwattHours::new)
});
column!(Milliwatts: "a power", power => power.0, as_i64 => |number| Some(Milliwatts(number)));
column!(Name: "a name", name => name.as_str(), as_str => Name::new);
column!(ClientId: "a client identifier", id => id.to_hex(), as_str => ClientId::parse);

pub(crate) use column;

/// A value as JSON text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = serde_json::to_string(&self.0);
        Ok(text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?.into())
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Json).map_err(|error| FromSqlError::Other(error.into()))
    }
}

/// A clock reading with few bytes, because one is written at each slot: a JSON array of the boot, seconds and nanoseconds since then, the
/// wall clock, and whether that was trusted.
pub(crate) type CompactReading = (BootId, u64, u32, Timestamp, bool);

/// The clock reading of its compact form.
pub(crate) fn expand((boot, seconds, nanoseconds, wall, trusted): CompactReading) -> ClockReading {
    let since_boot = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds.into()));
    ClockReading { boot, since_boot, wall, trusted }
}

impl ToSql for ClockReading {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let ClockReading { boot, since_boot, wall, trusted } = *self;
        let compact: CompactReading = (boot, since_boot.as_secs(), since_boot.subsec_nanos(), wall, trusted);
        Ok(serde_json::to_string(&compact)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?
            .into())
    }
}

impl FromSql for ClockReading {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Json::column_result(value).map(|Json(compact)| expand(compact))
    }
}

/// A time to the second: it is only shown to people.
pub(crate) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A duration in nanoseconds, at most what the column can hold.
pub(crate) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A running total, at most what the column can hold.
pub(crate) fn total(sum: u64) -> i64 {
    i64::try_from(sum).unwrap_or(i64::MAX)
}
