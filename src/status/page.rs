//! The status document as one HTML page that loads nothing else and fits a phone: trouble first, then the tables.

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::document::{AccountState, BusState, Document, MeterState};
use super::words;
use crate::units::Name;

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:16px/1.4 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:1.5rem 0 .3rem}.scroll{overflow-x:auto}\
table{border-collapse:collapse;width:100%}th,td{padding:.3rem .6rem .3rem 0;text-align:left;vertical-align:top}\
th{font-weight:600}tr+tr td{border-top:1px solid #8884}.number{text-align:right;white-space:nowrap}\
.bad{color:#c62828;font-weight:600}.good{color:#2e7d32}footer{color:#888;margin-top:2rem}\
@media(prefers-color-scheme:dark){.bad{color:#ff8a80}.good{color:#81c784}}";

/// The page. Its Content-Security-Policy allows the style by `nonce`.
pub fn page(document: &Document, nonce: &str) -> String {
    let now = document.at;
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "arkmeter" }
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta http-equiv="refresh" content="10";
                style nonce=(nonce) { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { "arkmeter" }
                @if document.trouble.is_empty() {
                    p.good { "All is well." }
                } @else {
                    ul { @for sentence in &document.trouble { li.bad { (sentence) } } }
                }
                @for sentence in &document.advice { p { (sentence) } }
                (meters(document, now))
                (clients(document, now))
                (accounts(document, now))
                (buses(document))
                footer { "arkmeter " (document.version) ", started " (words::ago(document.started_at, now)) "; as of " (now) }
            }
        }
    };
    markup.into_string() + "\n"
}

fn meters(document: &Document, now: Timestamp) -> Markup {
    let head = ["Meter", "State", "#Power", "#Register", "#Published", "Read", "Verdict"];
    table("Meters", &head, &document.meters, |meter| {
        vec![
            state(words::meter_state(meter.state), meter.state == MeterState::Ok),
            cell(meter.power_mw.map(words::power)),
            cell(meter.register_mwh.map(words::energy)),
            cell(meter.published_mwh.map(words::energy)),
            cell(meter.read_at.map(|at| words::ago(at, now))),
            cell(meter.verdict.as_ref()),
        ]
    })
}

fn clients(document: &Document, now: Timestamp) -> Markup {
    let head = ["Client", "Identifier", "#Accepted", "When", "Error"];
    table("Clients", &head, &document.clients, |client| {
        vec![
            cell(Some(&client.client_id)),
            cell(client.accepted_mwh.map(words::energy)),
            cell(client.accepted_at.map(|at| words::ago(at, now))),
            cell(client.error.as_ref()),
        ]
    })
}

fn accounts(document: &Document, now: Timestamp) -> Markup {
    let head = ["Account", "State", "Last report", "#Accepted", "#Refused", "Error"];
    table("Accounts", &head, &document.accounts, |account| {
        let last_report = account.last_report_at.map_or("never".to_owned(), |at| words::ago(at, now));
        vec![
            state(words::account_state(account.state), account.state == AccountState::Ok),
            cell(Some(last_report)),
            cell(Some(account.accepted)),
            cell(Some(account.rejected)),
            cell(account.error.as_ref()),
        ]
    })
}

fn buses(document: &Document) -> Markup {
    let head = [
        "Bus",
        "State",
        "#Requests",
        "#Answers",
        "#Timeouts",
        "#Garbled",
        "#Exceptions",
        "#P50",
        "#P95",
        "#P99",
        "#Busy",
    ];
    table("Buses", &head, &document.buses, |bus| {
        let counts = [bus.requests, bus.answers, bus.timeouts, bus.garbled, bus.exceptions];
        let mut cells = vec![state(words::bus_state(bus.state), bus.state == BusState::Open)];
        cells.extend(counts.map(|count| cell(Some(count))));
        cells.extend(words::line_times(&bus.quality).map(|time| cell(Some(time))));
        cells
    })
}

fn state(word: &str, good: bool) -> Markup {
    html! { span class=(if good { "good" } else { "bad" }) { (word) } }
}

fn cell(content: Option<impl maud::Render>) -> Markup {
    html! { @if let Some(content) = content { (content) } }
}

/// A table of things by name, if there are any. `cells` gives the cells after the name. A column whose title begins with `#` has numbers.
fn table<T>(title: &str, head: &[&str], things: &BTreeMap<Name, T>, cells: impl Fn(&T) -> Vec<Markup>) -> Markup {
    let class = |column: &str| column.starts_with('#').then_some("number");
    html! {
        @if !things.is_empty() {
            h2 { (title) }
            div.scroll {
                table {
                    tr { @for column in head { th class=[class(column)] { (column.trim_start_matches('#')) } } }
                    @for (name, thing) in things {
                        tr {
                            td { (name.as_str()) }
                            @for (column, cell) in head.iter().skip(1).zip(cells(thing)) {
                                td class=[class(column)] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
