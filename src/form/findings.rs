//! What a reading of a TOML file brings to light: its problems, and which of its values may be shown when they are told.

use std::cell::{Ref, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::finding::{Finding, Severity};

/// So many problems are kept.
const MOST: usize = 1000;

/// The problems found so far, in the order in which they were met.
#[derive(Debug, Default)]
pub struct Findings {
    told: RefCell<Vec<Finding>>,
    /// Which of them may only follow from a line that is no TOML.
    doubtful: RefCell<HashSet<usize>>,
    /// The keys that were asked for, anywhere.
    known: RefCell<BTreeSet<&'static str>>,
    /// Where values stand whose keys were asked for: these may be shown.
    readable: RefCell<HashSet<(usize, usize)>>,
    hidden: RefCell<Vec<Range<usize>>>,
    /// Nothing of the text will be shown: keys and places are not kept.
    unshown: bool,
}

impl Findings {
    /// For a text that nobody will be shown, such as one of arkmeter's own.
    pub fn unshown() -> Self {
        Findings { unshown: true, ..Findings::default() }
    }

    /// Beyond [`MOST`] only a first error is taken: a file of mistakes does not fill the memory.
    pub fn add(&self, finding: Finding) {
        let mut told = self.told.borrow_mut();
        let is_error = |finding: &Finding| finding.severity == Severity::Error;
        if told.len() < MOST || (is_error(&finding) && !told.iter().any(is_error)) {
            told.push(finding);
        }
    }

    /// Adds a problem that a syntax error elsewhere may have caused, such as a key that is missing.
    pub fn doubt(&self, finding: Finding) {
        let place = self.told.borrow().len();
        self.add(finding);
        self.doubtful.borrow_mut().insert(place);
    }

    pub fn all(&self) -> Ref<'_, [Finding]> {
        Ref::map(self.told.borrow(), Vec::as_slice)
    }

    /// Everything found.
    pub fn into_vec(self) -> Vec<Finding> {
        self.told.into_inner()
    }

    /// What was found for certain, where other lines of the file could not be read.
    pub fn into_certain(self) -> Vec<Finding> {
        let doubtful = self.doubtful.into_inner();
        let told = self.told.into_inner().into_iter().enumerate();
        told.filter(|(index, _)| !doubtful.contains(index)).map(|(_, finding)| finding).collect()
    }

    /// The keys that were asked for, in any table.
    pub fn known_keys(&self) -> BTreeSet<&'static str> {
        self.known.borrow().clone()
    }

    /// The places of all values in `document` that nobody asked for or that are to be hidden: not to be shown to anyone.
    pub fn hidden(&self, document: &DeTable<'_>) -> Vec<Range<usize>> {
        let mut hidden = self.hidden.borrow().clone();
        let readable = self.readable.borrow();
        for (_, value) in document {
            leaves(value, &mut |span| {
                if !readable.contains(&(span.start, span.end)) {
                    hidden.push(span);
                }
            });
        }
        hidden
    }

    /// The places of all values that may be shown.
    pub fn readable(&self) -> Vec<Range<usize>> {
        let hidden = self.hidden.borrow();
        let readable = self.readable.borrow();
        let spans = readable.iter().map(|&(start, end)| start..end);
        spans.filter(|span| !hidden.contains(span)).collect()
    }

    /// The key was asked for, and this is its value.
    pub(super) fn asked(&self, key: &'static str, value: Option<&Spanned<DeValue<'_>>>) {
        if self.unshown {
            return;
        }
        self.known.borrow_mut().insert(key);
        if let Some(value) = value.filter(|value| !value.get_ref().is_table()) {
            let mut readable = self.readable.borrow_mut();
            own_leaves(value, &mut |span| _ = readable.insert((span.start, span.end)));
        }
    }

    pub(super) fn hide(&self, span: Range<usize>) {
        self.hidden.borrow_mut().push(span);
    }
}

/// Whether a key of that name is likely to hold a secret.
pub fn names_a_secret(key: &str) -> bool {
    const PARTS: [&str; 9] =
        ["token", "secret", "passw", "pwd", "bearer", "credential", "authorization", "apikey", "private"];
    const WORDS: [&str; 5] = ["key", "auth", "pass", "pin", "jwt"];
    let key = key.to_ascii_lowercase();
    let joined: String = key.chars().filter(|character| character.is_alphanumeric()).collect();
    PARTS.iter().any(|part| joined.contains(part))
        || key.split(|character: char| !character.is_alphanumeric()).any(|word| WORDS.contains(&word))
}

/// Calls `visit` with every value below `value` that holds no other, and its place.
fn leaves(value: &Spanned<DeValue<'_>>, visit: &mut impl FnMut(Range<usize>)) {
    match value.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(_, value)| leaves(value, visit)),
        DeValue::Array(array) => array.iter().for_each(|value| leaves(value, visit)),
        _ => visit(value.span()),
    }
}

/// As [`leaves`], without what stands in tables: those are asked by keys of their own.
fn own_leaves(value: &Spanned<DeValue<'_>>, visit: &mut impl FnMut(Range<usize>)) {
    match value.get_ref() {
        DeValue::Table(_) => {}
        DeValue::Array(array) => array.iter().for_each(|value| own_leaves(value, visit)),
        _ => visit(value.span()),
    }
}
