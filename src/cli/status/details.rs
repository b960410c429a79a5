//! The details of `status --lines`: counters of buses and lines, registers, whole tables.

use crate::cli::columns::{Cell, Column, FittedTable, number, text};
use crate::cli::screen::{Colour, Screen};
use crate::status::{Document, ERROR, StatusTable, lines, tables, words};

/// The tables, and what is known of each line in words.
pub(super) fn details(document: &Document, screen: &Screen) -> Vec<Vec<String>> {
    let lines = Some(lines(document)).filter(|lines| !lines.rows.is_empty());
    let mut parts: Vec<_> = tables(document).iter().chain(&lines).map(|table| fitted(table).lines(screen)).collect();
    let mut remarks = Vec::new();
    for (name, meter) in &document.meters {
        remarks.extend(meter.map.as_ref().map(|map| format!("{name} is read by {map}")));
    }
    for (name, bus) in &document.buses {
        remarks.extend(words::silent_meters(bus).map(|silent| format!("On bus {name}, {silent}")));
        remarks.extend(bus.tolerated.iter().map(|habit| format!("On bus {name}, {habit}")));
    }
    parts.push(remarks.iter().flat_map(|remark| screen.wrapped("", &screen.printable(remark))).collect());
    parts
}

/// The columns at the right are dropped first. The errors are already among the sentences above the tables.
fn fitted(table: &StatusTable) -> FittedTable {
    let columns: Vec<_> = (0..table.head.len()).filter(|column| table.head[*column] != ERROR).collect();
    let head = columns.iter().enumerate().map(|(place, column)| column_of(table.head[*column], place));
    let mut fitted = FittedTable::new(head.collect::<Vec<_>>());
    for row in &table.rows {
        let cells = columns.iter().map(|column| match row[*column].good {
            Some(false) => Cell::painted(row[*column].text.to_uppercase(), Colour::Red),
            Some(true) => Cell::painted(&row[*column].text, Colour::Green),
            None => Cell::from(&row[*column].text),
        });
        fitted.row(cells.collect::<Vec<_>>());
    }
    fitted
}

fn column_of(title: &'static str, place: usize) -> Column {
    let drop = u8::try_from(place.saturating_sub(1)).unwrap_or(u8::MAX);
    match title.strip_prefix('#') {
        Some(title) => number(title, drop),
        None => text(title, drop),
    }
}
