//! What a register must hold for a meter to be the one that a profile means, and to be set as the profile needs it.

use std::fmt;

use super::number::{Format, Kind};
use super::range::{Answers, RegisterRange};
use super::raw::RawNumber;
use super::register_form::{self, Limits};
use crate::form::{Field, Form};
use crate::text;

/// One register and what it must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    pub range: RegisterRange,
    pub expected: Expected,
    /// A meter without the register is as good.
    pub optional: bool,
    /// ModifierContext a setting: what to set at the meter, in words.
    pub remedy: Option<String>,
}

/// What a register must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// One of these numbers, or one between the ends; of the bits under the mask where there is one.
    Number { format: Format, mask: Option<u64>, accepted: AcceptedNumbers },
    /// One of these texts, or one that begins like it where it is a prefix.
    Text { low_byte_first: bool, values: Vec<String>, prefix: bool },
}

/// The numbers that are right.
#[derive(Clone, Debug, PartialEq)]
pub enum AcceptedNumbers {
    Values(Vec<i128>),
    /// Both ends included.
    Range(i128, i128),
}

/// What a register was found to hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Comparison {
    Right,
    /// In words, beginning with the register.
    Wrong(String),
    /// Not answered, or refused for the moment.
    Unknown,
}

/// The ranges that the meter refused, and with which exception.
pub type RefusedRanges = [(RegisterRange, u8)];

const MOST: usize = 8;
const MOST_VALUES: usize = 64;
/// Longer texts of a meter are cut.
const LONGEST: usize = 64;

impl Expectation {
    /// Those of `[[identity]]` or, with a remedy each, of `[[settings]]`.
    pub(super) fn all(form: &Form<'_>, key: &'static str, limits: Limits<'_>) -> Option<Vec<Self>> {
        let fields = form.field(key)?.array()?;
        if fields.len() > MOST {
            return fields[MOST].fail("is one too many", format!("at most {MOST}"));
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
        let help = "what to set at the meter, in words";
        let remedy = is_setting.then(|| form.required("set", help).and_then(|field| field.text()));
        form.finish();
        if remedy.is_some_and(|remedy| remedy.is_none()) {
            return None;
        }
        Some(Expectation {
            range: range?,
            expected: parsed?.1?,
            optional: optional?,
            remedy: remedy.flatten().map(str::to_owned),
        })
    }

    /// What these answers say of it.
    pub(super) fn found(&self, answers: &Answers, refused: &RefusedRanges) -> Comparison {
        if let Some((_, code)) = refused.iter().find(|(range, _)| *range == self.range) {
            return match code {
                1..=3 if self.optional => Comparison::Right,
                1..=3 => Comparison::Wrong(format!("the meter has no {} (exception {code}), where {self}", self.range)),
                _ => Comparison::Unknown,
            };
        }
        let Some(words) = self.range.out_of(answers) else { return Comparison::Unknown };
        let (right, shown) = match &self.expected {
            Expected::Number { format, mask, accepted } => number_found(words, *format, *mask, accepted),
            Expected::Text { low_byte_first, values, prefix } => text_found(words, *low_byte_first, values, *prefix),
        };
        if right { Comparison::Right } else { Comparison::Wrong(format!("{} holds {shown}, where {self}", self.range)) }
    }
}

/// What the profile has: `the profile has 71, 72 or 73`.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the profile has {}", self.expected)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = |values: Vec<String>| match values.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => values.concat(),
        };
        match self {
            Expected::Number { mask, accepted, .. } => {
                match accepted {
                    AcceptedNumbers::Values(values) => {
                        write!(f, "{}", any(values.iter().map(i128::to_string).collect()))?
                    }
                    AcceptedNumbers::Range(from, to) => write!(f, "{from} to {to}")?,
                }
                mask.map_or(Ok(()), |mask| write!(f, " under the mask 0x{mask:X}"))
            }
            Expected::Text { values, prefix, .. } => {
                let more = if *prefix { ".." } else { "" };
                write!(f, "{}", any(values.iter().map(|value| format!("\"{value}{more}\"")).collect()))
            }
        }
    }
}

fn number_found(words: &[u16], format: Format, mask: Option<u64>, accepted: &AcceptedNumbers) -> (bool, String) {
    let bits = format.bits(words);
    let number = match (mask, RawNumber::new(format.kind, bits)) {
        (Some(mask), _) => Some(i128::from(bits & mask)),
        (None, Some(RawNumber::Integer(number))) => Some(number),
        (None, _) => None,
    };
    let right = number.is_some_and(|number| match accepted {
        AcceptedNumbers::Values(values) => values.contains(&number),
        AcceptedNumbers::Range(from, to) => (from..=to).contains(&&number),
    });
    (right, number.map_or_else(|| format!("0x{bits:X}"), |number| number.to_string()))
}

fn text_found(words: &[u16], low_byte_first: bool, values: &[String], prefix: bool) -> (bool, String) {
    let held = characters(words, low_byte_first);
    let right = values.iter().any(|value| if prefix { held.starts_with(value) } else { held == *value });
    (right, format!("\"{}\"", text::foreign(&held, LONGEST)))
}

/// Two characters a register; NUL characters count for nothing, nor do blanks around the text.
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
        let word = format.kind.word();
        let help = format!("a {word} holds {least} to {}", range - 1);
        if (least..range).contains(&number) {
            Some(number)
        } else {
            field.fail("is a number that it cannot hold", help)
        }
    };
    let mask = form.maybe("mask", |field| {
        let bits = 16 * u32::from(format.kind.registers());
        let mask = field.bits()?;
        let fits = mask != 0 && mask.checked_shr(bits).unwrap_or(0) == 0;
        if fits { Some(mask) } else { field.fail("is no mask for it", format!("some of its {bits} bits")) }
    });
    let (values, range) = (form.field("values"), form.field("range"));
    let accepted = match (&values, &range) {
        (Some(values), None) => AcceptedNumbers::Values(list(values, one)?),
        (None, Some(range)) => {
            let ends = list(range, one)?;
            let [from, to] = ends.as_slice() else {
                return range.fail("is no range", "the first and the last: [100, 121]");
            };
            if from > to {
                return range.fail("ends before it begins", "the first and the last: [100, 121]");
            }
            AcceptedNumbers::Range(*from, *to)
        }
        (Some(_), Some(range)) => return range.fail("stands beside `values`", "one of them"),
        (None, None) => {
            form.required("values", "what it may hold: [71, 72], or `range` with the first and the last");
            return None;
        }
    };
    let mask = mask?;
    let outside = |number: &i128| mask.is_some_and(|mask| number & !i128::from(mask) != 0);
    if let (AcceptedNumbers::Values(numbers), Some(field)) = (&accepted, values)
        && numbers.iter().any(outside)
    {
        return field.fail("has bits that `mask` has not", "it could never be");
    }
    Some(Expected::Number { format, mask, accepted })
}

fn text(form: &Form<'_>, low_byte_first: bool) -> Option<Expected> {
    let plain = |field: &Field<'_>| {
        let text = field.text()?.trim();
        let fits = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|byte| (0x20..0x7F).contains(&byte));
        if fits { Some(text.to_owned()) } else { field.fail("is no text of a meter", "printable ASCII, not empty") }
    };
    let (values, prefix) = match (form.field("values"), form.field("prefix")) {
        (Some(values), None) => (list(&values, plain)?, false),
        (None, Some(prefix)) => (vec![plain(&prefix)?], true),
        (Some(_), Some(prefix)) => return prefix.fail("stands beside `values`", "one of them"),
        (None, None) => {
            form.required("values", "what it may hold: [\"PRO380\"], or `prefix` with how it begins");
            return None;
        }
    };
    Some(Expected::Text { low_byte_first, values, prefix })
}

fn list<'t, T>(field: &Field<'t>, one: impl Fn(&Field<'t>) -> Option<T>) -> Option<Vec<T>> {
    let fields = field.array()?;
    if !(1..=MOST_VALUES).contains(&fields.len()) {
        return field.fail("has no fitting number of values", format!("1 to {MOST_VALUES}"));
    }
    let all: Vec<_> = fields.iter().map(one).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests;
