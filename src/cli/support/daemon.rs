//! What the running daemon says, else what lies on the disk.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::Site;
use crate::cli::chain;
use crate::ledger::shown::{self, Entries, ShowError};
use crate::status::control::{self, ControlError};

/// Entries of the journal.
const ENTRIES: u32 = 300;

/// The status document, or why there is none, and what it says of the lines.
pub(super) struct Status {
    pub(super) text: String,
    pub(super) quality: String,
}

pub(super) async fn status(socket: &Path) -> Status {
    match control::get(socket, "/status.json").await {
        Ok(bytes) => {
            let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            Status { text: String::from_utf8_lossy(&bytes).into_owned(), quality: quality(&document) }
        }
        Err(error) => Status { text: chain(&error), quality: "not to be had: no daemon tells it".into() },
    }
}

pub(super) async fn ledger(site: &Site<'_>) -> String {
    let folder = site.state.to_owned();
    look(site.socket, "/ledger.json", || shown::show(&folder)).await
}

pub(super) async fn journal(site: &Site<'_>) -> String {
    let folder = site.state.to_owned();
    let wanted = Entries { most: Some(ENTRIES), ..Entries::default() };
    look(site.socket, &format!("/journal.json?{}", wanted.query()), || shown::journal(&folder, &wanted)).await
}

/// What the daemon answers; where none does, what is on the disk.
async fn look<T: Serialize>(socket: &Path, path: &str, alone: impl FnOnce() -> Result<T, ShowError>) -> String {
    match control::get(socket, path).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(ControlError::NoDaemon(_)) => match alone() {
            Ok(document) => serde_json::to_string_pretty(&document).unwrap_or_default(),
            Err(error) => chain(&error),
        },
        Err(error) => chain(&error),
    }
}

/// The advice; then each bus and meter with all that the document counts of it, and the share where that says more.
fn quality(document: &Value) -> String {
    let mut text = String::new();
    for sentence in document["advice"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(&format!("advice: {sentence}\n"));
    }
    for (things, of, parts) in [
        ("buses", "requests", &["answers", "timeouts", "garbled", "exceptions"][..]),
        ("meters", "polls", &["failures"][..]),
    ] {
        for (name, thing) in document[things].as_object().into_iter().flatten() {
            let error = thing["error"].as_str().map(|error| format!("; {error}")).unwrap_or_default();
            text.push_str(&format!("{things} {name}: {}{error}\n", counts(thing, of, parts)));
            for (what, counted) in thing["quality"].as_object().into_iter().flatten().filter(|(_, it)| !it.is_null()) {
                let told = if counted.is_object() { counts(counted, "requests", ENDS) } else { counted.to_string() };
                if !told.is_empty() {
                    text.push_str(&format!("    {what}: {told}\n"));
                }
            }
        }
    }
    text
}

/// What requests end by, which is told as a share of them.
const ENDS: &[&str] = &[
    "answers",
    "timeouts",
    "crc_errors",
    "wrong_unit",
    "wrong_function",
    "wrong_length",
    "incomplete",
    "noise",
    "lost",
    "exceptions",
    "slow",
    "echoes",
    "late",
];

/// The numbers of a thing; these parts also as shares of `whole`.
fn counts(thing: &Value, whole: &str, parts: &[&str]) -> String {
    let whole = thing[whole].as_f64().filter(|whole| *whole > 0.0);
    let numbers = thing.as_object().into_iter().flatten().filter(|(_, value)| value.is_u64() || value.is_f64());
    let told = numbers.filter(|(key, _)| !key.ends_with("_mw") && !key.ends_with("_mwh")).map(|(key, value)| {
        let share = whole.zip(value.as_f64()).filter(|(_, part)| parts.contains(&key.as_str()) && *part > 0.0);
        let share = share.map(|(whole, part)| format!(" ({:.1} %)", 100.0 * part / whole));
        format!("{key} {value}{}", share.unwrap_or_default())
    });
    told.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn advice_comes_first_and_quality_below_its_meter() {
        let quality = json!({
            "recent": { "requests": 50, "answers": 44, "crc_errors": 6 }, "exceptions": {}, "occupancy": 0.25,
            "response_us": { "p95": 31_000 },
        });
        let document = json!({ "advice": ["Mend it."], "meters": { "sauna": { "polls": 40, "quality": quality } } });
        assert_eq!(
            super::quality(&document),
            "advice: Mend it.\nmeters sauna: polls 40\n    occupancy: 0.25\n    \
             recent: answers 44 (88.0 %), crc_errors 6 (12.0 %), requests 50\n    response_us: p95 31000\n"
        );
    }

    #[test]
    fn a_line_is_judged_by_shares() {
        let document = json!({
            "buses": { "cabinet": { "requests": 200, "answers": 150, "timeouts": 50, "reopened": 2, "error": "unplugged" } },
            "meters": { "sauna": { "polls": 0, "failures": 0, "power_mw": 7, "error": null } },
        });
        assert_eq!(
            quality(&document),
            "buses cabinet: answers 150 (75.0 %), reopened 2, requests 200, timeouts 50 (25.0 %); unplugged\n\
             meters sauna: failures 0, polls 0\n"
        );
    }
}
