//! What standard output can show: its size, colours, UTF-8.

use std::io::{self, IsTerminal};

/// The columns of a text that goes into a pipe or a file.
pub(super) const PLAIN_COLUMNS: usize = 80;

/// What standard output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Screen {
    /// Columns and rows of a terminal; absent for a pipe or a file.
    pub(super) size: Option<(usize, usize)>,
    /// Colours are wanted.
    pub(super) colour: bool,
    /// The locale has UTF-8.
    pub(super) utf8: bool,
}

impl Screen {
    /// Standard output as it is now.
    pub(super) fn of_output() -> Self {
        let terminal = io::stdout().is_terminal();
        let size = terminal.then(crossterm::terminal::size).and_then(Result::ok);
        let size = size.map(|(columns, rows)| (usize::from(columns), usize::from(rows)));
        // A serial console says 0 x 0.
        let size = size.filter(|(columns, rows)| *columns > 0 && *rows > 0).or(terminal.then_some((PLAIN_COLUMNS, 24)));
        Screen { size, colour: terminal && colour_is_wanted(), utf8: has_utf8() }
    }

    /// The width at which sentences wrap.
    pub(super) fn text_columns(&self) -> usize {
        self.size.map_or(PLAIN_COLUMNS, |(columns, _)| columns.clamp(20, 100))
    }

    /// The width that a table must not exceed. A pipe gets all columns: what reads it may look for one of them.
    pub(super) fn table_columns(&self) -> Option<usize> {
        self.size.map(|(columns, _)| columns)
    }

    /// `text` in this colour, if colours are wanted.
    pub(super) fn paint(&self, text: &str, colour: Colour) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }

    /// `text` as this screen can show it: harmless if it comes from another program, and ASCII without UTF-8.
    pub(super) fn printable(&self, text: &str) -> String {
        let text = if self.utf8 { text.to_owned() } else { text.replace('…', "...").replace('–', "-") };
        let shown = |character: char| !character.is_control() && (self.utf8 || character.is_ascii());
        text.chars().map(|character| if shown(character) { character } else { '?' }).collect()
    }

    /// Sentences at their width, with `mark` before the first line and as much indent before the others.
    pub(super) fn wrapped(&self, mark: &str, text: &str) -> Vec<String> {
        let indent = " ".repeat(mark.chars().count());
        let options = wrap_options(self.text_columns()).initial_indent(mark).subsequent_indent(&indent);
        let lines = textwrap::wrap(text, options);
        lines.into_iter().map(std::borrow::Cow::into_owned).collect()
    }
}

/// The columns for messages on standard error: those of the terminal, at most 100; `None` for a pipe or a file.
pub(super) fn message_columns() -> Option<usize> {
    io::stderr().is_terminal().then(|| textwrap::termwidth().clamp(40, 100))
}

/// Wraps at blanks only: a command or a value is never divided.
pub(super) fn wrap_options<'a>(width: usize) -> textwrap::Options<'a> {
    let options = textwrap::Options::new(width).break_words(false);
    options.word_separator(textwrap::WordSeparator::AsciiSpace).word_splitter(textwrap::WordSplitter::NoHyphenation)
}

/// The colours of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    /// Trouble.
    Red = 31,
    /// All is well.
    Green = 32,
    /// Advice.
    Yellow = 33,
}

/// Whether the environment allows colours. Source: no-color.org.
pub(super) fn colour_is_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether the terminal shows UTF-8, as the locale says.
pub(super) fn has_utf8() -> bool {
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = variables.iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
