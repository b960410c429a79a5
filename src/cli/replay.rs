//! `arkmeter replay`: a recorded trace through the ledger, its store on disk included, and what it would have published.
//!
//! JSON lines in, JSON lines out; docs/operating.md says what they mean.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::context;
use super::exit;
use super::output::{finish_output, print_error};
use crate::clock::{Clock, ClockReading};
use crate::config::Config;
use crate::daemon::settings;
use crate::guard::MeterSettings;
use crate::ledger::Rehearsal;
use crate::ledger::store::{OpenError, StoreError};
use crate::meter::ReadPlan;
use crate::reading::{Reading, Register, Values};
use crate::text::chain;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// A line longer than this is no line of a trace.
const LONGEST_LINE: u64 = 64 * 1024;
/// A trace may be this long, in seconds: a century.
const LONGEST_TRACE: f64 = 100.0 * 365.25 * 86_400.0;
/// A serial number may have this many bytes.
const LONGEST_SERIAL: usize = 256;
/// Other meters of a trace that are named, at most.
const OTHERS: usize = 10;
/// Where the trace's clock starts: any wall clock does, it is never shown.
const START: &str = "2026-01-01T00:00:00Z";

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A line of the trace that is not valid.
    #[error("line {number} of the trace {what}")]
    Line {
        /// The number of the line, from 1.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The trace has readings of other meters only.
    #[error("the trace is of {0}, not of this meter: name one of them with --meter")]
    OtherMeters(String),
    /// The trace cannot be read.
    #[error("the trace cannot be read")]
    Read(#[source] io::Error),
    /// The result cannot be written.
    #[error("the replay cannot be written")]
    Write(#[source] io::Error),
    /// There is no folder for the temporary ledger.
    #[error("no temporary folder for the replay's ledger: set TMPDIR to one that can be written")]
    Folder(#[source] io::Error),
    /// The temporary ledger cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The temporary ledger cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReplayError {
    /// 65 for a trace that is none, else 1.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, ReplayError::Line { .. } | ReplayError::OtherMeters(_)) {
            exit::DAMAGED
        } else {
            exit::FAILED
        }
    }
}

/// Replays the trace in this file (or standard input) for this meter of the configuration; returns the exit code.
pub(super) fn run(config: &Config, meter: &Name, trace: Option<&Path>) -> u8 {
    let meter = match context::meter(config, meter) {
        Ok(meter) => meter,
        Err(code) => return code,
    };
    let mut input: Box<dyn BufRead> = match trace.map(|path| (path, File::open(path))) {
        None => Box::new(io::stdin().lock()),
        Some((_, Ok(file))) => Box::new(BufReader::new(file)),
        Some((path, Err(error))) => {
            print_error(&format!("the trace {} cannot be read: {error}", path.display()));
            return exit::FAILED;
        }
    };
    let plan = ReadPlan::new(&meter.profile, &meter.installation);
    let step = |register| plan.energy_step(register);
    let mut out = BufWriter::new(io::stdout().lock());
    let replayed = replay(settings::of_meter(config, meter), &step, &mut input, &mut out);
    let written = out.flush();
    match replayed {
        Ok(()) => finish_output(written),
        Err(ReplayError::Write(error)) => finish_output(Err(error)),
        Err(error) => {
            print_error(&chain(&error));
            error.exit_code()
        }
    }
}

/// Feeds `input` to the ledger of one meter, and writes one line to `out` for each reading.
///
/// `step` gives the resolution of the meter's register at a value. Nothing is kept: the ledger lies in a temporary folder.
pub fn replay(
    settings: MeterSettings,
    step: &dyn Fn(MilliwattHours) -> MilliwattHours,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), ReplayError> {
    let folder = tempfile::tempdir().map_err(ReplayError::Folder)?;
    let start: Timestamp = START.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let start = Clock::simulated(1, start).now();
    let mut rehearsal = Rehearsal::open(folder.path(), settings.clone())?;
    let mut lines = Lines { input, meter: settings.name.clone(), others: BTreeSet::new(), number: 0, latest: 0.0 };
    let mut readings = 0u64;
    while let Some(line) = lines.next()? {
        let since = Duration::from_secs_f64(line.t);
        let wall = start.wall.saturating_add(since).unwrap_or(start.wall);
        let at = ClockReading { since_boot: start.since_boot + since, wall, ..start };
        match line.what {
            What::Reading(reading) => {
                readings += 1;
                let register = reading.register.map(|value| Register { value, step: step(value) });
                let values = Values { power: reading.power, register, serial: reading.serial };
                let (verdict, published) =
                    rehearsal.take(&Reading { meter: settings.name.clone(), at, values, definition: None })?;
                // What is told is on disk, as what is reported is.
                rehearsal.commit(&at)?;
                let line = Told { t: line.t, verdict, published_mwh: published };
                serde_json::to_writer(&mut *out, &line).map_err(|error| ReplayError::Write(error.into()))?;
                out.write_all(b"\n").map_err(ReplayError::Write)?;
            }
            What::Event(Event::Slot) => rehearsal.commit(&at)?,
            What::Event(Event::Restart) => {
                rehearsal.close(&at)?;
                rehearsal = Rehearsal::open(folder.path(), settings.clone())?;
            }
            What::Event(Event::Crash) => {
                // What was not committed is gone, as if the power had failed.
                drop(rehearsal);
                rehearsal = Rehearsal::open(folder.path(), settings.clone())?;
            }
        }
    }
    if readings == 0 && !lines.others.is_empty() {
        let others: Vec<_> = lines.others.iter().map(Name::as_str).collect();
        return Err(ReplayError::OtherMeters(others.join(", ")));
    }
    out.flush().map_err(ReplayError::Write)
}

/// A line as it is written out.
#[derive(Serialize)]
struct Told {
    t: f64,
    verdict: &'static str,
    published_mwh: Option<MilliwattHours>,
}

/// A line as it is written in a trace.
///
/// Keys that it does not know are somebody's remarks.
#[derive(Deserialize)]
struct Written {
    t: f64,
    /// Absent in a trace of one meter.
    meter: Option<Name>,
    /// Null for a failed read; a reading has to say one or the other.
    #[serde(default, deserialize_with = "present")]
    register_mwh: Option<Option<Number>>,
    power_mw: Option<Number>,
    serial: Option<String>,
    event: Option<Event>,
}

/// Tells a null from nothing at all.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Option<Number>>, D::Error> {
    Option::deserialize(value).map(Some)
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Restart,
    Crash,
    Slot,
}

/// A line, understood.
struct Line {
    t: f64,
    what: What,
}

enum What {
    Reading(Poll),
    Event(Event),
}

struct Poll {
    register: Option<MilliwattHours>,
    power: Option<Milliwatts>,
    serial: Option<String>,
}

/// The lines of a trace, one at a time.
struct Lines<'i> {
    input: &'i mut dyn BufRead,
    /// The only one whose lines are taken.
    meter: Name,
    /// Some of those that the trace is of as well.
    others: BTreeSet<Name>,
    number: u64,
    latest: f64,
}

impl Lines<'_> {
    /// `None` at the end of the trace. Empty lines and what stands behind a `#` say nothing.
    fn next(&mut self) -> Result<Option<Line>, ReplayError> {
        loop {
            self.number += 1;
            let mut bytes = Vec::new();
            let mut bounded = (&mut *self.input).take(LONGEST_LINE + 1);
            if bounded.read_until(b'\n', &mut bytes).map_err(ReplayError::Read)? == 0 {
                return Ok(None);
            }
            let line = self.understand(&bytes).map_err(|what| ReplayError::Line { number: self.number, what })?;
            if let Some(line) = line {
                self.latest = line.t;
                return Ok(Some(line));
            }
        }
    }

    fn understand(&mut self, bytes: &[u8]) -> Result<Option<Line>, String> {
        if bytes.len() as u64 > LONGEST_LINE {
            return Err(format!("is longer than {} KiB", LONGEST_LINE / 1024));
        }
        let text = str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
        // Some editors begin a file with a mark that nobody sees.
        let text = text.strip_prefix('\u{feff}').filter(|_| self.number == 1).unwrap_or(text);
        if text.trim().is_empty() || text.trim_start().starts_with('#') {
            return Ok(None);
        }
        if !text.trim_start().starts_with('{') {
            return Err("is no reading and no event: it does not begin with `{`".into());
        }
        let mut parser = serde_json::Deserializer::from_str(text).into_iter::<Written>();
        let written = match parser.next() {
            Some(Ok(written)) => written,
            Some(Err(error)) => return Err(format!("is no reading and no event: {}", said_of(&error))),
            None => return Ok(None),
        };
        let behind = text.get(parser.byte_offset()..).unwrap_or_default().trim();
        if !behind.is_empty() && !behind.starts_with('#') {
            return Err("goes on behind its first value: one reading or event a line".into());
        }
        if let Some(other) = written.meter.as_ref().filter(|meter| **meter != self.meter) {
            if self.others.len() < OTHERS {
                self.others.insert(other.clone());
            }
            return Ok(None);
        }
        self.check(written).map(Some)
    }

    fn check(&self, written: Written) -> Result<Line, String> {
        let Written { t, register_mwh, power_mw, serial, event, .. } = written;
        if !(0.0..=LONGEST_TRACE).contains(&t) {
            return Err(format!("has a `t` of {t}: seconds from 0 to a century"));
        }
        if t < self.latest {
            return Err(format!("goes back in time: `t` is {t} after {}", self.latest));
        }
        let values = register_mwh.is_some() || power_mw.is_some() || serial.is_some();
        if let Some(event) = event {
            let lone = !values;
            return if lone { Ok(Line { t, what: What::Event(event) }) } else { Err("is an event with values".into()) };
        }
        let register = register_mwh.ok_or("has neither a `register_mwh` (null for a failed read) nor an `event`")?;
        let register = register.map(|number| energy(&number)).transpose()?;
        let power = power_mw.map(|number| power_of(&number)).transpose()?;
        if serial.as_ref().is_some_and(|serial| serial.len() > LONGEST_SERIAL) {
            return Err(format!("has a `serial` longer than {LONGEST_SERIAL} bytes"));
        }
        Ok(Line { t, what: What::Reading(Poll { register, power, serial }) })
    }
}

/// A whole number of mWh that a register can hold; `1e9` and `5.0` are whole too.
fn energy(number: &Number) -> Result<MilliwattHours, String> {
    let whole = number.as_u64().or_else(|| {
        let value = number.as_f64().filter(|value| value.fract() == 0.0 && *value >= 0.0)?;
        (value <= MilliwattHours::MAX.get() as f64).then_some(value as u64)
    });
    let energy = whole.and_then(MilliwattHours::new);
    energy.ok_or_else(|| {
        format!("has a `register_mwh` of {number}: a whole number from 0 to {}", MilliwattHours::MAX.get())
    })
}

/// Power to the milliwatt, up to a petawatt.
fn power_of(number: &Number) -> Result<Milliwatts, String> {
    let value = number.as_f64().filter(|value| value.abs() <= 1e18);
    let power = number.as_i64().or(value.map(|value| value.round() as i64));
    let power = power.filter(|power| power.unsigned_abs() <= 1_000_000_000_000_000_000);
    power.map(Milliwatts).ok_or_else(|| format!("has a `power_mw` of {number}: up to 1e18"))
}

/// What the parser said, without its own count of lines: each is read by itself.
fn said_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    crate::text::foreign(text, 200)
}

#[cfg(test)]
mod tests;
