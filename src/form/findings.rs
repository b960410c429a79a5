//! The problems of a TOML file, and which of its values may be shown with them.

use std::cell::{Ref, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::finding::{Finding, Severity};

/// More problems are not kept.
const MAX_FINDINGS: usize = 1000;

/// The problems found so far, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Findings {
    findings: RefCell<Vec<Finding>>,
    /// The indices of those that a syntax error may have caused.
    doubtful: RefCell<HashSet<usize>>,
    /// The keys that were read, in any table.
    known: RefCell<BTreeSet<&'static str>>,
    /// The spans of the values whose keys were read: these may be shown.
    readable: RefCell<HashSet<(usize, usize)>>,
    hidden: RefCell<Vec<Range<usize>>>,
}

impl Findings {
    /// Beyond [`MAX_FINDINGS`] only a first error is added: a file full of mistakes does not fill the memory.
    pub fn add(&self, finding: Finding) {
        let mut findings = self.findings.borrow_mut();
        let is_error = |finding: &Finding| finding.severity == Severity::Error;
        if findings.len() < MAX_FINDINGS || (is_error(&finding) && !findings.iter().any(is_error)) {
            findings.push(finding);
        }
    }

    /// Adds a problem that a syntax error elsewhere may have caused, such as a key that is missing.
    pub fn doubt(&self, finding: Finding) {
        let index = self.findings.borrow().len();
        self.add(finding);
        self.doubtful.borrow_mut().insert(index);
    }

    /// The findings so far.
    pub fn all(&self) -> Ref<'_, [Finding]> {
        Ref::map(self.findings.borrow(), Vec::as_slice)
    }

    /// All findings.
    pub fn into_vec(self) -> Vec<Finding> {
        self.findings.into_inner()
    }

    /// The findings that are certain although other lines of the file could not be read.
    pub fn into_certain(self) -> Vec<Finding> {
        let doubtful = self.doubtful.into_inner();
        let findings = self.findings.into_inner().into_iter().enumerate();
        findings.filter(|(index, _)| !doubtful.contains(index)).map(|(_, finding)| finding).collect()
    }

    /// The keys that were read, in any table.
    pub fn known_keys(&self) -> BTreeSet<&'static str> {
        self.known.borrow().clone()
    }

    /// The spans of the values in `document` that must not be shown: their keys were not read, or they were hidden.
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

    /// The spans of the values that may be shown.
    pub fn readable(&self) -> Vec<Range<usize>> {
        let hidden = self.hidden.borrow();
        let readable = self.readable.borrow();
        let spans = readable.iter().map(|&(start, end)| start..end);
        spans.filter(|span| !hidden.contains(span)).collect()
    }

    /// Notes that this key was read, with its value.
    pub(super) fn note_read(&self, key: &'static str, value: Option<&Spanned<DeValue<'_>>>) {
        self.known.borrow_mut().insert(key);
        if let Some(value) = value {
            self.note_readable(value);
        }
    }

    /// Notes that this value may be shown. The values in a table have keys of their own.
    pub(super) fn note_readable(&self, value: &Spanned<DeValue<'_>>) {
        if !value.get_ref().is_table() {
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

/// Calls `visit` with the span of every simple value in `value`.
pub fn leaves(value: &Spanned<DeValue<'_>>, visit: &mut impl FnMut(Range<usize>)) {
    match value.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(_, value)| leaves(value, visit)),
        DeValue::Array(array) => array.iter().for_each(|value| leaves(value, visit)),
        _ => visit(value.span()),
    }
}

/// As [`leaves`], without those in tables: each of them has its own key.
fn own_leaves(value: &Spanned<DeValue<'_>>, visit: &mut impl FnMut(Range<usize>)) {
    match value.get_ref() {
        DeValue::Table(_) => {}
        DeValue::Array(array) => array.iter().for_each(|value| own_leaves(value, visit)),
        _ => visit(value.span()),
    }
}
