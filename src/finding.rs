//! What is wrong in a TOML file: where, what, and what would be right. Collected, so that all problems are told at once.

use std::ops::Range;

/// One problem (or one warning) at one place of a TOML text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Bytes of the text that are meant.
    pub span: Range<usize>,
    /// What is wrong, naming the key: one line, no full stop.
    pub message: String,
    /// What to do about it: shown below the caret.
    pub help: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

impl Finding {
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Finding { severity: Severity::Error, span, message: message.into(), help: None }
    }

    pub fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Finding { severity: Severity::Warning, ..Finding::error(span, message) }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
