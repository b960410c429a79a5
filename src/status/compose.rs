//! Composes the document: a pure function of the reports and the time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::document::{
    BusState, BusStatus, ClientStatus, ConfigurationStatus, Document, LedgerStatus, MeterState, MeterStatus, SCHEMA,
    ShardStatus,
};
use super::quality;
use super::trouble::trouble;
use super::words::plain;
use crate::clock::ClockReading;
use crate::config::{ClientConfig, Config, MeterConfig};
use crate::history::HistoryReport;
use crate::ledger::{LedgerReport, MeterLedger, WaitingReason};
use crate::poller::{BusReport, MeterPoll};
use crate::reading::stale_after;
use crate::reporter::{AccountReport, ClientTrouble};
use crate::units::Name;

/// What the document is composed of.
#[derive(Clone, Debug)]
pub struct StatusInputs {
    /// The configuration in use. Its parts are also shown if their task has not reported yet.
    pub config: Arc<Config>,
    /// The reports of the buses.
    pub buses: BTreeMap<Name, BusReport>,
    /// The report of the ledger.
    pub ledger: LedgerReport,
    /// The report of the history.
    pub history: HistoryReport,
    /// The reports of the accounts.
    pub accounts: BTreeMap<Name, AccountReport>,
    /// The tasks that make no progress.
    pub stalled: Vec<String>,
    /// What else the operator must know, as sentences.
    pub remarks: Vec<String>,
    /// When the daemon started.
    pub started: ClockReading,
    /// Lines of the log that were dropped.
    pub log_dropped: u64,
    /// Which configuration is in use, and how it was last read.
    pub reload: ReloadReport,
}

/// How the configuration was last read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReloadReport {
    /// The hash of the configuration in use.
    pub hash: Option<String>,
    /// Whether the last attempt to read it succeeded.
    pub succeeded: bool,
    /// When that attempt was.
    pub at: Option<ClockReading>,
}

/// The document as of `now`.
pub fn compose(inputs: &StatusInputs, now: ClockReading) -> Document {
    let config = &inputs.config;
    let (unpolled, unguarded) = (Arc::new(MeterPoll::default()), Arc::new(MeterLedger::default()));
    let meters = config.meters.iter().map(|(name, configured)| {
        let polled = inputs.buses.get(&configured.bus).and_then(|bus| bus.meters.get(name));
        let guarded = inputs.ledger.meters.get(name);
        (name.clone(), meter(configured, polled.unwrap_or(&unpolled), guarded.unwrap_or(&unguarded), &now))
    });
    let clients = config.clients.iter().map(|(name, configured)| (name.clone(), client(configured, inputs, now.wall)));
    let accounts = config.accounts.keys().map(|name| (name.clone(), account(inputs.accounts.get(name))));
    let buses = config.buses.keys().map(|name| (name.clone(), bus(inputs.buses.get(name))));
    let mut document = Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: rounded(now.wall),
        started_at: on_wall(&inputs.started, &now),
        clock_trusted: Some(now.trusted),
        well: true,
        trouble: Vec::new(),
        advice: quality::advice(config, &inputs.buses),
        meters: meters.collect(),
        clients: clients.collect(),
        accounts: accounts.collect(),
        buses: buses.collect(),
        ledger: LedgerStatus {
            error: plain_text(&inputs.ledger.error),
            barred: plain_text(&inputs.ledger.block),
            commits: inputs.ledger.commits,
            failed_commits: inputs.ledger.failed_commits,
            history_error: plain_text(&inputs.history.error),
        },
        stalled: inputs.stalled.clone(),
        log_dropped: inputs.log_dropped,
        configuration: ConfigurationStatus {
            hash: inputs.reload.hash.clone(),
            last_reload_success: inputs.reload.succeeded,
            last_reload_at: inputs.reload.at.map(|at| on_wall(&at, &now)),
            labels: config.site.labels.clone(),
        },
        shard: config.shard.map(|shard| ShardStatus { number: shard.number(), count: shard.count().get() }),
    };
    let up_for = now.since(&inputs.started).unwrap_or_default();
    let standing =
        document.meters.iter().filter_map(|(name, meter)| Some(format!("{name}: {}", meter.stands.as_ref()?)));
    let advised = document
        .meters
        .iter()
        .flat_map(|(name, meter)| meter.advice.iter().map(move |advice| format!("{name}: {advice}")));
    let advice: Vec<_> = standing.chain(advised).chain(quality::counter_advice(&inputs.buses)).collect();
    document.advice.extend(advice);
    document.trouble = trouble(&document, config, &inputs.remarks, up_for);
    document.well = document.trouble.is_empty();
    document
}

fn meter(configured: &MeterConfig, polled: &MeterPoll, guarded: &MeterLedger, now: &ClockReading) -> MeterStatus {
    MeterStatus {
        state: meter_state(configured, polled, guarded, now),
        bus: configured.bus.clone(),
        unit: Some(configured.unit.get()),
        power_mw: polled.values.power,
        register_mwh: polled.values.register.map(|register| register.value).or(guarded.register),
        register_taken_mwh: guarded.register,
        published_mwh: guarded.published,
        read_at: polled.read_at.map(|at| on_wall(&at, now)),
        verdict: guarded.verdict.map(str::to_owned),
        held: plain_text(&guarded.held),
        overload_mw: guarded.overload,
        faults: guarded.faults.iter().map(|fault| plain(fault)).collect(),
        advice: guarded.advice.iter().map(|advice| plain(advice)).collect(),
        stands: plain_text(&guarded.stands),
        map: polled.map.clone(),
        error: plain_text(&polled.error),
        polls: polled.polls,
        failures: polled.failures,
        verdicts: guarded.verdicts.iter().map(|(verdict, count)| (verdict.as_str(), count)).collect(),
        quality: quality::shown([&polled.quality]),
    }
}

fn meter_state(configured: &MeterConfig, polled: &MeterPoll, guarded: &MeterLedger, now: &ClockReading) -> MeterState {
    let Some(read_at) = polled.read_at else { return MeterState::NeverRead };
    // An unknown age (another boot, a clock that is not trusted) does not prove that the reading is fresh.
    if now.since(&read_at).is_none_or(|age| age > stale_after(configured.poll_every)) {
        MeterState::Stale
    } else if polled.failures_in_a_row > 0 || polled.error.is_some() {
        MeterState::Failing
    } else if guarded.held.is_some() {
        MeterState::Held
    } else {
        MeterState::Ok
    }
}

fn client(configured: &ClientConfig, inputs: &StatusInputs, now: Timestamp) -> ClientStatus {
    let figures = inputs.ledger.clients.get(&configured.name).cloned().unwrap_or_default();
    let account = inputs.accounts.get(&configured.account);
    let trouble = account.and_then(|account| account.clients.get(&configured.name));
    ClientStatus {
        client_id: configured.client_id.to_string(),
        account: configured.account.clone(),
        meters: configured.meters.clone(),
        energy_mwh: figures.energy,
        accepted_mwh: figures.accepted,
        accepted_at: figures.accepted_at.map(rounded),
        reports_accepted: figures.reports,
        hour_reports: figures.hours.in_hour(now),
        week_reports: figures.hours.in_week(now),
        week: figures.hours.week(now).to_vec(),
        error: trouble.map(|trouble| plain(&trouble.to_string())),
        has_new_meter: matches!(trouble, Some(ClientTrouble::Waiting(WaitingReason::NoBaseline(_)))),
    }
}

fn account(report: Option<&AccountReport>) -> AccountReport {
    let report = report.cloned().unwrap_or_default();
    AccountReport {
        last_report_at: report.last_report_at.map(rounded),
        next_report_at: report.next_report_at.map(rounded),
        error: plain_text(&report.error),
        clients: BTreeMap::new(),
        ..report
    }
}

fn bus(report: Option<&BusReport>) -> BusStatus {
    let unknown = BusReport::default();
    let report = report.unwrap_or(&unknown);
    BusStatus {
        state: match (&report.error, report.counts.opened) {
            (Some(_), _) => BusState::Closed,
            (None, 0) => BusState::NeverOpened,
            (None, _) => BusState::Open,
        },
        error: plain_text(&report.error),
        counts: report.counts,
        reopened: report.counts.opened.saturating_sub(1),
        dropped: report.dropped,
        silent: report.probes.dead,
        probe_round_s: report.probes.takes.map(|takes| takes.as_secs_f64().round()),
        tolerated: report.tolerated.clone(),
        lent_to: plain_text(&report.lent_to),
        quality: quality::shown(report.meters.values().map(|meter| &meter.quality)),
    }
}

/// The time of `reading` by the wall clock of `now`: a box without a hardware clock starts in the past, and its clock is set later.
fn on_wall(reading: &ClockReading, now: &ClockReading) -> Timestamp {
    /// Clocks are adjusted slowly, and the two are not read at the same instant. A larger difference means that the wall clock was set.
    const SLEWED: SignedDuration = SignedDuration::from_secs(2);
    let counted_back = now.since(reading).and_then(|age| now.wall.checked_sub(age).ok());
    let set = counted_back.filter(|instant| instant.duration_since(reading.wall).abs() > SLEWED);
    rounded(set.unwrap_or(reading.wall))
}

/// Rounded to the millisecond.
fn rounded(instant: Timestamp) -> Timestamp {
    instant.round(jiff::Unit::Millisecond).unwrap_or(instant)
}

fn plain_text(text: &Option<String>) -> Option<String> {
    text.as_deref().map(plain)
}

#[cfg(test)]
pub(super) mod tests;
