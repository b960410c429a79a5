//! `arkmeter replay`: feeds a recorded trace to a temporary ledger and prints what it would have published.
//!
//! Input and output are JSON lines; docs/operating.md describes them.

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
use crate::guard::{Explanation, Hypothesis, MeterSettings};
use crate::ledger::Rehearsal;
use crate::ledger::store::{OpenError, StoreError};
use crate::meter::ReadPlan;
use crate::reading::{Reading, Register, Values};
use crate::recorder::MAX_SERIAL;
use crate::text::chain;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The maximum length of a line, in bytes.
const MAX_LINE: u64 = 64 * 1024;
/// The maximum duration of a trace in seconds: a century.
const MAX_SECONDS: f64 = 100.0 * 365.25 * 86_400.0;
/// An error names at most this many other meters of a trace.
const MAX_OTHERS: usize = 10;
/// The wall clock at the start of the trace. It is never shown.
const START: &str = "2026-01-01T00:00:00Z";

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A line of the trace is not valid.
    #[error("line {number} of the trace {problem}")]
    Line {
        /// The number of the line, from 1.
        number: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The trace has readings of other meters only.
    #[error("the trace is of {0}, not of this meter: choose one of them with --meter")]
    OtherMeters(String),
    /// The trace cannot be read.
    #[error("the trace cannot be read")]
    Read(#[source] io::Error),
    /// The result cannot be written.
    #[error("the result cannot be written")]
    Write(#[source] io::Error),
    /// There is no temporary folder.
    #[error("a temporary folder for the ledger cannot be created: set TMPDIR to a folder that can be written")]
    Folder(#[source] io::Error),
    /// The temporary ledger cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The temporary ledger cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReplayError {
    /// 65 for an invalid trace, else 1.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, ReplayError::Line { .. } | ReplayError::OtherMeters(_)) {
            exit::DAMAGED
        } else {
            exit::FAILED
        }
    }
}

/// Replays the trace in this file (or standard input) for this meter of the configuration; returns the exit code.
pub(super) fn run(config: &Config, meter: &Name, trace: Option<&Path>, explains: bool) -> u8 {
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
    let replayed = replay(settings::of_meter(config, meter), &step, explains, &mut input, &mut out);
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
/// `step` gives the resolution of the meter's register at a value; `explains` adds what the guard weighed. The ledger is in a temporary
/// folder, and nothing of it is kept.
///
/// # Errors
/// A line of the trace is not valid, the trace is of other meters, or something cannot be read or written.
pub fn replay(
    settings: MeterSettings,
    step: &dyn Fn(MilliwattHours) -> MilliwattHours,
    explains: bool,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), ReplayError> {
    let folder = tempfile::tempdir().map_err(ReplayError::Folder)?;
    let start: Timestamp = START.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let start = Clock::simulated(1, start).now();
    let mut rehearsal = Rehearsal::open(folder.path(), settings.clone())?;
    let mut lines =
        TraceReader { input, meter: settings.name.clone(), others: BTreeSet::new(), number: 0, latest: 0.0 };
    let mut readings = 0u64;
    while let Some((t, event)) = lines.next()? {
        let since = Duration::from_secs_f64(t);
        let wall = start.wall.saturating_add(since).unwrap_or(start.wall);
        let at = ClockReading { since_boot: start.since_boot + since, wall, ..start };
        match event {
            TraceEvent::Reading { register, power, serial } => {
                readings += 1;
                let register = register.map(|value| Register { value, step: step(value) });
                let values = Values { power, register, serial };
                let reading = Reading { meter: settings.name.clone(), at, values, definition: None };
                let explanation = rehearsal.explain(&reading).filter(|_| explains);
                let (verdict, published) = rehearsal.take(&reading)?;
                // As in the daemon, only what is on disk is published.
                rehearsal.commit(&at)?;
                let explain = explanation.map(Explained::of);
                let line = ReplayedReading { t, verdict, published_mwh: published, explain };
                serde_json::to_writer(&mut *out, &line).map_err(|error| ReplayError::Write(error.into()))?;
                out.write_all(b"\n").map_err(ReplayError::Write)?;
            }
            TraceEvent::Slot => rehearsal.commit(&at)?,
            TraceEvent::Restart => {
                rehearsal.close(&at)?;
                rehearsal = Rehearsal::open(folder.path(), settings.clone())?;
            }
            TraceEvent::Crash => {
                // What was not committed is lost, as in a power cut.
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

/// A line of the output.
#[derive(Serialize)]
struct ReplayedReading {
    t: f64,
    verdict: &'static str,
    published_mwh: Option<MilliwattHours>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explained>,
}

/// What the guard weighed, and the rule for the simplest possibility.
#[derive(Serialize)]
struct Explained {
    rule: &'static str,
    #[serde(flatten)]
    explanation: Explanation,
}

impl Explained {
    fn of(explanation: Explanation) -> Self {
        let rule = explanation.hypotheses.first().map_or("", |hypothesis| rule(*hypothesis));
        Explained { rule, explanation }
    }
}

/// The rule for what a register may be doing, as in the table of the guard.
fn rule(hypothesis: Hypothesis) -> &'static str {
    match hypothesis {
        Hypothesis::Begins => "the figure begins once three readings agree for 20 s",
        Hypothesis::Continues => "no more than was measured: accepted at once",
        Hypothesis::ContinuesUnmeasured => "more than was measured, but usual: accepted after 3 readings and a minute",
        Hypothesis::ContinuesDoubtful => "against what was measured: accepted after 5 readings and 10 minutes",
        Hypothesis::Denied => {
            "denied by the measured power: not credited, counted from there after 5 readings and 10 minutes"
        }
        Hypothesis::Scaled => "10, 100 or 1000 times as high: nothing is counted until it is back",
        Hypothesis::TooHigh => "more than can be: not credited, counted from there after 5 readings and 10 minutes",
        Hypothesis::Undated => "no trusted clock tells in what time: waits for one, for a day",
        Hypothesis::Lower => "lower: a reset after 5 readings and 10 minutes, unless it comes back",
        Hypothesis::BackOnItsLine(_) => {
            "back on an earlier line: the earlier offset applies after 3 readings and a minute"
        }
        Hypothesis::RolledOver => "rolled over: the true change counts after 3 readings",
        Hypothesis::AnotherMeter => "another serial number: another meter after 5 readings and 10 minutes",
        Hypothesis::Redefined => "read in another way: counted from there after three readings",
    }
}

/// A line of a trace as it is written. Unknown keys are ignored.
#[derive(Deserialize)]
struct TraceLine {
    t: f64,
    /// Absent in a trace of one meter.
    meter: Option<Name>,
    /// Null for a failed read. A reading must have this key.
    #[serde(default, deserialize_with = "present")]
    register_mwh: Option<Option<Number>>,
    power_mw: Option<Number>,
    serial: Option<String>,
    event: Option<TraceEvent>,
}

/// Tells a null from an absent key.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Option<Number>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// What happened, checked.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum TraceEvent {
    #[serde(skip)]
    Reading {
        register: Option<MilliwattHours>,
        power: Option<Milliwatts>,
        serial: Option<String>,
    },
    Restart,
    Crash,
    Slot,
}

/// Reads a trace line by line.
struct TraceReader<'i> {
    input: &'i mut dyn BufRead,
    /// Lines of other meters are skipped.
    meter: Name,
    /// Some of the other meters.
    others: BTreeSet<Name>,
    number: u64,
    latest: f64,
}

impl TraceReader<'_> {
    /// The next event and its time in seconds; `None` at the end of the trace. Empty lines and comments (`#`) are skipped.
    fn next(&mut self) -> Result<Option<(f64, TraceEvent)>, ReplayError> {
        loop {
            self.number += 1;
            let mut bytes = Vec::new();
            let mut bounded = (&mut *self.input).take(MAX_LINE + 1);
            if bounded.read_until(b'\n', &mut bytes).map_err(ReplayError::Read)? == 0 {
                return Ok(None);
            }
            let event = self.parse(&bytes).map_err(|problem| ReplayError::Line { number: self.number, problem })?;
            if let Some((t, event)) = event {
                self.latest = t;
                return Ok(Some((t, event)));
            }
        }
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<Option<(f64, TraceEvent)>, String> {
        if bytes.len() as u64 > MAX_LINE {
            return Err(format!("is longer than {} KiB", MAX_LINE / 1024));
        }
        let text = str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
        // Some editors write an invisible byte order mark at the begin of a file.
        let text = text.strip_prefix('\u{feff}').filter(|_| self.number == 1).unwrap_or(text);
        if text.trim().is_empty() || text.trim_start().starts_with('#') {
            return Ok(None);
        }
        if !text.trim_start().starts_with('{') {
            return Err("is no reading and no event: it does not begin with `{`".into());
        }
        let mut parser = serde_json::Deserializer::from_str(text).into_iter::<TraceLine>();
        let line = match parser.next() {
            Some(Ok(line)) => line,
            Some(Err(error)) => return Err(format!("is no reading and no event: {}", without_position(&error))),
            None => return Ok(None),
        };
        let rest = text.get(parser.byte_offset()..).unwrap_or_default().trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            return Err("has text after its first value: write one reading or event in a line".into());
        }
        if let Some(other) = line.meter.as_ref().filter(|meter| **meter != self.meter) {
            if self.others.len() < MAX_OTHERS {
                self.others.insert(other.clone());
            }
            return Ok(None);
        }
        self.check(line).map(Some)
    }

    fn check(&self, line: TraceLine) -> Result<(f64, TraceEvent), String> {
        let TraceLine { t, register_mwh, power_mw, serial, event, .. } = line;
        if !(0.0..=MAX_SECONDS).contains(&t) {
            return Err(format!("has a `t` of {t}: write seconds, from 0 to a century"));
        }
        if t < self.latest {
            return Err(format!("goes back in time: `t` is {t} after {}", self.latest));
        }
        if let Some(event) = event {
            let has_values = register_mwh.is_some() || power_mw.is_some() || serial.is_some();
            return if has_values { Err("is an event with values".into()) } else { Ok((t, event)) };
        }
        let register = register_mwh.ok_or("has neither a `register_mwh` (null for a failed read) nor an `event`")?;
        let register = register.map(|number| energy(&number)).transpose()?;
        let power = power_mw.map(|number| power(&number)).transpose()?;
        if serial.as_ref().is_some_and(|serial| serial.len() > MAX_SERIAL) {
            return Err(format!("has a `serial` longer than {MAX_SERIAL} bytes"));
        }
        Ok((t, TraceEvent::Reading { register, power, serial }))
    }
}

/// A whole number of mWh. `1e9` and `5.0` are whole numbers too.
fn energy(number: &Number) -> Result<MilliwattHours, String> {
    let whole = number.as_u64().or_else(|| {
        let value = number.as_f64().filter(|value| value.fract() == 0.0 && *value >= 0.0)?;
        (value <= MilliwattHours::MAX.get() as f64).then_some(value as u64)
    });
    let energy = whole.and_then(MilliwattHours::new);
    energy.ok_or_else(|| {
        format!("has a `register_mwh` of {number}: write a whole number from 0 to {}", MilliwattHours::MAX.get())
    })
}

/// Power in mW, rounded, up to 1e18.
fn power(number: &Number) -> Result<Milliwatts, String> {
    let value = number.as_f64().filter(|value| value.abs() <= 1e18);
    let power = number.as_i64().or(value.map(|value| value.round() as i64));
    let power = power.filter(|power| power.unsigned_abs() <= 1_000_000_000_000_000_000);
    power.map(Milliwatts).ok_or_else(|| format!("has a `power_mw` of {number}: it is limited to 1e18"))
}

/// The error without the line number of the parser, which sees one line at a time.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    crate::text::foreign(text, 200)
}

#[cfg(test)]
mod tests;
