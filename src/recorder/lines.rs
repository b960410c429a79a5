//! The form of a recording, which is the form of a trace for `arkmeter replay`: a JSON line for each poll and event. Pure.

use serde::{Deserialize, Serialize};

use super::Said;
use crate::clock::ClockReading;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// `replay` takes no longer serial number; nor is one.
const LONGEST_SERIAL: usize = 256;

/// Turns what was said into lines.
#[derive(Debug)]
pub struct Lines {
    began: ClockReading,
    /// Time does not go back in a trace: buses are polled side by side.
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

/// The line with which a recording begins, and goes on after a restart: `t` counts from the first of them.
#[derive(Serialize, Deserialize)]
struct Restart {
    t: f64,
    event: String,
    at: ClockReading,
}

impl Lines {
    /// A recording that begins then, and its first line.
    pub fn begin(began: ClockReading) -> (Self, String) {
        let mut lines = Lines { began, latest: 0.0 };
        let first = lines.restart(began);
        (lines, first)
    }

    /// One that began with this first line and goes on now, with the line that says so; `None` where nothing tells how long it was
    /// interrupted.
    pub fn go_on(first: &str, now: ClockReading) -> Option<(Self, String)> {
        let Restart { at: began, .. } = serde_json::from_str(first).ok()?;
        now.since(&began)?;
        let mut lines = Lines { began, latest: 0.0 };
        let line = lines.restart(now);
        Some((lines, line))
    }

    /// The lines of what was said, `lost` of it before that.
    pub fn write(&mut self, said: &Said, lost: u64) -> String {
        let line = match said {
            Said::Poll { meter, at, values } => {
                let serial = values.serial.as_deref().filter(|serial| serial.len() <= LONGEST_SERIAL);
                let register_mwh = values.register.map(|register| register.value);
                json(&Poll { t: self.t(at), meter, register_mwh, power_mw: values.power, serial })
            }
            Said::Slot { at } => json(&Slot { t: self.t(at), event: "slot" }),
        };
        match lost {
            0 => line,
            _ => format!("# {lost} lines were lost here: they came faster than they could be written\n{line}"),
        }
    }

    fn restart(&mut self, at: ClockReading) -> String {
        json(&Restart { t: self.t(&at), event: "restart".to_owned(), at })
    }

    /// True elapsed seconds, to the microsecond.
    fn t(&mut self, at: &ClockReading) -> f64 {
        let elapsed = at.since(&self.began).map_or(self.latest, |elapsed| elapsed.as_micros() as f64 / 1e6);
        self.latest = self.latest.max(elapsed);
        self.latest
    }
}

fn json(line: &impl Serialize) -> String {
    // Plain numbers and texts always can be written.
    serde_json::to_string(line).unwrap_or_default() + "\n"
}
