//! The daemon in simulated time: its real tasks, a gateway in memory, and an endpoint that cannot be reached.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;
use rmodbus::ModbusProto;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::*;
use crate::config::Link;
use crate::ledger::shown;
use crate::meter::Function;
use crate::modbus::memory::{Host, hang_at};
use crate::simulator::{SimulatedGateway, SimulatedUnit};
use crate::units::Name;

mod away;
mod slept;
mod supervision;

const MINUTE: Duration = Duration::from_secs(60);
/// The address of a bus without a host.
const NOWHERE: &str = "memory:nowhere";

/// A site with a meter `sauna` on the bus `cabinet`, and a meter `boiler` on the bus `cellar`, which no host serves.
struct Site {
    folder: TempDir,
    clock: Clock,
    sauna: SimulatedUnit,
    _gateway: SimulatedGateway,
    config: Config,
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Sets the registers of an SDM630.
fn show(unit: &SimulatedUnit, watts: f32, kilowatt_hours: f32) {
    unit.set_f32(Function::Input, 0x0034, watts);
    unit.set_f32(Function::Input, 0x0048, kilowatt_hours);
    unit.set_f32(Function::Input, 0x004A, 0.0);
    unit.set(Function::Holding, 0xFC00, &[0, 1001]);
}

impl Site {
    /// Reports go to `url`.
    fn new(url: &str) -> Self {
        // In memory if possible: no test here is about the disk.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let token = folder.path().join("token");
        fs::write(&token, format!("0x{}", "7".repeat(64))).unwrap();
        fs::set_permissions(&token, Permissions::from_mode(0o640)).unwrap();
        let meter = |name, bus, unit| {
            let client = "0".repeat(63);
            format!(
                "[meter.{name}]\nbus = \"{bus}\"\nunit = {unit}\nprofile = \"eastron-sdm630\"\nmax_power = \"20kW\"\n\
                 client_id = \"0x{client}{unit}\"\n"
            )
        };
        let text = format!(
            "[state]\npath = \"state\"\n[status]\nsocket = \"socket\"\n[account.main]\nurl = \"{url}\"\ntoken_file = \"token\"\n\
             [bus.cabinet]\ntcp = \"127.0.0.1:1\"\n[bus.cellar]\ntcp = \"127.0.0.1:2\"\n{}{}",
            meter("sauna", "cabinet", 1),
            meter("boiler", "cellar", 2)
        );
        let path = folder.path().join("arkmeter.toml");
        fs::write(&path, text).unwrap();
        let mut config = Config::load(&path, &Environment::default()).unwrap_or_else(|error| panic!("{error:?}")).0;
        let sauna = SimulatedUnit::new(1);
        show(&sauna, 1000.0, 100.0);
        let host = Host::new("cabinet");
        for (bus, address) in [("cabinet", host.address()), ("cellar", NOWHERE.to_owned())] {
            config.buses.get_mut(&name(bus)).unwrap().link = Link::Tcp(address);
        }
        let _gateway = SimulatedGateway::in_memory(host, [sauna.clone()], ModbusProto::TcpUdp);
        let clock = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap());
        Site { folder, clock, sauna, _gateway, config }
    }

    async fn start(&self) -> Daemon {
        let recorder = Recorder::new(self.clock.clone());
        let (clock, here, dropped) = (self.clock.clone(), Handle::current(), DroppedCount::default());
        Daemon::start(self.config.clone(), recorder, clock, here, dropped).await.unwrap()
    }

    /// Runs the daemon until it ends by itself.
    async fn run(&self, daemon: Daemon) -> Result<(), Error> {
        // Signals that are never sent, because the usual ones must still end this process.
        let of = |kind| signal(kind).unwrap();
        let [one, two] = [SignalKind::user_defined1(), SignalKind::user_defined2()];
        let signals = Signals { terminate: of(one), interrupt: of(one), hang_up: of(two) };
        daemon.run(signals, &self.folder.path().join("arkmeter.toml"), &Environment::default()).await
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }
}

/// How many notifications to systemd began with `word` since the last call.
fn notified(word: &str) -> usize {
    let notifications = systemd::NOTIFIED.with_borrow_mut(std::mem::take);
    notifications.iter().filter(|line| line.starts_with(word)).count()
}
