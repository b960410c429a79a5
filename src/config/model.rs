//! The configuration as the rest of the house sees it: validated, complete, nothing optional that is needed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::meter::{Installation, Profile};
use crate::units::{ClientId, Milliwatts, Name, Parity, UnitId};

/// One validated configuration. What is equal in two of them is left alone by a reload.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub accounts: BTreeMap<Name, AccountConfig>,
    pub buses: BTreeMap<Name, BusConfig>,
    pub meters: BTreeMap<Name, MeterConfig>,
    /// What is reported: a `[client.NAME]` table, or a meter with a `client_id` of its own under the meter's name.
    pub clients: BTreeMap<Name, ClientConfig>,
    pub state: StateConfig,
    pub status: StatusConfig,
}

/// Where reports go: a URL and the token that goes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountConfig {
    pub name: Name,
    /// https, or http to loopback.
    pub url: Url,
    pub token: TokenSource,
    /// From 1 s.
    pub report_every: Duration,
    pub batch: Batch,
    pub batch_max: NonZeroUsize,
    /// Of one call, from connect to the answer's last byte.
    pub timeout: Duration,
    pub proxy: Option<Url>,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Where an account's token is kept. Never in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    File(PathBuf),
    /// A systemd credential of this name, below `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    Auto,
    Always,
    Never,
}

/// One line or connection, and how to treat it.
#[derive(Clone, Debug, PartialEq)]
pub struct BusConfig {
    pub name: Name,
    pub link: Link,
    /// How long a meter may take to answer.
    pub timeout: Duration,
    /// Added to the silence that the line's physics asks for between two requests.
    pub request_gap: Duration,
    /// Pause between connecting and the first request.
    pub connect_delay: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    Serial(SerialSettings),
    /// host:port of a Modbus TCP gateway or meter.
    Tcp(String),
    /// host:port of a transparent converter: RTU frames in a TCP stream.
    RtuOverTcp(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialSettings {
    pub path: PathBuf,
    /// Bits per second.
    pub baud: u32,
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}

/// One meter on a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterConfig {
    pub name: Name,
    pub bus: Name,
    pub unit: UnitId,
    pub profile: Arc<Profile>,
    /// Ratios and direction as the installer wired it.
    pub installation: Installation,
    /// 100 ms to 3 min.
    pub poll_every: Duration,
    /// What the connection can carry: the meter's own setting, else the profile's rating times the ratios.
    pub max_power: Milliwatts,
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

/// What Arkreen sees: one client, fed by one meter or several.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientConfig {
    pub name: Name,
    pub client_id: ClientId,
    pub account: Name,
    /// At least one; powers and energies are added.
    pub meters: Vec<Name>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StateConfig {
    /// The folder of the ledger.
    pub path: PathBuf,
    /// How long a row of the history is kept.
    pub history: Duration,
    /// Of the history's file, in bytes.
    pub history_max_size: u64,
}

impl StateConfig {
    /// That folder, and a history of 90 days and 100 MB at most.
    pub fn at(path: PathBuf) -> Self {
        StateConfig { path, history: Duration::from_secs(90 * 24 * 3600), history_max_size: 100_000_000 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct StatusConfig {
    /// Page and metrics, read-only; absent when not asked for.
    pub listen: Option<SocketAddr>,
    /// Host names that a non-loopback listener answers to.
    pub hosts: Vec<String>,
    /// The control socket.
    pub socket: PathBuf,
}
