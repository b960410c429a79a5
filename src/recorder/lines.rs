//! Writes the trace format that `arkmeter replay` reads: a JSON line for each poll and event. Pure.

use serde::{Deserialize, Serialize};

use super::RecordedEvent;
use crate::clock::ClockReading;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The maximum length of a serial number in a trace, in bytes.
pub const MAX_SERIAL: usize = 256;

/// Writes events as lines of a trace.
#[derive(Debug)]
pub struct TraceWriter {
    began: ClockReading,
    /// Time does not go back in a trace, although buses are polled in parallel.
    latest: f64,
}

#[derive(Serialize)]
struct Poll<'a> {
    t: f64,
    meter: &'a Name,
    /// Null for a failed read.
    register_mwh: Option<MilliwattHours>,
    #[serde(skip_serializing_if = "Option::is_none")]
    power_mw: Option<Milliwatts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<&'a str>,
}

#[derive(Serialize)]
struct Slot {
    t: f64,
    event: &'static str,
}

/// The first line of a recording, and of its continuation after a restart. `t` counts from the first line of all.
#[derive(Serialize, Deserialize)]
struct Restart {
    t: f64,
    event: String,
    at: ClockReading,
}

impl TraceWriter {
    /// A recording that begins now, and its first line.
    pub fn begin(began: ClockReading) -> (Self, String) {
        let mut lines = TraceWriter { began, latest: 0.0 };
        let first = lines.restart(began);
        (lines, first)
    }

    /// Continues the recording with this first line: a line marks the restart. `None` if the length of the interruption is unknown.
    pub fn resume(first: &str, now: ClockReading) -> Option<(Self, String)> {
        let Restart { at: began, .. } = serde_json::from_str(first).ok()?;
        now.since(&began)?;
        let mut lines = TraceWriter { began, latest: 0.0 };
        let line = lines.restart(now);
        Some((lines, line))
    }

    /// The lines of an event, after `lost` events that were dropped.
    pub fn write(&mut self, event: &RecordedEvent, lost: u64) -> String {
        let line = match event {
            RecordedEvent::Poll { meter, at, values } => {
                let serial = values.serial.as_deref().filter(|serial| serial.len() <= MAX_SERIAL);
                let register_mwh = values.register.map(|register| register.value);
                json(&Poll { t: self.t(at), meter, register_mwh, power_mw: values.power, serial })
            }
            RecordedEvent::Slot { at } => json(&Slot { t: self.t(at), event: "slot" }),
        };
        match lost {
            0 => line,
            _ => format!("# {lost} lines are missing here: they came faster than they could be written\n{line}"),
        }
    }

    fn restart(&mut self, at: ClockReading) -> String {
        json(&Restart { t: self.t(&at), event: "restart".to_owned(), at })
    }

    /// Elapsed seconds, to the microsecond.
    fn t(&mut self, at: &ClockReading) -> f64 {
        let elapsed = at.since(&self.began).map_or(self.latest, |elapsed| elapsed.as_micros() as f64 / 1e6);
        self.latest = self.latest.max(elapsed);
        self.latest
    }
}

fn json(line: &impl Serialize) -> String {
    // Numbers and texts can always be written.
    serde_json::to_string(line).unwrap_or_default() + "\n"
}
