//! Merges the documents of several files: tables key by key, and of any other value the later one. Pure.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::form::leaves;

/// Puts `part` over `base`. The spans of the values that are replaced are added to `replaced`.
pub(super) fn merge<'t>(base: &mut DeTable<'t>, part: DeTable<'t>, replaced: &mut Vec<Range<usize>>) {
    for (key, value) in part {
        let Some(present) = base.get_mut(key.get_ref().as_ref()) else {
            base.insert(key, value);
            continue;
        };
        match (present.get_mut(), value.get_ref().is_table()) {
            (DeValue::Table(tables), true) => {
                if let DeValue::Table(more) = value.into_inner() {
                    merge(tables, more, replaced);
                }
            }
            _ => {
                leaves(present, &mut |span| replaced.push(span));
                // An insertion alone would keep the position of the former key.
                base.remove(key.get_ref().as_ref());
                base.insert(key, value);
            }
        }
    }
}

/// The document of a file that begins at the position `by` of the joined text.
pub(super) fn moved(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    if by == 0 {
        return table;
    }
    table.into_iter().map(|(key, value)| (moved_span(key, by), moved_value(value, by))).collect()
}

fn moved_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved(table, by)),
        DeValue::Array(array) => DeValue::Array(array.into_iter().map(|value| moved_value(value, by)).collect()),
        simple => simple,
    };
    moved_span(Spanned::new(span, value), by)
}

fn moved_span<T>(value: Spanned<T>, by: usize) -> Spanned<T> {
    let span = value.span();
    Spanned::new(span.start + by..span.end + by, value.into_inner())
}
