//! A site for measurements: a gateway with simulated meters, a simulated Arkreen endpoint, and the real daemon.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use arkmeter::meter::Function;
use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedUnit, WordOrder};
use arkmeter::units::ClientId;
use tempfile::TempDir;
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
    pub gateway: SimulatedGateway,
    pub arkreen: Arkreen,
    folder: TempDir,
    counting: JoinHandle<()>,
}

impl Site {
    /// Builds a site with this many meters, at unit 1 and up, polled and reported at these intervals.
    pub async fn build(meters: u8, poll_every: &str, report_every: &str) -> io::Result<Self> {
        let units: Vec<_> = (1..=meters).map(meter).collect();
        let clients = (1..=meters).filter_map(|unit| ClientId::parse(&client_id(unit)));
        let site = Site {
            gateway: SimulatedGateway::start(units.iter().cloned()).await?,
            arkreen: Arkreen::start(TOKEN, clients)?,
            folder: tempfile::Builder::new().prefix("arkmeter-figures-").tempdir()?,
            counting: tokio::spawn(count(units)),
        };
        site.write_configuration(meters, poll_every, report_every)?;
        Ok(site)
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

    fn write_configuration(&self, meters: u8, poll_every: &str, report_every: &str) -> io::Result<()> {
        let folder = self.folder.path();
        let token = folder.join("main.token");
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&token)?;
        file.write_all(TOKEN.as_bytes())?;
        let mut text = format!(
            "[account.main]\nurl = \"{}\"\ntoken_file = {token:?}\nreport_every = \"{report_every}\"\n\
             [bus.gateway]\ntcp = \"{}\"\n[state]\npath = {:?}\n[status]\nsocket = {:?}\n\
             [profile.bench]\nvendor = \"Bench\"\nmodel = \"Bench\"\ngaps = true\n\
             [profile.bench.power]\nregister = {POWER}\nfunction = \"input\"\ntype = \"f32\"\nunit = \"W\"\n\
             [profile.bench.energy]\nregister = {ENERGY}\nfunction = \"input\"\ntype = \"u32\"\nunit = \"Wh\"\n",
            self.arkreen.url(),
            self.gateway.address(),
            folder.join("state"),
            folder.join("control.sock"),
        );
        for unit in 1..=meters {
            text.push_str(&format!(
                "[meter.meter_{unit}]\nbus = \"gateway\"\nunit = {unit}\nprofile = \"bench\"\nclient_id = \"{}\"\n\
                 max_power = \"12kW\"\npoll_every = \"{poll_every}\"\n",
                client_id(unit)
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

fn client_id(unit: u8) -> String {
    format!("0x{unit:064}")
}
