//! A site for measurements: gateways with simulated meters, a simulated Arkreen endpoint, and the real daemon.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use arkmeter::meter::Function;
use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedUnit, WordOrder};
use arkmeter::units::ClientId;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// The registers of every meter: power, then energy, read in one request.
pub const REGISTERS: u16 = 10;
const POWER: u16 = 0;
const ENERGY: u16 = 8;
/// The power of every load.
const WATTS: f32 = 3600.0;
/// A token that is obviously not one of Arkreen's.
const TOKEN: &str = "0xdddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

/// Everything around the daemon. It stops when it is dropped.
pub struct Site {
    gateways: Vec<SimulatedGateway>,
    pub arkreen: Arkreen,
    clients: Vec<ClientId>,
    folder: TempDir,
    counting: JoinHandle<()>,
    /// Of the page and the metrics.
    status_port: u16,
}

/// How large a site is.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    pub meters: usize,
    pub gateways: usize,
}

impl Extent {
    /// The meters behind each gateway, at unit 1 and up.
    pub fn units(&self) -> usize {
        self.meters.div_ceil(self.gateways)
    }
}

impl Site {
    /// Builds a site with this many meters behind one gateway, at unit 1 and up, polled and reported at these intervals.
    pub async fn build(meters: u8, poll_every: &str, report_every: &str) -> io::Result<Self> {
        let extent = Extent { meters: meters.into(), gateways: 1 };
        Site::spread(extent, poll_every, report_every).await
    }

    /// The same behind several gateways, with the same number of meters at each.
    pub async fn spread(extent: Extent, poll_every: &str, report_every: &str) -> io::Result<Self> {
        let last = u8::try_from(extent.units()).map_err(io::Error::other)?;
        let (mut gateways, mut meters) = (Vec::new(), Vec::new());
        for _ in 0..extent.gateways {
            let units: Vec<_> = (1..=last).map(meter).collect();
            gateways.push(SimulatedGateway::start(units.iter().cloned()).await?);
            meters.extend(units);
        }
        let clients: Vec<_> = (1..=extent.meters).filter_map(|number| ClientId::parse(&client_id(number))).collect();
        let site = Site {
            gateways,
            arkreen: Arkreen::start(TOKEN, clients.iter().copied())?,
            clients,
            folder: tempfile::Builder::new().prefix("arkmeter-figures-").tempdir()?,
            counting: tokio::spawn(count(meters)),
            status_port: std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port(),
        };
        site.write_configuration(extent, poll_every, report_every)?;
        Ok(site)
    }

    /// The address of the first gateway.
    pub fn address(&self) -> SocketAddr {
        self.gateways[0].address()
    }

    /// The ports of all gateways.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.gateways.iter().map(|gateway| gateway.address().port())
    }

    /// The requests that the gateways have received.
    pub fn requests(&self) -> u64 {
        self.gateways.iter().map(SimulatedGateway::requests).sum()
    }

    /// The clients of which a report was accepted.
    pub fn accepted(&self) -> usize {
        self.clients.iter().filter(|client| self.arkreen.energy(**client).is_some()).count()
    }

    /// The daemon's metrics, with the head of the answer.
    pub async fn metrics(&self) -> io::Result<String> {
        self.page("/metrics").await
    }

    /// A page, with the head of the answer.
    pub async fn page(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.status_port)).await?;
        let host = format!("127.0.0.1:{}", self.status_port);
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Starts the daemon as systemd does. It is killed when the child is dropped.
    pub fn daemon(&self, notify: Option<&Path>) -> io::Result<Child> {
        let folder = self.folder.path();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("daemon.log"))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_arkmeter"));
        command.arg("run").arg("--config").arg(folder.join("arkmeter.toml"));
        for variable in
            ["STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC"]
        {
            command.env_remove(variable);
        }
        if let Some(socket) = notify {
            command.env("NOTIFY_SOCKET", socket);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()
    }

    /// The file of the history, which the daemon makes.
    pub fn history(&self) -> PathBuf {
        self.folder.path().join("state/history.db")
    }

    /// Deletes the daemon's ledger, as on a new box. The daemon must not be running.
    pub fn forget(&self) -> io::Result<()> {
        let state = self.folder.path().join("state");
        std::fs::remove_dir_all(&state)?;
        std::fs::create_dir(&state)
    }

    /// Returns an error if the daemon broke a rule of the endpoint, or did not report.
    pub fn inspect(&self) -> io::Result<()> {
        let complaint = match (self.arkreen.violations().first(), self.arkreen.calls().is_empty()) {
            (Some(violation), _) => violation.clone(),
            (None, true) => "nothing was reported".to_owned(),
            (None, false) => return Ok(()),
        };
        let log = std::fs::read_to_string(self.folder.path().join("daemon.log"))?;
        Err(io::Error::other(format!("{complaint}\n{log}")))
    }

    fn write_configuration(&self, extent: Extent, poll_every: &str, report_every: &str) -> io::Result<()> {
        let folder = self.folder.path();
        let token = folder.join("main.token");
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&token)?;
        file.write_all(TOKEN.as_bytes())?;
        let mut text = format!(
            "[account.main]\nurl = \"{}\"\ntoken_file = {token:?}\nreport_every = \"{report_every}\"\n\
             [state]\npath = {:?}\n[status]\nlisten = \"127.0.0.1:{}\"\nsocket = {:?}\n\
             [profile.bench]\nvendor = \"Bench\"\nmodel = \"Bench\"\ngaps = true\n\
             [profile.bench.power]\nregister = {POWER}\nfunction = \"input\"\ntype = \"f32\"\nunit = \"W\"\n\
             [profile.bench.energy]\nregister = {ENERGY}\nfunction = \"input\"\ntype = \"u32\"\nunit = \"Wh\"\n",
            self.arkreen.url(),
            folder.join("state"),
            self.status_port,
            folder.join("control.sock"),
        );
        for (index, gateway) in self.gateways.iter().enumerate() {
            text.push_str(&format!("[bus.gateway_{index}]\ntcp = \"{}\"\n", gateway.address()));
        }
        for number in 1..=extent.meters {
            let (gateway, unit) = ((number - 1) / extent.units(), (number - 1) % extent.units() + 1);
            text.push_str(&format!(
                "[meter.meter_{number}]\nbus = \"gateway_{gateway}\"\nunit = {unit}\nprofile = \"bench\"\nclient_id = \"{}\"\n\
                 max_power = \"12kW\"\npoll_every = \"{poll_every}\"\n",
                client_id(number)
            ));
        }
        std::fs::create_dir(folder.join("state"))?;
        std::fs::write(folder.join("arkmeter.toml"), text)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.counting.abort();
    }
}

/// A meter with all registers.
pub fn meter(unit: u8) -> SimulatedUnit {
    let unit = SimulatedUnit::new(unit);
    unit.set(Function::Input, 0, &[0; REGISTERS as usize]);
    unit.set_f32(Function::Input, POWER, WATTS);
    unit
}

/// Adds one watt-hour to every meter each second.
async fn count(meters: Vec<SimulatedUnit>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for reading in 1_000_000.. {
        seconds.tick().await;
        for meter in &meters {
            meter.set_u32(Function::Input, ENERGY, reading, WordOrder::Big);
        }
    }
}

fn client_id(number: usize) -> String {
    format!("0x{number:064}")
}
