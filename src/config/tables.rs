//! What the readers of several tables share: values with their spans, names, paths and suggestions.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::form::Field;
use crate::text::foreign;
use crate::units::Name;

/// A [`Name`] is no longer than this.
const LONGEST_NAME: usize = 64;

/// A value and its span in the file.
#[derive(Clone, Debug)]
pub(super) struct WithSpan<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// One table `[kind.NAME]`. `value` is `None` if something in it is wrong (and reported).
#[derive(Debug)]
pub(super) struct Table<T> {
    pub(super) span: Range<usize>,
    pub(super) value: Option<T>,
}

/// The tables of one kind, by name.
pub(super) type TableMap<T> = BTreeMap<Name, Table<T>>;

/// Reads the name of another table.
pub(super) fn name(field: &Field<'_>) -> Option<WithSpan<Name>> {
    let text = field.text()?;
    match Name::new(text) {
        Some(value) => Some(WithSpan { value, span: field.span() }),
        None => field.fail("is not a name", "the name of a table: 1 to 64 letters, digits, `_` and `-`"),
    }
}

/// Reads a path. A relative one counts from `folder`, where the configuration is.
pub(super) fn path(field: &Field<'_>, folder: &Path) -> Option<PathBuf> {
    let text = field.text()?;
    if text.is_empty() || text.contains('\0') {
        return field.fail("is not a path", "a path such as \"/etc/arkmeter/...\"");
    }
    Some(folder.join(text))
}

/// A hint for `wrong`: the nearest of `known`, or all of them.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(name) = near(wrong, known.clone()) {
        return Some(format!("did you mean \"{name}\"?"));
    }
    let all: Vec<&str> = known.collect();
    (!all.is_empty()).then(|| foreign(&format!("there is {}", all.join(", ")), 200))
}

/// The most similar of `known`. `None` if none is similar.
pub(super) fn near<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A longer text is not a misspelled name, and a comparison takes time in proportion to both lengths.
    if wrong.len() > LONGEST_NAME {
        return None;
    }
    let alike = known.map(|name| (name, strsim::jaro_winkler(wrong, name))).filter(|(_, likeness)| *likeness > 0.75);
    alike.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(name, _)| name)
}
