//! A problem in a TOML file: where it is, what is wrong, and how to correct it.

use std::ops::Range;

use serde::Serialize;

/// One problem at one position of a TOML text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it makes the file invalid.
    pub severity: Severity,
    /// The bytes of the text with the problem.
    pub span: Range<usize>,
    /// What is wrong, naming the key: one line, no full stop.
    pub message: String,
    /// How to correct it: shown below the caret.
    pub help: Option<String>,
}

/// Whether a finding makes the file invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

impl Finding {
    /// An error at these bytes.
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Finding { severity: Severity::Error, span, message: message.into(), help: None }
    }

    /// A warning at these bytes.
    pub fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Finding { severity: Severity::Warning, ..Finding::error(span, message) }
    }

    /// The finding with this help.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The finding in a text that has `by` more bytes before it.
    pub fn moved(mut self, by: usize) -> Self {
        self.span = self.span.start + by..self.span.end + by;
        self
    }
}
