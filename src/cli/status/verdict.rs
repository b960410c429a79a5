//! The overall verdict in one sentence. Pure.

use crate::reporter::ReportingState;
use crate::status::{Document, MeterState, MeterStatus};

/// Whether the meter answers; its figure may be held.
pub(in crate::cli) fn is_read(meter: &MeterStatus) -> bool {
    matches!(meter.state, MeterState::Ok | MeterState::Held)
}

/// How meters and reports are, in one sentence or two of at most 70 characters with the usual numbers.
pub(in crate::cli) fn verdict(document: &Document) -> String {
    let meters = document.meters.len();
    let read = document.meters.values().filter(|meter| is_read(meter)).count();
    let held = document.meters.values().filter(|meter| meter.state == MeterState::Held).count();
    let (clients, reported) = (document.clients.len(), reported(document));
    if document.well {
        let read_now = if read < meters {
            format!("{read} of {} are read so far", many(meters, "meter"))
        } else {
            are(meters, "meter", "read")
        };
        let reports = match clients {
            0 => String::new(),
            _ if reported < clients => format!(", {reported} of {} reported so far", many(clients, "client")),
            _ => format!(", {}", are(clients, "client", "reported")),
        };
        return format!("{read_now}{reports}.");
    }
    let mut wrong = Vec::new();
    if read < meters {
        wrong.push(if meters == 1 {
            "the meter is not read".to_owned()
        } else {
            format!("{} of {meters} meters not read", meters - read)
        });
    }
    if held > 0 {
        wrong.push(are(held, "meter", "held"));
    }
    if reported < clients {
        wrong.push(if clients == 1 {
            "the client is not reported".to_owned()
        } else {
            format!("{} of {clients} clients not reported", clients - reported)
        });
    }
    if wrong.is_empty() {
        let count = document.trouble.len();
        let needs = if count == 1 { "1 problem needs" } else { &format!("{count} problems need") };
        return format!("All meters are read, but {needs} attention.");
    }
    let goes_on = if clients > 0 && reported == clients { " Reports go on." } else { "" };
    let text = wrong.join(", ") + "." + goes_on;
    text[..1].to_uppercase() + &text[1..]
}

/// The clients whose reports are accepted now.
fn reported(document: &Document) -> usize {
    let barred = document.ledger.barred.is_some();
    let is_reported = |client: &&crate::status::ClientStatus| {
        let account = document.accounts.get(&client.account).map(|account| account.state);
        !barred && client.error.is_none() && client.accepted_at.is_some() && account == Some(ReportingState::Ok)
    };
    document.clients.values().filter(is_reported).count()
}

fn are(count: usize, what: &str, state: &str) -> String {
    format!("{} {} {state}", many(count, what), if count == 1 { "is" } else { "are" })
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
