//! The source text made fit to show: without secrets and control characters, and with the places of problems moved along.

use std::ops::Range;

/// Runs of so many hex digits are shortened: half a token is masked as well as a whole one.
const HEX_RUN: usize = 32;

/// `text` as it may be handed to others: long hex numbers shortened, user names and passwords in URLs masked, and nothing in it that a
/// terminal would obey. Lines stay lines.
pub fn masked(text: &str) -> String {
    Masked::new(text, &[]).text
}

/// A message of ours with long hex numbers shortened: it may name a table or key that somebody named by a token.
pub(super) fn shortened(text: &str) -> String {
    let mut classes = vec![ByteClass::Plain; text.len()];
    mark_hex(text, &mut classes);
    Masked::assemble(text, &classes).text
}

/// A text that may be shown, and where each byte of the original went.
#[derive(Debug)]
pub(super) struct Masked {
    pub(super) text: String,
    /// For each byte of the original and its end: where that is in `text`.
    places: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ByteClass {
    Plain,
    /// Never shown: a run of it becomes `***` on each line.
    Hidden,
    /// The middle of a long hex number: a run becomes `...`.
    Middle,
    /// A character that a terminal would obey: becomes `?`.
    Control,
    /// The carriage return of a line's end.
    Dropped,
}

impl Masked {
    /// `text` with `hidden` masked, and beside that user names and passwords in URLs and long hex numbers.
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
        let mut masked = Masked { text: String::with_capacity(text.len()), places: Vec::with_capacity(text.len() + 1) };
        let mut before = ByteClass::Plain;
        let mut run = 0;
        for (start, character) in text.char_indices() {
            // A line's end stays where it is, also within a hidden text: line numbers are kept.
            let class = if character == '\n' { ByteClass::Plain } else { classes[start] };
            let begins = before != class || matches!(class, ByteClass::Plain | ByteClass::Control);
            // Every byte of a masked run is where its mask begins.
            run = if begins { masked.text.len() } else { run };
            masked.places.extend(std::iter::repeat_n(run, character.len_utf8()));
            match class {
                ByteClass::Plain => masked.text.push(character),
                ByteClass::Hidden if begins => masked.text.push_str("***"),
                ByteClass::Middle if begins => masked.text.push_str("..."),
                ByteClass::Control => masked.text.push('?'),
                ByteClass::Hidden | ByteClass::Middle | ByteClass::Dropped => {}
            }
            before = class;
        }
        masked.places.push(masked.text.len());
        masked
    }

    /// Where that place of the original is in the masked text.
    pub(super) fn place(&self, span: Range<usize>) -> Range<usize> {
        let end_of_text = self.places.len() - 1;
        let start = self.places[span.start.min(end_of_text)];
        let end = self.places[span.end.min(end_of_text)];
        start..end.max(start)
    }
}

/// Marks all but the ends of long runs of hex digits.
fn mark_hex(text: &str, classes: &mut [ByteClass]) {
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        let run = bytes[start..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if run >= HEX_RUN {
            classes[start + 4..start + run - 4].fill(ByteClass::Middle);
        }
        start += run.max(1);
    }
}

/// Marks everything that is not printed as itself: what a terminal obeys, and invisible or reordering characters.
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

/// Marks what stands between `://` and the last `@` before the URL ends.
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
mod tests {
    use super::*;

    #[test]
    fn long_hex_numbers_are_shortened_whatever_stands_around_them() {
        let token = "0123456789abcdef".repeat(4);
        assert_eq!(masked(&format!("a = \"0x{token}\" # {token}")), "a = \"0x0123...cdef\" # 0123...cdef");
        assert_eq!(masked(&format!("{}e", &token[..31])), format!("{}...{}", "0123", "cdee"));
        assert_eq!(masked("0xdeadbeef"), "0xdeadbeef");
    }

    #[test]
    fn a_password_in_a_url_is_masked_wherever_it_stands() {
        assert_eq!(
            masked("u = \"https://me:pa@ss@host/v1\" # http://b@c"),
            "u = \"https://***@host/v1\" # http://***@c"
        );
        assert_eq!(masked("u = \"https://host/v1\" # a@b"), "u = \"https://host/v1\" # a@b");
    }

    #[test]
    fn what_a_terminal_obeys_is_replaced() {
        assert_eq!(masked("a\x1b[31m\r\nb\rc\u{202e}d\u{9b}ß\tü"), "a?[31m\nb?c?d?ß\tü");
    }

    #[test]
    fn places_and_lines_stay_right() {
        let text = "a = \"one\ntwo\" # x\nb = 5\n";
        let masked = Masked::new(text, std::slice::from_ref(&(4..13)));
        assert_eq!(masked.text, "a = ***\n*** # x\nb = 5\n");
        let b = text.find('5').unwrap();
        assert_eq!(&masked.text[masked.place(b..b + 1)], "5");
        assert_eq!(&masked.text[masked.place(4..13)], "***\n***");
        assert_eq!(masked.place(5..7), 4..4);
        assert_eq!(masked.place(90..99), masked.text.len()..masked.text.len());
    }
}
