//! The answers as TOML: what is saved after each step, and what `--answers` reads. It never holds a token.

use std::fmt::Write;
use std::path::Path;

use super::answers::{AccountAnswers, SetupAnswers, SetupMeter};
use super::clients::ClientAnswer;
use super::fuses::Fuses;
use super::lines::LineChoice;
use super::names::model_named;
use super::session::SetupSituation;
use crate::config::{Problems, read_bus, read_document};
use crate::form::{Field, Form};
use crate::survey::{bus_lines, quoted};
use crate::units::{Name, UnitId};

/// Parses an answers file. `file` is its name in messages.
///
/// # Errors
/// For an invalid text, with all problems.
pub fn parse_answers(file: &Path, text: &str) -> Result<SetupAnswers, Problems> {
    read_document(file, text, |root, whole| {
        let answers = answers(&root);
        answers.filter(|_| whole)
    })
    .map(|(answers, _)| answers)
}

fn answers(root: &Form<'_>) -> Option<SetupAnswers> {
    let lines = root.or("lines", Vec::new(), |field| {
        let fields = field.array()?;
        fields.iter().map(|field| parsed(field, LineChoice::parse)).collect()
    });
    let start = root.maybe("start", Field::boolean);
    let first_report = root.maybe("first_report", Field::boolean);
    let replace = root.or("replace", false, Field::boolean);
    let account = root.table("account").map(account);
    let buses =
        root.named_tables("bus").into_iter().map(|(name, form)| Some((name.clone(), read_bus(&name, form)?.link)));
    let buses: Vec<_> = buses.collect();
    let mut meters: Vec<_> =
        root.named_tables("meter").into_iter().map(|(name, form)| (form.span().start, meter(name, form))).collect();
    meters.sort_by_key(|(position, _)| *position);
    let state = root.table("state").map(|form| path_table(form, ["path"]).map(|[path]| path));
    let status = root.table("status").map(|form| path_table(form, ["socket", "listen"]));
    root.unknown_keys();
    let [socket, listen] = status.unwrap_or(Some([None, None]))?;
    Some(SetupAnswers {
        lines: lines?,
        buses: buses.into_iter().collect::<Option<_>>()?,
        meters: meters.into_iter().map(|(_, meter)| meter).collect::<Option<_>>()?,
        account: account.unwrap_or(Some(AccountAnswers::default()))?,
        state: state.unwrap_or(Some(None))?,
        socket,
        listen,
        start: start?,
        first_report: first_report?,
        replace: replace?,
    })
}

/// A value that `parse` understands. Its message does not repeat the value: it may be a secret.
fn parsed<T>(field: &Field<'_>, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    parse(field.text()?).map_err(|help| field.fail_hidden::<T>("is not an answer", help)).ok()
}

fn text(field: &Field<'_>) -> Option<String> {
    field.text().map(str::to_owned)
}

fn name(field: &Field<'_>) -> Option<Name> {
    parsed(field, |text| Name::new(text).ok_or_else(|| "a name has 1 to 64 letters, digits, `_` and `-`".to_owned()))
}

fn account(form: Form<'_>) -> Option<AccountAnswers> {
    let name = form.maybe("name", name);
    let (url, report_every) = (form.maybe("url", text), form.maybe("report_every", text));
    form.finish();
    Some(AccountAnswers { name: name?, url: url?, report_every: report_every? })
}

/// The texts of these keys, each optional.
fn path_table<const N: usize>(form: Form<'_>, keys: [&'static str; N]) -> Option<[Option<String>; N]> {
    let values = keys.map(|key| form.maybe(key, text));
    form.finish();
    values.iter().all(Option::is_some).then(|| values.map(Option::flatten))
}

fn meter(table_name: Name, form: Form<'_>) -> Option<SetupMeter> {
    let bus =
        form.required("bus", "the NAME of its [bus.NAME], such as bus = \"cabinet\"").and_then(|field| name(&field));
    let unit = form
        .required("unit", "its Modbus unit, from 1 to 247, such as unit = 1")
        .and_then(|field| field.integer(0..=255));
    let unnamed = form.or("unnamed", false, Field::boolean);
    let profile = form.maybe("profile", |field| parsed(field, model_named));
    let certainty = form.maybe("certainty", text);
    let chain_meter = form.maybe("chain_meter", |field| field.integer(1..=255));
    let fuses = form.maybe("fuses", |field| parsed(field, Fuses::parse));
    let client = form.maybe("client", |field| parsed(field, ClientAnswer::parse));
    let reversed = form.maybe("reversed", Field::boolean);
    let unread = form.or("unread", false, Field::boolean);
    let poll_every = form.maybe("poll_every", text);
    form.finish();
    Some(SetupMeter {
        named: !unnamed?,
        profile: profile?,
        certainty: certainty?.unwrap_or_default(),
        chain_meter: chain_meter?.map(|number| number as u8),
        fuses: fuses?,
        client: client?,
        reversed: reversed?,
        unread: unread?,
        poll_every: poll_every?,
        ..SetupMeter::at(table_name, bus?, UnitId::on_tcp(unit?)?)
    })
}

/// What an answers file lacks to be used without questions: each key with its table.
pub fn missing_answers(answers: &SetupAnswers, situation: &SetupSituation) -> Vec<String> {
    let mut missing = Vec::new();
    if answers.meters.is_empty() {
        missing.push("it has no [meter.NAME]: each needs `bus`, `unit`, `fuses` and `client`".to_owned());
    }
    let known = |bus: &Name| answers.buses.contains_key(bus) || situation.existing.has_bus(bus);
    for meter in &answers.meters {
        let name = &meter.name;
        if !known(&meter.bus) {
            missing.push(format!(
                "[bus.{}], the line of {name}: `serial`, `tcp` or `rtu_over_tcp`, such as tcp = \"192.168.10.20:502\"",
                meter.bus
            ));
        }
        if !meter.named {
            missing.push(format!(
                "[meter.{name}] has `unnamed`: give the table the name of the meter, and remove `unnamed`"
            ));
        }
        if meter.profile.is_none() && meter.unread {
            missing.push(format!("`profile` in [meter.{name}]: a meter that is not read cannot be identified"));
        }
        if meter.fuses.is_none() {
            missing.push(format!("`fuses` in [meter.{name}]: phases x amperes such as \"3x25\", or a power"));
        }
        if meter.client.is_none() {
            missing.push(format!(
                "`client` in [meter.{name}]: \"0x...\", \"NAME=0x...\", \"NAME\", or \"-\" for not reported"
            ));
        }
    }
    missing.dedup();
    missing
}

/// The answers as the text of an answers file.
pub fn written_answers(answers: &SetupAnswers) -> String {
    let mut text = "# Answers for `arkmeter setup --answers FILE`. The token is not in it.\n".to_owned();
    let mut key = |key: &str, value: Option<String>| {
        text.extend(value.map(|value| format!("{key} = {value}\n")));
    };
    let lines: Vec<_> = answers.lines.iter().map(|line| quoted(&line.to_string())).collect();
    key("lines", (!lines.is_empty()).then(|| format!("[{}]", lines.join(", "))));
    key("start", answers.start.map(|start| start.to_string()));
    key("first_report", answers.first_report.map(|report| report.to_string()));
    key("replace", answers.replace.then(|| "true".to_owned()));
    let AccountAnswers { name, url, report_every } = &answers.account;
    let name = name.as_ref().map(|name| name.as_str());
    table(&mut text, "account", &[("name", name), ("url", url.as_deref()), ("report_every", report_every.as_deref())]);
    table(&mut text, "state", &[("path", answers.state.as_deref())]);
    table(&mut text, "status", &[("socket", answers.socket.as_deref()), ("listen", answers.listen.as_deref())]);
    for (name, link) in &answers.buses {
        let _ = write!(text, "\n{}", bus_lines(name, link));
    }
    for meter in &answers.meters {
        text.push_str(&meter_table(meter));
    }
    text
}

/// A table with the values that are there; nothing if none is.
fn table(text: &mut String, name: &str, values: &[(&str, Option<&str>)]) {
    let lines: String =
        values.iter().filter_map(|(key, value)| Some(format!("{key} = {}\n", quoted((*value)?)))).collect();
    if !lines.is_empty() {
        let _ = write!(text, "\n[{name}]\n{lines}");
    }
}

fn meter_table(meter: &SetupMeter) -> String {
    let mut text = format!("\n[meter.{}]\nbus = \"{}\"\nunit = {}\n", meter.name, meter.bus, meter.unit);
    let mut key = |key: &str, value: Option<String>| text.extend(value.map(|value| format!("{key} = {value}\n")));
    key("unnamed", (!meter.named).then(|| "true".to_owned()));
    key("profile", meter.profile.as_ref().map(|profile| quoted(profile.as_str())));
    // What the scan found out is needed only until the name is answered.
    key("certainty", (!meter.named && !meter.certainty.is_empty()).then(|| quoted(&meter.certainty)));
    key("chain_meter", meter.chain_meter.map(|number| number.to_string()));
    key("fuses", meter.fuses.map(|fuses| quoted(&fuses.to_string())));
    key("client", meter.client.as_ref().map(|client| quoted(&client.as_typed())));
    key("reversed", meter.reversed.map(|reversed| reversed.to_string()));
    key("unread", meter.unread.then(|| "true".to_owned()));
    key("poll_every", meter.poll_every.as_deref().map(quoted));
    text
}
