//! From the text of a configuration to the validated one, or to everything that is wrong with it. Pure.

use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::consistency::ConfigTables;
use super::environment::Environment;
use super::mask::Masked;
use super::model::Config;
use super::place::Table;
use super::problems::{LineStarts, Problems};
use super::profiles::Profiles;
use super::{account, bus, meter, service, syntax};
use crate::finding::{Finding, Severity};
use crate::form::{Findings, Form};

/// Reads the text of a configuration; `file` is its name in messages.
///
/// The configuration with its warnings, or all problems (the warnings among them).
pub fn parse(file: &Path, text: &str, environment: &Environment) -> Result<(Config, Problems), Problems> {
    judged(file, text, |root, whole| read(&root, text, environment, whole))
}

/// What `read` makes of the text, which it is told whether the parser took whole; with the warnings, or all problems.
pub(super) fn judged<T>(
    file: &Path,
    text: &str,
    read: impl FnOnce(Form<'_>, bool) -> Option<T>,
) -> Result<(T, Problems), Problems> {
    recovered(text, |document, errors| {
        let findings = Findings::default();
        let broken = syntax::findings(text, errors);
        let value = read(Form::root(document, &findings), broken.is_empty());

        let mut hidden = findings.hidden(document.get_ref());
        // What follows a broken line may have been left out of the document, so no line is taken to be known in full.
        let told = if broken.is_empty() {
            Default::default()
        } else {
            syntax::lines(text, &[&broken[..], &findings.all()].concat())
        };
        hidden.extend(syntax::hidden(text, &told, &findings));
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

/// The text of a configuration as it may be handed to others: line by line as it is written, without the values of keys that are
/// unknown or name a secret, and without remarks that speak of one. Nothing of it need be right.
pub fn shown_text(text: &str, environment: &Environment) -> String {
    recovered(text, |document, errors| {
        let findings = Findings::default();
        let whole = errors.is_empty();
        read(&Form::root(document, &findings), text, environment, whole);
        let mut hidden = findings.hidden(document.get_ref());
        if !whole {
            hidden.extend(syntax::hidden(text, &syntax::every_line(text), &findings));
        }
        hidden.extend(syntax::remarks(text));
        Masked::new(text, &hidden).text
    })
}

/// Hands on what of `text` can be read as TOML, and the parser's errors.
fn recovered<T>(text: &str, then: impl FnOnce(&Spanned<DeTable<'_>>, &[toml::de::Error]) -> T) -> T {
    let (first, mut errors) = DeTable::parse_recoverable(text);
    // The parser gives up at a line that is no `key = value`: without such lines it sees what follows.
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

/// Beside the broken lines what is certain on the others.
fn certain(text: &str, findings: Findings, mut broken: Vec<Finding>) -> Vec<Finding> {
    let (lines, starts) = (syntax::lines(text, &broken), LineStarts::new(text));
    let elsewhere = |finding: &Finding| !lines.contains(&starts.line_of(text, finding.span.start).0);
    broken.extend(findings.into_certain().into_iter().filter(elsewhere));
    broken
}

fn read(root: &Form<'_>, text: &str, environment: &Environment, whole: bool) -> Option<Config> {
    let profiles = Profiles::read(root);
    let accounts = root.named_tables("account").into_iter().map(|(name, form)| {
        let span = form.span();
        let value = account::read(&name, form, &environment.folder);
        (name, Table { span, value })
    });
    let accounts = accounts.collect();
    let buses = root.named_tables("bus").into_iter().map(|(name, form)| {
        let span = form.span();
        let value = bus::read(&name, form);
        (name, Table { span, value })
    });
    let buses = buses.collect();
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
    let values =
        |entries: super::place::TableMap<_>| entries.into_iter().map(|(name, entry)| Some((name, entry.value?)));
    Some(Config {
        accounts: values(tables.accounts).collect::<Option<_>>()?,
        buses: tables.buses.into_iter().map(|(name, entry)| Some((name, entry.value?))).collect::<Option<_>>()?,
        meters: tables.meters.into_iter().map(|(name, table)| Some((name, table.meter?))).collect::<Option<_>>()?,
        clients,
        state: state?,
        status: status?,
    })
}
