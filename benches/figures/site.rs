//! A site to measure at: a gateway with meters that count, a stand-in Arkreen, and the real daemon between them.

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

/// The registers that every meter of the site has: power, then energy, read in one request.
pub const REGISTERS: u16 = 10;
const POWER: u16 = 0;
const ENERGY: u16 = 8;
/// What every appliance takes.
const WATTS: f32 = 3600.0;
/// A token that is obviously none of Arkreen's.
const TOKEN: &str = "0xdddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

/// Everything around the daemon. It ends when it is dropped.
pub struct Site {
    pub gateway: SimulatedGateway,
    pub arkreen: Arkreen,
    folder: TempDir,
    counting: JoinHandle<()>,
}

impl Site {
    /// So many meters, at units from 1 on, polled and reported so often.
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

    /// The daemon, as systemd would start it. It is killed when it is dropped.
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
        // As the unit says.
        command.env("MALLOC_ARENA_MAX", "1");
        if let Some(socket) = notify {
            command.env("NOTIFY_SOCKET", socket);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()
    }

    /// The daemon's ledger, gone as on a new box. It must not run.
    pub fn forget(&self) -> io::Result<()> {
        let state = self.folder.path().join("state");
        std::fs::remove_dir_all(&state)?;
        std::fs::create_dir(&state)
    }

    /// Fails where the daemon did something that no reporter may do, or nothing.
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

/// A meter that has all registers.
pub fn meter(unit: u8) -> SimulatedUnit {
    let unit = SimulatedUnit::new(unit);
    unit.set(Function::Input, 0, &[0; REGISTERS as usize]);
    unit.set_f32(Function::Input, POWER, WATTS);
    unit
}

/// Each second every appliance takes its watt-hour.
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
