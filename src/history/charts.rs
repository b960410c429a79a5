//! What the page shows of the history, in memory: the power of the last 24 hours, the energy of the last days and months. It is read from
//! the file once and follows each committed slot, so a page never waits for the disk and never makes the history write early.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::Connection;

use super::days::{Calendar, DayShare, SlotEnd, calendars, date_of, day_of, length_of, shares, slot_end};
use super::query::stored_slot;
use super::{HistorySlot, MeterRename, PowerSummary};
use crate::clock::time_zone_of_box;
use crate::units::{MilliwattHours, Name};

/// The time that is shown of the power.
const SHOWN_S: i64 = 24 * 3600;
/// One point of the power. Slots take at most 3 minutes, so no point lacks one.
const POINT_S: i64 = 300;
/// With more meters than [`MANY`] a point is longer, because of the memory.
const LONG_POINT_S: i64 = 1800;
const MANY: usize = 256;
/// Today and the days before it.
const DAYS: usize = 31;
/// This month and a year before it.
const MONTHS: usize = 13;
const DAY_S: i64 = 24 * 3600;

/// Power over some minutes, in watts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PowerPoint {
    /// Over the measured time.
    pub mean: f32,
    /// The lowest sample.
    pub min: f32,
    /// The highest sample.
    pub max: f32,
    /// The measured seconds, at least a part of one.
    weight: f32,
}

/// The energy of a day or of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnergyPeriod {
    /// Its first day.
    pub begins: Date,
    /// Consumed in it.
    pub energy: MilliwattHours,
    /// The time of it that is recorded; of a month it is not known.
    pub covered: Option<Duration>,
}

/// What is shown of one meter.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterHistory {
    /// When the first point of `power` begins.
    pub from: Timestamp,
    /// The length of a point.
    pub point: Duration,
    /// 24 hours up to now; `None` where nothing was read.
    pub power: Vec<Option<PowerPoint>>,
    /// The days with records, the oldest first, up to today.
    pub days: Vec<EnergyPeriod>,
    /// The months with records, the oldest first, up to this one.
    pub months: Vec<EnergyPeriod>,
}

/// Shared by the history's task, which fills it, and by the page.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedCharts(Arc<Mutex<Charts>>);

#[derive(Debug)]
pub(super) struct Charts {
    /// Why something is missing, as a message.
    pub(super) note: Option<String>,
    calendars: Vec<(Calendar, TimeZone)>,
    point_s: i64,
    meters: BTreeMap<Name, MeterChart>,
}

#[derive(Clone, Debug, Default)]
struct MeterChart {
    points: Vec<PowerPoint>,
    /// The number of the last point, counted from 1970.
    newest: i64,
    utc: EnergyChart,
    /// Empty if the box's time zone is UTC.
    local: EnergyChart,
    end: Option<SlotEnd>,
}

/// The energy in one calendar.
#[derive(Clone, Debug, Default)]
struct EnergyChart {
    days: BTreeMap<i64, DayShare>,
    /// By the number of the month: 12 a year.
    months: BTreeMap<i64, MilliwattHours>,
}

impl SharedCharts {
    pub(super) fn lock(&self) -> MutexGuard<'_, Charts> {
        self.0.lock().expect("no panic while the lock is held")
    }
}

impl Default for Charts {
    fn default() -> Self {
        Charts::of(calendars(&time_zone_of_box()))
    }
}

impl Charts {
    fn of(calendars: Vec<(Calendar, TimeZone)>) -> Self {
        Charts { note: None, calendars, point_s: POINT_S, meters: BTreeMap::new() }
    }

    /// Without records.
    pub(super) fn with_note(note: String) -> Self {
        Charts { note: Some(note), ..Charts::default() }
    }

    /// Reads what is shown from an open history (blocking).
    pub(super) fn read(
        connection: &Connection,
        now: Timestamp,
        calendars: &[(Calendar, TimeZone)],
    ) -> rusqlite::Result<Charts> {
        let mut charts = Charts::of(calendars.to_vec());
        let mut names = BTreeMap::new();
        let mut all = connection.prepare("SELECT id, name FROM meter")?;
        for row in all.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))? {
            let (id, name) = row?;
            // A text that is not a name belongs to a meter whose name another meter took over.
            names.extend(Name::new(&name).map(|name| (id, name)));
        }
        if names.len() > MANY {
            charts.point_s = LONG_POINT_S;
        }
        for (calendar, zone) in calendars {
            let table = calendar.table();
            let days = format!("SELECT meter, day, energy_mwh, covered_s FROM {table} WHERE day > ?1 ORDER BY day");
            let mut days = connection.prepare(&days)?;
            let mut rows = days.query([day_of(now, zone) - 32 * MONTHS as i64])?;
            while let Some(row) = rows.next()? {
                let Some(name) = names.get(&row.get(0)?) else { continue };
                let share = DayShare { energy: row.get(2)?, covered: Duration::from_secs(row.get(3)?) };
                charts.meters.entry(name.clone()).or_default().energy(*calendar).add_day(row.get(1)?, share);
            }
        }
        let mut ends = connection.prepare("SELECT meter, ended, published_mwh, max(id) FROM slot GROUP BY meter")?;
        let mut rows = ends.query([])?;
        while let Some(row) = rows.next()? {
            let Some(name) = names.get(&row.get(0)?) else { continue };
            charts.meters.entry(name.clone()).or_default().end = Some(slot_end(row.get(1)?, row.get(2)?)?);
        }
        let mut slots = connection.prepare("SELECT * FROM slot WHERE id >= ?1 ORDER BY id")?;
        let mut rows = slots.query([first_since(connection, now.as_second() - SHOWN_S)?])?;
        while let Some(row) = rows.next()? {
            let Some(name) = names.get(&row.get("meter")?) else { continue };
            let slot = stored_slot(row, name)?;
            let point_s = charts.point_s;
            charts.meters.entry(name.clone()).or_default().add_power(&slot, point_s);
        }
        Ok(charts)
    }

    /// Adds a slot.
    pub(super) fn add(&mut self, slot: &HistorySlot) {
        if self.meters.len() > MANY && self.point_s == POINT_S {
            self.point_s = LONG_POINT_S;
            self.meters.values_mut().for_each(|meter| meter.points = Vec::new());
        }
        let point_s = self.point_s;
        let meter = self.meters.entry(slot.meter.clone()).or_default();
        let before = meter.end.replace(slot.into());
        for (calendar, zone) in &self.calendars {
            shares(before, slot, zone).for_each(|(day, share)| meter.energy(*calendar).add_day(day, share));
        }
        meter.add_power(slot, point_s);
    }

    /// The records of the old name go on under the new one.
    pub(super) fn rename(&mut self, MeterRename { from, to }: &MeterRename) {
        self.meters.remove(to);
        if let Some(meter) = self.meters.remove(from) {
            self.meters.insert(to.clone(), meter);
        }
    }

    /// What is shown of a meter at this time.
    pub(super) fn meter(&self, name: &Name, now: Timestamp, calendar: Calendar) -> MeterHistory {
        let nothing = MeterChart::default();
        let meter = self.meters.get(name).unwrap_or(&nothing);
        let zone = self.zone(calendar);
        let energy = if zone == TimeZone::UTC { &meter.utc } else { &meter.local };
        let last = point_of(now, self.point_s);
        let count = SHOWN_S / self.point_s;
        MeterHistory {
            from: second((last + 1 - count) * self.point_s),
            point: Duration::from_secs(self.point_s.unsigned_abs()),
            power: (last + 1 - count..=last).map(|number| meter.point(number)).collect(),
            days: energy.days.iter().map(|(day, share)| of_day(*day, share, &zone)).collect(),
            months: energy.months.iter().map(|(month, energy)| of_month(*month, *energy)).collect(),
        }
    }

    /// The time zone of a calendar.
    pub(super) fn zone(&self, wanted: Calendar) -> TimeZone {
        let zone = self.calendars.iter().find(|(calendar, _)| *calendar == wanted).map(|(_, zone)| zone.clone());
        zone.unwrap_or(TimeZone::UTC)
    }
}

impl EnergyChart {
    fn add_day(&mut self, day: i64, share: DayShare) {
        self.days.entry(day).or_default().add(share);
        let date = date_of(day);
        let month = self.months.entry(i64::from(date.year()) * 12 + i64::from(date.month()) - 1).or_default();
        *month = month.checked_add(share.energy).unwrap_or(*month);
        while self.days.len() > DAYS {
            self.days.pop_first();
        }
        while self.months.len() > MONTHS {
            self.months.pop_first();
        }
    }
}

impl MeterChart {
    fn energy(&mut self, calendar: Calendar) -> &mut EnergyChart {
        match calendar {
            Calendar::Utc => &mut self.utc,
            Calendar::Local => &mut self.local,
        }
    }

    fn add_power(&mut self, slot: &HistorySlot, point_s: i64) {
        let Some(power) = slot.power else { return };
        let (number, count) = (point_of(slot.ended, point_s), SHOWN_S / point_s);
        // Also after the clock was set back by much: what was recorded ahead of it is not shown.
        if self.points.is_empty() || number > self.newest + count || number <= self.newest - count {
            self.points = vec![PowerPoint::default(); count.unsigned_abs() as usize];
            self.newest = number;
        }
        for passed in self.newest + 1..=number {
            *self.place(passed) = PowerPoint::default();
        }
        self.newest = self.newest.max(number);
        self.place(number).add(power, slot.measured);
    }

    fn place(&mut self, number: i64) -> &mut PowerPoint {
        let count = self.points.len();
        &mut self.points[number.rem_euclid(count as i64) as usize]
    }

    fn point(&self, number: i64) -> Option<PowerPoint> {
        let count = self.points.len() as i64;
        let held = count > 0 && number <= self.newest && number > self.newest - count;
        held.then(|| self.points[number.rem_euclid(count) as usize]).filter(|point| point.weight > 0.0)
    }
}

impl PowerPoint {
    fn add(&mut self, power: PowerSummary, measured: Duration) {
        let [mean, min, max] = [power.mean_mw, power.min_mw, power.max_mw].map(|power| power.watts() as f32);
        let weight = measured.as_secs_f32().max(0.1);
        let nothing = self.weight == 0.0;
        self.mean = if nothing { mean } else { (self.mean * self.weight + mean * weight) / (self.weight + weight) };
        self.min = if nothing { min } else { self.min.min(min) };
        self.max = if nothing { max } else { self.max.max(max) };
        self.weight += weight;
    }

    /// Of two meters together; the sums of their lowest and highest samples, which need not have been at the same instant.
    pub fn plus(self, other: PowerPoint) -> PowerPoint {
        PowerPoint {
            mean: self.mean + other.mean,
            min: self.min + other.min,
            max: self.max + other.max,
            weight: self.weight.max(other.weight),
        }
    }

    /// Of this power.
    pub fn new(mean: f32, min: f32, max: f32) -> PowerPoint {
        PowerPoint { mean, min, max, weight: 1.0 }
    }
}

/// The number of the point that a time belongs to. A point includes its end.
fn point_of(at: Timestamp, point_s: i64) -> i64 {
    (at.as_second() - 1).div_euclid(point_s)
}

/// The id of the first slot since this second. Ids rise with the time, except where the clock was set.
fn first_since(connection: &Connection, second: i64) -> rusqlite::Result<i64> {
    let bounds = connection.query_row("SELECT min(id), max(id) FROM slot", [], |row| row.try_into())?;
    let (Some(mut low), Some(last)): (Option<i64>, Option<i64>) = bounds else { return Ok(0) };
    let mut high = last + 1;
    let mut find = connection.prepare("SELECT id, ended FROM slot WHERE id >= ?1 ORDER BY id LIMIT 1")?;
    while low < high {
        let middle = low + (high - low) / 2;
        let (id, ended): (i64, i64) = find.query_row([middle], |row| row.try_into())?;
        if ended < second { low = id + 1 } else { high = middle }
    }
    Ok(low)
}

/// A day on which the clocks change counts as a whole one of 24 hours.
fn of_day(day: i64, share: &DayShare, zone: &TimeZone) -> EnergyPeriod {
    let missing = length_of(day, zone).saturating_sub(share.covered);
    let covered = Duration::from_secs(DAY_S.unsigned_abs()).saturating_sub(missing);
    EnergyPeriod { begins: date_of(day), energy: share.energy, covered: Some(covered) }
}

fn of_month(month: i64, energy: MilliwattHours) -> EnergyPeriod {
    let begins = Date::new(month.div_euclid(12) as i16, month.rem_euclid(12) as i8 + 1, 1).unwrap_or(Date::ZERO);
    EnergyPeriod { begins, energy, covered: None }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}
