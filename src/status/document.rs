//! The status document: what `status --json` and `GET /status.json` give. An interface; additions keep the schema, anything else raises it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::quality::Tally;
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The schema that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// Everything there is to know of the running daemon. Times are RFC 3339 in UTC; what is unknown is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of the daemon.
    pub version: String,
    /// When this document was composed.
    pub at: Timestamp,
    pub started_at: Timestamp,
    /// Whether there is no trouble.
    pub well: bool,
    /// What is wrong and what to do about it, the gravest first, one plain sentence or two each.
    pub trouble: Vec<String>,
    /// What would make the lines carry better, and which figures stand for a while: nothing is lost meanwhile, so this is no trouble.
    #[serde(default)]
    pub advice: Vec<String>,
    pub meters: BTreeMap<Name, MeterStatus>,
    /// Under the client's name: a `[client.NAME]` table's, or the meter's that has a `client_id` of its own.
    pub clients: BTreeMap<Name, ClientStatus>,
    pub accounts: BTreeMap<Name, AccountStatus>,
    pub buses: BTreeMap<Name, BusStatus>,
    pub ledger: LedgerStatus,
    /// The tasks that make no progress.
    pub stalled: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeterStatus {
    pub state: MeterState,
    pub bus: Name,
    /// As it was last read, negative while exporting.
    pub power_mw: Option<Milliwatts>,
    /// The counter as it was last read, taken or not.
    pub register_mwh: Option<MilliwattHours>,
    /// The counter as the ledger last took it.
    pub register_taken_mwh: Option<MilliwattHours>,
    pub published_mwh: Option<MilliwattHours>,
    pub read_at: Option<Timestamp>,
    /// The ledger's last verdict.
    pub verdict: Option<String>,
    /// Why the ledger does not take the register at the moment, and what to do.
    pub held: Option<String>,
    /// The power that the meter has shown beyond doubt, where it is above `max_power`.
    #[serde(default)]
    pub overload_mw: Option<Milliwatts>,
    /// That published stands still for a while after a correction, where it does.
    #[serde(default)]
    pub stands: Option<String>,
    /// Which map of its profile the meter has, and where in a chain of models, where there is a choice and it was made.
    #[serde(default)]
    pub map: Option<String>,
    /// Why the last poll failed or lacked a value.
    pub error: Option<String>,
    /// Since the daemon started, as are the counts below.
    pub polls: u64,
    pub failures: u64,
    pub verdicts: BTreeMap<String, u64>,
    #[serde(default)]
    pub quality: QualityStatus,
}

/// How well a line carries what is asked of one meter, or of all meters of a bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QualityStatus {
    /// Since the daemon started: `requests`, and by how each ended `answers`, `timeouts`, `crc_errors`, `exceptions`, and where there were
    /// any `wrong_unit`, `wrong_function`, `wrong_length`, `incomplete`, `noise`, `lost`; and what was seen beside it: `slow`, `echoes`,
    /// `late`.
    pub total: BTreeMap<String, u64>,
    /// The same, within the last half hour to hour.
    pub recent: BTreeMap<String, u64>,
    /// Since the daemon started, by the code of the Modbus exception.
    pub exceptions: BTreeMap<String, u64>,
    /// `p50`, `p95` and `p99` of the recent answers, in microseconds from the request to the whole answer.
    pub response_us: BTreeMap<String, u64>,
    /// The share of the bus's time, 0..=1, that these requests took lately, with time-outs and silences; null where too little is known.
    pub occupancy: Option<f64>,
    /// What the metrics are made of; not part of the document.
    #[serde(skip)]
    pub tally: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterState {
    Ok,
    /// Read, but its register is not taken.
    Held,
    /// The last good poll is older than three polls, and than a minute.
    Stale,
    /// The last poll failed or lacked a value.
    Failing,
    /// No poll was good since the daemon started.
    NeverRead,
}

impl MeterState {
    pub const ALL: [Self; 5] = [Self::Ok, Self::Held, Self::Stale, Self::Failing, Self::NeverRead];

    /// The word of the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Held => "held",
            Self::Stale => "stale",
            Self::Failing => "failing",
            Self::NeverRead => "never_read",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientStatus {
    /// Shortened.
    pub client_id: String,
    pub account: Name,
    pub meters: Vec<Name>,
    /// The durable figure.
    pub energy_mwh: Option<MilliwattHours>,
    /// What Arkreen last accepted.
    pub accepted_mwh: Option<MilliwattHours>,
    pub accepted_at: Option<Timestamp>,
    /// Why it is not reported, or was refused.
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountStatus {
    pub state: AccountState,
    pub last_report_at: Option<Timestamp>,
    pub next_report_at: Option<Timestamp>,
    /// Entries accepted since the daemon started, as are the counts below.
    pub accepted: u64,
    pub rejected: u64,
    /// HTTP calls.
    pub calls: u64,
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    Ok,
    /// A transient failure: tried again on its own.
    Retrying,
    /// The endpoint refuses the account.
    Refused,
    NeverReported,
}

impl AccountState {
    pub const ALL: [Self; 4] = [Self::Ok, Self::Retrying, Self::Refused, Self::NeverReported];

    /// The word of the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retrying => "retrying",
            Self::Refused => "refused",
            Self::NeverReported => "never_reported",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BusStatus {
    pub state: BusState,
    pub error: Option<String>,
    /// Since the daemon started, as are the counts below.
    pub requests: u64,
    pub answers: u64,
    pub timeouts: u64,
    pub garbled: u64,
    pub exceptions: u64,
    /// Times the line was opened again.
    pub reopened: u64,
    /// Readings that the ledger had no room for.
    pub dropped: u64,
    #[serde(default)]
    pub quality: QualityStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusState {
    Open,
    /// The line cannot be opened, or was lost.
    Closed,
    /// Not tried yet.
    NeverOpened,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerStatus {
    /// Why the store cannot be written at the moment.
    pub error: Option<String>,
    /// Why nothing at all is reported: the ledger is another machine's.
    #[serde(default)]
    pub barred: Option<String>,
    /// Since the daemon started.
    pub commits: u64,
    pub failed_commits: u64,
    /// What was found since the daemon started to be lost of the journal.
    #[serde(default)]
    pub journal_error: Option<String>,
    /// Why the history cannot be written at the moment.
    #[serde(default)]
    pub history_error: Option<String>,
}
