//! The document as Prometheus metrics, in the text format 0.0.4 that every scraper reads. Unknown values are absent, never 0.

mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::document::{
    BusState, BusStatus, ClientStatus, ConfigurationStatus, Document, MeterState, MeterStatus, QualityStatus,
};
use super::words::state_name;
use crate::quality::{AnswerTimes, RequestCount};
use crate::reporter::{AccountReport, ReportingState};
use crate::units::Name;
use text::{Buckets, Label, MetricsText};

/// The media type of [`metrics`].
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of `document`, each with the labels of the site and, of a shard, with its number.
pub fn metrics(document: &Document) -> String {
    let site = document.configuration.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let shard = document.shard.map(|shard| shard.number.to_string());
    let mut writer = MetricsText::new(site.chain(shard.as_deref().map(|number| ("shard", number))));
    daemon(&mut writer, document);
    meters(&mut writer, &document.meters);
    clients(&mut writer, &document.clients);
    accounts(&mut writer, &document.accounts);
    buses(&mut writer, &document.buses);
    quality(&mut writer, "meter", document.meters.iter().map(|(name, meter)| (name, &meter.quality)));
    quality(&mut writer, "bus", document.buses.iter().map(|(name, bus)| (name, &bus.quality)));
    writer.finish()
}

fn daemon(writer: &mut MetricsText, document: &Document) {
    let version = [("version", document.version.as_str())];
    writer.gauge("build_info", "The running arkmeter, always 1.", [(version, 1.0)]);
    configuration(writer, &document.configuration);
    writer.plain_gauge("start_timestamp_seconds", "When the daemon started.", seconds(document.started_at));
    writer.plain_gauge("well", "1 while there is no trouble, else 0.", flag(document.well));
    writer.plain_gauge("stalled_tasks", "Tasks that make no progress.", document.stalled.len() as f64);
    let help = "Lines of the log that were dropped because nobody read the log.";
    writer.plain_counter("log_dropped_lines_total", help, document.log_dropped);
    let help = "Pieces of advice in the status.";
    writer.plain_gauge("advice", help, document.advice.len() as f64);
    let ledger = &document.ledger;
    writer.plain_gauge("ledger_writable", "1 while the ledger can be written, else 0.", flag(ledger.error.is_none()));
    writer.plain_counter("ledger_commits_total", "Commits of the ledger.", ledger.commits);
    writer.plain_counter("ledger_failed_commits_total", "Commits of the ledger that failed.", ledger.failed_commits)
}

fn configuration(writer: &mut MetricsText, configuration: &ConfigurationStatus) {
    let hash = configuration.hash.iter().map(|hash| ([("hash", hash.as_str())], 1.0));
    writer.gauge("config_info", "The configuration in use by the hash of its files, always 1.", hash);
    let Some(at) = configuration.last_reload_at else { return };
    let help = "1 if the configuration was last read without an error, at the start or at a reload, else 0.";
    writer.plain_gauge("config_last_reload_success", help, flag(configuration.last_reload_success));
    let help = "When the configuration was last read, with or without an error.";
    writer.plain_gauge("config_last_reload_timestamp_seconds", help, seconds(at))
}

fn meters(writer: &mut MetricsText, meters: &BTreeMap<Name, MeterStatus>) {
    let of = |value: fn(&MeterStatus) -> Option<f64>| samples("meter", meters, value);
    let all = names(&MeterState::ALL);
    let states = states("meter", meters, &all, |meter| meter.state);
    writer.gauge("meter_state", "1 for the state that the meter is in, 0 for the others.", states);
    let help = "Active power as last read, negative while exporting; absent when that is too long ago.";
    writer.gauge("meter_power_watts", help, of(fresh_power));
    let help = "Energy published for the meter; absent until a register was accepted since the start.";
    writer.counter("meter_published_joules_total", help, of(settled_energy));
    let help = "When the meter was last read.";
    writer.gauge("meter_read_timestamp_seconds", help, of(|meter| meter.read_at.map(seconds)));
    writer.counter("meter_polls_total", "Polls of the meter.", of(|meter| Some(meter.polls as f64)));
    let help = "Polls of the meter that gave no value.";
    writer.counter("meter_failed_polls_total", help, of(|meter| Some(meter.failures as f64)));
    let verdicts = meters.iter().flat_map(|(name, meter)| {
        let counts = meter.verdicts.iter();
        counts.map(move |(verdict, count)| ([("meter", name.as_str()), ("verdict", verdict)], count as f64))
    });
    writer.counter("meter_verdicts_total", "Readings of the meter by the ledger's verdict.", verdicts)
}

/// The power of a stale meter is not the present power.
fn fresh_power(meter: &MeterStatus) -> Option<f64> {
    let stale = matches!(meter.state, MeterState::Stale | MeterState::NeverRead);
    meter.power_mw.filter(|_| !stale).map(|power| power.watts())
}

/// After a power cut the ledger starts from its last commit, a little below its last figure. A scraper would take this for a counter reset
/// and add the whole figure again. So the figure is shown only after the first accepted register since the start.
fn settled_energy(meter: &MeterStatus) -> Option<f64> {
    let taken = meter.verdicts.iter().any(|(verdict, count)| count > 0 && !matches!(verdict, "held" | "glitch"));
    meter.published_mwh.filter(|_| taken).map(|energy| energy.joules())
}

fn clients(writer: &mut MetricsText, clients: &BTreeMap<Name, ClientStatus>) {
    let of = |value: fn(&ClientStatus) -> Option<f64>| samples("client", clients, value);
    let help = "Energy that Arkreen last accepted for the client.";
    writer.gauge("client_accepted_joules", help, of(|client| client.accepted_mwh.map(|energy| energy.joules())));
    let help = "When Arkreen last accepted a report of the client.";
    writer.gauge("client_accepted_timestamp_seconds", help, of(|client| client.accepted_at.map(seconds)));
    let help = "Reports of the client that Arkreen accepted.";
    writer.counter("client_reports_accepted_total", help, of(|client| Some(client.reports_accepted as f64)));
    let help = "Reports of the client that Arkreen accepted in this UTC hour: 12 make a complete one.";
    writer.gauge("client_hour_reports", help, of(|client| Some(f64::from(client.hour_reports))))
}

fn accounts(writer: &mut MetricsText, accounts: &BTreeMap<Name, AccountReport>) {
    let of = |value: fn(&AccountReport) -> Option<f64>| samples("account", accounts, value);
    let all = names(&ReportingState::ALL);
    let states = states("account", accounts, &all, |account| account.state);
    writer.gauge("account_state", "1 for the state that the account is in, 0 for the others.", states);
    writer.counter("account_calls_total", "HTTP calls made.", of(|account| Some(account.calls as f64)));
    let help = "Entries of reports that Arkreen accepted.";
    writer.counter("account_accepted_total", help, of(|account| Some(account.accepted as f64)));
    let help = "Entries of reports that Arkreen refused.";
    writer.counter("account_rejected_total", help, of(|account| Some(account.rejected as f64)));
    let help = "When a call was last answered with an acceptance.";
    writer.gauge("account_last_report_timestamp_seconds", help, of(|account| account.last_report_at.map(seconds)))
}

fn buses(writer: &mut MetricsText, buses: &BTreeMap<Name, BusStatus>) {
    let open = samples("bus", buses, |bus| Some(flag(bus.state == BusState::Open)));
    writer.gauge("bus_open", "1 while the line is open, else 0.", open);
    let silent = samples("bus", buses, |bus| Some(bus.silent as f64));
    writer.gauge("bus_silent_meters", "Meters that do not answer and are only probed.", silent);
    let round = samples("bus", buses, |bus| bus.probe_round_s);
    writer.gauge("bus_probe_round_seconds", "Time until each silent meter was probed once.", round);
    let mut counter = |name, help, value| writer.counter(name, help, samples("bus", buses, value));
    counter("bus_requests_total", "Requests sent.", |bus| Some(bus.counts.requests as f64));
    counter("bus_answers_total", "Verified answers.", |bus| Some(bus.counts.answers as f64));
    counter("bus_timeouts_total", "Requests that were not answered in time.", |bus| Some(bus.counts.timeouts as f64));
    counter("bus_garbled_total", "Answers that did not fit the request.", |bus| Some(bus.counts.garbled as f64));
    counter("bus_exceptions_total", "Modbus exceptions answered.", |bus| Some(bus.counts.exceptions as f64));
    counter("bus_reopened_total", "Times the line was opened again.", |bus| Some(bus.reopened as f64));
    counter("bus_dropped_readings_total", "Readings lost because the ledger's queue was full.", |bus| {
        Some(bus.dropped as f64)
    })
}

/// How well the line to each of these works.
fn quality<'d>(
    writer: &mut MetricsText,
    of: &'static str,
    things: impl Iterator<Item = (&'d Name, &'d QualityStatus)> + Clone,
) {
    let things = things.map(|(name, quality)| ((of, name.as_str()), quality));
    let outcomes = things.clone().flat_map(|(label, quality)| {
        let ends = RequestCount::WORDS[..RequestCount::ENDS].iter();
        let ends = ends.map(|(count, word)| (*word, quality.tally.of(*count)));
        let ends = ends.chain([("exceptions", quality.tally.exceptions())]);
        ends.map(move |(word, count)| ([label, ("outcome", word)], count as f64))
    });
    writer.counter(&format!("{of}_outcomes_total"), "Requests by how they ended.", outcomes);
    let exceptions = things.clone().flat_map(|(label, quality)| {
        quality.exceptions.iter().map(move |(code, count)| ([label, ("code", code)], count as f64))
    });
    writer.counter(&format!("{of}_exceptions_by_code_total"), "Modbus exceptions answered, by code.", exceptions);
    let counts = |count| things.clone().map(move |(label, it)| ([label], it.tally.of(count) as f64));
    let help = "Requests whose echo was received.";
    writer.counter(&format!("{of}_echoes_total"), help, counts(RequestCount::Echoes));
    let help = "Requests during which the answer to an earlier request arrived.";
    writer.counter(&format!("{of}_late_answers_total"), help, counts(RequestCount::Late));
    let help = "Time that the line was in use, with timeouts and silences.";
    let busy = things.clone().map(|(label, it)| ([label], it.tally.busy_us as f64 / 1e6));
    writer.counter(&format!("{of}_busy_seconds_total"), help, busy);
    let help = "Share of the time that the line was in use in the last half hour to hour.";
    let shares = things.clone().filter_map(|(label, it)| Some(([label], it.occupancy?)));
    writer.gauge(&format!("{of}_occupancy_ratio"), help, shares);
    let bounds: Vec<_> = AnswerTimes::bounds().flatten().map(|bound| bound as f64 / 1e6).collect();
    let answers = things
        .map(|(label, it)| (label, Buckets { sum: it.tally.took_us as f64 / 1e6, counts: it.tally.times.counts() }));
    let help = "Time from a request to its whole answer.";
    writer.histograms(&format!("{of}_response_seconds"), help, &bounds, answers);
}

/// One sample for each thing that has the value.
fn samples<'d, T>(
    label: &'static str,
    things: &'d BTreeMap<Name, T>,
    value: fn(&T) -> Option<f64>,
) -> impl Iterator<Item = ([Label<'d>; 1], f64)> {
    things.iter().filter_map(move |(name, thing)| Some(([(label, name.as_str())], value(thing)?)))
}

/// The names of these states, each once.
fn names<S: Copy + Serialize>(all: &[S]) -> Vec<(S, String)> {
    all.iter().map(|state| (*state, state_name(state))).collect()
}

/// One sample for each possible state of each thing: 1 for its present state, else 0.
fn states<'d, S: Copy + PartialEq, T>(
    label: &'static str,
    things: &'d BTreeMap<Name, T>,
    all: &'d [(S, String)],
    present: fn(&T) -> S,
) -> impl Iterator<Item = ([Label<'d>; 2], f64)> {
    things.iter().flat_map(move |(name, thing)| {
        let is = move |state: &S| flag(*state == present(thing));
        all.iter().map(move |(state, word)| ([(label, name.as_str()), ("state", word.as_str())], is(state)))
    })
}

fn seconds(instant: jiff::Timestamp) -> f64 {
    instant.as_millisecond() as f64 / 1e3
}

fn flag(set: bool) -> f64 {
    if set { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests;
