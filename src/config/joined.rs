//! The files of a configuration as one text, so that one position says both file and line.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::problems::{LineStarts, shown_path};

/// One file of a configuration, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, for messages.
    pub path: PathBuf,
    /// All of its text.
    pub text: String,
}

/// The texts of all files, one after the other; each begins on a line of its own.
#[derive(Debug)]
pub(super) struct JoinedText<'a> {
    pub(super) text: Cow<'a, str>,
    files: FileNames,
}

/// The files of a joined text, by their lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FileNames(Vec<FileStart>);

/// Where a file begins in the joined text.
#[derive(Clone, Debug, PartialEq)]
struct FileStart {
    name: String,
    /// Its bytes, without a line end that was added.
    span: Range<usize>,
    /// How many lines are before it.
    lines: usize,
}

impl<'a> JoinedText<'a> {
    /// One file.
    pub(super) fn single(path: &Path, text: &'a str) -> Self {
        let start = FileStart { name: shown_path(path), span: 0..text.len(), lines: 0 };
        JoinedText { text: Cow::Borrowed(text), files: FileNames(vec![start]) }
    }

    /// These files, in this order.
    pub(super) fn new(files: &'a [SourceFile]) -> Self {
        if let [only] = files {
            return JoinedText::single(&only.path, &only.text);
        }
        let mut joined = String::with_capacity(files.iter().map(|file| file.text.len() + 1).sum());
        let mut lines = 0;
        let starts = files.iter().map(|SourceFile { path, text }| {
            if !joined.is_empty() && !joined.ends_with('\n') {
                joined.push('\n');
                lines += 1;
            }
            let start = FileStart { name: shown_path(path), span: joined.len()..joined.len() + text.len(), lines };
            joined.push_str(text);
            lines += text.matches('\n').count();
            start
        });
        let files = FileNames(starts.collect());
        JoinedText { text: Cow::Owned(joined), files }
    }

    /// The text of each file, with its first position.
    pub(super) fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.files.0.iter().map(|file| (file.span.start, &self.text[file.span.clone()]))
    }

    /// The files by their lines.
    pub(super) fn names(&self) -> &FileNames {
        &self.files
    }

    /// The place of `position` in words: `line 7`, and for a reader of `near` in another file `line 7 of FILE`.
    pub(super) fn place(&self, lines: &LineStarts, position: usize, near: usize) -> String {
        let at = |position| self.files.of_line(lines.line_of(&self.text, position).0);
        let ((file, line), (near, _)) = (at(position), at(near));
        if file == near { format!("line {line}") } else { format!("line {line} of {file}") }
    }
}

impl FileNames {
    /// The file with this line of the joined text (from 1), and the number of the line in it.
    pub(super) fn of_line(&self, line: usize) -> (&str, usize) {
        let after = self.0.partition_point(|file| file.lines < line).max(1);
        // An empty file has no line: of two files that begin on one line, the later one has it.
        let file = &self.0[after - 1];
        (&file.name, line - file.lines)
    }

    /// The first file, and how many are read after it.
    pub(super) fn in_words(&self) -> String {
        match &self.0[..] {
            [only] => only.name.clone(),
            [main, _] => format!("{} and 1 part", main.name),
            [main, parts @ ..] => format!("{} and {} parts", main.name, parts.len()),
            [] => String::new(),
        }
    }

    /// `text`, which has the lines of the joined text, with the name of each file before its lines if there are several.
    pub(super) fn with_headings(&self, text: &str) -> String {
        if self.0.len() < 2 {
            return text.to_owned();
        }
        let starts = LineStarts::new(text);
        let from = |file: &FileStart| starts.line(text, file.lines + 1).start;
        let mut shown = String::with_capacity(text.len() + 100 * self.0.len());
        for (index, file) in self.0.iter().enumerate() {
            let end = self.0.get(index + 1).map_or(text.len(), from);
            let lines = if file.span.is_empty() { "" } else { &text[from(file)..end] };
            shown.push_str(&format!("# == {}\n{lines}", file.name));
            if !shown.ends_with('\n') {
                shown.push('\n');
            }
        }
        shown
    }
}
