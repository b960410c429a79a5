//! The serial number of a meter: its registers and its format.

use super::identity::characters;
use super::number::{Format, Kind};
use super::range::{Answers, RegisterRange};
use super::raw::RawNumber;
use super::register_form::{Limits, orders, range, required_function, text_registers};
use crate::form::Form;
use crate::text;

/// Where a meter keeps its serial number.
#[derive(Clone, Debug, PartialEq)]
pub struct SerialNumber {
    /// Its registers.
    pub range: RegisterRange,
    /// How they hold it.
    pub writing: Writing,
}

/// How registers hold a serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Two characters a register; NUL characters are dropped.
    Ascii {
        /// Each register holds its second character first.
        low_byte_first: bool,
    },
    /// A number, shown with decimal digits.
    Decimal(Format),
    /// A number, shown with hexadecimal digits, leading zeros included.
    Hexadecimal(Format),
}

const KINDS: [(&str, Option<Kind>); 9] = [
    ("ascii", None),
    ("u16", Some(Kind::U16)),
    ("u32", Some(Kind::U32)),
    ("u48", Some(Kind::U48)),
    ("u64", Some(Kind::U64)),
    ("bcd16", Some(Kind::Bcd16)),
    ("bcd32", Some(Kind::Bcd32)),
    ("bcd48", Some(Kind::Bcd48)),
    ("bcd64", Some(Kind::Bcd64)),
];

/// Longer serial numbers are cut.
const MAX_TEXT: usize = 64;

impl SerialNumber {
    pub(super) fn from_form(form: Form<'_>, limits: Limits<'_>) -> Option<Self> {
        let function = required_function(&form);
        let help = "\"ascii\", \"u16\", \"u32\", \"bcd32\" or another whole number";
        let kind = form.required("type", help).and_then(|field| field.one_of(&KINDS));
        let (low_word_first, low_byte_first) = orders(&form);
        let low_byte_first = low_byte_first.unwrap_or(false);
        let parsed = kind.and_then(|kind| match kind {
            None => Some((text_registers(&form)?, Writing::Ascii { low_byte_first })),
            Some(kind) => {
                let words = [("decimal", false), ("hex", true)];
                let hexadecimal = form.field("format").and_then(|field| field.one_of(&words)).unwrap_or(false);
                let format = Format { kind, low_word_first: low_word_first.unwrap_or(false), low_byte_first };
                let writing = if hexadecimal { Writing::Hexadecimal(format) } else { Writing::Decimal(format) };
                Some((kind.registers(), writing))
            }
        });
        let range = range(&form, function, parsed.map_or(1, |(count, _)| count), limits);
        form.finish();
        let (_, writing) = parsed?;
        Some(SerialNumber { range: range?, writing })
    }

    /// What the registers of a text hold if they hold no printable text: `the number 1234567 (u32)`.
    pub(super) fn looks_like(&self, answers: &Answers) -> Option<String> {
        let Writing::Ascii { low_byte_first } = self.writing else { return None };
        let words = self.range.out_of(answers)?;
        let text = characters(words, low_byte_first);
        if words.iter().all(|word| matches!(word, 0 | 0xFFFF))
            || text.chars().all(|it| it.is_ascii_graphic() || it == ' ')
        {
            return None;
        }
        let swapped = characters(words, !low_byte_first);
        if swapped.chars().all(|it| it.is_ascii_graphic() || it == ' ') {
            return Some(format!(
                "the text \"{swapped}\" with byte_order = \"{}\"",
                if low_byte_first { "big" } else { "little" }
            ));
        }
        let kind = [Kind::U16, Kind::U32, Kind::U48, Kind::U64]
            .into_iter()
            .find(|kind| kind.registers() == words.len().min(4) as u16)?;
        let format = Format { kind, low_word_first: false, low_byte_first };
        Some(format!("the number {} ({})", format.bits(&words[..usize::from(kind.registers())]), kind.word()))
    }

    /// The serial number as text, without control characters. `None` where it was not answered or is blank (all zeros or all ones).
    pub(super) fn read(&self, answers: &Answers) -> Option<String> {
        let words = self.range.out_of(answers)?;
        if words.iter().all(|word| matches!(word, 0 | 0xFFFF)) {
            return None;
        }
        let written = match self.writing {
            Writing::Decimal(format) => match RawNumber::new(format.kind, format.bits(words))? {
                RawNumber::Integer(number) if format.kind.is_bcd() => {
                    format!("{number:0digits$}", digits = 4 * usize::from(format.kind.registers()))
                }
                RawNumber::Integer(number) => number.to_string(),
                _ => return None,
            },
            Writing::Hexadecimal(format) => {
                format!("{:0digits$X}", format.bits(words), digits = 4 * usize::from(format.kind.registers()))
            }
            Writing::Ascii { low_byte_first } => characters(words, low_byte_first),
        };
        if self.looks_like(answers).is_some() {
            return None;
        }
        let written = text::foreign(&written, MAX_TEXT);
        (!written.is_empty()).then_some(written)
    }
}
