//! Lines that are not TOML: their problems, and which parts of them must not be shown.

use std::collections::BTreeSet;
use std::ops::Range;

use super::problems::LineStarts;
use crate::finding::Finding;
use crate::form::{Findings, names_a_secret};
use crate::text::foreign;

/// More broken lines are not reported.
const MAX_LINES: usize = 1000;

/// One finding for the first parser error of each line: later errors on a line are consequences.
pub(super) fn findings(text: &str, errors: &[toml::de::Error]) -> Vec<Finding> {
    let lines = LineStarts::new(text);
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for error in errors {
        let span = clamp(text, error.span().unwrap_or(text.len()..text.len()));
        if seen.len() < MAX_LINES && seen.insert(lines.line_of(text, span.start).0) {
            findings.push(finding(text, span, error.message()));
        }
    }
    findings
}

/// The text with blanks for each line that is a key without a value. `None` if there is no such line. Positions stay the same.
pub(super) fn without_keys_alone(text: &str, errors: &[toml::de::Error]) -> Option<String> {
    let starts = LineStarts::new(text);
    let alone = errors.iter().filter(|error| error.message().starts_with("key with no value"));
    let positions: Vec<_> = alone.filter_map(|error| error.span()).map(|span| clamp(text, span).start).collect();
    let mut bytes = (!positions.is_empty()).then(|| text.as_bytes().to_vec())?;
    for position in positions {
        bytes[starts.line_of(text, position).1].fill(b' ');
    }
    String::from_utf8(bytes).ok()
}

/// The numbers of the lines with findings.
pub(super) fn lines(text: &str, findings: &[Finding]) -> BTreeSet<usize> {
    let starts = LineStarts::new(text);
    findings.iter().map(|finding| starts.line_of(text, finding.span.start).0).collect()
}

/// The numbers of all lines.
pub(super) fn every_line(text: &str) -> BTreeSet<usize> {
    (1..=text.split('\n').count()).collect()
}

/// The comments that mention a secret, from `#` to the line end: they may hold a token that was commented out.
pub(super) fn secret_comments(text: &str) -> Vec<Range<usize>> {
    let starts = LineStarts::new(text);
    let lines = every_line(text).into_iter().map(|number| starts.line(text, number));
    let comments = lines.filter_map(|line| {
        let from = text[line.clone()].find('#')?;
        Some(line.start + from..line.end)
    });
    // The values of these two keys are a path and a name.
    let secret = |word: &str| names_a_secret(word) && !matches!(word, "token_file" | "token_credential");
    let mentions_a_secret =
        |comment: &Range<usize>| text[comment.clone()].split(|character: char| !is_key_part(character)).any(secret);
    comments.filter(mentions_a_secret).collect()
}

/// What must not be shown of these lines, which the parser may not know in full: the values of unknown keys and of keys that name a secret,
/// and text without a key.
pub(super) fn hidden(text: &str, lines: &BTreeSet<usize>, findings: &Findings) -> Vec<Range<usize>> {
    let starts = LineStarts::new(text);
    let (known, readable) = (findings.known_keys(), findings.readable());
    let mut hidden = Vec::new();
    for number in lines {
        let line = starts.line(text, *number);
        let within = readable.iter().any(|span| span.start <= line.start && line.end <= span.end);
        if let Some(from) = first_hidden(&text[line.clone()], &known).filter(|_| !within) {
            hidden.push(line.start + from..line.end);
        }
    }
    hidden
}

fn finding(text: &str, span: Range<usize>, message: &str) -> Finding {
    if message == "duplicate key" {
        let key = foreign(&text[span.clone()], 64);
        return Finding::error(span, format!("`{key}` is defined twice")).help("remove one of the two");
    }
    let (message, help) = match message.split_once(", expected ") {
        Some((message, "literal string")) => (message, Some("put text in quotes: \"...\"".to_owned())),
        Some((message, expected)) => (message, Some(format!("expected {expected}"))),
        None => (message, None),
    };
    let finding = Finding::error(span, format!("this is not TOML: {}", foreign(message, 200)));
    match help {
        Some(help) => finding.help(foreign(&help, 200)),
        None => finding,
    }
}

/// The span, limited to the text and to character boundaries.
fn clamp(text: &str, span: Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// Where the part of the line begins that must not be shown.
fn first_hidden(line: &str, known: &BTreeSet<&str>) -> Option<usize> {
    let hides = |key: &str| !known.contains(key) || (names_a_secret(key) && !key.starts_with("token_"));
    let begin = line.len() - line.trim_start().len();
    if let Some(header) = line.trim_start().strip_prefix('[') {
        let first = header.trim_start_matches(['[', ' ']).split(|character: char| !is_key_part(character)).next()?;
        return if known.contains(first) { line.find(['"', '\'', '=']) } else { Some(begin + 1) };
    }
    let mut equals = line.match_indices('=').map(|(at, _)| at).peekable();
    if equals.peek().is_none() {
        let first = line.split_whitespace().next()?;
        return hides(first).then_some(0);
    }
    let unknown = equals.find(|at| hides(key_before(&line[..*at])));
    unknown.map(|at| line.len() - line[at + 1..].trim_start().len())
}

/// The last part of the key that ends the text: `url` of `account.main.url `, `b` of `a = 1, "b"`.
fn key_before(text: &str) -> &str {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let start = text
        .rfind(|character: char| !is_key_part(character))
        .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    text.get(start..).unwrap_or("")
}

/// Whether the character may be in a bare key.
fn is_key_part(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '-'
}
