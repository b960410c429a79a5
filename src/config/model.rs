//! The validated configuration, as all other modules use it: nothing that is needed is optional.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::meter::{Installation, Profile};
use crate::modbus::{Link, LinkSettings};
use crate::shard::Shard;
use crate::units::{ClientId, Milliwatts, Name, UnitId};

/// One validated configuration. A reload leaves alone what is equal in the old and the new one.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[account.NAME]`.
    pub accounts: BTreeMap<Name, AccountConfig>,
    /// `[bus.NAME]`.
    pub buses: BTreeMap<Name, BusConfig>,
    /// `[meter.NAME]`.
    pub meters: BTreeMap<Name, MeterConfig>,
    /// What is reported: a `[client.NAME]` table, or a meter with a `client_id` of its own under the meter's name.
    pub clients: BTreeMap<Name, ClientConfig>,
    /// `[state]`.
    pub state: StateConfig,
    /// `[status]`.
    pub status: StatusConfig,
    /// `[site]`.
    pub site: SiteConfig,
    /// The shard whose part this is; absent if it is the whole configuration.
    pub shard: Option<Shard>,
}

/// What tells this site from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteConfig {
    /// On every metric: valid names of labels that arkmeter and Prometheus do not use, with printable values of 1 to 128 characters.
    pub labels: BTreeMap<String, String>,
}

/// Where reports go: a URL and the token that goes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountConfig {
    /// Its name in the file.
    pub name: Name,
    /// https, or http to loopback.
    pub url: Url,
    /// Where the token is kept.
    pub token: TokenSource,
    /// From 1 s.
    pub report_every: Duration,
    /// Whether reports are sent in batches.
    pub batch: Batch,
    /// The largest batch, 1 ..= 1000.
    pub batch_max: NonZeroUsize,
    /// For one call, from the connection to the last byte of the answer.
    pub timeout: Duration,
    /// An HTTP proxy, without a password.
    pub proxy: Option<Url>,
    /// A file of PEM certificates to trust instead of those of the system.
    pub ca_file: Option<PathBuf>,
}

/// Where an account's token is kept. Never in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A file.
    File(PathBuf),
    /// A systemd credential of this name, below `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// Whether the reports of an account are sent in batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// Where the endpoint accepts them.
    Auto,
    /// Always.
    Always,
    /// One call per client.
    Never,
}

/// One line or connection, and how to treat it.
#[derive(Clone, Debug, PartialEq)]
pub struct BusConfig {
    /// Its name in the file.
    pub name: Name,
    /// The line or the connection.
    pub link: Link,
    /// How long a meter may take to answer, 50 ms to 10 s.
    pub timeout: Duration,
    /// Silence between two requests, in addition to what the line needs.
    pub request_gap: Duration,
    /// Pause between connecting and the first request.
    pub connect_delay: Duration,
    /// The number of the shard that it is pinned to, 1 ..= [`crate::shard::ShardCount::MAX`]; without shards it has no effect.
    pub shard: Option<u16>,
}

impl BusConfig {
    /// What the Modbus link of this bus needs to know.
    pub fn link_settings(&self) -> LinkSettings {
        LinkSettings {
            lender: None,
            link: self.link.clone(),
            timeout: self.timeout,
            request_gap: self.request_gap,
            connect_delay: self.connect_delay,
        }
    }
}

/// One meter on a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterConfig {
    /// Its name in the file.
    pub name: Name,
    /// The bus that it is on.
    pub bus: Name,
    /// Its Modbus unit.
    pub unit: UnitId,
    /// Its registers; the selected map if the file selects one.
    pub profile: Arc<Profile>,
    /// Transformer ratios and direction.
    pub installation: Installation,
    /// 100 ms to 3 min.
    pub poll_every: Duration,
    /// What the connection can carry: the setting in the file, or else the profile's rating times the ratios.
    pub max_power: Milliwatts,
    /// What the published energy starts from.
    pub energy_start: EnergyStart,
}

/// What the published energy starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnergyStart {
    /// The meter's own reading.
    Register,
    /// 0 at commissioning.
    Zero,
}

/// A client of Arkreen, with one meter or several.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientConfig {
    /// The name of its table.
    pub name: Name,
    /// The identifier that Arkreen issued.
    pub client_id: ClientId,
    /// The account that reports it.
    pub account: Name,
    /// At least one; powers and energies are added.
    pub meters: Vec<Name>,
}

/// Where the ledger and the history are kept, and how much of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct StateConfig {
    /// The folder of the ledger.
    pub path: PathBuf,
    /// How long a row of the history is kept.
    pub history: Duration,
    /// The largest size of the history's file, in bytes.
    pub history_max_size: u64,
}

impl StateConfig {
    /// The default for this folder: a history of at most 90 days and 100 MB.
    pub fn at(path: PathBuf) -> Self {
        StateConfig { path, history: Duration::from_secs(90 * 24 * 3600), history_max_size: 100_000_000 }
    }
}

/// Where the daemon listens.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusConfig {
    /// Page and metrics, read-only. Off if absent.
    pub listen: Option<SocketAddr>,
    /// The host names that a listener for other machines accepts.
    pub hosts: Vec<String>,
    /// The control socket.
    pub socket: PathBuf,
}
