//! Checks across tables: names that must exist, links and identifiers that must not be used twice.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::joined::JoinedText;
use super::meter::{ClientTable, MeterTable};
use super::model::{AccountConfig, BusConfig, ClientConfig};
use super::problems::LineStarts;
use super::tables::{self, TableMap, WithSpan};
use crate::finding::{Finding, Severity};
use crate::form::Findings;
use crate::modbus::Link;
use crate::units::{ClientId, Name};

/// All tables of the configuration, as far as they could be read.
pub(super) struct ConfigTables<'a> {
    pub(super) joined: &'a JoinedText<'a>,
    pub(super) lines: LineStarts,
    pub(super) findings: &'a Findings,
    /// The file has an unknown table: what seems to be missing may be there.
    pub(super) misnamed: bool,
    pub(super) accounts: TableMap<AccountConfig>,
    pub(super) buses: TableMap<BusConfig>,
    pub(super) meters: BTreeMap<Name, MeterTable>,
    pub(super) clients: BTreeMap<Name, ClientTable>,
}

const MINIMUM: &str = "the minimum is a bus and a meter on it:
[bus.cabinet]
serial = \"/dev/ttyUSB0\"
[meter.house]
bus = \"cabinet\"
unit = 1
profile = \"eastron-sdm630\"
max_power = \"20kW\"
to report it, add an [account.main] with a `token_file`, and the meter's `client_id`";

impl ConfigTables<'_> {
    /// Reports what does not fit together. The clients are complete if nothing is reported.
    pub(super) fn check(&self) -> BTreeMap<Name, ClientConfig> {
        if self.buses.is_empty() && self.meters.is_empty() && !self.misnamed {
            self.error(0..0, "nothing to poll is configured: there is no [bus.NAME] and no [meter.NAME]", MINIMUM);
            return BTreeMap::new();
        }
        self.same_link();
        self.meters_on_buses();
        let clients = self.clients();
        self.unused(&clients);
        clients
    }

    fn same_link(&self) {
        let mut taken: BTreeMap<&str, (&Name, &Range<usize>)> = BTreeMap::new();
        for (name, entry) in by_position(&self.buses, |entry| &entry.span) {
            let Some(bus) = &entry.value else { continue };
            let address = match &bus.link {
                Link::Serial(line) => line.path.to_str().unwrap_or_default(),
                Link::Tcp(address) | Link::RtuOverTcp(address) => address,
            };
            if let Some((other, first)) = taken.insert(address, (name, &entry.span)) {
                let message =
                    format!("[bus.{name}] is the same line as [bus.{other}] ({})", self.place(first, &entry.span));
                self.error(
                    entry.span.clone(),
                    &message,
                    "one bus per line or address: put all of its meters on one bus",
                );
            }
        }
    }

    fn meters_on_buses(&self) {
        let mut taken: BTreeMap<(&Name, u8), &WithSpan<_>> = BTreeMap::new();
        for (name, table) in by_position(&self.meters, |table| &table.span) {
            let Some(bus) = &table.bus else { continue };
            if !self.buses.contains_key(&bus.value) {
                let message = format!("`meter.{name}.bus`: there is no [bus.{}]", bus.value);
                self.unknown(bus, &message, self.buses.keys(), "add that bus, with `serial`, `tcp` or `rtu_over_tcp`");
                continue;
            }
            let Some(unit) = &table.unit else { continue };
            let link = self.buses.get(&bus.value).and_then(|entry| Some(&entry.value.as_ref()?.link));
            if !unit.value.is_serial() && link.is_some_and(|link| !matches!(link, Link::Tcp(_))) {
                let message = format!("`meter.{name}.unit`: no meter on a serial line has unit {}", unit.value);
                self.error(
                    unit.span.clone(),
                    &message,
                    "a whole number from 1 to 247; 0 and 248 to 255 are for `tcp` only",
                );
                continue;
            }
            if let Some(first) = taken.insert((&bus.value, unit.value.get()), unit) {
                let place = self.place(&first.span, &unit.span);
                let message =
                    format!("`meter.{name}.unit`: unit {} of bus {} is taken in {place}", unit.value, bus.value);
                self.error(unit.span.clone(), &message, "each meter of a bus needs its own unit");
            }
        }
    }

    fn clients(&self) -> BTreeMap<Name, ClientConfig> {
        let mut members = BTreeMap::new();
        let mut clients = Vec::new();
        for (name, table) in by_position(&self.clients, |table| &table.span) {
            self.members(name, table, &mut members);
            let meters: Vec<_> = table.meters.iter().flatten().map(|member| member.value.clone()).collect();
            let accounts = meters.iter().filter_map(|meter| self.meters.get(meter)).map(|meter| &meter.account);
            let account =
                self.account(&format!("client.{name}"), &table.span, [&table.account].into_iter().chain(accounts));
            clients.push((name, &table.span, table.client_id.as_ref(), account, meters));
        }
        for (name, table) in by_position(&self.meters, |table| &table.span) {
            let own = match &table.client_id {
                Some(Some(client_id)) => Some(client_id),
                Some(None) => {
                    self.warn_unused_account(name, table, &members);
                    continue;
                }
                None => None,
            };
            if let Some(client) = self.clients.get(name) {
                let message = format!(
                    "[client.{name}] has the name of a meter with its own `client_id` ({})",
                    self.place(&table.span, &client.span)
                );
                self.error(client.span.clone(), &message, "rename one of the two");
            }
            let account = self.account(&format!("meter.{name}"), &table.span, [&table.account].into_iter());
            clients.push((name, &table.span, own, account, vec![name.clone()]));
        }
        clients.sort_by_key(|(_, span, ..)| span.start);
        self.same_client_id(
            clients.iter().filter_map(|(_, _, id, account, _)| Some((*id.as_ref()?, account.as_ref()?))),
        );
        let complete = clients.into_iter().filter_map(|(name, _, id, account, meters)| {
            Some((name.clone(), ClientConfig { name: name.clone(), client_id: id?.value, account: account?, meters }))
        });
        complete.collect()
    }

    /// Checks the meters of a `[client.NAME]`. `members` has the meters of the clients before it.
    fn members<'t>(&'t self, name: &Name, table: &'t ClientTable, members: &mut BTreeMap<&'t Name, &'t Range<usize>>) {
        for member in table.meters.iter().flatten() {
            let Some(meter) = self.meters.get(&member.value) else {
                let message = format!("`client.{name}.meters`: there is no [meter.{}]", member.value);
                self.unknown(member, &message, self.meters.keys(), "add that meter");
                continue;
            };
            if let Some(Some(own)) = &meter.client_id {
                let message = format!(
                    "meter {} has its own `client_id` in {}",
                    member.value,
                    self.place(&own.span, &member.span)
                );
                self.error(
                    member.span.clone(),
                    &message,
                    "a meter is reported once: remove its own `client_id`, or remove it from this list",
                );
            }
            if let Some(first) = members.insert(&member.value, &member.span) {
                let message = format!(
                    "meter {} already belongs to the client in {}",
                    member.value,
                    self.place(first, &member.span)
                );
                self.error(member.span.clone(), &message, "a meter is reported once");
            }
        }
    }

    /// The account of a client: the one that its tables name, else the only one.
    fn account<'t>(
        &self,
        owner: &str,
        span: &Range<usize>,
        given: impl Iterator<Item = &'t Option<Option<WithSpan<Name>>>>,
    ) -> Option<Name> {
        let mut chosen: Option<&WithSpan<Name>> = None;
        for given in given {
            let Some(account) = given.as_ref()? else { continue };
            if !self.accounts.contains_key(&account.value) {
                let message = format!("there is no [account.{}]", account.value);
                self.unknown(account, &message, self.accounts.keys(), "add that account, with its `token_file`");
                return None;
            }
            match chosen.filter(|first| first.value != account.value) {
                None => chosen = Some(account),
                Some(first) => {
                    let message = format!(
                        "[{owner}] has two accounts, {} and {} ({})",
                        account.value,
                        first.value,
                        self.place(&first.span, &account.span)
                    );
                    self.error(account.span.clone(), &message, "a client and all of its meters belong to one account");
                    return None;
                }
            }
        }
        if let Some(chosen) = chosen {
            return Some(chosen.value.clone());
        }
        let names: Vec<_> = self.accounts.keys().map(Name::as_str).collect();
        match names[..] {
            [_] => self.accounts.keys().next().cloned(),
            [] if self.misnamed => None,
            [] => {
                let help = "add an [account.main] with its `token_file`; a meter without a client is polled only";
                self.error(span.clone(), &format!("[{owner}] needs an account, but there is no [account.NAME]"), help);
                None
            }
            _ => {
                let help = format!("add `account = \"...\"`: one of {}", names.join(", "));
                self.error(span.clone(), &format!("[{owner}] does not name its account"), &help);
                None
            }
        }
    }

    fn warn_unused_account(&self, name: &Name, table: &MeterTable, members: &BTreeMap<&Name, &Range<usize>>) {
        let Some(Some(account)) = &table.account else { return };
        if !members.contains_key(name) {
            let message = format!("`meter.{name}.account` has no effect: the meter is not reported");
            let warning = Finding::warning(account.span.clone(), message);
            self.findings.add(warning.help("give it a `client_id`, or list it in the `meters` of a [client.NAME]"));
        }
    }

    /// One identifier must not be used twice at one endpoint: the reports of two clients would be mixed there.
    fn same_client_id<'t>(&self, clients: impl Iterator<Item = (&'t WithSpan<ClientId>, &'t Name)>) {
        let mut taken: BTreeMap<(String, ClientId), &WithSpan<ClientId>> = BTreeMap::new();
        for (id, account) in clients {
            let Some(account) = self.accounts.get(account).and_then(|entry| entry.value.as_ref()) else { continue };
            let url = account.url.as_str().trim_end_matches('/').to_owned();
            if let Some(first) = taken.insert((url, id.value), id) {
                let places = self.places(&first.span, &id.span);
                let message = format!("client identifier {} is used twice, in {places}", shortened(id.value));
                self.error(
                    id.span.clone(),
                    &message,
                    "each client has its own identifier; to add up meters, list them in one [client.NAME]",
                );
            }
        }
    }

    fn unused(&self, clients: &BTreeMap<Name, ClientConfig>) {
        let warn = |span: &Range<usize>, message: &str, help: &str| {
            self.findings.add(Finding::warning(span.clone(), message).help(help));
        };
        // An error elsewhere may be the reason why something seems unused.
        if self.findings.all().iter().any(|finding| finding.severity == Severity::Error) {
            return;
        }
        let used: BTreeSet<&Name> = self.meters.values().filter_map(|table| Some(&table.bus.as_ref()?.value)).collect();
        for (name, entry) in self.buses.iter().filter(|(name, _)| !used.contains(name)) {
            warn(&entry.span, &format!("[bus.{name}] has no meter"), "`arkmeter scan` finds the meters on it");
        }
        let reporting: BTreeSet<&Name> = clients.values().map(|client| &client.account).collect();
        for (name, entry) in self.accounts.iter().filter(|(name, _)| !reporting.contains(name)) {
            warn(
                &entry.span,
                &format!("[account.{name}] has nothing to report"),
                "give a meter a `client_id`, or add a [client.NAME]",
            );
        }
        if self.accounts.is_empty() && !self.meters.is_empty() {
            warn(
                &(0..0),
                "there is no [account.NAME]: meters are polled, and nothing is reported",
                "add an [account.main] with its `token_file`",
            );
        }
    }

    fn unknown<'n>(
        &self,
        wrong: &WithSpan<Name>,
        message: &str,
        known: impl Iterator<Item = &'n Name> + Clone,
        help: &str,
    ) {
        let near = tables::nearest(wrong.value.as_str(), known.map(Name::as_str));
        self.error(wrong.span.clone(), message, near.as_deref().unwrap_or(help));
    }

    fn error(&self, span: Range<usize>, message: &str, help: &str) {
        self.findings.add(Finding::error(span, message).help(help));
    }

    /// The place of `span` in words, for a message about `near`.
    fn place(&self, span: &Range<usize>, near: &Range<usize>) -> String {
        self.joined.place(&self.lines, span.start, near.start)
    }

    /// `lines 3 and 9`, or with the names of two files.
    fn places(&self, one: &Range<usize>, two: &Range<usize>) -> String {
        let (first, second) = (self.place(one, two), self.place(two, one));
        match (first.strip_prefix("line "), second.strip_prefix("line ")) {
            (Some(first), Some(second)) if !first.contains(' ') => format!("lines {first} and {second}"),
            _ => format!("{first} and {second}"),
        }
    }
}

/// In the order of the files, so that the second of two is the one that is reported.
fn by_position<T>(tables: &BTreeMap<Name, T>, span: impl Fn(&T) -> &Range<usize>) -> Vec<(&Name, &T)> {
    let mut tables: Vec<_> = tables.iter().collect();
    tables.sort_by_key(|(_, table)| span(table).start);
    tables
}

/// The short form of [`ClientId`] in plain ASCII.
fn shortened(id: ClientId) -> String {
    id.to_string().replace('…', "...")
}
