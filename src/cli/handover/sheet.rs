//! What the sheet says, as data. Pure.

use jiff::Timestamp;

use crate::config::{Config, MeterConfig};
use crate::ledger::shown::{Shown, ShownJournal};
use crate::status::{Document, MeterState, MeterStatus, words};
use crate::units::{MilliwattHours, Name};

/// What the sheet is made of.
pub(super) struct SheetSources<'a> {
    /// The name of the box.
    pub(super) host: String,
    pub(super) config: &'a Config,
    /// The hash of the configuration's files ([`crate::config::ConfigFiles::hash`]).
    pub(super) configuration: &'a str,
    pub(super) document: &'a Document,
    pub(super) ledger: Option<&'a Shown>,
    pub(super) journal: Option<&'a ShownJournal>,
    /// Free bytes of the disk with the ledger.
    pub(super) free: Option<u64>,
}

/// The sheet.
#[derive(Debug)]
pub(super) struct HandoverSheet {
    pub(super) host: String,
    pub(super) at: Timestamp,
    /// Name and text of each fact about the box.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) meters: Vec<SheetMeter>,
    pub(super) clients: Vec<SheetClient>,
}

/// One meter.
#[derive(Debug)]
pub(super) struct SheetMeter {
    pub(super) name: Name,
    /// Vendor and model, and the serial number if it is known.
    pub(super) model: String,
    /// The state, if it is not `ok`.
    pub(super) state: Option<String>,
    pub(super) line: String,
    pub(super) quality: String,
    pub(super) connection: String,
    /// Since when the figure counts, and from which reading.
    pub(super) begun: Option<String>,
    pub(super) reading: Option<MilliwattHours>,
    /// What is to be checked at this meter.
    pub(super) remarks: Vec<String>,
}

/// One client.
#[derive(Debug)]
pub(super) struct SheetClient {
    pub(super) name: Name,
    /// Shortened.
    pub(super) client_id: String,
    pub(super) meters: String,
    /// The accepted figure and when.
    pub(super) accepted: String,
}

impl HandoverSheet {
    pub(super) fn new(sources: &SheetSources<'_>) -> Self {
        let SheetSources { config, document, .. } = sources;
        let meters = document
            .meters
            .iter()
            .filter_map(|(name, status)| Some(SheetMeter::new(name, config.meters.get(name)?, status, sources)));
        let clients = document.clients.iter().map(|(name, client)| SheetClient {
            name: name.clone(),
            client_id: client.client_id.clone(),
            meters: client.meters.iter().map(Name::as_str).collect::<Vec<_>>().join(", "),
            accepted: match (client.accepted_mwh, client.accepted_at) {
                (Some(energy), Some(at)) => format!("{} on {}", words::energy(energy), moment(at)),
                _ => "not yet".to_owned(),
            },
        });
        HandoverSheet {
            host: sources.host.clone(),
            at: document.at,
            facts: facts(sources),
            meters: meters.collect(),
            clients: clients.collect(),
        }
    }
}

fn facts(sources: &SheetSources<'_>) -> Vec<(&'static str, String)> {
    let SheetSources { host, config, document, .. } = sources;
    let page = config.status.listen.map(|address| format!(", page http://{address}/")).unwrap_or_default();
    let mut facts = vec![("Box", format!("{host}, arkmeter {}{page}", document.version))];
    let clock = match document.clock_trusted {
        Some(true) => "clock synchronised",
        Some(false) => "clock not synchronised",
        None => "clock unknown",
    };
    let disk = sources.free.map(|free| format!(", {} of disk free", words::bytes(free))).unwrap_or_default();
    facts.push(("", format!("{clock}{disk}")));
    for (name, account) in &config.accounts {
        let host = account.url.host_str().unwrap_or("?");
        facts.push(("Account", format!("{name}, {}://{host}{}", account.url.scheme(), account.url.path())));
    }
    let (first, second) = sources.configuration.split_at(sources.configuration.len() / 2);
    facts.push(("Configuration", format!("sha256 {first} {second}")));
    facts
}

impl SheetMeter {
    fn new(name: &Name, config: &MeterConfig, status: &MeterStatus, sources: &SheetSources<'_>) -> Self {
        let serial = sources.ledger.and_then(|ledger| ledger.meters.get(name)?.serial.clone());
        let serial =
            serial.map_or_else(|| "serial number ____________".to_owned(), |serial| format!("serial number {serial}"));
        let wired = if config.installation.reversed { "reversed in arkmeter" } else { "as wired" };
        let power = status.power_mw.map_or("not read now".to_owned(), |power| format!("{} now", words::power(power)));
        let mut remarks = status.faults.clone();
        remarks.extend(status.held.clone());
        remarks.extend(status.error.clone());
        remarks.extend(status.advice.clone());
        SheetMeter {
            name: name.clone(),
            model: format!("{} {}, {serial}", config.profile.vendor, config.profile.model),
            state: (status.state != MeterState::Ok).then(|| words::state(&status.state).to_uppercase()),
            line: format!("{}, unit {}", config.bus, config.unit),
            quality: quality(status),
            connection: format!("up to {}; {wired}, {power}", words::power(config.max_power)),
            begun: begun(name, sources.journal),
            reading: status.register_mwh.filter(|_| config.profile.has_counter()),
            remarks,
        }
    }
}

/// `last hour 360 of 360 answers, 95 % within 44 ms`
fn quality(status: &MeterStatus) -> String {
    let count = |name: &str| status.quality.recent.get(name).unwrap_or(0);
    let [_, p95, ..] = words::line_times(&status.quality);
    let within = if p95.is_empty() { p95 } else { format!(", 95 % within {p95}") };
    format!("last hour {} of {} answers{within}", count("answers"), count("requests"))
}

/// The oldest entry of the journal that began the figure.
fn begun(name: &Name, journal: Option<&ShownJournal>) -> Option<String> {
    let entries =
        journal?.entries.iter().filter(|entry| entry.meter.as_ref() == Some(name) && entry.word == "baseline");
    let first = entries.min_by_key(|entry| entry.at)?;
    let from = first.register_after_mwh.map(|energy| format!(" at {}", words::energy(energy))).unwrap_or_default();
    Some(format!("{}{from}", moment(first.at)))
}

/// `25 Nov 2026, 14:26 UTC`
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M UTC").to_string()
}
