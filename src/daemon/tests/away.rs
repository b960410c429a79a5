//! A long outage of the endpoint: meter, poller, ledger and reporter together, in simulated time.
//!
//! The outage lasts two days by default, and a month with `ARKMETER_AWAY_DAYS=30 cargo test --lib away`, as in `.ci/run`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::simulator::Arkreen;
use crate::units::{ClientId, MilliwattHours};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const POLL_EVERY: Duration = Duration::from_secs(180);
const REPORT_EVERY: Duration = Duration::from_secs(10 * 60);
const DAYS: &str = "ARKMETER_AWAY_DAYS";
/// After this time the memory of the process is stable.
const EARLY: Duration = Duration::from_secs(12 * 3600);

/// The resources of the process.
#[derive(Debug)]
struct Usage {
    resident_kb: u64,
    files: usize,
    tasks: usize,
}

impl Usage {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Usage {
            resident_kb: resident.trim().trim_end_matches(" kB").parse().unwrap(),
            files: fs::read_dir("/proc/self/fd").unwrap().count(),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        }
    }
}

/// The path to the endpoint, open until it is dropped.
struct Way(tokio::task::JoinHandle<()>);

impl Way {
    async fn open(from: SocketAddr, arkreen: &Arkreen) -> Self {
        let (listener, to) = (TcpListener::bind(from).await.unwrap(), arkreen.url().socket_addrs(|| None).unwrap()[0]);
        Way(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut far = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }))
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs the test below in its own process, so that the memory is the daemon's alone.
#[test]
#[allow(clippy::print_stderr, reason = "the figures are for people")]
fn a_long_endpoint_outage_accumulates_nothing_and_ends_with_one_fresh_report() {
    let mut alone = Command::new(std::env::current_exe().unwrap());
    alone.args(["--exact", "daemon::tests::away::the_time_away", "--ignored", "--nocapture"]);
    alone.env(DAYS, std::env::var(DAYS).unwrap_or_else(|_| "2".into()));
    let output = alone.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    eprintln!("{}", text.lines().find(|line| line.starts_with("away for")).unwrap());
}

#[tokio::test(start_paused = true)]
#[ignore = "started by the test above, in a process of its own"]
#[allow(clippy::print_stderr, reason = "the figures are for people")]
async fn the_time_away() {
    let days: u32 = std::env::var(DAYS).map_or(2, |days| days.parse().unwrap());
    // An address that no other test uses, so that the port is still free after a month.
    let of_its_own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 83, 71, 9)), 0);
    let address = TcpListener::bind(of_its_own).await.unwrap().local_addr().unwrap();
    let client = ClientId::parse(&format!("0x{:064}", 1)).unwrap();
    let arkreen = Arkreen::start(&format!("0x{}", "7".repeat(64)), [client]).unwrap();
    let mut it = Site::new(&format!("http://{address}/v1"));
    it.config.buses.remove(&name("cellar"));
    it.config.meters.remove(&name("boiler"));
    it.config.clients.remove(&name("boiler"));
    it.config.meters.get_mut(&name("sauna")).unwrap().poll_every = POLL_EVERY;
    let account = it.config.accounts.get_mut(&name("main")).unwrap();
    // The sockets are real and take no simulated time: a call must not reach its timeout.
    (account.report_every, account.timeout) = (REPORT_EVERY, HOUR);
    let (begun, watts) = (Instant::now(), Arc::new(AtomicU32::new(1000)));
    // The load is 1000 W until the last minutes.
    let (theirs, meter) = (watts.clone(), it.sauna.clone());
    let display = move || 100.0 + begun.elapsed().as_secs_f64() / 3600.0;
    let appliance = tokio::spawn(async move {
        loop {
            show(&meter, theirs.load(Ordering::Relaxed) as f32, display() as f32);
            sleep(Duration::from_secs(10)).await;
        }
    });
    let daemon = it.start().await;
    let sources = daemon.sources.clone();
    let story = async {
        let way = Way::open(address, &arkreen).await;
        sleep(HOUR).await;
        let reported = arkreen.calls().len();
        assert!((6..=8).contains(&reported), "{reported}");
        drop(way);
        sleep(EARLY).await;
        let polls = || sources.document().meters[&name("sauna")].polls;
        let (early, before) = (Usage::now(), polls());
        sleep(days * DAY - EARLY).await;
        let late = Usage::now();
        let due = (days * DAY - EARLY).as_secs() / POLL_EVERY.as_secs();
        assert_eq!(polls() - before, due, "polling is untouched");
        let document = sources.document();
        assert_eq!(document.meters[&name("sauna")].state, MeterState::Ok);
        assert_eq!(document.accounts[&name("main")].state, crate::reporter::ReportingState::Retrying);
        assert_eq!(document.buses[&name("cabinet")].dropped, 0);
        assert!(late.tasks <= early.tasks + 2 && late.files <= early.files + 2, "they grow: {early:?} -> {late:?}");
        assert!(late.resident_kb <= early.resident_kb + 1024, "memory grows: {early:?} -> {late:?}");
        let bytes = |file: &str| fs::metadata(it.state().join(file)).unwrap().len();
        let sizes = ["ledger.db", "ledger.db-wal", "history.db"].map(bytes);
        assert!(sizes[0] < 200_000, "{sizes:?}");
        assert_eq!(arkreen.calls().len(), reported);
        watts.store(1234, Ordering::Relaxed);
        sleep(2 * POLL_EVERY).await;
        let (back, _way) = (Instant::now(), Way::open(address, &arkreen).await);
        while arkreen.calls().len() == reported {
            sleep(Duration::from_millis(100)).await;
        }
        let took = back.elapsed();
        let shown = display() * 1e6;
        let first = arkreen.calls()[reported].entries[0].clone();
        let behind = shown - first.energy.get() as f64;
        // The energy of 1 kW between two polls, and one step of the register.
        assert!((-3_000.0..=50_000.0 + 3_000.0).contains(&behind), "{behind} mWh behind the display");
        sleep(3 * REPORT_EVERY).await;
        let after = arkreen.calls().split_off(reported);
        // The first report, and then one for each slot.
        assert!((3..=4).contains(&after.len()), "no backlog: {after:#?}");
        assert!(after.iter().all(|call| call.entries[0].power.0 == 1_234_000), "nothing old: {after:#?}");
        assert_eq!(arkreen.violations(), Vec::<String>::new());
        assert_eq!(
            arkreen.energy(client).map(MilliwattHours::get).unwrap() / 1_000_000,
            u64::from(100 + days * 24 + 1)
        );
        assert!(sources.document().well);
        eprintln!(
            "away for {days} days: {early:?} -> {late:?}; ledger, its log and history {sizes:?} bytes; reported {took:?} after the return"
        );
    };
    story.await;
    assert!(daemon.ends.is_empty(), "a task ended");
    daemon.stop().await;
    appliance.abort();
}
