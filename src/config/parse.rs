//! Parses the text of a configuration into a validated one, or into all of its problems. Pure.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::consistency::ConfigTables;
use super::environment::Environment;
use super::joined::{JoinedText, SourceFile};
use super::mask::Masked;
use super::merge::{merge, moved};
use super::model::Config;
use super::problems::{LineStarts, Problems};
use super::profiles::Profiles;
use super::tables::{Table, TableMap};
use super::{account, bus, meter, service, shards, site, syntax};
use crate::finding::{Finding, Severity};
use crate::form::{Findings, Form};
use crate::units::Name;

/// Parses the text of a configuration and returns it with its warnings. `file` is its name in messages.
///
/// # Errors
/// For an invalid text, with all problems, warnings included.
pub fn parse(file: &Path, text: &str, environment: &Environment) -> Result<(Config, Problems), Problems> {
    let joined = JoinedText::single(file, text);
    parse_joined(&joined, |root, whole| read(&root, &joined, environment, whole))
}

/// Parses the files of one configuration, each over those before it, and returns it with its warnings.
///
/// # Errors
/// For an invalid text, with all problems, warnings included.
pub fn parse_files(files: &[SourceFile], environment: &Environment) -> Result<(Config, Problems), Problems> {
    let joined = JoinedText::new(files);
    parse_joined(&joined, |root, whole| read(&root, &joined, environment, whole))
}

/// Parses the text with `read`, which also gets whether the text is valid TOML. Returns its value with the warnings, or all problems.
pub(crate) fn parse_with<T>(
    file: &Path,
    text: &str,
    read: impl FnOnce(Form<'_>, bool) -> Option<T>,
) -> Result<(T, Problems), Problems> {
    parse_joined(&JoinedText::single(file, text), read)
}

fn parse_joined<T>(
    joined: &JoinedText<'_>,
    read: impl FnOnce(Form<'_>, bool) -> Option<T>,
) -> Result<(T, Problems), Problems> {
    let text = &*joined.text;
    recovered(joined, |document, Recovered { broken, replaced }| {
        let findings = Findings::default();
        let value = read(Form::root(document, &findings), broken.is_empty());

        let mut hidden = findings.hidden(document.get_ref());
        hidden.extend(replaced);
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
        let problems = Problems::new(joined.names(), &masked, found);
        match value.filter(|_| !failed) {
            Some(value) => Ok((value, problems)),
            None => Err(problems),
        }
    })
}

/// The text of a configuration without secrets: without the values of unknown keys and of keys that name a secret, and without comments
/// that mention one. The text need not be valid.
pub fn shown_text(text: &str, environment: &Environment) -> String {
    shown(&JoinedText::single(Path::new(""), text), environment)
}

/// The same of all files of a configuration, and without the values that a later file overrides; the name of each is before its lines if
/// there are several.
pub(super) fn shown_files(files: &[SourceFile], environment: &Environment) -> String {
    shown(&JoinedText::new(files), environment)
}

fn shown(joined: &JoinedText<'_>, environment: &Environment) -> String {
    let text = &*joined.text;
    recovered(joined, |document, Recovered { broken, replaced }| {
        let findings = Findings::default();
        let whole = broken.is_empty();
        read(&Form::root(document, &findings), joined, environment, whole);
        let mut hidden = findings.hidden(document.get_ref());
        hidden.extend(replaced);
        if !whole {
            hidden.extend(syntax::hidden(text, &syntax::every_line(text), &findings));
        }
        hidden.extend(syntax::secret_comments(text));
        joined.names().with_headings(&Masked::new(text, &hidden).text)
    })
}

/// What comes with the document of a text.
struct Recovered {
    /// The lines that are not TOML.
    broken: Vec<Finding>,
    /// The spans of the values that a later file overrides: nobody judges them, so they are not shown.
    replaced: Vec<Range<usize>>,
}

/// Calls `then` with what can be read of the files, merged.
fn recovered<T>(joined: &JoinedText<'_>, then: impl FnOnce(&Spanned<DeTable<'_>>, Recovered) -> T) -> T {
    let parsed: Vec<_> = joined.texts().map(|(start, text)| (start, text, DeTable::parse_recoverable(text))).collect();
    // The parser stops at a line without `=`. Without such lines it also reads what follows.
    let without: Vec<_> =
        parsed.iter().map(|(_, text, (_, errors))| syntax::without_keys_alone(text, errors)).collect();
    let mut document = DeTable::new();
    let (mut broken, mut replaced) = (Vec::new(), Vec::new());
    for ((start, text, (mut table, mut errors)), without) in parsed.into_iter().zip(&without) {
        if let Some(without) = without {
            let (again, more) = DeTable::parse_recoverable(without);
            errors.extend(more);
            table = again;
        }
        broken.extend(syntax::findings(text, &errors).into_iter().map(|finding| finding.moved(start)));
        merge(&mut document, moved(table.into_inner(), start), &mut replaced);
    }
    then(&Spanned::new(0..joined.text.len(), document), Recovered { broken, replaced })
}

/// The broken lines, and what is certain about the others.
fn certain(text: &str, findings: Findings, mut broken: Vec<Finding>) -> Vec<Finding> {
    let (lines, starts) = (syntax::lines(text, &broken), LineStarts::new(text));
    let elsewhere = |finding: &Finding| !lines.contains(&starts.line_of(text, finding.span.start).0);
    broken.extend(findings.into_certain().into_iter().filter(elsewhere));
    broken
}

fn read(root: &Form<'_>, joined: &JoinedText<'_>, environment: &Environment, whole: bool) -> Option<Config> {
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
    let site = site::read(root.table("site"));
    let misnamed = root.unknown_keys() > 0;
    if !whole {
        return None;
    }
    let lines = LineStarts::new(&joined.text);
    let tables = ConfigTables { joined, lines, findings: root.findings(), misnamed, accounts, buses, meters, clients };
    let clients = tables.check();
    let places = environment.sharding.map(|sharding| shards::places(&tables.buses, sharding.count(), root.findings()));
    let config = Config {
        accounts: values(tables.accounts)?,
        buses: values(tables.buses)?,
        meters: tables.meters.into_iter().map(|(name, table)| Some((name, table.meter?))).collect::<Option<_>>()?,
        clients,
        state: state?,
        status: status?,
        site: site?,
        shard: None,
    };
    match (environment.sharding, places) {
        (Some(sharding), Some(places)) => shards::part(config, sharding, &places, root.findings()),
        _ => Some(config),
    }
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
