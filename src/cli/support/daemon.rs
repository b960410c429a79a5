//! The sections from the running daemon, or from the disk if no daemon runs.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Installation;
use crate::ledger::LedgerError;
use crate::ledger::shown::{self, Shown, ShownJournal};
use crate::ledger::store::JournalQuery;
use crate::quality::RequestCount;
use crate::status::control::{self, ControlError, SHOW};
use crate::text::chain;

/// Maximum entries of the journal.
const MAX_ENTRIES: u32 = 300;

/// The status document, or why there is none, and its figures about the lines.
pub(super) struct StatusSections {
    pub(super) text: String,
    pub(super) quality: String,
}

pub(super) async fn status(socket: &Path) -> StatusSections {
    match control::get(socket, "/status.json").await {
        Ok(bytes) => {
            let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            StatusSections { text: String::from_utf8_lossy(&bytes).into_owned(), quality: quality(&document) }
        }
        Err(error) => StatusSections { text: chain(&error), quality: "not available: no daemon runs".into() },
    }
}

/// The ledger, or why it cannot be read.
pub(super) async fn ledger(site: &Installation<'_>) -> Result<Shown, String> {
    read(site.socket, SHOW, || shown::show(site.state)).await
}

pub(super) async fn journal(site: &Installation<'_>) -> Result<ShownJournal, String> {
    let newest = JournalQuery::newest(MAX_ENTRIES);
    read(site.socket, &control::journal_path(&newest), || shown::journal(site.state, &newest)).await
}

/// A document as JSON, or why there is none.
pub(super) fn as_text<T: Serialize>(read: &Result<T, String>) -> String {
    match read {
        Ok(document) => serde_json::to_string_pretty(document).unwrap_or_default(),
        Err(why) => why.clone(),
    }
}

/// From the daemon; if none runs, from the file.
async fn read<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    without_daemon: impl FnOnce() -> Result<T, LedgerError>,
) -> Result<T, String> {
    match control::get(socket, path).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        Err(ControlError::NoDaemon(_)) => without_daemon().map_err(|error| chain(&error)),
        Err(error) => Err(chain(&error)),
    }
}

/// The advice, then each bus and meter with all its counters, some of them also as a share.
fn quality(document: &Value) -> String {
    let mut text = String::new();
    let outcomes: Vec<_> = RequestCount::WORDS.iter().map(|(_, name)| *name).chain(["exceptions"]).collect();
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
                let counters =
                    if counted.is_object() { counts(counted, "requests", &outcomes) } else { counted.to_string() };
                if !counters.is_empty() {
                    text.push_str(&format!("    {what}: {counters}\n"));
                }
            }
        }
    }
    text
}

/// The counters of a bus or meter; `parts` also as shares of the counter `whole`.
fn counts(thing: &Value, whole: &str, parts: &[&str]) -> String {
    let whole = thing[whole].as_f64().filter(|whole| *whole > 0.0);
    let numbers = thing.as_object().into_iter().flatten().filter(|(_, value)| value.is_u64() || value.is_f64());
    let counters = numbers.filter(|(key, _)| !key.ends_with("_mw") && !key.ends_with("_mwh")).map(|(key, value)| {
        let share = whole.zip(value.as_f64()).filter(|(_, part)| parts.contains(&key.as_str()) && *part > 0.0);
        let share = share.map(|(whole, part)| format!(" ({:.1} %)", 100.0 * part / whole));
        format!("{key} {value}{}", share.unwrap_or_default())
    });
    counters.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
