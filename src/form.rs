//! Reads a TOML table key by key: checks each value with its position, and reports unknown keys with the nearest known one.
//!
//! The configuration and the meter profiles are both read this way, so that their messages have the same form.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::finding::Finding;
use crate::units::{Milliwatts, Name};

mod findings;
mod quantity;
#[cfg(test)]
mod tests;

pub use findings::{Findings, leaves, names_a_secret};

use quantity::parse_size;
pub use quantity::{parse_energy, parse_power};

const SECRET_HELP: &str = "keep the token in a separate file (root:arkmeter, mode 0640) and name that file in the [account] \
     with `token_file`, or use a systemd credential with `token_credential`";

/// What other programs and manuals call a key: for each wrong name the right ones, of which a table has one at most.
const SYNONYMS: [(&str, &str); 17] = [
    ("import_energy", "energy"),
    ("imported_energy", "energy"),
    ("total_energy", "energy"),
    ("exported_energy", "export_energy"),
    ("active_power", "power"),
    ("address", "register"),
    ("address", "unit"),
    ("registers", "register"),
    ("count", "registers"),
    ("length", "registers"),
    ("slave", "unit"),
    ("slave_id", "unit"),
    ("device", "serial"),
    ("port", "serial"),
    ("host", "tcp"),
    ("baudrate", "baud"),
    ("datatype", "type"),
];

/// What an installer means by a number as `port`, where the table can have `tcp`.
const PORT_HELP: &str = "it is a part of `tcp` or `rtu_over_tcp`, after a colon: tcp = \"192.168.10.20:502\"";

/// One table. Read every key that it may have, then call [`Form::finish`].
#[derive(Debug)]
pub struct Form<'t> {
    table: &'t DeTable<'t>,
    /// The span of the table's name.
    span: Range<usize>,
    /// `meter.heat_pump`; empty for the whole file.
    path: String,
    /// The keys that were read.
    read: RefCell<Vec<&'static str>>,
    findings: &'t Findings,
}

impl<'t> Form<'t> {
    /// The whole document.
    pub fn root(document: &'t Spanned<DeTable<'t>>, findings: &'t Findings) -> Self {
        let read = RefCell::default();
        Form { table: document.get_ref(), span: 0..0, path: String::new(), read, findings }
    }

    /// The span of the table's name.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The full name of the table: `meter.heat_pump`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where problems are reported.
    pub fn findings(&self) -> &'t Findings {
        self.findings
    }

    /// The field of that key. `None` if it is absent.
    pub fn field(&self, key: &'static str) -> Option<Field<'t>> {
        self.read.borrow_mut().push(key);
        let entry = self.table.get_key_value(key);
        self.findings.note_read(key, entry.map(|(_, value)| value));
        let (name, value) = entry?;
        Some(Field { path: self.join(key), key_span: name.span(), value, findings: self.findings })
    }

    /// The field of that key. A missing one is reported, with `help` (what to write).
    pub fn required(&self, key: &'static str, help: &str) -> Option<Field<'t>> {
        let field = self.field(key);
        if field.is_none() {
            let owner = if self.path.is_empty() { String::new() } else { format!("[{}] ", self.path) };
            self.findings.doubt(Finding::error(self.span(), format!("{owner}lacks `{key}`")).help(help));
        }
        field
    }

    /// The value that `read` returns for that key; `default` if the key is absent; `None` if the value is wrong (and reported).
    pub fn or<T>(&self, key: &'static str, default: T, read: impl FnOnce(&Field<'t>) -> Option<T>) -> Option<T> {
        match self.field(key) {
            Some(field) => read(&field),
            None => Some(default),
        }
    }

    /// As [`Form::or`], for a key without a default: `Some(None)` if it is absent.
    pub fn maybe<T>(&self, key: &'static str, read: impl FnOnce(&Field<'t>) -> Option<T>) -> Option<Option<T>> {
        self.or(key, None, |field| read(field).map(Some))
    }

    /// The table of that key. `None` if it is absent, or not a table (and reported).
    pub fn table(&self, key: &'static str) -> Option<Form<'t>> {
        self.field(key)?.table()
    }

    /// The tables `[key.NAME]`, each with its name. Invalid names are reported.
    pub fn named_tables(&self, key: &'static str) -> Vec<(Name, Form<'t>)> {
        let Some(field) = self.field(key) else { return Vec::new() };
        let tables = match field.is_array() {
            true => field.fail("is a list without names", format!("give each a name: [{key}.NAME]")),
            false => field.table(),
        };
        let Some(tables) = tables else { return Vec::new() };
        let named = tables.table.iter().filter_map(|(name, value)| {
            let path = format!("{}.{}", self.join(key), name.get_ref());
            let field = Field { path, key_span: name.span(), value, findings: self.findings };
            let Some(valid) = Name::new(name.get_ref()) else {
                return field.fail("is not a name", "use 1 to 64 letters, digits, `_` and `-`, and no token");
            };
            Some((valid, field.table()?))
        });
        named.collect()
    }

    /// Every field of a table whose keys are the operator's own.
    pub fn fields(&self) -> Vec<(&'t str, Field<'t>)> {
        let fields = self.table.iter().map(|(name, value)| {
            self.findings.note_readable(value);
            let key: &str = name.get_ref().as_ref();
            let field = Field { path: self.join(key), key_span: name.span(), value, findings: self.findings };
            (key, field)
        });
        fields.collect()
    }

    /// Every key of the table, with its span.
    pub fn keys(&self) -> impl Iterator<Item = (&'t str, Range<usize>)> + use<'t> {
        self.table.keys().map(|key| (key.get_ref().as_ref(), key.span()))
    }

    /// Reports every key that was not read.
    pub fn finish(self) {
        self.unknown_keys();
    }

    /// As [`Form::finish`] for a borrowed form. Returns how many unknown keys there are.
    pub fn unknown_keys(&self) -> usize {
        let read = self.read.borrow();
        let mut count = 0;
        for (key, span) in self.keys().filter(|(key, _)| !read.contains(key)) {
            let shown = crate::text::foreign(key, 64);
            let nearest =
                read.iter().filter(|_| key.len() <= 64).min_by_key(|known| strsim::damerau_levenshtein(known, key));
            let near = nearest.filter(|known| strsim::jaro_winkler(known, key) > 0.75);
            let meant = SYNONYMS
                .iter()
                .filter(|(wrong, _)| *wrong == key)
                .find_map(|(_, right)| read.iter().find(|it| *it == right));
            let near = meant.or(near);
            let mut known: Vec<_> = read.iter().copied().collect();
            known.sort();
            known.dedup();
            let is_port = key == "port" && read.contains(&"tcp");
            let is_number = || self.table.get(key).is_some_and(|value| value.get_ref().as_integer().is_some());
            let help = match near {
                _ if is_port && is_number() => PORT_HELP.to_owned(),
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known keys: {}", known.join(", ")),
            };
            let table = if self.path.is_empty() { String::new() } else { format!(" in [{}]", self.path) };
            let finding = if names_a_secret(key) {
                Finding::error(span, format!("`{shown}`{table}: no secret belongs in this file")).help(SECRET_HELP)
            } else {
                Finding::error(span, format!("unknown key `{shown}`{table}")).help(help)
            };
            self.findings.add(finding);
            count += 1;
        }
        count
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// One value of a table or an array, with its span and its name.
#[derive(Clone, Debug)]
pub struct Field<'t> {
    path: String,
    key_span: Range<usize>,
    value: &'t Spanned<DeValue<'t>>,
    findings: &'t Findings,
}

impl<'t> Field<'t> {
    /// The span of the value.
    pub fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Reports an error: this field `message`, corrected as `help` says. Returns `None`.
    pub fn fail<T>(&self, message: &str, help: impl Into<String>) -> Option<T> {
        let path = crate::text::foreign(&self.path, 200);
        self.findings.add(Finding::error(self.span(), format!("`{path}` {message}")).help(help));
        None
    }

    /// Reports a warning: this field `message`.
    pub fn warn(&self, message: &str, help: impl Into<String>) {
        let path = crate::text::foreign(&self.path, 200);
        self.findings.add(Finding::warning(self.span(), format!("`{path}` {message}")).help(help));
    }

    /// As [`Field::fail`], and hides the value: it may be a secret.
    pub fn fail_hidden<T>(&self, message: &str, help: impl Into<String>) -> Option<T> {
        self.hide();
        self.fail(message, help)
    }

    /// Hides the value in all messages: it may be a secret.
    pub fn hide(&self) {
        self.findings.hide(self.span());
    }

    /// A text.
    pub fn text(&self) -> Option<&'t str> {
        let text = self.value.get_ref().as_str();
        let help = if self.is_array() || self.value.get_ref().is_table() {
            "write text in quotes"
        } else {
            "put it in quotes"
        };
        text.or_else(|| self.fail(&format!("is {}, not text", self.kind()), help))
    }

    /// A text that means `what`.
    fn text_of(&self, what: &str, help: &str) -> Option<&'t str> {
        let text = self.value.get_ref().as_str();
        text.or_else(|| self.fail(&format!("is {}, not {what}", self.kind()), help))
    }

    /// True or false.
    pub fn boolean(&self) -> Option<bool> {
        self.value.get_ref().as_bool().or_else(|| self.fail(&format!("is {}", self.kind()), "write true or false"))
    }

    /// A whole number in `range`, decimal or hexadecimal.
    pub fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let help = || format!("a whole number from {} to {}", range.start(), range.end());
        let Some(number) = self.value.get_ref().as_integer() else {
            return self.fail(&format!("is {}, not a whole number", self.kind()), help());
        };
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        value.filter(|value| range.contains(value)).or_else(|| self.fail("is out of range", help()))
    }

    /// A pattern of up to 64 bits: a whole number from 0, usually 0x...
    pub fn bits(&self) -> Option<u64> {
        let help = "a whole number from 0 such as 0x7FFFFFFF";
        let Some(number) = self.value.get_ref().as_integer() else {
            return self.fail(&format!("is {}, not a whole number", self.kind()), help);
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        value.or_else(|| self.fail("is out of range", help))
    }

    /// A number, or a text with one, as it is written: never through binary floating point.
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
        let text = self.text_of("a time", &help)?;
        let Ok(value) = humantime::parse_duration(text) else { return self.fail("is not a time", help) };
        if range.contains(&value) { Some(value) } else { self.fail("is out of range", help) }
    }

    /// A power above zero such as "20kW".
    pub fn power(&self) -> Option<Milliwatts> {
        let help = "a power above zero in quotes, with its unit: \"5500W\", \"20kW\" or \"1.2MW\"";
        let text = self.text_of("a power", help)?;
        parse_power(text).or_else(|| self.fail("is not a power", help))
    }

    /// A size such as "100MB" within `range`, in bytes.
    pub fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let (from, to) = (range.start() / 1_000_000, range.end() / 1_000_000);
        let help = format!("a size in quotes from \"{from}MB\" to \"{to}MB\"");
        let text = self.text_of("a size", &help)?;
        let Some(value) = parse_size(text) else { return self.fail("is not a size", help) };
        if range.contains(&value) { Some(value) } else { self.fail("is out of range", help) }
    }

    /// The value of one of these words.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let help = || {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("one of: {}", known.join(", "))
        };
        let text = self.text_of("an allowed value", &help())?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning).or_else(|| self.fail("is not an allowed value", help()))
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

    /// Whether the value is an array.
    pub fn is_array(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// Whether the value is a table.
    pub fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// The value as a table.
    pub fn table(&self) -> Option<Form<'t>> {
        let Some(table) = self.value.get_ref().as_table() else {
            return self.fail(&format!("is {}, not a table", self.kind()), "make it a table: [name] or { }");
        };
        let read = RefCell::default();
        Some(Form { table, span: self.key_span.clone(), path: self.path.clone(), read, findings: self.findings })
    }

    fn kind(&self) -> &'static str {
        match self.value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }
}
