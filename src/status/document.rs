//! The status document: the output of `status --json` and `GET /status.json`. It is an interface: additions keep the schema number, any
//! other change raises it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::counts::Counts;
use crate::modbus::LineCounts;
use crate::quality::RequestTally;
use crate::reporter::AccountReport;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The schema that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// The state of the running daemon. Times are RFC 3339 in UTC; unknown values are null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The daemon's version.
    pub version: String,
    /// When this document was composed.
    pub at: Timestamp,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// Whether the wall clock is known to be right.
    #[serde(default)]
    pub clock_trusted: Option<bool>,
    /// Whether there is no trouble.
    pub well: bool,
    /// What is wrong and what to do, the worst first; one or two sentences each.
    pub trouble: Vec<String>,
    /// How the lines could work better, and which figures do not advance for a while. Nothing is lost, so this is no trouble.
    #[serde(default)]
    pub advice: Vec<String>,
    /// By the meter's name.
    pub meters: BTreeMap<Name, MeterStatus>,
    /// By the name of a `[client.NAME]` table, or of a meter that has its own `client_id`.
    pub clients: BTreeMap<Name, ClientStatus>,
    /// By the account's name.
    pub accounts: BTreeMap<Name, AccountReport>,
    /// By the bus's name.
    pub buses: BTreeMap<Name, BusStatus>,
    /// The ledger.
    pub ledger: LedgerStatus,
    /// The tasks that make no progress.
    pub stalled: Vec<String>,
    /// Lines of the log that were dropped since the daemon started, because nobody read the log.
    #[serde(default)]
    pub log_dropped: u64,
    /// The configuration in use.
    #[serde(default)]
    pub configuration: ConfigurationStatus,
    /// The shard that the daemon runs; null without shards.
    #[serde(default)]
    pub shard: Option<ShardStatus>,
}

/// The shard that the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardStatus {
    /// Its number, from 1.
    pub number: u16,
    /// How many shards there are.
    pub count: u16,
}

/// The configuration in use, and how the last attempt to read it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigurationStatus {
    /// The hash of the files of the configuration in use: [`crate::config::ConfigFiles::hash`].
    pub hash: Option<String>,
    /// Whether the last attempt to read the configuration, at the start or at a reload, succeeded.
    pub last_reload_success: bool,
    /// When that was.
    pub last_reload_at: Option<Timestamp>,
    /// The labels of the site, which are on every metric.
    pub labels: BTreeMap<String, String>,
}

/// One meter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeterStatus {
    /// Its state.
    pub state: MeterState,
    /// The bus that it is on.
    pub bus: Name,
    /// Its Modbus unit.
    #[serde(default)]
    pub unit: Option<u8>,
    /// Active power as last read, in mW; negative while exporting.
    pub power_mw: Option<Milliwatts>,
    /// The counter as last read, accepted or not, in mWh.
    pub register_mwh: Option<MilliwattHours>,
    /// The counter as the ledger last accepted it, in mWh.
    pub register_taken_mwh: Option<MilliwattHours>,
    /// The energy figure, in mWh.
    pub published_mwh: Option<MilliwattHours>,
    /// When it was last read.
    pub read_at: Option<Timestamp>,
    /// The ledger's last verdict.
    pub verdict: Option<String>,
    /// Why the ledger does not accept the register at the moment, and what to do.
    pub held: Option<String>,
    /// The power that the meter has shown beyond doubt, if it is above `max_power`, in mW.
    #[serde(default)]
    pub overload_mw: Option<Milliwatts>,
    /// What is wrong at the meter itself: its counter stands still while power flows, or its power cannot be.
    #[serde(default)]
    pub faults: Vec<String>,
    /// What should be checked at the meter.
    #[serde(default)]
    pub advice: Vec<String>,
    /// That the figure does not advance for a while after a correction.
    #[serde(default)]
    pub stands: Option<String>,
    /// The register map that was found for the meter, if its profile has several, and its place in a chain of models.
    #[serde(default)]
    pub map: Option<String>,
    /// Why the last poll failed or lacked a value.
    pub error: Option<String>,
    /// Polls since the daemon started, as for the counts below.
    pub polls: u64,
    /// Polls that failed or lacked a value.
    pub failures: u64,
    /// By the ledger's verdict.
    pub verdicts: Counts,
    /// How well its line works.
    #[serde(default)]
    pub quality: QualityStatus,
}

/// How well a line carries the requests to one meter, or to all meters of a bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QualityStatus {
    /// Since the daemon started: `requests`, and by outcome `answers`, `timeouts`, `crc_errors`, `exceptions`, and if there were any
    /// `wrong_unit`, `wrong_function`, `wrong_length`, `incomplete`, `noise`, `lost`; and what was also seen: `slow`, `echoes`, `late`, `discarded`.
    pub total: Counts,
    /// The same, within the last half hour to hour.
    pub recent: Counts,
    /// Since the daemon started, by the code of the Modbus exception.
    pub exceptions: Counts,
    /// `p50`, `p95` and `p99` of the recent answers, in microseconds from the request to the whole answer.
    pub response_us: Counts,
    /// The share of the bus's recent time that these requests took, with timeouts and silences, 0..=1; null if too little is known.
    pub occupancy: Option<f64>,
    /// The source of the metrics; not part of the document.
    #[serde(skip)]
    pub tally: Box<RequestTally>,
}

/// The state of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterState {
    /// Read, and its register accepted.
    Ok,
    /// Read, but its register is not accepted.
    Held,
    /// The last good poll is older than three polls, and than a minute.
    Stale,
    /// The last poll failed or lacked a value.
    Failing,
    /// No good poll since the daemon started.
    NeverRead,
}

impl MeterState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Held, Self::Stale, Self::Failing, Self::NeverRead];
}

/// One client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientStatus {
    /// Shortened.
    pub client_id: String,
    /// The account that reports it.
    pub account: Name,
    /// The meters whose sum it is.
    pub meters: Vec<Name>,
    /// The figure on disk, in mWh.
    pub energy_mwh: Option<MilliwattHours>,
    /// The energy that Arkreen last accepted, in mWh.
    pub accepted_mwh: Option<MilliwattHours>,
    /// When Arkreen last accepted a report.
    pub accepted_at: Option<Timestamp>,
    /// Reports that Arkreen accepted since the daemon started.
    #[serde(default)]
    pub reports_accepted: u64,
    /// Reports that Arkreen accepted in this UTC hour. 12 make a complete hour; more do no harm.
    #[serde(default)]
    pub hour_reports: u32,
    /// Of the reports in the last 168 hours, this one included, those that count: at most 12 an hour, so at most 2,016.
    #[serde(default)]
    pub week_reports: u32,
    /// Reports in each of these hours, the oldest first; for the page, and not part of the document.
    #[serde(skip)]
    pub week: Vec<u8>,
    /// Why it is not reported, or was refused.
    pub error: Option<String>,
    /// The error is that a meter of it is too new; for the sentences of trouble, and not part of the document.
    #[serde(skip)]
    pub has_new_meter: bool,
}

/// One bus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BusStatus {
    /// Its state.
    pub state: BusState,
    /// Why it cannot be opened.
    pub error: Option<String>,
    /// Requests and their outcomes since the daemon started, as for the counts below.
    #[serde(flatten)]
    pub counts: LineCounts,
    /// Times the line was opened again.
    pub reopened: u64,
    /// Readings lost because the ledger's queue was full.
    pub dropped: u64,
    /// The meters that do not answer. They are probed in turn, in the time that the others leave.
    #[serde(default)]
    pub silent: usize,
    /// How long it takes until each of them was probed once, in seconds; null if it is not known.
    #[serde(default)]
    pub probe_round_s: Option<f64>,
    /// What the other end has proven to do beside the Modbus standard since the link was opened; absent for nothing. Its answers are read
    /// accordingly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerated: Vec<String>,
    /// The command that uses the line between the polls; absent if the line is not lent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lent_to: Option<String>,
    /// How well its line works.
    #[serde(default)]
    pub quality: QualityStatus,
}

/// The state of a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusState {
    /// The line is open.
    Open,
    /// The line cannot be opened, or was lost.
    Closed,
    /// Not tried yet.
    NeverOpened,
}

/// The ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerStatus {
    /// Why the store cannot be written at the moment.
    pub error: Option<String>,
    /// Why nothing at all is reported: the ledger belongs to another machine.
    #[serde(default)]
    pub barred: Option<String>,
    /// Commits since the daemon started.
    pub commits: u64,
    /// Commits that failed since the daemon started.
    pub failed_commits: u64,
    /// Why the history cannot be written at the moment.
    #[serde(default)]
    pub history_error: Option<String>,
}
