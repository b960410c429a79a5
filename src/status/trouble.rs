//! What is wrong, as sentences, the worst first. One cause is named once: a closed bus, not each of its meters.

use std::time::Duration;

use jiff::Timestamp;

use super::document::{BusState, ClientStatus, Document, MeterState, MeterStatus};
use super::words::{self, plain};
use crate::config::Config;
use crate::reading::stale_after;
use crate::reporter::{AccountReport, ReportingState};
use crate::units::Name;

/// A client without an accepted report for this long is in trouble: Arkreen asks for one every 3 minutes.
const NO_REPORT_FOR: Duration = Duration::from_secs(5 * 60);
/// A new meter has its baseline after three readings that agree: until this time after the start its absence is no trouble.
const BASELINE_WITHIN: Duration = Duration::from_secs(2 * 60);
/// A clock that shows less is wrong: 1 January 2024 in seconds since 1970, before arkmeter was made.
const EARLIEST_S: i64 = 1_704_067_200;

/// The sentences for `document`. `up_for` is the time since the start of the daemon: what needs time after a start is no trouble yet.
pub(super) fn trouble(document: &Document, config: &Config, remarks: &[String], up_for: Duration) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(of_clock(document.at));
    for task in &document.stalled {
        sentences.push(sentence(&format!("The task `{}` makes no progress", plain(task)), None));
    }
    if let Some(error) = &document.ledger.error {
        sentences.push(sentence("The ledger cannot be written", Some(error)));
    }
    if let Some(why) = &document.ledger.barred {
        sentences.push(sentence("Nothing is reported", Some(why)));
    }
    sentences.extend(remarks.iter().map(|remark| plain(remark)));
    for (name, bus) in document.buses.iter().filter(|(_, bus)| bus.state == BusState::Closed) {
        sentences.push(sentence(&format!("Bus {name} is closed"), bus.error.as_ref()) + " It is tried again.");
    }
    for (name, meter) in &document.meters {
        let grace = config.meters.get(name).map_or(Duration::ZERO, |meter| stale_after(meter.poll_every));
        sentences.extend(of_meter(name, meter, document, up_for < grace));
        sentences.extend(meter.overload_mw.map(|power| {
            let power = words::power(power);
            format!("Meter {name} carries {power}, more than its max_power: raise max_power, or real consumption will be held.")
        }));
        sentences.extend(meter.faults.iter().map(|fault| sentence(&format!("Meter {name}"), Some(fault))));
    }
    for (name, account) in &document.accounts {
        let grace = config.accounts.get(name).map_or(Duration::ZERO, |account| stale_after(account.report_every));
        let used = document.clients.values().any(|client| client.account == *name);
        sentences.extend(of_account(name, account, document.at, !used || up_for < grace));
    }
    for (name, client) in &document.clients {
        let account = document.accounts.get(&client.account).map(|account| account.state);
        let retried = matches!(account, Some(ReportingState::Retrying | ReportingState::Refused));
        let named_already = retried || document.ledger.barred.is_some();
        if named_already {
            continue;
        }
        if let Some(error) = &client.error {
            if up_for < BASELINE_WITHIN && client.has_new_meter {
                continue;
            }
            sentences.push(sentence(&format!("Client {name} is not reported as it should be"), Some(error)));
        } else if account == Some(ReportingState::Ok) && are_well(&client.meters, document) {
            let every = config.accounts.get(&client.account).map_or(Duration::ZERO, |account| account.report_every);
            sentences.extend(of_silent_client(name, client, document.at, up_for, every));
        }
    }
    if let Some(error) = &document.ledger.history_error {
        sentences.push(sentence("The history cannot be written, everything else works", Some(error)));
    }
    sentences
}

/// A box without a battery for its clock starts in 1970.
fn of_clock(now: Timestamp) -> Option<String> {
    (now.as_second() < EARLIEST_S).then(|| {
        format!(
            "The clock of this box is wrong, it says {}: set it (`timedatectl set-ntp true`, or `date --set`). Energy is counted all the \
             same, but certificates of Arkreen are refused, and the history has a wrong date.",
            now.strftime("%-d %b %Y")
        )
    })
}

fn of_meter(name: &Name, meter: &MeterStatus, document: &Document, just_started: bool) -> Option<String> {
    let bus_closed = document.buses.get(&meter.bus).is_some_and(|bus| bus.state == BusState::Closed);
    let error = meter.error.as_ref();
    let age = meter.read_at.map(|at| words::ago(at, document.at)).unwrap_or_default();
    match meter.state {
        MeterState::Ok => None,
        MeterState::Held => Some(sentence(&format!("Meter {name} is held"), meter.held.as_ref())),
        _ if bus_closed => None,
        MeterState::Stale => Some(sentence(&format!("Meter {name} was last read {age}"), error)),
        MeterState::Failing => Some(sentence(&format!("Meter {name} is failing"), error)),
        MeterState::NeverRead if error.is_none() && just_started => None,
        MeterState::NeverRead => Some(sentence(&format!("Meter {name} was never read"), error)),
    }
}

fn of_account(name: &Name, account: &AccountReport, now: Timestamp, just_started: bool) -> Option<String> {
    let error = account.error.as_ref();
    let last = account.last_report_at.map_or("never".to_owned(), |at| words::ago(at, now));
    match account.state {
        ReportingState::Ok => error.map(|error| sentence(&format!("Account {name}"), Some(error))),
        ReportingState::Retrying => {
            Some(sentence(&format!("Account {name} cannot report and tries again (last report: {last})"), error))
        }
        ReportingState::Refused => {
            Some(sentence(&format!("Account {name} is refused by Arkreen (last report: {last})"), error))
        }
        ReportingState::NeverReported if error.is_none() && just_started => None,
        ReportingState::NeverReported => Some(sentence(&format!("Account {name} has not reported yet"), error)),
    }
}

fn are_well(meters: &[Name], document: &Document) -> bool {
    meters.iter().all(|name| document.meters.get(name).is_some_and(|meter| meter.state == MeterState::Ok))
}

/// A client for which nothing was accepted for a while, though nothing is known to be wrong.
fn of_silent_client(
    name: &Name,
    client: &ClientStatus,
    now: Timestamp,
    up_for: Duration,
    every: Duration,
) -> Option<String> {
    // An account that reports less often is well until one and a half of its intervals have passed.
    let longest = NO_REPORT_FOR.max(every * 3 / 2);
    let silent = client.accepted_at.is_none_or(|at| now.duration_since(at).unsigned_abs() >= longest);
    let last =
        client.accepted_at.map_or("no report yet".to_owned(), |at| format!("its last report {}", words::ago(at, now)));
    (silent && up_for >= longest).then(|| {
        format!("Arkreen accepted {last} for client {name}: `arkmeter report` reports at once and shows the answer.")
    })
}

/// `what: why.`, with one full stop at the end.
fn sentence(what: &str, why: Option<&String>) -> String {
    let text = match why {
        Some(why) => format!("{what}: {why}"),
        None => what.to_owned(),
    };
    if text.ends_with(['.', '!', '?']) { text } else { text + "." }
}
