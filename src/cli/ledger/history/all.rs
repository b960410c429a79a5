//! `history` without a name: the energy of all meters, a row for each period.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::moment::days_ago;
use super::{Form, page, time};
use crate::cli::screen::{PLAIN_COLUMNS, Screen};
use crate::cli::{finish_output, print_error};
use crate::config::Config;
use crate::history::periods::{Period, PeriodGrouping, PeriodLength, ShownTime};
use crate::history::query::{HistoryQuery, SCHEMA};
use crate::units::{MilliwattHours, Name};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How many days are shown unless the user says from when.
const DAYS: i64 = 14;
/// The longest bar, and the shortest for which there is room.
const BAR: (usize, usize) = (11, 4);

/// What is wanted.
pub(super) struct AllMeters {
    pub(super) shown: ShownTime,
    pub(super) every: Option<Duration>,
    pub(super) zone: TimeZone,
    pub(super) now: Timestamp,
    pub(super) form: Form,
}

/// The energy of each meter in each period.
#[derive(Default)]
struct EnergyTable {
    meters: Vec<Name>,
    rows: BTreeMap<Timestamp, EnergyRow>,
}

#[derive(Clone)]
struct EnergyRow {
    to: Timestamp,
    energy: BTreeMap<Name, MilliwattHours>,
    /// The meters whose energy was partly counted while nothing was recorded, perhaps before this period.
    after_gap: BTreeSet<Name>,
}

/// Reads and prints all meters of the configuration.
pub(super) fn print(config: &Config, wanted: &AllMeters) -> u8 {
    let every = wanted.every.unwrap_or(DAY);
    let days = if every == DAY { DAYS - 1 } else { 0 };
    let from = wanted.shown.from.unwrap_or_else(|| days_ago(days, &wanted.zone, wanted.now));
    let shown = ShownTime { from: Some(from), ..wanted.shown };
    let Some(length) = PeriodLength::new(every, wanted.zone.clone()) else { return super::exit::USAGE };
    let table = match EnergyTable::read(config, shown, &length) {
        Ok(table) => table,
        Err(code) => return code,
    };
    if table.rows.is_empty() {
        print_error("nothing is recorded in that time: see `arkmeter status` for whether the meters are read\n");
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match wanted.form {
        Form::Csv => table.csv(&wanted.zone, &mut out),
        Form::Json => table.json(&wanted.zone, &mut out),
        Form::Table if table.rows.is_empty() => Ok(()),
        Form::Table => table.text(wanted, every, &Screen::of_output(), &mut out),
    };
    finish_output(written.and_then(|()| out.flush()))
}

impl EnergyTable {
    fn read(config: &Config, shown: ShownTime, length: &PeriodLength) -> Result<Self, u8> {
        let mut table = EnergyTable { meters: config.meters.keys().cloned().collect(), rows: BTreeMap::new() };
        for meter in config.meters.keys() {
            let mut wanted = HistoryQuery { meter: meter.clone(), from: shown.from, to: shown.to, after: 0 };
            let mut periods = PeriodGrouping::new(Some(length.clone()), shown);
            let mut next = Some(0);
            while let Some(after) = next {
                wanted.after = after;
                let page = page(config, &wanted)?;
                let lines = page.slots.iter().flat_map(|slot| periods.push(slot)).collect::<Vec<_>>();
                lines.iter().for_each(|line| table.add(meter, line.energy_mwh, length.around(line.to), line.gap));
                next = page.next;
            }
            if let Some(line) = periods.finish() {
                table.add(meter, line.energy_mwh, length.around(line.to), line.gap);
            }
        }
        Ok(table)
    }

    fn add(&mut self, meter: &Name, energy: Option<MilliwattHours>, period: Period, gap: bool) {
        let new = || EnergyRow { to: period.to, energy: BTreeMap::new(), after_gap: BTreeSet::new() };
        let row = self.rows.entry(period.from).or_insert_with(new);
        let Some(energy) = energy else { return };
        let sum = row.energy.entry(meter.clone()).or_default();
        *sum = sum.checked_add(energy).unwrap_or(*sum);
        if gap && energy > MilliwattHours::ZERO {
            row.after_gap.insert(meter.clone());
        }
    }

    fn csv(&self, zone: &TimeZone, out: &mut impl Write) -> io::Result<()> {
        let names: Vec<_> = self.meters.iter().map(|meter| format!("{meter}_mwh")).collect();
        writeln!(out, "{}", [&["from".to_owned(), "to".to_owned()], &names[..]].concat().join(","))?;
        self.rows.iter().try_for_each(|(from, row)| {
            let energy = |meter| row.energy.get(meter).map(|energy| energy.get().to_string()).unwrap_or_default();
            let mut values = vec![time(*from, zone), time(row.to, zone)];
            values.extend(self.meters.iter().map(energy));
            writeln!(out, "{}", values.join(","))
        })
    }

    fn json(&self, zone: &TimeZone, out: &mut impl Write) -> io::Result<()> {
        let rows = self.rows.iter().map(|(from, row)| {
            serde_json::json!({ "from": time(*from, zone), "to": time(row.to, zone), "energy_mwh": row.energy })
        });
        let rows: Vec<_> = rows.collect();
        crate::cli::output::write_json(&serde_json::json!({ "schema": SCHEMA, "rows": rows }), out)
    }

    /// As many meters side by side as the screen has room for, the others below; the total is beside the last ones.
    fn text(&self, wanted: &AllMeters, every: Duration, screen: &Screen, out: &mut impl Write) -> io::Result<()> {
        let columns = screen.table_columns().unwrap_or(usize::MAX);
        writeln!(out, "Energy in kWh, {}, {}.\n", words_of(every), zone_in_words(&wanted.zone))?;
        let labels = self.labels(wanted, every);
        let first = labels.iter().map(String::len).max().unwrap_or(0).max(3);
        let mut cells: Vec<_> = self.meters.iter().map(|meter| self.column(meter)).collect();
        if self.meters.len() > 1 {
            cells.push(self.total());
        }
        let mut blocks = vec![Vec::new()];
        let mut used = first;
        for column in cells {
            let width = column.iter().map(String::len).max().unwrap_or(0) + 2;
            if used + width > columns && used > first {
                blocks.push(Vec::new());
                used = first;
            }
            used += width;
            blocks.last_mut().expect("there is a first one").push((width, column));
        }
        let last = blocks.len() - 1;
        for (number, block) in blocks.iter().enumerate() {
            let room = screen.table_columns().unwrap_or(PLAIN_COLUMNS.max(used + 2 + BAR.0)).saturating_sub(used + 2);
            let bars = if number == last { self.bars(wanted, room.min(BAR.0), screen.utf8) } else { Vec::new() };
            let head = if every == DAY { "DAY" } else { "FROM" };
            let names = std::iter::once(head).chain(labels.iter().map(String::as_str));
            for (line, label) in names.enumerate() {
                let mut text = format!("{label:first$}");
                block.iter().for_each(|(width, column)| text += &format!("{:>width$}", column[line]));
                if let Some(bar) = line.checked_sub(1).and_then(|row| bars.get(row)) {
                    text += &format!("  {bar}");
                }
                writeln!(out, "{}", text.trim_end())?;
            }
            if number < last {
                writeln!(out)?;
            }
        }
        self.footnotes(screen, out)
    }

    fn footnotes(&self, screen: &Screen, out: &mut impl Write) -> io::Result<()> {
        if self.rows.values().any(|row| !row.after_gap.is_empty()) {
            let note = "some of this energy was counted while nothing was recorded, perhaps before: it is in the row in which the \
                        meter was read again. See `arkmeter history METER`.";
            writeln!(out)?;
            screen.wrapped("* ", note).iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        Ok(())
    }

    /// Of the rows and of the sum.
    fn labels(&self, wanted: &AllMeters, every: Duration) -> Vec<String> {
        let zoned = |at: &Timestamp| at.to_zoned(wanted.zone.clone());
        let this_year = self.rows.keys().all(|from| zoned(from).year() == zoned(&wanted.now).year());
        let form = match (every == DAY, this_year) {
            (true, true) => "%a %d %b",
            (true, false) => "%Y-%m-%d",
            (false, true) => "%d %b %H:%M",
            (false, false) => "%Y-%m-%d %H:%M",
        };
        let label = |at: Zoned| at.strftime(form).to_string();
        self.rows.keys().map(|from| label(zoned(from))).chain(["sum".to_owned()]).collect()
    }

    /// The title, the energy of each row, and the sum.
    fn column(&self, meter: &Name) -> Vec<String> {
        let cells = self.rows.values().map(|row| match row.energy.get(meter) {
            None => "- ".to_owned(),
            Some(energy) => format!("{}{}", energy.in_kilowatt_hours(), mark(row.after_gap.contains(meter))),
        });
        let sum = sum(self.rows.values().filter_map(|row| row.energy.get(meter)));
        let title = format!("{meter} ");
        [title].into_iter().chain(cells).chain([format!("{} ", sum.in_kilowatt_hours())]).collect()
    }

    fn total(&self) -> Vec<String> {
        let cells = self.rows.values().map(|row| sum(row.energy.values()));
        let whole = sum(self.rows.values().flat_map(|row| row.energy.values()));
        let cells = cells.chain([whole]).map(|energy| energy.in_kilowatt_hours());
        ["TOTAL".to_owned()].into_iter().chain(cells).collect()
    }

    /// Beside each row; empty where there is no room.
    fn bars(&self, wanted: &AllMeters, room: usize, utf8: bool) -> Vec<String> {
        if room < BAR.1 {
            return Vec::new();
        }
        let totals: Vec<_> = self.rows.values().map(|row| sum(row.energy.values()).get()).collect();
        let most = totals.iter().copied().max().unwrap_or(0).max(1);
        let sign = if utf8 { "█" } else { "#" };
        let bar = |(row, total): (&EnergyRow, &u64)| match row.to > wanted.now && room >= "so far".len() {
            true => "so far".to_owned(),
            // At most `room`.
            false => sign.repeat(((total * room as u64).div_ceil(most)) as usize),
        };
        self.rows.values().zip(&totals).map(bar).collect()
    }
}

/// Beside the energy of a row.
fn mark(after_gap: bool) -> char {
    if after_gap { '*' } else { ' ' }
}

fn sum<'a>(energies: impl Iterator<Item = &'a MilliwattHours>) -> MilliwattHours {
    energies.fold(MilliwattHours::ZERO, |sum, energy| sum.checked_add(*energy).unwrap_or(sum))
}

/// `a row per day`, `a row per 15m`.
fn words_of(every: Duration) -> String {
    if every == DAY { "a row per day".to_owned() } else { format!("a row per {}", humantime::format_duration(every)) }
}

fn zone_in_words(zone: &TimeZone) -> String {
    match (zone.iana_name(), zone.to_fixed_offset()) {
        (Some("UTC"), _) => "times in UTC".to_owned(),
        (Some(name), _) => format!("times in {name} (--utc: as Arkreen counts)"),
        (None, Ok(offset)) => format!("times with the offset {offset}"),
        (None, Err(_)) => "times in this box's time zone (--utc: as Arkreen counts)".to_owned(),
    }
}
