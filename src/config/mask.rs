//! Masks a source text: removes secrets and control characters, and converts positions to the masked text.

use std::ops::Range;

/// Runs of this many hex digits are shortened, so that half a token is masked as well.
const MIN_HEX_RUN: usize = 32;

/// `text` without secrets: long hex numbers are shortened, user names and passwords in URLs are masked, and control characters are
/// replaced. The lines stay the same.
pub fn masked(text: &str) -> String {
    Masked::new(text, &[]).text
}

/// A message with long hex numbers shortened: it may name a table or key whose name is a token.
pub(super) fn shortened(text: &str) -> String {
    let mut classes = vec![ByteClass::Plain; text.len()];
    mark_hex(text, &mut classes);
    Masked::assemble(text, &classes).text
}

/// A masked text, and the new position of each byte of the original.
#[derive(Debug)]
pub(super) struct Masked {
    pub(super) text: String,
    /// For each byte of the original, and for its end: the position in `text`.
    positions: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ByteClass {
    Plain,
    /// Secret: a run becomes `***` on each line.
    Hidden,
    /// The middle of a long hex number: a run becomes `...`.
    Middle,
    /// A control character: becomes `?`.
    Control,
    /// The carriage return of a line end.
    Dropped,
}

impl Masked {
    /// `text` with these ranges masked, and with user names and passwords in URLs and long hex numbers.
    pub(super) fn new(text: &str, hidden: &[Range<usize>]) -> Self {
        let mut classes = vec![ByteClass::Plain; text.len()];
        mark_hex(text, &mut classes);
        mark_controls(text, &mut classes);
        mark_userinfo(text, &mut classes);
        for range in hidden {
            classes[range.clone()].fill(ByteClass::Hidden);
        }
        Masked::assemble(text, &classes)
    }

    fn assemble(text: &str, classes: &[ByteClass]) -> Self {
        let mut masked =
            Masked { text: String::with_capacity(text.len()), positions: Vec::with_capacity(text.len() + 1) };
        let mut before = ByteClass::Plain;
        let mut run = 0;
        for (start, character) in text.char_indices() {
            // Line ends stay, also within hidden text, so that line numbers stay right.
            let class = if character == '\n' { ByteClass::Plain } else { classes[start] };
            let begins = before != class || matches!(class, ByteClass::Plain | ByteClass::Control);
            // Every byte of a masked run has the position of the mask.
            run = if begins { masked.text.len() } else { run };
            masked.positions.extend(std::iter::repeat_n(run, character.len_utf8()));
            match class {
                ByteClass::Plain => masked.text.push(character),
                ByteClass::Hidden if begins => masked.text.push_str("***"),
                ByteClass::Middle if begins => masked.text.push_str("..."),
                ByteClass::Control => masked.text.push('?'),
                ByteClass::Hidden | ByteClass::Middle | ByteClass::Dropped => {}
            }
            before = class;
        }
        masked.positions.push(masked.text.len());
        masked
    }

    /// The span in the masked text of a span in the original.
    pub(super) fn map_span(&self, span: Range<usize>) -> Range<usize> {
        let end_of_text = self.positions.len() - 1;
        let start = self.positions[span.start.min(end_of_text)];
        let end = self.positions[span.end.min(end_of_text)];
        start..end.max(start)
    }
}

/// Marks the middle of long runs of hex digits.
fn mark_hex(text: &str, classes: &mut [ByteClass]) {
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        let run = bytes[start..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if run >= MIN_HEX_RUN {
            classes[start + 4..start + run - 4].fill(ByteClass::Middle);
        }
        start += run.max(1);
    }
}

/// Marks control characters, and invisible or reordering ones.
fn mark_controls(text: &str, classes: &mut [ByteClass]) {
    for (start, character) in text.char_indices() {
        let plain =
            matches!(character, ' '..='~' | '\t' | '\n') || (!character.is_ascii() && character.is_alphanumeric());
        if !plain {
            let line_end = character == '\r' && text[start + 1..].starts_with('\n');
            classes[start] = if line_end { ByteClass::Dropped } else { ByteClass::Control };
        }
    }
}

/// Marks everything between `://` and the last `@` of the URL.
fn mark_userinfo(text: &str, classes: &mut [ByteClass]) {
    for (colon, mark) in text.match_indices("://") {
        let start = colon + mark.len();
        let rest = &text[start..];
        let end = rest.find(['"', '\'', '\n', ' ']).unwrap_or(rest.len());
        if let Some(at) = rest[..end].rfind('@') {
            classes[start..start + at].fill(ByteClass::Hidden);
        }
    }
}

#[cfg(test)]
mod tests;
