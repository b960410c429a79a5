//! A time as the user types it: `2026-11-01`, `2026-11-01T08:00:00+02:00`, `7d`, `today`.

use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

/// What was typed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Moment {
    /// With the offset that it was written with.
    At(Timestamp, Offset),
    /// In the time zone of the output.
    Local(DateTime),
    /// Before now.
    Ago(SignedDuration),
    /// The begin of the day so many days ago.
    DaysAgo(i64),
}

impl Moment {
    /// # Errors
    /// What can be written.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| {
            "not a time: a day such as 2026-11-01, a time such as 2026-11-01T08:00:00+02:00, 7d for seven days ago, today or yesterday"
                .to_owned()
        })
    }

    fn read(text: &str) -> Option<Self> {
        match text {
            "today" => return Some(Moment::DaysAgo(0)),
            "yesterday" => return Some(Moment::DaysAgo(1)),
            _ => {}
        }
        if let Ok(ago) = humantime::parse_duration(text) {
            return SignedDuration::try_from(ago).ok().map(Moment::Ago);
        }
        let pieces = Pieces::parse(text).ok()?;
        let local = pieces.date().to_datetime(pieces.time().unwrap_or_default());
        match pieces.to_numeric_offset() {
            Some(offset) => offset.to_timestamp(local).ok().map(|at| Moment::At(at, offset)),
            None => Some(Moment::Local(local)),
        }
    }

    /// The offset that was written with it.
    pub(super) fn offset(&self) -> Option<Offset> {
        match self {
            Moment::At(_, offset) => Some(*offset),
            _ => None,
        }
    }

    /// As an instant; days begin at midnight of this time zone.
    pub(super) fn in_zone(&self, zone: &TimeZone, now: Timestamp) -> Timestamp {
        match self {
            Moment::At(at, _) => *at,
            Moment::Local(local) => local.to_zoned(zone.clone()).map_or(now, |zoned| zoned.timestamp()),
            Moment::Ago(ago) => now.checked_sub(*ago).unwrap_or(Timestamp::MIN),
            Moment::DaysAgo(days) => days_ago(*days, zone, now),
        }
    }
}

/// The begin of the day so many days before today.
pub(super) fn days_ago(days: i64, zone: &TimeZone, now: Timestamp) -> Timestamp {
    let today = now.to_zoned(zone.clone()).date();
    let begin = |day: Date| day.to_zoned(zone.clone());
    today.checked_sub(days.days()).and_then(begin).map_or(now, |begin| begin.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_of_the_time_zone_unless_an_offset_is_written() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now: Timestamp = "2026-11-27T23:30:00Z".parse().unwrap();
        for (text, at) in [
            ("today", "2026-11-27T23:00:00Z"),
            ("yesterday", "2026-11-26T23:00:00Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z"),
            ("2026-07-01T08:00:00", "2026-07-01T06:00:00Z"),
            ("2026-07-01T08:00:00+08:00", "2026-07-01T00:00:00Z"),
            ("2h", "2026-11-27T21:30:00Z"),
        ] {
            assert_eq!(Moment::parse(text).unwrap().in_zone(&zone, now), at.parse().unwrap(), "{text}");
        }
        assert_eq!(Moment::parse("2026-07-01T08:00:00+08:00").unwrap().offset(), Some(jiff::tz::offset(8)));
        assert!(Moment::parse("last week").is_err());
    }
}
