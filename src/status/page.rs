//! The document as one HTML page that needs nothing from elsewhere and reads on a phone: trouble first, then the tables.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;

use super::document::{AccountState, BusState, Document, MeterState};
use super::words;

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:16px/1.4 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:1.5rem 0 .3rem}.scroll{overflow-x:auto}\
table{border-collapse:collapse;width:100%}th,td{padding:.3rem .6rem .3rem 0;text-align:left;vertical-align:top}\
th{font-weight:600}tr+tr td{border-top:1px solid #8884}.number{text-align:right;white-space:nowrap}\
.bad{color:#c62828;font-weight:600}.good{color:#2e7d32}footer{color:#888;margin-top:2rem}\
@media(prefers-color-scheme:dark){.bad{color:#ff8a80}.good{color:#81c784}}";

/// The page; `nonce` is what its Content-Security-Policy lets the style through by.
pub fn page(document: &Document, nonce: &str) -> String {
    let now = document.at;
    let mut html = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>arkmeter</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"refresh\" content=\"10\">\
         <style nonce=\"{}\">{STYLE}</style></head><body><h1>arkmeter</h1>",
        escape(nonce)
    );
    trouble(&mut html, &document.trouble);
    advice(&mut html, &document.advice);
    meters(&mut html, document, now);
    clients(&mut html, document, now);
    accounts(&mut html, document, now);
    buses(&mut html, document);
    let (version, started) = (escape(&document.version), words::ago(document.started_at, now));
    let footer = format!("<footer>arkmeter {version}, started {started}; as of {now}</footer></body></html>\n");
    html + &footer
}

/// `text` as it may stand in an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn trouble(html: &mut String, trouble: &[String]) {
    if trouble.is_empty() {
        html.push_str("<p class=\"good\">All is well.</p>");
        return;
    }
    html.push_str("<ul>");
    for sentence in trouble {
        push(html, format_args!("<li class=\"bad\">{}</li>", escape(sentence)));
    }
    html.push_str("</ul>");
}

fn advice(html: &mut String, advice: &[String]) {
    for sentence in advice {
        push(html, format_args!("<p>{}</p>", escape(sentence)));
    }
}

fn meters(html: &mut String, document: &Document, now: Timestamp) {
    table(
        html,
        "Meters",
        ["Meter", "State", "#Power", "#Register", "#Published", "Read", "Verdict"],
        &document.meters,
        |meter| {
            let verdict = meter.verdict.as_deref().map(escape);
            vec![
                state(words::meter_state(meter.state), meter.state == MeterState::Ok),
                meter.power_mw.map(words::power).unwrap_or_default(),
                meter.register_mwh.map(words::energy).unwrap_or_default(),
                meter.published_mwh.map(words::energy).unwrap_or_default(),
                meter.read_at.map(|at| words::ago(at, now)).unwrap_or_default(),
                verdict.unwrap_or_default(),
            ]
        },
    );
}

fn clients(html: &mut String, document: &Document, now: Timestamp) {
    table(html, "Clients", ["Client", "Identifier", "#Accepted", "When", "Error"], &document.clients, |client| {
        vec![
            escape(&client.client_id),
            client.accepted_mwh.map(words::energy).unwrap_or_default(),
            client.accepted_at.map(|at| words::ago(at, now)).unwrap_or_default(),
            client.error.as_deref().map(escape).unwrap_or_default(),
        ]
    });
}

fn accounts(html: &mut String, document: &Document, now: Timestamp) {
    let head = ["Account", "State", "Last report", "#Accepted", "#Refused", "Error"];
    table(html, "Accounts", head, &document.accounts, |account| {
        vec![
            state(words::account_state(account.state), account.state == AccountState::Ok),
            account.last_report_at.map_or("never".to_owned(), |at| words::ago(at, now)),
            account.accepted.to_string(),
            account.rejected.to_string(),
            account.error.as_deref().map(escape).unwrap_or_default(),
        ]
    });
}

fn buses(html: &mut String, document: &Document) {
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
    table(html, "Buses", head, &document.buses, |bus| {
        let counts = [bus.requests, bus.answers, bus.timeouts, bus.garbled, bus.exceptions];
        let mut cells = vec![state(words::bus_state(bus.state), bus.state == BusState::Open)];
        cells.extend(counts.iter().map(u64::to_string));
        cells.extend(words::line_times(&bus.quality));
        cells
    });
}

fn state(word: &str, good: bool) -> String {
    format!("<span class=\"{}\">{word}</span>", if good { "good" } else { "bad" })
}

/// A table of things by name, where there are any. `cells` gives the HTML right of the name; a column whose title begins with `#` is of
/// numbers.
fn table<const N: usize, T>(
    html: &mut String,
    title: &str,
    head: [&str; N],
    things: &BTreeMap<crate::units::Name, T>,
    cells: impl Fn(&T) -> Vec<String>,
) {
    if things.is_empty() {
        return;
    }
    let class = |column: &str| if column.starts_with('#') { " class=\"number\"" } else { "" };
    push(html, format_args!("<h2>{title}</h2><div class=\"scroll\"><table><tr>"));
    for column in head {
        push(html, format_args!("<th{}>{}</th>", class(column), column.trim_start_matches('#')));
    }
    for (name, thing) in things {
        push(html, format_args!("</tr><tr><td>{}</td>", escape(name.as_str())));
        for (column, cell) in head.iter().skip(1).zip(cells(thing)) {
            push(html, format_args!("<td{}>{cell}</td>", class(column)));
        }
    }
    html.push_str("</tr></table></div>");
}

fn push(html: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = html.write_fmt(text);
}

#[cfg(test)]
mod tests;
