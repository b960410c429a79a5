//! What every command prints in the same way: errors, tables, JSON.

use std::borrow::Cow;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};
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

/// A table with this header. A column whose title begins with `#` holds numbers and is aligned right.
pub(super) fn table(header: &[impl AsRef<str>]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().map(|title| title.as_ref().trim_start_matches('#')));
    for (index, _) in header.iter().enumerate().filter(|(_, title)| title.as_ref().starts_with('#')) {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Writes a value as indented JSON and a line end.
pub(super) fn write_json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}
