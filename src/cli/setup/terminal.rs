//! The dialogue on the terminal. Everything goes to standard error, as one line after the other.

use std::borrow::Cow;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use inquire::ui::{Attributes, RenderConfig, StyleSheet, Styled};
use inquire::{InquireError, Password, PasswordDisplayMode, Text};

use super::files::Saved;
use crate::cli::output::{indented, print_error};
use crate::cli::screen::{PLAIN_COLUMNS, colour_is_wanted, has_utf8, message_columns};
use crate::config::shown_path;
use crate::files::system_text;
use crate::setup::Question;

/// More than this is no token.
const MAX_LINE: u64 = 4096;

/// What came of a question.
pub(super) enum Asked {
    /// The text that was typed.
    Answer(String),
    /// Ctrl-C, or the terminal is gone.
    Stopped,
    /// There is nobody to ask: why.
    NoAnswer(String),
}

/// Prints a text, wrapped at words. Without UTF-8 it is ASCII.
pub(super) fn say(text: &str) {
    print_error(&format!("{}\n", printable(text)));
}

/// Prints commands or a part of a file, which somebody may copy: their lines are not wrapped.
pub(super) fn copyable(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

fn printable(text: &str) -> Cow<'_, str> {
    if has_utf8() { text.into() } else { text.replace('…', "...").into() }
}

/// Prints sentences, wrapped at words; lines after the first are indented by two more columns than the first.
pub(super) fn tell(text: &str) {
    say(&indented(text, message_columns().unwrap_or(PLAIN_COLUMNS)));
}

/// The first lines.
pub(super) fn heading(may_write: bool, path: &Path, saved: &Saved) {
    let host = system_text("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = crate::text::foreign(host.trim(), 30);
    let title = format!("arkmeter setup, {host}");
    say(&format!("{title:<46} Ctrl-C stops; each step is saved\n"));
    if !may_write {
        let path = shown_path(path);
        say(&format!(
            "  This user cannot write {path}: scanning, naming and\n  checking work; writing it and starting the service do not. The last step\n  prints the \
             command that does: {}\n",
            saved.last_command()
        ));
    }
}

/// Asks one question. With `asks` on the terminal; else only a token, from standard input.
pub(super) fn ask(question: &Question, asks: bool) -> Asked {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !terminal || (!asks && !question.key.is_secret()) {
        return token_of_input();
    }
    let prompt = question.prompt.as_str();
    let answer = match question.key.is_secret() {
        true => {
            let mask = if has_utf8() { '•' } else { '*' };
            let config = RenderConfig { password_mask: mask, ..style() };
            let password = Password::new(prompt).with_display_mode(PasswordDisplayMode::Masked);
            password.without_confirmation().with_render_config(config).with_formatter(&|_| "hidden".to_owned()).prompt()
        }
        false => Text::new(prompt).with_render_config(style()).with_formatter(&crate::text::mask_hex).prompt(),
    };
    match answer {
        Ok(text) => Asked::Answer(text),
        // Escape clears the line in other programs: here it would be a way out that says nothing.
        Err(InquireError::OperationCanceled) => Asked::Answer(String::new()),
        Err(_) => Asked::Stopped,
    }
}

/// One line of standard input.
fn token_of_input() -> Asked {
    let mut line = String::new();
    let read = io::Read::take(io::stdin().lock(), MAX_LINE).read_line(&mut line);
    match (read, line.trim()) {
        (Ok(_), token) if !token.is_empty() => Asked::Answer(token.to_owned()),
        _ => Asked::NoAnswer(
            "there is no token: write it to the token file beside the configuration, or pass it on standard input"
                .to_owned(),
        ),
    }
}

/// Plain prompts, indented like the text around them.
pub(in crate::cli) fn style() -> RenderConfig<'static> {
    let bold = StyleSheet::new().with_attr(Attributes::BOLD);
    let plain =
        RenderConfig::empty().with_prompt_prefix(Styled::new(" ")).with_answered_prompt_prefix(Styled::new(" "));
    if colour_is_wanted() { RenderConfig { prompt: bold, ..plain } } else { plain }
}
