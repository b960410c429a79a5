//! Parses the text of a configuration into a validated one, or into all of its problems. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::consistency::ConfigTables;
use super::environment::Environment;
use super::mask::Masked;
use super::model::Config;
use super::problems::{LineStarts, Problems};
use super::profiles::Profiles;
use super::tables::{Table, TableMap};
use super::{account, bus, meter, service, syntax};
use crate::finding::{Finding, Severity};
use crate::form::{Findings, Form};
use crate::units::Name;

/// Parses the text of a configuration and returns it with its warnings. `file` is its name in messages.
///
/// # Errors
/// For an invalid text, with all problems, warnings included.
pub fn parse(file: &Path, text: &str, environment: &Environment) -> Result<(Config, Problems), Problems> {
    parse_with(file, text, |root, whole| read(&root, text, environment, whole))
}

/// Parses the text with `read`, which also gets whether the text is valid TOML. Returns its value with the warnings, or all problems.
pub(crate) fn parse_with<T>(
    file: &Path,
    text: &str,
    read: impl FnOnce(Form<'_>, bool) -> Option<T>,
) -> Result<(T, Problems), Problems> {
    recovered(text, |document, errors| {
        let findings = Findings::default();
        let broken = syntax::findings(text, errors);
        let value = read(Form::root(document, &findings), broken.is_empty());

        let mut hidden = findings.hidden(document.get_ref());
        // The document may lack what follows a broken line, so the lines that will be shown are checked for hidden text too.
        let shown = if broken.is_empty() {
            Default::default()
        } else {
            syntax::lines(text, &[&broken[..], &findings.all()].concat())
        };
        hidden.extend(syntax::hidden(text, &shown, &findings));
        let masked = Masked::new(text, &hidden);
        let found = if broken.is_empty() { findings.into_vec() } else { certain(text, findings, broken) };
        let failed = found.iter().any(|finding| finding.severity == Severity::Error);
        let problems = Problems::new(file, &masked, found);
        match value.filter(|_| !failed) {
            Some(value) => Ok((value, problems)),
            None => Err(problems),
        }
    })
}

/// The text of a configuration without secrets: without the values of unknown keys and of keys that name a secret, and without comments
/// that mention one. The text need not be valid.
pub fn shown_text(text: &str, environment: &Environment) -> String {
    recovered(text, |document, errors| {
        let findings = Findings::default();
        let whole = errors.is_empty();
        read(&Form::root(document, &findings), text, environment, whole);
        let mut hidden = findings.hidden(document.get_ref());
        if !whole {
            hidden.extend(syntax::hidden(text, &syntax::every_line(text), &findings));
        }
        hidden.extend(syntax::secret_comments(text));
        Masked::new(text, &hidden).text
    })
}

/// Calls `then` with what can be read of `text`, and with the parser's errors.
fn recovered<T>(text: &str, then: impl FnOnce(&Spanned<DeTable<'_>>, &[toml::de::Error]) -> T) -> T {
    let (first, mut errors) = DeTable::parse_recoverable(text);
    // The parser stops at a line without `=`. Without such lines it also reads what follows.
    let without = syntax::without_keys_alone(text, &errors);
    match &without {
        Some(without) => {
            let (document, more) = DeTable::parse_recoverable(without);
            errors.extend(more);
            then(&document, &errors)
        }
        None => then(&first, &errors),
    }
}

/// The broken lines, and what is certain about the others.
fn certain(text: &str, findings: Findings, mut broken: Vec<Finding>) -> Vec<Finding> {
    let (lines, starts) = (syntax::lines(text, &broken), LineStarts::new(text));
    let elsewhere = |finding: &Finding| !lines.contains(&starts.line_of(text, finding.span.start).0);
    broken.extend(findings.into_certain().into_iter().filter(elsewhere));
    broken
}

fn read(root: &Form<'_>, text: &str, environment: &Environment, whole: bool) -> Option<Config> {
    let profiles = Profiles::read(root);
    let accounts = read_tables(root, "account", |name, form| account::read(name, form, &environment.folder));
    let buses = read_tables(root, "bus", bus::read);
    let meters = root.named_tables("meter").into_iter().map(|(name, form)| {
        let table = meter::read(&name, form, &profiles);
        (name, table)
    });
    let meters = meters.collect();
    let clients =
        root.named_tables("client").into_iter().map(|(name, form)| (name, meter::read_client(form))).collect();
    let state = service::state(root.table("state"), environment);
    let status = service::status(root.table("status"), environment);
    let misnamed = root.unknown_keys() > 0;
    if !whole {
        return None;
    }
    let lines = LineStarts::new(text);
    let tables = ConfigTables { text, lines, findings: root.findings(), misnamed, accounts, buses, meters, clients };
    let clients = tables.check();
    Some(Config {
        accounts: values(tables.accounts)?,
        buses: values(tables.buses)?,
        meters: tables.meters.into_iter().map(|(name, table)| Some((name, table.meter?))).collect::<Option<_>>()?,
        clients,
        state: state?,
        status: status?,
    })
}

/// Reads every `[key.NAME]`.
fn read_tables<T>(root: &Form<'_>, key: &'static str, read: impl Fn(&Name, Form<'_>) -> Option<T>) -> TableMap<T> {
    let tables = root.named_tables(key).into_iter().map(|(name, form)| {
        let span = form.span();
        let value = read(&name, form);
        (name, Table { span, value })
    });
    tables.collect()
}

/// The values of all tables. `None` if one of them is invalid.
fn values<T>(tables: TableMap<T>) -> Option<BTreeMap<Name, T>> {
    tables.into_iter().map(|(name, table)| Some((name, table.value?))).collect()
}
