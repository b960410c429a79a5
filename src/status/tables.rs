//! The tables of the status document, the same on the page and in the `status` command.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::document::{BusState, Document, MeterState};
use super::words;
use crate::reporter::ReportingState;
use crate::units::Name;

/// A table with one row for each name.
pub(crate) struct StatusTable {
    /// The titles of the columns. `#` marks a column of numbers.
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<StatusCell>>,
}

pub(crate) struct StatusCell {
    pub(crate) text: String,
    /// Whether the state in this cell is good; absent for a cell without a state.
    pub(crate) good: Option<bool>,
}

/// The title of the columns with errors. They are also among the sentences of trouble.
pub(crate) const ERROR: &str = "Error";
/// The columns of [`words::line_times`].
const LINE_TIMES: [&str; 4] = ["#P50", "#P95", "#P99", "#Busy"];

/// The tables with at least one row: meters, clients, accounts, buses.
pub(crate) fn tables(document: &Document) -> Vec<StatusTable> {
    let tables = [meters(document), clients(document), accounts(document), buses(document)];
    tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

fn meters(document: &Document) -> StatusTable {
    let head = ["Meter", "State", "#Power", "#Register", "#Published", "Read", "Verdict"];
    table(&head, &document.meters, |meter| {
        vec![
            state(words::state(&meter.state), meter.state == MeterState::Ok),
            optional(meter.power_mw.map(words::power)),
            optional(meter.register_mwh.map(words::energy)),
            optional(meter.published_mwh.map(words::energy)),
            age(meter.read_at, document),
            optional(meter.verdict.as_ref()),
        ]
    })
}

fn clients(document: &Document) -> StatusTable {
    let head = ["Client", "Identifier", "Account", "#Accepted", "When", ERROR];
    table(&head, &document.clients, |client| {
        vec![
            cell(&client.client_id),
            cell(&client.account),
            optional(client.accepted_mwh.map(words::energy)),
            age(client.accepted_at, document),
            optional(client.error.as_ref()),
        ]
    })
}

fn accounts(document: &Document) -> StatusTable {
    let head = ["Account", "State", "Last report", "#Accepted", "#Refused", ERROR];
    table(&head, &document.accounts, |account| {
        vec![
            state(words::state(&account.state), account.state == ReportingState::Ok),
            age(account.last_report_at, document),
            cell(account.accepted),
            cell(account.rejected),
            optional(account.error.as_ref()),
        ]
    })
}

fn buses(document: &Document) -> StatusTable {
    let head = ["Bus", "State", "#Requests", "#Answers", "#Timeouts", "#Garbled", "#Exceptions"];
    table(&[&head[..], &LINE_TIMES].concat(), &document.buses, |bus| {
        let counts = bus.counts;
        let mut cells = vec![state(words::state(&bus.state), bus.state == BusState::Open)];
        cells.extend([counts.requests, counts.answers, counts.timeouts, counts.garbled, counts.exceptions].map(cell));
        cells.extend(words::line_times(&bus.quality).map(cell));
        cells
    })
}

/// The quality of the line to each meter.
pub(crate) fn lines(document: &Document) -> StatusTable {
    let head = ["Line to", "Bus", "#Requests", "#Answers", "#Timeouts", "#CRC", "#Garbled", "#Exceptions"];
    table(&[&head[..], &LINE_TIMES].concat(), &document.meters, |meter| {
        let count = |name: &str| meter.quality.total.get(name).unwrap_or_default();
        let garbled = ["wrong_unit", "wrong_function", "wrong_length", "incomplete", "noise"].map(count).iter().sum();
        let [requests, answers, timeouts, crc, exceptions] =
            ["requests", "answers", "timeouts", "crc_errors", "exceptions"].map(count);
        let mut cells = vec![cell(&meter.bus)];
        cells.extend([requests, answers, timeouts, crc, garbled, exceptions].map(cell));
        cells.extend(words::line_times(&meter.quality).map(cell));
        cells
    })
}

/// `cells` gives the cells after the name.
fn table<T>(head: &[&'static str], things: &BTreeMap<Name, T>, cells: impl Fn(&T) -> Vec<StatusCell>) -> StatusTable {
    let rows = things.iter().map(|(name, thing)| std::iter::once(cell(name)).chain(cells(thing)).collect());
    StatusTable { head: head.to_vec(), rows: rows.collect() }
}

fn cell(text: impl ToString) -> StatusCell {
    StatusCell { text: text.to_string(), good: None }
}

fn optional(text: Option<impl ToString>) -> StatusCell {
    cell(text.map(|text| text.to_string()).unwrap_or_default())
}

fn age(at: Option<Timestamp>, document: &Document) -> StatusCell {
    cell(at.map_or("never".to_owned(), |at| words::ago(at, document.at)))
}

fn state(text: String, good: bool) -> StatusCell {
    StatusCell { text, good: Some(good) }
}
