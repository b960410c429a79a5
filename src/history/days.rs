//! Energy per day, as it is kept when the slots are gone: one row for each meter and day, of UTC and of the box's time zone if that is
//! another.
//!
//! A slot over midnight is between two fresh readings, so its energy is divided in proportion to the time. That of a longer slot or of a
//! time without a record is not: all of it counts in the day in which the meter was read again. So the days add up to the total.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension, Transaction, named_params};

use super::HistorySlot;
use super::query::stored_slot;
use crate::clock::{ClockReading, time_zone_of_box};
use crate::units::{MilliwattHours, Name};

/// How many days are kept: 10 years.
pub(super) const KEEP_DAYS: i64 = 3653;
/// The size of a row in the file, about: it limits the rows.
const ROW_BYTES: u64 = 32;
const DAY: i64 = 24 * 3600;
/// Days on which the clocks are set forward, and back.
const SHORTEST_DAY: i64 = 23 * 3600;
const LONGEST_DAY: i64 = 25 * 3600;
/// A slot that lasted longer, in seconds, is not divided: its first reading may be old. Slots take 3 minutes at most, or more if the disk
/// was slow.
pub(super) const FRESH_S: i64 = 600;

/// The table of the days. `covered_s`: the seconds of the day that slots stand for. A day comes first in the key, so that the rows that
/// change together lie together.
pub(super) const TABLE: &str = "CREATE TABLE day (day INTEGER NOT NULL, meter INTEGER NOT NULL, energy_mwh INTEGER NOT NULL, \
     covered_s INTEGER NOT NULL, PRIMARY KEY (day, meter)) WITHOUT ROWID;";
/// The same for the days of the box's time zone, while that is not UTC. Days that were written stay if the time zone changes.
pub(super) const LOCAL_TABLE: &str = "CREATE TABLE local_day (day INTEGER NOT NULL, meter INTEGER NOT NULL, energy_mwh INTEGER NOT NULL, \
     covered_s INTEGER NOT NULL, PRIMARY KEY (day, meter)) WITHOUT ROWID;";

/// How days are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Calendar {
    /// In UTC, as Arkreen counts.
    #[default]
    Utc,
    /// In the box's time zone.
    Local,
}

impl Calendar {
    pub(super) fn table(self) -> &'static str {
        match self {
            Calendar::Utc => "day",
            Calendar::Local => "local_day",
        }
    }
}

/// The end of a meter's last slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotEnd {
    pub(super) ended: Timestamp,
    pub(super) published: Option<MilliwattHours>,
}

impl From<&HistorySlot> for SlotEnd {
    fn from(slot: &HistorySlot) -> Self {
        SlotEnd { ended: slot.ended, published: slot.published }
    }
}

/// What a slot adds to a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DayShare {
    pub(super) energy: MilliwattHours,
    pub(super) covered: Duration,
}

impl DayShare {
    pub(super) fn add(&mut self, other: DayShare) {
        self.energy = self.energy.checked_add(other.energy).unwrap_or(self.energy);
        self.covered = (self.covered + other.covered).min(Duration::from_secs(LONGEST_DAY as u64));
    }
}

/// The day of a time in this time zone, counted from 1970. A day includes its end, not its start, as a slot does.
pub(super) fn day_of(at: Timestamp, zone: &TimeZone) -> i64 {
    let within = at.as_second() - 1;
    let offset = zone.to_offset(Timestamp::from_second(within).unwrap_or(at)).seconds();
    (within + i64::from(offset)).div_euclid(DAY)
}

/// The second at which a day begins.
fn begin_of(day: i64, zone: &TimeZone) -> i64 {
    date_of(day).to_zoned(zone.clone()).map_or(day * DAY, |begin| begin.timestamp().as_second())
}

/// How long a day lasts.
pub(super) fn length_of(day: i64, zone: &TimeZone) -> Duration {
    Duration::from_secs((begin_of(day + 1, zone) - begin_of(day, zone)).unsigned_abs())
}

/// The date of a day that is counted from 1970.
pub(super) fn date_of(day: i64) -> Date {
    let noon = Timestamp::from_second(day.saturating_mul(DAY)).unwrap_or_default();
    noon.to_zoned(TimeZone::UTC).date()
}

/// What a slot adds to which days: one, or two if it lasts over midnight. A span longer than [`FRESH_S`] belongs to the
/// day of its end.
pub(super) fn shares(
    before: Option<SlotEnd>,
    slot: &HistorySlot,
    zone: &TimeZone,
) -> impl Iterator<Item = (i64, DayShare)> + use<> {
    let gained = |from: Option<MilliwattHours>, to: Option<MilliwattHours>| {
        from.zip(to).and_then(|(from, to)| to.checked_sub(from)).unwrap_or_default()
    };
    let start = slot.began.map(|began| SlotEnd { ended: began.at, published: began.published }).or(before);
    let start = start.unwrap_or(SlotEnd { ended: slot.ended, published: None });
    let gap = match (slot.began, before) {
        (Some(began), Some(before)) => gained(before.published, began.published),
        _ => MilliwattHours::ZERO,
    };
    let energy = gained(start.published, slot.published);
    let seconds = slot.ended.as_second() - start.ended.as_second();
    let (first, last) = (day_of(start.ended, zone), day_of(slot.ended, zone));
    // A slot that began at midnight has nothing in the day before.
    let early = match first + 1 == last && (1..=FRESH_S).contains(&seconds) {
        true => (begin_of(last, zone) - start.ended.as_second()).clamp(0, seconds),
        false => 0,
    };
    let before_midnight = portion(energy, early, seconds);
    // A longer span was not divided, and fills the day in which it ends.
    let most = if seconds < SHORTEST_DAY { seconds.max(0) } else { length_of(last, zone).as_secs().cast_signed() };
    let covered = |seconds: i64| Duration::from_secs(seconds.clamp(0, most).unsigned_abs());
    let late = energy.saturating_sub(before_midnight).checked_add(gap).unwrap_or(energy);
    let early_share = DayShare { energy: before_midnight, covered: covered(early) };
    let late_share = DayShare { energy: late, covered: covered(seconds - early) };
    [(early > 0).then_some((first, early_share)), Some((last, late_share))].into_iter().flatten()
}

/// The energy of the first `part` of `whole` seconds, at an even rate.
pub(super) fn portion(energy: MilliwattHours, part: i64, whole: i64) -> MilliwattHours {
    let share = u128::from(energy.get()) * u128::from(part.unsigned_abs()) / u128::from(whole.unsigned_abs().max(1));
    u64::try_from(share).ok().and_then(MilliwattHours::new).unwrap_or(energy).min(energy)
}

/// Where each meter's last slot ended, by the meter's id.
#[derive(Clone, Debug)]
pub(super) struct DaySums {
    /// The days that are kept.
    calendars: Vec<(Calendar, TimeZone)>,
    ends: HashMap<i64, SlotEnd>,
    /// What is to be added to each day and meter.
    sums: HashMap<(Calendar, i64, i64), DayShare>,
}

/// The days that are kept on a box with this time zone.
pub(super) fn calendars(zone: &TimeZone) -> Vec<(Calendar, TimeZone)> {
    let local = (*zone != TimeZone::UTC).then(|| (Calendar::Local, zone.clone()));
    [(Calendar::Utc, TimeZone::UTC)].into_iter().chain(local).collect()
}

impl Default for DaySums {
    fn default() -> Self {
        DaySums::of(calendars(&time_zone_of_box()))
    }
}

impl DaySums {
    /// Of these days.
    pub(super) fn of(calendars: Vec<(Calendar, TimeZone)>) -> Self {
        DaySums { calendars, ends: HashMap::new(), sums: HashMap::new() }
    }

    /// The days that are kept.
    pub(super) fn calendars(&self) -> &[(Calendar, TimeZone)] {
        &self.calendars
    }

    /// Adds slots to the table, before they are inserted themselves; returns what is known after that, for when all of it is committed.
    pub(super) fn add<'a>(
        &self,
        transaction: &Transaction<'_>,
        slots: impl IntoIterator<Item = (i64, &'a HistorySlot)>,
    ) -> rusqlite::Result<DaySums> {
        let mut days = self.clone();
        let sql = "SELECT ended, published_mwh FROM slot WHERE meter = ?1 ORDER BY id DESC LIMIT 1";
        let mut last = transaction.prepare(sql)?;
        for (meter, slot) in slots {
            if !days.ends.contains_key(&meter)
                && let Some(end) = last.query_row([meter], |row| slot_end(row.get(0)?, row.get(1)?)).optional()?
            {
                days.ends.insert(meter, end);
            }
            days.push(meter, slot);
        }
        write(transaction, &std::mem::take(&mut days.sums))?;
        Ok(days)
    }

    fn push(&mut self, meter: i64, slot: &HistorySlot) {
        let before = self.ends.insert(meter, slot.into());
        for (calendar, zone) in &self.calendars {
            for (day, share) in shares(before, slot, zone) {
                self.sums.entry((*calendar, day, meter)).or_default().add(share);
            }
        }
    }
}

/// Fills the table of local days, on a box that is not in UTC and has none yet.
pub(super) fn fill_local(connection: &mut Connection, days: &DaySums) -> rusqlite::Result<()> {
    let local: Vec<_> = days.calendars.iter().filter(|(calendar, _)| *calendar == Calendar::Local).cloned().collect();
    let has_days =
        |connection: &Connection| connection.query_row("SELECT EXISTS (SELECT 1 FROM local_day)", [], |row| row.get(0));
    if local.is_empty() || has_days(connection)? {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    fill(&transaction, DaySums::of(local))?;
    transaction.commit()
}

/// Fills the table of UTC days from all slots, which a file of the first version has.
pub(super) fn fill_utc(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    fill(transaction, DaySums::of(calendars(&TimeZone::UTC)))
}

fn fill(transaction: &Transaction<'_>, mut days: DaySums) -> rusqlite::Result<()> {
    // The name plays no role.
    let nobody = Name::new("meter").expect("this is a name");
    let mut all = transaction.prepare("SELECT * FROM slot ORDER BY id")?;
    for row in all.query_map([], |row| Ok((row.get::<_, i64>("meter")?, stored_slot(row, &nobody)?)))? {
        let (meter, slot) = row?;
        days.push(meter, &slot);
    }
    write(transaction, &days.sums)
}

fn write(transaction: &Transaction<'_>, sums: &HashMap<(Calendar, i64, i64), DayShare>) -> rusqlite::Result<()> {
    let written: BTreeSet<_> = sums.keys().map(|(calendar, ..)| *calendar).collect();
    for calendar in written {
        let mut add = transaction.prepare(&format!(
            "INSERT INTO {} (day, meter, energy_mwh, covered_s) VALUES (:day, :meter, :energy_mwh, :covered_s) \
             ON CONFLICT DO UPDATE SET energy_mwh = energy_mwh + excluded.energy_mwh, \
             covered_s = min({LONGEST_DAY}, covered_s + excluded.covered_s)",
            calendar.table()
        ))?;
        for ((_, day, meter), share) in sums.iter().filter(|((of, ..), _)| *of == calendar) {
            add.execute(named_params! {
                ":day": day,
                ":meter": meter,
                ":energy_mwh": share.energy,
                ":covered_s": i64::try_from(share.covered.as_secs()).unwrap_or(DAY),
            })?;
        }
    }
    Ok(())
}

/// Deletes the days that are too old, which only a trusted clock knows, and the oldest ones where they would take more than half of the
/// largest size of the file.
pub(super) fn expire(
    connection: &Connection,
    now: &ClockReading,
    max_size: u64,
    days: &DaySums,
) -> rusqlite::Result<()> {
    let rows = i64::try_from(max_size / 2 / ROW_BYTES / days.calendars.len() as u64).unwrap_or(i64::MAX);
    for table in [Calendar::Utc, Calendar::Local].map(Calendar::table) {
        if now.trusted {
            let oldest = day_of(now.wall, &TimeZone::UTC) - KEEP_DAYS;
            connection.execute(&format!("DELETE FROM {table} WHERE day < ?1"), [oldest])?;
        }
        let first_too_many = format!("SELECT day FROM {table} ORDER BY day DESC LIMIT 1 OFFSET ?1");
        if let Some(day) = connection.query_row(&first_too_many, [rows], |row| row.get::<_, i64>(0)).optional()? {
            connection.execute(&format!("DELETE FROM {table} WHERE day <= ?1"), [day])?;
        }
    }
    Ok(())
}

/// The end of a slot as it is stored.
pub(super) fn slot_end(ended: i64, published: Option<MilliwattHours>) -> rusqlite::Result<SlotEnd> {
    Ok(SlotEnd { ended: Timestamp::from_second(ended).unwrap_or_default(), published })
}
