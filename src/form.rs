//! A TOML table read key by key: each value checked where it stands, each key that nobody asked for reported with the nearest known one.
//!
//! The configuration and the meter profiles are both read through this, so that both explain themselves alike.

use std::cell::{Ref, RefCell};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::finding::Finding;
use crate::units::{Milliwatts, Name};

/// The problems found so far, in the order in which they were met.
#[derive(Debug, Default)]
pub struct Findings(RefCell<Vec<Finding>>);

impl Findings {
    pub fn add(&self, finding: Finding) {
        self.0.borrow_mut().push(finding);
    }

    pub fn all(&self) -> Ref<'_, [Finding]> {
        Ref::map(self.0.borrow(), Vec::as_slice)
    }

    pub fn into_vec(self) -> Vec<Finding> {
        self.0.into_inner()
    }
}

/// One table. Ask it for every key that it may have, then [`Form::finish`] it.
#[derive(Debug)]
pub struct Form<'t> {
    table: &'t DeTable<'t>,
    /// Where the table is headed.
    span: Range<usize>,
    /// `meter.heat_pump`; empty for the whole file.
    path: String,
    asked: RefCell<Vec<&'static str>>,
    findings: &'t Findings,
}

impl<'t> Form<'t> {
    pub fn root(document: &'t Spanned<DeTable<'t>>, findings: &'t Findings) -> Self {
        let asked = RefCell::default();
        Form { table: document.get_ref(), span: 0..0, path: String::new(), asked, findings }
    }

    /// Where the table is headed.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The table's name in full: `meter.heat_pump`.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn findings(&self) -> &'t Findings {
        self.findings
    }

    /// The field of that key, if it is there.
    pub fn field(&self, key: &'static str) -> Option<Field<'t>> {
        self.asked.borrow_mut().push(key);
        let (name, value) = self.table.get_key_value(key)?;
        Some(Field { path: self.join(key), key_span: name.span(), value, findings: self.findings })
    }

    /// The field of that key; where it is missing, that is reported with `help` (what to write).
    pub fn required(&self, key: &'static str, help: &str) -> Option<Field<'t>> {
        let field = self.field(key);
        if field.is_none() {
            let owner = if self.path.is_empty() { String::new() } else { format!("[{}] ", self.path) };
            self.findings.add(Finding::error(self.span(), format!("{owner}lacks `{key}`")).help(help));
        }
        field
    }

    /// The table of that key, if it is there and a table.
    pub fn table(&self, key: &'static str) -> Option<Form<'t>> {
        self.field(key)?.table()
    }

    /// The tables `[key.NAME]`, each under its name; names that are none are reported.
    pub fn named_tables(&self, key: &'static str) -> Vec<(Name, Form<'t>)> {
        let Some(tables) = self.table(key) else { return Vec::new() };
        let named = tables.table.iter().filter_map(|(name, value)| {
            let path = format!("{key}.{}", name.get_ref());
            let field = Field { path, key_span: name.span(), value, findings: self.findings };
            let Some(valid) = Name::new(name.get_ref()) else {
                return field.fail("is not a name", "use 1 to 64 letters, digits, `_` and `-`");
            };
            Some((valid, field.table()?))
        });
        named.collect()
    }

    /// Every key of the table, asked for or not.
    pub fn keys(&self) -> impl Iterator<Item = (&'t str, Range<usize>)> + use<'t> {
        self.table.keys().map(|key| (key.get_ref().as_ref(), key.span()))
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for (key, span) in self.keys().filter(|(key, _)| !asked.contains(key)) {
            let nearest = asked.iter().min_by_key(|known| strsim::damerau_levenshtein(known, key));
            let near = nearest.filter(|known| strsim::jaro_winkler(known, key) > 0.75);
            let mut known = asked.clone();
            known.sort_unstable();
            known.dedup();
            let help = match near {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let place = if self.path.is_empty() { String::new() } else { format!(" in [{}]", self.path) };
            let message = format!("unknown key `{}`{place}", crate::text::foreign(key, 64));
            self.findings.add(Finding::error(span, message).help(help));
        }
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// One value of a table or an array, with its place and its name.
#[derive(Clone, Debug)]
pub struct Field<'t> {
    path: String,
    key_span: Range<usize>,
    value: &'t Spanned<DeValue<'t>>,
    findings: &'t Findings,
}

impl<'t> Field<'t> {
    /// The value's place.
    pub fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Reports that this field `message`; `help` says what would be right.
    pub fn fail<T>(&self, message: &str, help: impl Into<String>) -> Option<T> {
        let path = crate::text::foreign(&self.path, 200);
        self.findings.add(Finding::error(self.span(), format!("`{path}` {message}")).help(help));
        None
    }

    pub fn warn(&self, message: &str, help: impl Into<String>) {
        self.findings.add(Finding::warning(self.span(), format!("`{}` {message}", self.path)).help(help));
    }

    pub fn text(&self) -> Option<&'t str> {
        let text = self.value.get_ref().as_str();
        text.or_else(|| self.fail(&format!("is {}, not text", self.kind()), "put it in quotes"))
    }

    pub fn boolean(&self) -> Option<bool> {
        self.value.get_ref().as_bool().or_else(|| self.fail(&format!("is {}", self.kind()), "write true or false"))
    }

    /// A whole number in `range` (0x.. is fine).
    pub fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let help = format!("a whole number from {} to {}", range.start(), range.end());
        let Some(number) = self.value.get_ref().as_integer() else {
            return self.fail(&format!("is {}, not a whole number", self.kind()), help);
        };
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        value.filter(|value| range.contains(value)).or_else(|| self.fail("is out of range", help))
    }

    /// A number as it is written, or a text that holds one: never through binary floating point.
    pub fn number_text(&self) -> Option<&'t str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            DeValue::Float(float) => Some(float.as_str()),
            DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str()),
            _ => self.fail(&format!("is {}, not a number", self.kind()), "a decimal number such as 0.1"),
        }
    }

    /// A duration such as "10s" within `range`.
    pub fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let (from, to) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
        let help = format!("a time in quotes from \"{from}\" to \"{to}\"");
        let Some(text) = self.value.get_ref().as_str() else {
            return self.fail(&format!("is {}, not a time", self.kind()), help);
        };
        let Ok(value) = humantime::parse_duration(text) else { return self.fail("is not a time", help) };
        if range.contains(&value) { Some(value) } else { self.fail("is out of range", help) }
    }

    /// A power above zero such as "20kW".
    pub fn power(&self) -> Option<Milliwatts> {
        let help = "a power above zero in quotes, with its unit: \"5500W\", \"20kW\" or \"1.2MW\"";
        let Some(text) = self.value.get_ref().as_str() else {
            return self.fail(&format!("is {}, not a power", self.kind()), help);
        };
        parse_power(text).or_else(|| self.fail("is not a power", help))
    }

    /// One of these words.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let help = format!("one of {}", known.join(", "));
        let Some(text) = self.value.get_ref().as_str() else {
            return self.fail(&format!("is {}, not one of its words", self.kind()), help);
        };
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning).or_else(|| self.fail("is none of its words", help))
    }

    /// The elements of an array, each a field `path[index]`.
    pub fn array(&self) -> Option<Vec<Field<'t>>> {
        let Some(elements) = self.value.get_ref().as_array() else {
            return self.fail(&format!("is {}, not an array", self.kind()), "put it in [ ]");
        };
        let fields = elements.iter().enumerate().map(|(index, value)| Field {
            path: format!("{}[{index}]", self.path),
            key_span: value.span(),
            value,
            findings: self.findings,
        });
        Some(fields.collect())
    }

    pub fn is_array(&self) -> bool {
        self.value.get_ref().is_array()
    }

    pub fn table(&self) -> Option<Form<'t>> {
        let Some(table) = self.value.get_ref().as_table() else {
            return self.fail(&format!("is {}, not a table", self.kind()), "make it a table: [name] or { }");
        };
        let asked = RefCell::default();
        Some(Form { table, span: self.key_span.clone(), path: self.path.clone(), asked, findings: self.findings })
    }

    fn kind(&self) -> &'static str {
        match self.value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }
}

/// A power above zero with its unit, exact to the milliwatt, at most 1 TW.
fn parse_power(text: &str) -> Option<Milliwatts> {
    const UNITS: [(&str, u32); 5] = [("mW", 0), ("kW", 6), ("MW", 9), ("GW", 12), ("W", 3)];
    let (digits, power_of_ten) =
        UNITS.iter().find_map(|(unit, exponent)| Some((text.strip_suffix(unit)?, *exponent)))?;
    let (whole, fraction) = digits.trim_end().split_once('.').unwrap_or((digits.trim_end(), ""));
    let plain = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > power_of_ten as usize {
        return None;
    }
    let scaled = format!("{whole}{fraction}{}", "0".repeat(power_of_ten as usize - fraction.len()));
    scaled.parse().ok().filter(|power| (1..=1_000_000_000_000_000).contains(power)).map(Milliwatts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_exact() {
        assert_eq!(parse_power("20kW"), Some(Milliwatts(20_000_000)));
        assert_eq!(parse_power("5.5 kW"), Some(Milliwatts(5_500_000)));
        assert_eq!(parse_power("250mW"), Some(Milliwatts(250)));
        assert_eq!(parse_power("1.2MW"), Some(Milliwatts(1_200_000_000)));
        for wrong in ["", "20", "kW", "-1kW", "0W", "1e3W", "0.5mW", "20 KW", "2 0kW", "99999999GW"] {
            assert_eq!(parse_power(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let text = "[bus.a]\nbuad = 9600\ntimeout = 3\nzzz = 1\n[bus.\"b c\"]\n";
        let document = DeTable::parse(text).unwrap();
        let findings = Findings::default();
        let root = Form::root(&document, &findings);
        for (_, bus) in root.named_tables("bus") {
            bus.field("baud");
            bus.field("timeout").unwrap().duration(Duration::ZERO..=Duration::from_secs(60));
            bus.required("serial", "the device");
            bus.finish();
        }
        root.finish();
        let told: Vec<_> =
            findings.into_vec().into_iter().map(|finding| (text[finding.span].to_owned(), finding.message)).collect();
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(told.contains(&("3".into(), "`bus.a.timeout` is a whole number, not a time".into())), "{told:?}");
        assert!(told.contains(&("a".into(), "[bus.a] lacks `serial`".into())), "{told:?}");
        assert!(told.contains(&("buad".into(), "unknown key `buad` in [bus.a]".into())), "{told:?}");
    }
}
