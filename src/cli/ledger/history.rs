//! `ledger history`: what was recorded of a meter, from the running daemon or from the file. One page is in memory at a time.

mod all;
mod moment;

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::failed;
use crate::cli::context::document_of_daemon;
use crate::cli::screen::Screen;
use crate::cli::{exit, finish_output, print_error};
use crate::clock::{Clock, time_zone_of_box};
use crate::config::Config;
use crate::history::PowerSummary;
use crate::history::periods::{HistoryLine, PeriodGrouping, PeriodLength, ShownTime};
use crate::history::query::{HistoryPage, HistoryQuery, SCHEMA, read_page};
use crate::ledger::names::nearest;
use crate::status::control;
use crate::status::words;
use crate::units::{MilliwattHours, Milliwatts, Name};
use moment::Moment;

/// A line of all columns with the longest remark, its times with an offset from UTC.
const WIDE: usize = 163;

/// Examples of `history` and `ledger history`.
const EXAMPLES: &str = "\
Examples:
  arkmeter history
  arkmeter history --from 2026-11-01 --utc --csv > november.csv
  arkmeter history heat_pump --from yesterday --to today --every 1h
  arkmeter ledger history heat_pump --from 7d --every 15m";

/// Which part of the history is wanted, and in which form.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HistoryArguments {
    /// A meter of the configuration, or of the past [default: the energy of all meters in one table]
    #[arg(value_name = "METER", value_parser = crate::cli::name)]
    meter: Option<Name>,
    /// Only what was recorded after this time: 2026-11-01, 2026-11-01T08:00:00+02:00, 7d for seven days ago, `today` or `yesterday`
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    from: Option<Moment>,
    /// Only what was recorded up to this time
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    to: Option<Moment>,
    /// Add up slots over this time, such as 15m, 1h or 1d [default: 1d for all meters, each report slot for one]
    #[arg(long, value_name = "TIME", value_parser = every)]
    every: Option<Duration>,
    /// Days and times in UTC, as Arkreen counts (default: in the box's time zone, or in the offset of --from)
    #[arg(long)]
    utc: bool,
    /// Print CSV
    #[arg(long)]
    csv: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
}

fn every(text: &str) -> Result<Duration, String> {
    let parsed =
        humantime::parse_duration(text).ok().filter(|every| PeriodLength::new(*every, TimeZone::UTC).is_some());
    parsed.ok_or_else(|| "not a fraction of a day from 5m up, such as 15m, 1h or 1d".to_owned())
}

/// Prints what was recorded.
pub fn history(config: &Config, arguments: &HistoryArguments) -> u8 {
    let now = Clock::system().now().wall;
    let zone = match arguments.from.as_ref().and_then(Moment::offset) {
        _ if arguments.utc => TimeZone::UTC,
        Some(offset) => TimeZone::fixed(offset),
        None => time_zone_of_box(),
    };
    let at = |moment: &Moment| moment.in_zone(&zone, now);
    let shown = ShownTime { from: arguments.from.as_ref().map(at), to: arguments.to.as_ref().map(at) };
    if let ShownTime { from: Some(from), to: Some(to) } = shown
        && from >= to
    {
        print_error(&format!("--from {from} is not before --to {to}: such as --from 2026-11-01 --to 2026-11-02\n"));
        return exit::USAGE;
    }
    let form = match (arguments.csv, arguments.json) {
        (true, _) => Form::Csv,
        (_, true) => Form::Json,
        _ => Form::Table,
    };
    let Some(meter) = &arguments.meter else {
        return all::print(config, &all::AllMeters { shown, every: arguments.every, zone, now, form });
    };
    let wanted = HistoryQuery { meter: meter.clone(), from: shown.from, to: shown.to, after: 0 };
    let every = arguments.every.and_then(|every| PeriodLength::new(every, zone.clone()));
    let first = match page(config, &wanted) {
        Ok(first) => first,
        Err(code) => return code,
    };
    if !first.recorded && !config.meters.contains_key(meter) {
        let known = first.others.into_iter().chain(config.meters.keys().cloned()).collect();
        return unknown("nothing is recorded of a meter", meter, known);
    }
    let narrow = Screen::of_output().table_columns().is_some_and(|columns| columns < WIDE);
    let mut out = Out { form, narrow, zone, lines: 0, out: BufWriter::new(io::stdout().lock()) };
    print(config, wanted, first, PeriodGrouping::new(every, shown), &mut out)
}

fn print(
    config: &Config,
    mut wanted: HistoryQuery,
    first: HistoryPage,
    mut periods: PeriodGrouping,
    out: &mut Out<impl Write>,
) -> u8 {
    let mut page_now = first;
    let (mut written, mut code) = (out.begin(&wanted.meter), 0);
    'pages: loop {
        for line in page_now.slots.iter().flat_map(|slot| periods.push(slot)) {
            written = written.and_then(|()| out.line(&line));
            if written.is_err() {
                break 'pages;
            }
        }
        let Some(next) = page_now.next else { break };
        wanted.after = next;
        page_now = match page(config, &wanted) {
            Ok(page) => page,
            Err(error) => {
                code = error;
                break;
            }
        };
    }
    let last = periods.finish();
    written = written.and_then(|()| last.iter().try_for_each(|line| out.line(line))).and_then(|()| out.end());
    if out.lines == 0 && code == 0 {
        let bounded = if wanted.from.or(wanted.to).is_some() { " in that time" } else { " yet" };
        print_error(&format!("nothing is recorded of {}{bounded}\n", wanted.meter));
    }
    match finish_output(written) {
        0 => code,
        failed => failed,
    }
}

/// Asks the daemon; if none runs, reads the file.
fn page(config: &Config, wanted: &HistoryQuery) -> Result<HistoryPage, u8> {
    match document_of_daemon(config, &control::history_path(wanted))? {
        Some(page) => Ok(page),
        None => read_page(&config.state.path, wanted).map_err(failed),
    }
}

/// Prints that this meter is unknown, with a similar name or all that are known; returns the exit code.
pub(super) fn unknown(what: &str, meter: &Name, mut known: Vec<Name>) -> u8 {
    let hint = match nearest(meter, known.iter()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => {
            known.sort();
            known.dedup();
            let names: Vec<_> = known.iter().map(Name::as_str).collect();
            format!("there are {}", names.join(", "))
        }
    };
    print_error(&format!("{what} `{meter}`, and the configuration has none: {hint}"));
    exit::FAILED
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Table,
    Csv,
    Json,
}

/// The output.
struct Out<W: Write> {
    form: Form,
    /// The terminal has no room for all columns: the end of a slot is left out, and remarks have lines of their own.
    narrow: bool,
    /// Of printed times.
    zone: TimeZone,
    lines: u64,
    out: W,
}

impl<W: Write> Out<W> {
    fn begin(&mut self, meter: &Name) -> io::Result<()> {
        match self.form {
            Form::Table => Ok(()),
            Form::Csv => writeln!(self.out, "{}", FIELDS.join(",")),
            Form::Json => write!(self.out, "{{\"schema\": {SCHEMA}, \"meter\": \"{meter}\", \"rows\": ["),
        }
    }

    fn line(&mut self, line: &HistoryLine) -> io::Result<()> {
        self.lines += 1;
        match self.form {
            Form::Table if self.narrow => self.narrow_row(line),
            Form::Table => {
                if self.lines == 1 {
                    let width = time(line.from, &self.zone).len();
                    writeln!(self.out, "{:width$}  {:width$}  {HEAD}  REMARKS", "FROM", "TO")?;
                }
                let [from, to] = [line.from, line.to].map(|at| time(at, &self.zone));
                let row = format!("{from}  {to}  {}  {}", row(line), remarks(line));
                writeln!(self.out, "{}", row.trim_end())
            }
            Form::Csv => writeln!(self.out, "{}", self.values(line).map(|value| value.unwrap_or_default()).join(",")),
            Form::Json => {
                let comma = if self.lines == 1 { "" } else { "," };
                let fields = FIELDS.iter().zip(self.values(line)).map(|(name, value)| match value {
                    None => format!("\"{name}\": null"),
                    // Only the times are text, and nothing in them needs escaping.
                    Some(value) if *name == "from" || *name == "to" => format!("\"{name}\": \"{value}\""),
                    Some(value) => format!("\"{name}\": {value}"),
                });
                write!(self.out, "{comma}\n  {{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// 78 columns.
    fn narrow_row(&mut self, line: &HistoryLine) -> io::Result<()> {
        if self.lines == 1 {
            writeln!(self.out, "{:19}{HEAD}", "FROM")?;
        }
        let from = line.from.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
        writeln!(self.out, "{from}{}", row(line))?;
        match remarks(line) {
            remarks if remarks.is_empty() => Ok(()),
            remarks => writeln!(self.out, "{:21}{remarks}", ""),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        if self.form == Form::Json {
            writeln!(self.out, "\n]}}")?;
        }
        self.out.flush()
    }

    /// In the order of [`FIELDS`].
    fn values(&self, line: &HistoryLine) -> [Option<String>; FIELDS.len()] {
        let power = |power: fn(&PowerSummary) -> Milliwatts| line.power.as_ref().map(|all| power(all).0.to_string());
        let energy = |energy: Option<MilliwattHours>| energy.map(|energy| energy.get().to_string());
        [
            Some(time(line.from, &self.zone)),
            Some(time(line.to, &self.zone)),
            Some(line.gap.to_string()),
            power(|power| power.mean_mw),
            power(|power| power.min_mw),
            power(|power| power.max_mw),
            energy(line.energy_mwh),
            energy(line.published_mwh),
            Some(line.measured_s.to_string()),
            Some(line.trusted.to_string()),
        ]
    }
}

const FIELDS: [&str; 10] =
    ["from", "to", "gap", "mean_mw", "min_mw", "max_mw", "energy_mwh", "published_mwh", "measured_s", "clock_trusted"];

const HEAD: &str = "      MEAN       MIN       MAX        ENERGY        PUBLISHED";

/// With its offset from UTC.
fn time(at: Timestamp, zone: &TimeZone) -> String {
    let form = if *zone == TimeZone::UTC { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
    at.to_zoned(zone.clone()).strftime(form).to_string()
}

fn row(line: &HistoryLine) -> String {
    let power = |power: fn(&PowerSummary) -> Milliwatts| {
        line.power.as_ref().map_or("-".to_owned(), |all| words::power(power(all)))
    };
    let energy = |energy: Option<MilliwattHours>| energy.map_or("-".to_owned(), words::energy);
    format!(
        "{:>10}{:>10}{:>10}{:>14}{:>17}",
        power(|power| power.mean_mw),
        power(|power| power.min_mw),
        power(|power| power.max_mw),
        energy(line.energy_mwh),
        energy(line.published_mwh)
    )
}

fn remarks(line: &HistoryLine) -> String {
    if line.gap {
        return match line.to > line.from {
            true => "gap: nothing is recorded of this time".to_owned(),
            false => "the clock was set back".to_owned(),
        };
    }
    let mut remarks = Vec::new();
    let lasted = u64::try_from(line.to.as_second() - line.from.as_second()).unwrap_or(0);
    // A slot's first sample stands for no time, and a poll may be late, so a small gap is not mentioned.
    if line.measured_s.saturating_mul(10) < lasted.saturating_mul(9) {
        remarks.push(format!("measured {} %", line.measured_s * 100 / lasted.max(1)));
    }
    if !line.trusted {
        remarks.push("the clock may have been wrong".to_owned());
    }
    remarks.join("; ")
}
