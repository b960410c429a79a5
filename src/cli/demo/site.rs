//! Everything around the daemon in the demo: a gateway with three meters, a serial line with one, a simulated endpoint, and the
//! configuration.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::simulator::{Arkreen, LineSpeed, SimulatedGateway, SimulatedMeter, SimulatedModel, SimulatedSerialLine};
use crate::units::{ClientId, Name};

/// How long the meter of the sauna reads 0 while it restarts.
const STARTS_FOR: Duration = Duration::from_secs(1);
/// An obvious dummy.
const TOKEN: &str = "0xdddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

/// The simulated parts. They stop when this is dropped.
pub(super) struct DemoSite {
    pub(super) arkreen: Arkreen,
    pub(super) meters: BTreeMap<Name, SimulatedMeter>,
    pub(super) clients: BTreeMap<ClientId, Name>,
    pub(super) socket: PathBuf,
    folder: PathBuf,
    gateway: SimulatedGateway,
    line: SimulatedSerialLine,
    page: SocketAddr,
    /// What the display of the workshop's old meter showed at the end, in kWh.
    old_reading: f64,
}

/// Where the page is, unless another program has this port.
const PAGE: &str = "127.0.0.1:9826";
/// What the new meter of the workshop has counted elsewhere, in kWh.
const NEW_READING: f64 = 204.6;

impl DemoSite {
    /// Starts all parts, and writes the configuration of the daemon into `folder`.
    pub(super) async fn start(folder: &Path) -> io::Result<Self> {
        let name = |text| Name::new(text).expect("the demo's names are names");
        let meters = BTreeMap::from([
            (name("heat_pump"), SimulatedMeter::new(1, SimulatedModel::Sdm630, 1_850.0, 8_421.3, 2_102_117)),
            (name("sauna"), SimulatedMeter::new(2, SimulatedModel::Sdm120, 6_000.0, 912.6, 2_102_118)),
            (name("workshop"), SimulatedMeter::new(3, SimulatedModel::Sdm630, 3_200.0, 15_377.9, 2_102_119)),
            (name("shed"), SimulatedMeter::new(1, SimulatedModel::Pzem004t, 740.0, 63.2, 0)),
        ]);
        let client = |digit: char| ClientId::parse(&format!("0x{}", digit.to_string().repeat(64)));
        let ids = ['1', '2', '3', '4'].map(|digit| client(digit).expect("64 digits"));
        let clients = ids.into_iter().zip(meters.keys().cloned()).collect();
        let on_gateway = ["heat_pump", "sauna", "workshop"].map(|name| meters[name].unit.clone());
        let gateway = SimulatedGateway::start(on_gateway).await?;
        let line = SimulatedSerialLine::start([meters["shed"].unit.clone()], Some(LineSpeed { baud: 9600, bits: 10 }))?;
        let arkreen = Arkreen::start(TOKEN, ids)?;
        let (socket, folder) = (folder.join("control.sock"), folder.to_owned());
        let page = TcpListener::bind(PAGE).or_else(|_| TcpListener::bind("127.0.0.1:0"))?.local_addr()?;
        let site = DemoSite { arkreen, meters, clients, socket, folder, gateway, line, page, old_reading: 0.0 };
        site.write_configuration()?;
        Ok(site)
    }

    /// Lets time pass for the meters.
    pub(super) fn advance(&mut self, time: Duration) {
        self.meters.values_mut().for_each(|meter| meter.advance(time));
    }

    /// The meter of the sauna restarts.
    pub(super) fn sauna_reads_zero(&mut self) {
        self.meter("sauna").read_zero(STARTS_FOR);
    }

    /// The new meter was used elsewhere before, so its counter does not begin at 0.
    pub(super) fn replace_workshop(&mut self) {
        self.old_reading = self.meters["workshop"].reading();
        let serial = 3_300_000 + (self.old_reading as u32 % 1000);
        self.meter("workshop").replace(NEW_READING, serial);
    }

    /// The command by which an installer enters the readings of both displays. The register is a 32-bit float, and so is its display.
    pub(super) fn replacement_command(&self) -> Vec<String> {
        let (old, new) = (f64::from(self.old_reading as f32), f64::from(NEW_READING as f32));
        let command = format!("ledger replace workshop --old-reading {old:.4}kWh --new-reading {new:.4}kWh");
        command.split(' ').map(str::to_owned).collect()
    }

    /// The address of the daemon's page.
    pub(super) fn page(&self) -> String {
        format!("http://{}/", self.page)
    }

    /// The addresses of all parts.
    pub(super) fn describe(&self) -> String {
        format!(
            "a Modbus TCP gateway at {} with heat_pump, sauna and workshop; shed on a serial line at {}, 9600 baud; the endpoint at {}",
            self.gateway.address(),
            self.line.path().display(),
            self.arkreen.url()
        )
    }

    fn meter(&mut self, name: &str) -> &mut SimulatedMeter {
        self.meters.get_mut(name).expect("the demo's own meters")
    }

    fn write_configuration(&self) -> io::Result<()> {
        let token = self.folder.join("main.token");
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&token)?;
        io::Write::write_all(&mut file, format!("{TOKEN}\n").as_bytes())?;
        let mut text = format!(
            "[account.main]\nurl = \"{}\"\ntoken_file = {token:?}\nreport_every = \"2s\"\n\n\
             [bus.gateway]\ntcp = \"{}\"\n\n[bus.cabinet]\nserial = {:?}\nbaud = 9600\n\n\
             [state]\npath = {:?}\n\n[status]\nsocket = {:?}\nlisten = \"{}\"\n",
            self.arkreen.url(),
            self.gateway.address(),
            self.line.path(),
            self.folder.join("state"),
            self.socket,
            self.page,
        );
        for (id, name) in &self.clients {
            let (bus, profile) = match name.as_str() {
                "shed" => ("cabinet", "peacefair-pzem-004t-v3"),
                "sauna" => ("gateway", "eastron-sdm120"),
                _ => ("gateway", "eastron-sdm630"),
            };
            let unit = self.meters[name].unit.unit();
            text.push_str(&format!(
                "\n[meter.{name}]\nbus = \"{bus}\"\nunit = {unit}\nprofile = \"{profile}\"\nclient_id = \"{}\"\n\
                 max_power = \"12kW\"\npoll_every = \"500ms\"\n",
                id.to_hex()
            ));
        }
        std::fs::create_dir(self.folder.join("state"))?;
        std::fs::write(self.folder.join("arkmeter.toml"), text)
    }
}
