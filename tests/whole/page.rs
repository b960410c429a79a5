//! The pages in a headless browser: accessibility, console, requests, and the script.

use std::process::Stdio;

use arkmeter::simulator::SimulatedGateway;
use rusqlite::Connection;
use tokio::process::Command;

use crate::harness::*;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/page/audit.py");
const NAMES: [&str; 4] = ["heat_pump", "office", "sauna", "workshop"];

/// A history of 26 hours of slots and a year of days, with an hour in which `workshop` was not read.
fn write_history(site: &Site) {
    let folder = site.path("state");
    std::fs::create_dir(&folder).unwrap();
    let history = Connection::open(folder.join("history.db")).unwrap();
    history
        .execute_batch(
            "PRAGMA page_size = 512; PRAGMA application_id = 1634430312; PRAGMA user_version = 2; BEGIN;
             CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             CREATE TABLE slot (id INTEGER PRIMARY KEY, meter INTEGER NOT NULL, ended INTEGER NOT NULL, trusted INTEGER NOT NULL,
                measured_ms INTEGER NOT NULL, mean_mw INTEGER, min_mw INTEGER, max_mw INTEGER, published_mwh INTEGER,
                began INTEGER, began_mwh INTEGER);
             CREATE TABLE day (day INTEGER NOT NULL, meter INTEGER NOT NULL, energy_mwh INTEGER NOT NULL, covered_s INTEGER NOT NULL,
                PRIMARY KEY (day, meter)) WITHOUT ROWID;",
        )
        .unwrap();
    let now = arkmeter::clock::Clock::system().now().wall.as_second();
    let slot = "INSERT INTO slot (meter, ended, trusted, measured_ms, mean_mw, min_mw, max_mw, published_mwh) \
                VALUES (?1, ?2, 1, 120000, ?3, ?4, ?5, ?6)";
    for (meter, name) in (1..).zip(NAMES) {
        history.execute("INSERT INTO meter VALUES (?1, ?2)", (meter, name)).unwrap();
        let mut figure = 1_000_000_000;
        for index in 0..780_i64 {
            let ended = now - 120 * (780 - index);
            let hour = (ended % 86_400) as f64 / 3600.0;
            let wave = 1.0 + (hour * f64::from(meter) * 0.9).sin();
            let mean = (wave * 1_100_000.0) as i64 + (index * 7919 % 300) * 1000;
            figure += mean * 120 / 3600;
            if name == "workshop" && (500..530).contains(&index) {
                continue;
            }
            history.execute(slot, (meter, ended, mean, mean * 6 / 10, mean * 14 / 10, figure)).unwrap();
        }
        for ago in (0..380_i64).filter(|ago| *ago != 9) {
            let energy = 18_000_000 + (ago * 104_729 + i64::from(meter) * 31) % 17_000_000;
            let covered = if ago == 14 { 40_000 } else { 86_400 };
            let energy = if ago == 0 { energy / 2 } else { energy };
            history
                .execute("INSERT INTO day VALUES (?1, ?2, ?3, ?4)", (now / 86_400 - ago, meter, energy, covered))
                .unwrap();
        }
    }
    history.execute_batch("COMMIT").unwrap();
}

#[tokio::test]
#[ignore = "needs Chromium, playwright and axe-core: .ci/run installs them"]
#[allow(clippy::print_stderr, reason = "sizes and times of the pages")]
async fn page_in_a_browser() {
    let units = [
        sdm630(1, 2870.0, 18_241.49),
        sdm630(2, 734.0, 4918.206),
        sdm630(3, 2.1, 2475.107),
        sdm630(4, 4610.0, 20_523.326),
    ];
    let gateway = SimulatedGateway::start(units).await.unwrap();
    let (arkreen, address) = (arkreen(1..=4), unused_address());
    let mut plan =
        Plan::new().text(format!("listen = \"{address}\"")).account(arkreen.url()).tcp("cabinet", gateway.address());
    for (unit, name) in (1..).zip(NAMES) {
        plan = plan.meter(name, "cabinet", unit);
    }
    let site = Site::new(&plan);
    write_history(&site);
    let daemon = site.start();
    site.all_ok(&NAMES).await;
    until("the page is served", || site.log().contains("the status page is served")).await;
    let python = std::env::var_os("ARKMETER_PYTHON").unwrap_or_else(|| "python3".into());
    let mut audit = Command::new(python);
    audit.arg(SCRIPT).arg(format!("http://{address}")).args(std::env::var_os("ARKMETER_PICTURES"));
    let output = audit.stdout(Stdio::piped()).stderr(Stdio::piped()).output().await.unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprintln!("{out}");
    assert!(output.status.success(), "{out}\n{error}");
    daemon.stop().await;
}
