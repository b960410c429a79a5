//! What every command prints in the same way: errors, tables, JSON.

use std::borrow::Cow;
use std::io::{self, Write};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

use super::exit;
use super::screen::{message_columns, wrap_options};

/// Prints a message on standard error, on a terminal wrapped at words. A closed standard error is no reason to fail.
pub(super) fn print_error(text: &str) {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(io::stderr(), "{}{end}", fitted(text));
}

/// The text as standard error can show it: on a terminal, lines that are longer than it is wide wrap at words.
pub(super) fn fitted(text: &str) -> Cow<'_, str> {
    match message_columns() {
        Some(columns) => textwrap::fill(text, wrap_options(columns)).into(),
        None => text.into(),
    }
}

/// The exit code of a command after its last write. A reader that closed the pipe has read enough.
pub(super) fn finish_output(written: io::Result<()>) -> u8 {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            print_error(&format!("the output cannot be written: {error}"));
            exit::FAILED
        }
        _ => 0,
    }
}

/// The same, which fits a terminal of this many columns: long texts wrap in their cells, numbers do not.
pub(super) fn fitted_table(header: &[impl AsRef<str>], columns: Option<usize>) -> Table {
    let mut table = table(header);
    if let Some(columns) = columns {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    }
    table
}

/// A table with this header. A column whose title begins with `#` holds numbers, is aligned right and never wraps; one with `=` holds names,
/// and never wraps either.
pub(super) fn table(header: &[impl AsRef<str>]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.iter().map(|title| title.as_ref().trim_start_matches(['#', '='])));
    for (column, title) in table.column_iter_mut().zip(header) {
        let title = title.as_ref();
        if title.starts_with('#') {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if title.starts_with(['#', '=']) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// The lines of `text` for this many columns: what is longer wraps at words, indented by two more than its first line.
pub(super) fn indented(text: &str, columns: usize) -> String {
    let wrapped = text.lines().map(|line| {
        let indent = " ".repeat(line.len() - line.trim_start().len() + 2);
        textwrap::fill(line, wrap_options(columns).subsequent_indent(&indent))
    });
    wrapped.collect::<Vec<_>>().join("\n")
}

/// Writes lines. Those that are longer than the terminal is wide wrap at words; without `columns` none does.
pub(super) fn write_lines(text: &str, columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    match columns {
        Some(columns) => writeln!(out, "{}", indented(text, columns)),
        None => writeln!(out, "{text}"),
    }
}

/// Writes a value as indented JSON and a line end.
pub(super) fn write_json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}
