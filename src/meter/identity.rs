//! What a register must hold for a meter to be the one of a profile, or to be set as the profile needs it.

use std::fmt;

use super::number::{Format, Kind};
use super::range::{Answers, RegisterRange};
use super::raw::RawNumber;
use super::register_form::{self, Limits};
use crate::form::{Field, Form};
use crate::text;

/// What some registers must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The registers.
    pub range: RegisterRange,
    /// What they must hold.
    pub expected: Expected,
    /// A meter without these registers passes too.
    pub optional: bool,
    /// For a setting: what to set at the meter.
    pub remedy: Option<String>,
}

/// What registers must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// One of these numbers. With a mask, only its bits are compared.
    Number {
        /// How the registers hold the number.
        format: Format,
        /// The bits that are compared.
        mask: Option<u64>,
        /// The numbers that pass.
        accepted: AcceptedNumbers,
    },
    /// One of these texts, or with `prefix` a text that begins with one of them.
    Text {
        /// Each register holds its second character first.
        low_byte_first: bool,
        /// The texts that pass.
        values: Vec<String>,
        /// Whether the beginning of the text is enough.
        prefix: bool,
    },
}

/// The numbers that pass.
#[derive(Clone, Debug, PartialEq)]
pub enum AcceptedNumbers {
    /// Each of these.
    Values(Vec<i128>),
    /// From the first to the last, both included.
    Range(i128, i128),
    /// Any number but these.
    Except(Vec<i128>),
}

/// What a check of registers showed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CheckResult {
    Passed,
    /// Why, beginning with the registers.
    Failed(String),
    /// Not answered, or refused for the moment.
    Unknown,
}

/// The ranges that the meter refused, each with its exception code.
pub type RefusedRanges = [(RegisterRange, u8)];

const MAX_EXPECTATIONS: usize = 8;
const MAX_VALUES: usize = 64;
/// Longer texts of a meter are cut.
const MAX_TEXT: usize = 64;

impl Expectation {
    /// Reads `[[identity]]`, or `[[settings]]`, where each has a remedy.
    pub(super) fn all(form: &Form<'_>, key: &'static str, limits: Limits<'_>) -> Option<Vec<Self>> {
        let fields = form.field(key)?.array()?;
        if let Some(excess) = fields.get(MAX_EXPECTATIONS) {
            return excess.fail("is one too many", format!("at most {MAX_EXPECTATIONS}"));
        }
        let all: Vec<_> = fields.iter().map(|field| Self::one(field.table()?, key == "settings", limits)).collect();
        all.into_iter().collect()
    }

    fn one(form: Form<'_>, is_setting: bool, limits: Limits<'_>) -> Option<Self> {
        let function = register_form::required_function(&form);
        let help = "\"u16\", \"u32\" or another whole number, or \"ascii\"";
        let words: Vec<_> =
            Kind::integer_words().map(|(word, kind)| (word, Some(kind))).chain([("ascii", None)]).collect();
        let kind = form.required("type", help).and_then(|field| field.one_of(&words));
        let (low_word_first, low_byte_first) = register_form::orders(&form);
        let low_byte_first = low_byte_first.unwrap_or(false);
        let parsed = kind.and_then(|kind| match kind {
            Some(kind) => {
                let format = Format { kind, low_word_first: low_word_first.unwrap_or(false), low_byte_first };
                Some((kind.registers(), number(&form, format)))
            }
            None => Some((register_form::text_registers(&form)?, text(&form, low_byte_first))),
        });
        let range = register_form::range(&form, function, parsed.as_ref().map_or(1, |(count, _)| *count), limits);
        let optional = form.or("optional", false, Field::boolean);
        let remedy = if is_setting {
            let remedy = form.required("set", "what to set at the meter, in words").and_then(|field| field.text());
            remedy.map(|remedy| Some(remedy.to_owned()))
        } else {
            Some(None)
        };
        form.finish();
        Some(Expectation { range: range?, expected: parsed?.1?, optional: optional?, remedy: remedy? })
    }

    /// Checks these answers.
    pub(super) fn check(&self, answers: &Answers, refused: &RefusedRanges) -> CheckResult {
        if let Some((_, code)) = refused.iter().find(|(range, _)| *range == self.range) {
            return match code {
                1..=3 if self.optional => CheckResult::Passed,
                1..=3 => {
                    CheckResult::Failed(format!("the meter has no {} (exception {code}), where {self}", self.range))
                }
                _ => CheckResult::Unknown,
            };
        }
        let Some(words) = self.range.out_of(answers) else { return CheckResult::Unknown };
        let (passed, shown) = match &self.expected {
            Expected::Number { format, mask, accepted } => check_number(words, *format, *mask, accepted),
            Expected::Text { low_byte_first, values, prefix } => check_text(words, *low_byte_first, values, *prefix),
        };
        if passed {
            CheckResult::Passed
        } else {
            CheckResult::Failed(format!("{} holds {shown}, where {self}", self.range))
        }
    }
}

/// `the profile expects 71, 72 or 73`
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the profile expects {}", self.expected)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Number { mask, accepted, .. } => {
                match accepted {
                    AcceptedNumbers::Values(values) => f.write_str(&alternatives(values.iter()))?,
                    AcceptedNumbers::Range(from, to) => write!(f, "{from} to {to}")?,
                    AcceptedNumbers::Except(values) => write!(f, "anything but {}", alternatives(values.iter()))?,
                }
                mask.map_or(Ok(()), |mask| write!(f, " under the mask 0x{mask:X}"))
            }
            Expected::Text { values, prefix, .. } => {
                let more = if *prefix { ".." } else { "" };
                f.write_str(&alternatives(values.iter().map(|value| format!("\"{value}{more}\""))))
            }
        }
    }
}

/// `1, 2 or 3`
fn alternatives(values: impl Iterator<Item = impl fmt::Display>) -> String {
    let values: Vec<_> = values.map(|value| value.to_string()).collect();
    match values.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => values.concat(),
    }
}

/// Whether the number passes, and how to show it.
fn check_number(words: &[u16], format: Format, mask: Option<u64>, accepted: &AcceptedNumbers) -> (bool, String) {
    let bits = format.bits(words);
    let number = match (mask, RawNumber::new(format.kind, bits)) {
        (Some(mask), _) => Some(i128::from(bits & mask)),
        (None, Some(RawNumber::Integer(number))) => Some(number),
        (None, _) => None,
    };
    let passed = number.is_some_and(|number| match accepted {
        AcceptedNumbers::Values(values) => values.contains(&number),
        AcceptedNumbers::Range(from, to) => (from..=to).contains(&&number),
        AcceptedNumbers::Except(values) => !values.contains(&number),
    });
    (passed, number.map_or_else(|| format!("0x{bits:X}"), |number| number.to_string()))
}

/// Whether the text passes, and how to show it.
fn check_text(words: &[u16], low_byte_first: bool, values: &[String], prefix: bool) -> (bool, String) {
    let held = characters(words, low_byte_first);
    let passed = values.iter().any(|value| if prefix { held.starts_with(value) } else { held == *value });
    (passed, format!("\"{}\"", text::foreign(&held, MAX_TEXT)))
}

/// The text in these registers, two characters each. NUL characters and surrounding blanks are dropped.
pub(super) fn characters(words: &[u16], low_byte_first: bool) -> String {
    let bytes = |word: &u16| if low_byte_first { word.to_le_bytes() } else { word.to_be_bytes() };
    let text: String = words.iter().flat_map(bytes).filter(|byte| *byte != 0).map(char::from).collect();
    text.trim().to_owned()
}

fn number(form: &Form<'_>, format: Format) -> Option<Expected> {
    let one = |field: &Field<'_>| {
        let number = match format.kind {
            Kind::U64 => i128::from(field.bits()?),
            _ => i128::from(field.integer(i64::MIN..=i64::MAX)?),
        };
        let range = i128::try_from(format.kind.range()).ok()?;
        let least = if format.kind.is_signed() { -range } else { 0 };
        let help = format!("{} holds {least} to {}", format.kind.word(), range - 1);
        let fits = (least..range).contains(&number);
        if fits { Some(number) } else { field.fail("is a number that the type cannot hold", help) }
    };
    let mask = form.maybe("mask", |field| {
        let bits = 16 * u32::from(format.kind.registers());
        let mask = field.bits()?;
        let fits = mask != 0 && mask.checked_shr(bits).unwrap_or(0) == 0;
        if fits { Some(mask) } else { field.fail("is not a mask for this type", format!("some of its {bits} bits")) }
    });
    let (values, range, except) = (form.field("values"), form.field("range"), form.field("except"));
    let accepted = match (&values, &range, &except) {
        (Some(values), None, None) => AcceptedNumbers::Values(list(values, one)?),
        (None, None, Some(except)) => AcceptedNumbers::Except(list(except, one)?),
        (None, Some(range), None) => {
            let help = "the first and the last: [100, 121]";
            match list(range, one)?.as_slice() {
                [from, to] if from > to => return range.fail("ends before it begins", help),
                [from, to] => AcceptedNumbers::Range(*from, *to),
                _ => return range.fail("is not a range", help),
            }
        }
        (None, None, None) => {
            let help = "what it may hold: [71, 72], or `range` with the first and the last, or `except` with what it may not hold";
            form.required("values", help);
            return None;
        }
        _ => {
            let second = range.filter(|_| values.is_some()).or(except)?;
            let first = if values.is_some() { "values" } else { "range" };
            return second.fail(&format!("cannot be used with `{first}`"), "leave one of them out");
        }
    };
    let mask = mask?;
    let outside = |number: &i128| mask.is_some_and(|mask| number & !i128::from(mask) != 0);
    if let (AcceptedNumbers::Values(numbers), Some(field)) = (&accepted, values)
        && numbers.iter().any(outside)
    {
        return field.fail("has bits that `mask` lacks", "it can never match: make `mask` wider");
    }
    Some(Expected::Number { format, mask, accepted })
}

fn text(form: &Form<'_>, low_byte_first: bool) -> Option<Expected> {
    let plain = |field: &Field<'_>| {
        let text = field.text()?.trim();
        let fits = (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7F).contains(&byte));
        if !fits {
            return field.fail("is not a text that a meter can hold", "1 to 64 characters, printable ASCII");
        }
        Some(text.to_owned())
    };
    let (values, prefix) = match (form.field("values"), form.field("prefix")) {
        (Some(values), None) => (list(&values, plain)?, false),
        (None, Some(prefix)) => (vec![plain(&prefix)?], true),
        (Some(_), Some(prefix)) => return prefix.fail("cannot be used with `values`", "leave one of them out"),
        (None, None) => {
            form.required("values", "what it may hold: [\"PRO380\"], or `prefix` with how it begins");
            return None;
        }
    };
    Some(Expected::Text { low_byte_first, values, prefix })
}

fn list<'t, T>(field: &Field<'t>, one: impl Fn(&Field<'t>) -> Option<T>) -> Option<Vec<T>> {
    let fields = field.array()?;
    if !(1..=MAX_VALUES).contains(&fields.len()) {
        return field.fail("has too many values, or none", format!("1 to {MAX_VALUES}"));
    }
    let all: Vec<_> = fields.iter().map(one).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests;
