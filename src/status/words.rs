//! States, quantities and ages as text: the same on the page and in the `status` command.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::document::{BusStatus, QualityStatus};
use crate::units::{MilliwattHours, Milliwatts};

/// `950 W`, `1.23 kW`, as in every message.
pub fn power(power: Milliwatts) -> String {
    power.in_words()
}

/// `180004.166 kWh`, as in every message.
pub fn energy(energy: MilliwattHours) -> String {
    energy.in_words()
}

/// `12 s ago`; a time after `now` (the clock was set) is `just now`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.duration_since(then).as_secs() {
        ..=0 => "just now".to_owned(),
        seconds => format!("{} ago", roughly(seconds)),
    }
}

/// `in 12 s`; a time that has passed is `now`.
pub fn until(then: Timestamp, now: Timestamp) -> String {
    match then.duration_since(now).as_secs() {
        ..=0 => "now".to_owned(),
        seconds => format!("in {}", roughly(seconds)),
    }
}

/// The time from `then` to `now`: `12 s`, `3 min`.
pub fn lasted(then: Timestamp, now: Timestamp) -> String {
    roughly(now.duration_since(then).as_secs().max(0))
}

/// `12 s`, `3 min`, `4 h`, `5 days`.
fn roughly(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `310 KB`, `45 MB`, `5.1 GB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        ..1_000_000 => format!("{} KB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// The response times of 50 %, 95 % and 99 % of the recent answers, and the share of the line's time in use; empty if unknown.
pub fn line_times(quality: &QualityStatus) -> [String; 4] {
    let time = |which: &str| quality.response_us.get(which).map(response).unwrap_or_default();
    let busy = quality.occupancy.map(|share| format!("{:.1} %", 100.0 * share)).unwrap_or_default();
    [time("p50"), time("p95"), time("p99"), busy]
}

/// `0.8 ms`, `45 ms`, `1.25 s`.
fn response(micros: u64) -> String {
    match micros {
        ..10_000 => format!("{:.1} ms", micros as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// The meters of a bus that do not answer, and when they are tried again; `None` if all answer.
pub fn silent_meters(bus: &BusStatus) -> Option<String> {
    let who = match bus.silent {
        0 => return None,
        1 => "1 meter does not answer".to_owned(),
        several => format!("{several} meters do not answer"),
    };
    let seconds = bus.probe_round_s.filter(|seconds| (0.0..1e9).contains(seconds));
    Some(match seconds.map(|seconds| humantime::format_duration(Duration::from_secs(seconds as u64))) {
        Some(round) if bus.silent > 1 => format!("{who}; one round of probes takes {round}"),
        Some(every) => format!("{who}; it is tried every {every}"),
        None => who,
    })
}

/// The name of a state in the document, such as `never_read`.
pub fn state_name(state: &impl Serialize) -> String {
    let name = serde_json::to_value(state).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A state as text, such as `never read`.
pub fn state(state: &impl Serialize) -> String {
    state_name(state).replace('_', " ")
}

/// Text for terminals and browsers, in printable ASCII. Foreign text is made harmless where it arrives, and here once more.
pub(super) fn plain(text: &str) -> String {
    /// Enough for a sentence with its remedy and one foreign text of 200 bytes.
    const LIMIT: usize = 600;
    crate::text::foreign(&text.replace('…', "..."), LIMIT)
}

#[cfg(test)]
mod tests;
