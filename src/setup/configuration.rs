//! The tables that set-up adds to the configuration.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::answers::{SetupAnswers, SetupMeter};
use super::clients::ClientAnswer;
use super::opening::ExistingConfiguration;
use crate::survey::{bus_lines, quoted};

/// For a meter whose fuses are not answered yet: with it, it can be read.
const UNKNOWN_POWER: &str = "1MW";
/// The page of a new configuration.
const LISTEN: &str = "127.0.0.1:9826";

/// Where the files of a new configuration are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationPaths {
    /// The configuration.
    pub configuration: PathBuf,
    /// The token of a new account.
    pub token: PathBuf,
}

impl ConfigurationPaths {
    /// The token of account `account` is in a file beside the configuration.
    pub fn new(configuration: &Path, account: &str) -> Self {
        let token = configuration.with_file_name(format!("{account}.token"));
        ConfigurationPaths { configuration: configuration.to_owned(), token }
    }
}

/// The tables for these answers: a whole configuration, or what is added to the existing one.
pub fn added_tables(answers: &SetupAnswers, existing: &ExistingConfiguration, paths: &ConfigurationPaths) -> String {
    let config = existing.config();
    let mut text = String::new();
    if config.is_none() {
        text.push_str("# Written by `arkmeter setup`. The annotated example of the project explains every setting.\n");
    }
    if is_account_new(answers, existing) {
        let _ = write!(text, "\n[account.{}]\n", answers.account.name());
        let key =
            |key: &str, value: &Option<String>| value.as_deref().map(|value| format!("{key} = {}\n", quoted(value)));
        text.extend(key("url", &answers.account.url));
        let _ = writeln!(text, "token_file = {}", quoted(&paths.token.to_string_lossy()));
        text.extend(key("report_every", &answers.account.report_every));
    }
    for (name, link) in &answers.buses {
        if !existing.has_bus(name) {
            let _ = write!(text, "\n{}", bus_lines(name, link));
        }
    }
    let account = config.filter(|config| config.accounts.len() > 1).map(|_| answers.account.name());
    for meter in &answers.meters {
        text.push_str(&meter_table(meter));
        if let (Some(account), Some(ClientAnswer::Own(_))) = (&account, &meter.client) {
            let _ = writeln!(text, "account = \"{account}\"");
        }
    }
    for meter in &answers.meters {
        if let Some(ClientAnswer::Starts(client, id)) = &meter.client {
            let joins =
                |other: &&SetupMeter| matches!(&other.client, Some(ClientAnswer::Joins(name)) if name == client);
            let members = std::iter::once(meter).chain(answers.meters.iter().filter(joins));
            let members: Vec<_> = members.map(|meter| format!("\"{}\"", meter.name)).collect();
            let _ = write!(
                text,
                "\n[client.{client}]\nclient_id = \"{}\"\nmeters = [{}]\n",
                id.to_hex(),
                members.join(", ")
            );
            text.extend(account.as_ref().map(|account| format!("account = \"{account}\"\n")));
        }
    }
    if config.is_none() {
        text.push_str(&daemon_tables(answers));
    }
    text
}

/// Whether `[account.NAME]` is written: something is reported, and there is no account yet.
pub(super) fn is_account_new(answers: &SetupAnswers, existing: &ExistingConfiguration) -> bool {
    let reported = |meter: &SetupMeter| !matches!(meter.client, None | Some(ClientAnswer::NotReported));
    answers.meters.iter().any(reported) && existing.config().is_none_or(|config| config.accounts.is_empty())
}

fn meter_table(meter: &SetupMeter) -> String {
    let mut text = format!("\n[meter.{}]\nbus = \"{}\"\nunit = {}\n", meter.name, meter.bus, meter.unit);
    text.extend(meter.profile.as_ref().map(|profile| format!("profile = \"{profile}\"\n")));
    text.extend(meter.chain_meter.map(|number| format!("chain_meter = {number}\n")));
    if let Some(ClientAnswer::Own(id)) = &meter.client {
        let _ = writeln!(text, "client_id = \"{}\"", id.to_hex());
    }
    match meter.fuses {
        Some(fuses) => {
            let _ = writeln!(text, "max_power = \"{}W\"   # {}", fuses.power().0 / 1000, fuses.in_words());
        }
        None => {
            let _ = writeln!(text, "max_power = \"{UNKNOWN_POWER}\"");
        }
    }
    if meter.reversed == Some(true) {
        text.push_str("reversed = true\n");
    }
    text.extend(meter.poll_every.as_deref().map(|every| format!("poll_every = {}\n", quoted(every))));
    text
}

/// `[state]` and `[status]` of a new configuration.
fn daemon_tables(answers: &SetupAnswers) -> String {
    let mut text = String::new();
    if let Some(path) = &answers.state {
        let _ = write!(text, "\n[state]\npath = {}\n", quoted(path));
    }
    let listen = answers.listen.as_deref().or(answers.socket.is_none().then_some(LISTEN));
    text.push_str("\n[status]\n");
    text.extend(listen.map(|listen| format!("listen = {}\n", quoted(listen))));
    text.extend(answers.socket.as_deref().map(|socket| format!("socket = {}\n", quoted(socket))));
    text
}

/// A configuration with which the meters can be read before everything is answered: without accounts and clients. The existing one has the
/// buses that are not in the answers.
pub fn trial_configuration(answers: &SetupAnswers, existing: &ExistingConfiguration) -> String {
    let mut text = String::new();
    for meter in answers.meters.iter().filter(|meter| meter.profile.is_some()) {
        let client = None;
        text.push_str(&meter_table(&SetupMeter { client, ..meter.clone() }));
    }
    for (name, link) in &answers.buses {
        text.push_str(&bus_lines(name, link));
    }
    for bus in existing.config().into_iter().flat_map(|config| config.buses.values()) {
        if !answers.buses.contains_key(&bus.name) {
            text.push_str(&bus_lines(&bus.name, &bus.link));
        }
    }
    text
}
