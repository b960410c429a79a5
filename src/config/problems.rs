//! The problems of a configuration for people: sorted by position, each with its line, a caret and a hint.

use std::fmt;
use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::joined::FileNames;
use super::mask::{Masked, shortened};
use crate::finding::{Finding, Severity};

/// How many problems are shown in full; the others are only counted.
const MAX_SHOWN: usize = 100;
/// A longer line is not shown.
const MAX_LINE: usize = 500;

/// The errors and warnings of a file, or of a configuration of several. The source lines in it are masked, so that it holds no secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Problems {
    /// The file, or the first file and the number of the others.
    whole: String,
    problems: Vec<Problem>,
}

/// One problem at one position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// The file, without control characters.
    pub file: String,
    /// In the file, from 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, naming the key.
    pub message: String,
    /// How to correct it.
    pub help: Option<String>,
    /// The masked line, and the bytes of it with the problem.
    #[serde(skip)]
    source: String,
    #[serde(skip)]
    caret: std::ops::Range<usize>,
}

impl Problems {
    /// Sorts `findings` and takes their lines from `masked`, the text of these files.
    pub(super) fn new(files: &FileNames, masked: &Masked, mut findings: Vec<Finding>) -> Self {
        let position = |finding: &Finding| (finding.span.start, finding.span.end, finding.message.clone());
        findings.sort_by_key(position);
        findings.dedup();
        let lines = LineStarts::new(&masked.text);
        let problems = findings.into_iter().map(|finding| Problem::new(finding, files, masked, &lines)).collect();
        Problems { whole: files.in_words(), problems }
    }

    /// Whether there are neither errors nor warnings.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems by file and position.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    /// The text for a terminal, with or without colours. Empty without problems, else with a line end.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for problem in self.problems.iter().take(MAX_SHOWN) {
            text.push_str(&problem.render(&renderer));
            text.push_str("\n\n");
        }
        let more = self.problems.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            text.push_str(&format!("... and {more} more\n\n"));
        }
        if !self.is_empty() {
            text.push_str(&format!("{}: {}\n", self.whole, self.summary()));
        }
        text
    }

    /// `2 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let counted = |count: usize, word| match count {
            0 => None,
            1 => Some(format!("1 {word}")),
            _ => Some(format!("{count} {word}s")),
        };
        let parts = [counted(self.errors(), "error"), counted(self.warnings(), "warning")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Problem {
    fn new(finding: Finding, files: &FileNames, masked: &Masked, lines: &LineStarts) -> Self {
        let Finding { severity, span, message, help } = finding;
        let span = masked.map_span(span);
        let (line, whole) = lines.line_of(&masked.text, span.start);
        let source = &masked.text[whole.clone()];
        let start = span.start - whole.start;
        let end = (span.end - whole.start).min(source.len()).max(start);
        let column = source[..start].chars().count() + 1;
        let (source, caret) =
            if source.len() <= MAX_LINE { (source.to_owned(), start..end) } else { (String::new(), 0..0) };
        let (file, line) = files.of_line(line);
        let file = file.to_owned();
        let (message, help) = (shortened(&message), help.as_deref().map(shortened));
        Problem { severity, file, line, column, message, help, source, caret }
    }

    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&self.message);
        let group = if self.source.is_empty() {
            let group = title.element(Origin::path(&self.file).line(self.line).char_column(self.column));
            group.elements(self.help.iter().map(|help| Level::HELP.message(help)))
        } else {
            let annotation = AnnotationKind::Primary.span(self.caret.clone());
            let snippet = Snippet::source(&self.source).line_start(self.line).path(&self.file);
            match self.help.as_deref() {
                Some(help) if help.contains('\n') => {
                    title.element(snippet.annotation(annotation)).element(Level::HELP.message(help))
                }
                help => title.element(snippet.annotation(annotation.label(help))),
            }
        };
        renderer.render(&[group])
    }
}

/// A path without control characters and long hex numbers.
pub fn shown_path(path: &Path) -> String {
    let plain = |character: char| if character.is_control() { '?' } else { character };
    crate::text::mask_hex(&path.to_string_lossy().chars().map(plain).collect::<String>())
}

/// The position of the first byte of each line.
pub(super) struct LineStarts(Vec<usize>);

impl LineStarts {
    pub(super) fn new(text: &str) -> Self {
        LineStarts(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The number of the line with the byte at `position`, from 1, and its bytes without the line end.
    pub(super) fn line_of(&self, text: &str, position: usize) -> (usize, std::ops::Range<usize>) {
        let number = self.0.partition_point(|start| *start <= position).max(1);
        (number, self.line(text, number))
    }

    /// The bytes of the line with this number, without the line end.
    pub(super) fn line(&self, text: &str, number: usize) -> std::ops::Range<usize> {
        self.0[number - 1]..self.0.get(number).map_or(text.len(), |next| next - 1)
    }
}
