//! The daemon is killed with SIGKILL at random moments while its meters count on.
//!
//! 200 times by default. `ARKMETER_KILLS=5000` sets the number, `ARKMETER_SEED` repeats a run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arkmeter::meter::Function;
use arkmeter::simulator::arkreen::EndpointEvent;
use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedMeter, SimulatedModel, SimulatedUnit};
use arkmeter::units::ClientId;
use futures_util::future::join_all;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::disk::Disk;
use crate::harness::*;

/// The number of installations, each with its own daemon, state and meters. They run in parallel.
const INSTALLATIONS: u64 = 8;
const KILLS: u64 = 200;
/// Includes a minute in which the guard holds a reading after a slow start.
const CATCHES_UP_WITHIN: Duration = Duration::from_secs(200);
const POLL: Duration = Duration::from_millis(100);
/// Power of the meter without a counter, in W.
const BOILER: f32 = 2400.0;

#[tokio::test]
#[allow(clippy::print_stderr, reason = "prints the seed that repeats a failure, and the number of reports")]
async fn after_any_number_of_kills_no_energy_falls_is_invented_or_is_lost() {
    let kills = number("ARKMETER_KILLS").unwrap_or(KILLS);
    let seed = number("ARKMETER_SEED").unwrap_or_else(rand::random);
    eprintln!("ARKMETER_SEED={seed} ARKMETER_KILLS={kills}");
    let disk = Disk::compile().await;
    let lives = (0..INSTALLATIONS).map(|house| {
        let share = kills / INSTALLATIONS + u64::from(house < kills % INSTALLATIONS);
        // Half of them have a slow disk: most kills then happen during a write.
        let variables = if house % 2 == 0 { disk.slow() } else { Vec::new() };
        Installation::live(share, variables, SmallRng::seed_from_u64(seed.wrapping_add(house)))
    });
    let told: u64 = join_all(lives).await.into_iter().sum();
    eprintln!("{kills} kills survived, {told} figures reported in between");
    assert!(told >= kills / 2, "too few reports for this number of kills: {told}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

/// A daemon with three accounts, whose slots are at different times, and four meters, one of them without a counter.
struct Installation {
    site: Site,
    sauna: CountingMeter,
    kitchen: CountingMeter,
    cellar: CountingMeter,
    boiler: Arc<Boiler>,
    arkreen: Arkreen,
    checker: ReportChecker,
    _gateway: SimulatedGateway,
}

impl Installation {
    async fn start() -> Self {
        let sauna = CountingMeter::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 3600.0, 10.0, 7));
        let kitchen = CountingMeter::start(SimulatedMeter::new(2, SimulatedModel::Pzem004t, 7200.0, 100.0, 0));
        let cellar = CountingMeter::start(SimulatedMeter::new(3, SimulatedModel::Sdm120, 1800.0, 50.0, 9));
        let boiler = Arc::new(Boiler::new(4));
        let units = [sauna.unit(), kitchen.unit(), cellar.unit(), boiler.unit.clone()];
        let gateway = SimulatedGateway::start(units).await.unwrap();
        let arkreen = arkreen([1, 2, 4]);
        let site = Site::new(&plan(&arkreen, &gateway));
        let (building, heated) = ((kitchen.display(), cellar.display()), boiler.clone());
        let truth: Vec<(u8, Truth)> = vec![
            (1, Box::new(with_steps(sauna.display(), 1.0))),
            // Whole watt-hours, and a float at 50 kWh.
            (2, Box::new(with_steps(move || building.0() + building.1(), 1000.0 + 4.0))),
            (4, Box::new(move || heated.took())),
        ];
        let checker = ReportChecker::of(&arkreen, truth);
        Installation { site, sauna, kitchen, cellar, boiler, arkreen, checker, _gateway: gateway }
    }

    /// Kills the daemon this many times, then lets it catch up. Returns the number of reported figures.
    async fn live(kills: u64, variables: Vec<(&str, &str)>, mut rng: SmallRng) -> u64 {
        let house = Installation::start().await;
        for _ in 0..kills {
            let daemon = house.site.start_with(&variables);
            house.wait_randomly(&mut rng).await;
            daemon.kill().await;
            // While the boiler is off its figure is constant, so a loss would show in the next report.
            house.boiler.switch(rng.random());
            house.checker.assert_no_complaints();
        }
        house.catch_up().await;
        house.checker.assert_no_complaints();
        assert_eq!(house.arkreen.violations(), Vec::<String>::new());
        house.checker.told()
    }

    /// Waits until a random moment: during the start, soon after a report, or within a few slots.
    async fn wait_randomly(&self, rng: &mut SmallRng) {
        match rng.random_range(0..4) {
            0 => sleep(Duration::from_millis(rng.random_range(0..400))).await,
            1 => sleep(Duration::from_millis(rng.random_range(0..1600))).await,
            _ => {
                let mut events = self.arkreen.events();
                // Too early for a report there is no event: the wait has a limit.
                let _ = timeout(Duration::from_secs(5), events.recv()).await;
                sleep(Duration::from_micros(rng.random_range(0..30_000))).await;
            }
        }
    }

    /// Stops the counters. After one more start Arkreen must have exactly their values.
    async fn catch_up(&self) {
        [&self.sauna, &self.kitchen, &self.cellar].into_iter().for_each(CountingMeter::halt);
        self.boiler.switch(true);
        let before = accepted_energy(&self.arkreen, 4);
        let shown = self.shown().await;
        let register = |meter: &str| shown[meter];
        let daemon = self.site.start();
        let end = Instant::now() + CATCHES_UP_WITHIN;
        let (sauna, building) = (register("sauna"), register("kitchen") + register("cellar"));
        loop {
            let found = [1, 2, 4].map(|number| accepted_energy(&self.arkreen, number));
            if found[..2] == [Some(sauna), Some(building)] && found[2] > before {
                break;
            }
            assert!(
                Instant::now() < end,
                "{sauna} and {building} mWh, and more than {before:?}, are expected, not {found:?}"
            );
            sleep(CHECK_INTERVAL).await;
        }
        daemon.stop().await;
        let journal = self.site.run(&["ledger", "journal", "--json"]).await;
        for word in ["fallback", "reset", "stepped", "replaced", "redefined", "unreadable"] {
            assert!(!journal.out.contains(&format!("\"{word}\"")), "{}", journal.out);
        }
        assert!(!self.site.log().contains("damaged"));
    }
}

impl Installation {
    /// The counters, in mWh, once all meters have answered.
    async fn shown(&self) -> BTreeMap<String, u64> {
        let end = Instant::now() + CATCHES_UP_WITHIN;
        loop {
            let read = self.site.run(&["read", "--json"]).await;
            if read.code == 0 {
                let rows: Vec<Value> = serde_json::from_str(&read.out).unwrap();
                let register = |row: &Value| Some((row["meter"].as_str()?.to_owned(), row["register_mwh"].as_u64()?));
                return rows.iter().filter_map(register).collect();
            }
            assert!(Instant::now() < end, "{read:?}");
        }
    }
}

fn plan(arkreen: &Arkreen, gateway: &SimulatedGateway) -> Plan {
    let account = |plan: Plan, name| {
        let url = arkreen.url();
        plan.text(format!(
            "[account.{name}]\nurl = \"{url}\"\ntoken_file = \"token\"\nreport_every = \"1s\"\ntimeout = \"5s\""
        ))
    };
    let meter = |plan: Plan, name, unit: u8, profile| {
        plan.text(format!(
            "[meter.{name}]\nbus = \"gateway\"\nunit = {unit}\nprofile = \"{profile}\"\npoll_every = \"100ms\"\nmax_power = \"100kW\""
        ))
    };
    let reported = |plan: Plan, number: u8, account| {
        plan.text(format!("client_id = \"{}\"\naccount = \"{account}\"", client(number).to_hex()))
    };
    let plan = ["one", "two", "three"].into_iter().fold(Plan::new().tcp("gateway", gateway.address()), account);
    let plan = meter(plan, "kitchen", 2, "peacefair-pzem-004t-v3");
    let plan = meter(plan, "cellar", 3, "eastron-sdm120");
    let plan = reported(meter(plan, "sauna", 1, "eastron-sdm630"), 1, "one");
    let plan = reported(meter(plan, "boiler", 4, "watts"), 4, "three");
    let plan = reported(plan.text("[client.building]\nmeters = [\"kitchen\", \"cellar\"]"), 2, "two");
    let power = "[profile.watts.power]\nregister = 0x0034\nfunction = \"input\"\ntype = \"f32\"\nunit = \"W\"";
    plan.text(format!("[profile.watts]\nvendor = \"Acme\"\nmodel = \"watts\"\n{power}"))
}

/// A meter without a counter; its load is on or off.
struct Boiler {
    unit: SimulatedUnit,
    heated: Mutex<Heated>,
}

struct Heated {
    since: Option<Instant>,
    before: Duration,
    switched: u32,
}

impl Boiler {
    fn new(unit: u8) -> Self {
        let heated = Heated { since: Some(Instant::now()), before: Duration::ZERO, switched: 0 };
        Boiler { unit: sdm630(unit, BOILER, 0.0), heated: Mutex::new(heated) }
    }

    fn switch(&self, on: bool) {
        let mut heated = self.heated.lock().unwrap();
        if let Some(since) = heated.since.take() {
            heated.before += since.elapsed();
        }
        heated.since = on.then(Instant::now);
        heated.switched += 1;
        self.unit.set_f32(Function::Input, 0x0034, if on { BOILER } else { 0.0 });
    }

    /// The highest plausible energy in mWh: one poll interval more per switching, and two steps.
    fn took(&self) -> f64 {
        let heated = self.heated.lock().unwrap();
        let time = heated.before + heated.since.map(|since| since.elapsed()).unwrap_or_default();
        (time + POLL * heated.switched).as_secs_f64() * f64::from(BOILER) / 3.6 + 2.0
    }
}

/// The highest allowed figure at this moment, in mWh.
type Truth = Box<dyn Fn() -> f64 + Send>;

fn with_steps(display: impl Fn() -> f64, step: f64) -> impl Fn() -> f64 {
    move || display() + 2.0 * step
}

/// Checks each reported figure: it is not below the one before, and not above the true energy.
struct ReportChecker {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    last: BTreeMap<ClientId, u64>,
    told: u64,
    complaints: Vec<String>,
}

impl ReportChecker {
    fn of(arkreen: &Arkreen, truth: Vec<(u8, Truth)>) -> Self {
        let truth: BTreeMap<_, _> = truth.into_iter().map(|(number, truth)| (client(number), truth)).collect();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (mut events, mine) = (arkreen.events(), seen.clone());
        let task = tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(event) => mine.lock().unwrap().see(event, &truth),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        mine.lock().unwrap().complaints.push(format!("{missed} events were missed"));
                    }
                    Err(broadcast::error::RecvError::Closed) => break,
                }
            }
        });
        ReportChecker { seen, task }
    }

    fn assert_no_complaints(&self) {
        assert_eq!(self.seen.lock().unwrap().complaints, Vec::<String>::new());
        assert!(!self.task.is_finished());
    }

    fn told(&self) -> u64 {
        self.seen.lock().unwrap().told
    }
}

impl Seen {
    fn see(&mut self, event: EndpointEvent, truth: &BTreeMap<ClientId, Truth>) {
        let EndpointEvent::Accepted { client, energy, .. } = event else {
            return self.complaints.push(format!("{event:?}"));
        };
        let (last, energy) = (self.last.insert(client, energy.get()).unwrap_or(0), energy.get());
        self.told += 1;
        if energy < last {
            self.complaints.push(format!("{client} fell from {last} to {energy} mWh"));
        }
        if energy as f64 > truth[&client]() {
            self.complaints.push(format!("{client} got {energy} mWh, more than {}", truth[&client]()));
        }
    }
}
