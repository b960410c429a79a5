//! A dead name server: gateways given by name cannot be reached, and nothing else notices.

use arkmeter::simulator::SimulatedGateway;
use tempfile::TempDir;

use crate::disk::library;
use crate::harness::*;

/// With one thread for each look-up, so many would leave none for the ledger: tokio's pool has 512.
const GATEWAYS: usize = 520;
/// The main thread, the ledger, the history, the account's files, the look-ups, the log and the notifications, with some reserve.
const MOST_THREADS: usize = 20;

#[tokio::test]
async fn a_dead_name_server_stops_neither_polls_nor_reports_and_takes_few_threads() {
    let folder = TempDir::new().unwrap();
    let library = library(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/names/names.c"), &folder).await;
    let meter = sdm630(1, 100.0, 10.0);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let mut plan = Plan::new().account(arkreen.url());
    for number in 0..GATEWAYS {
        let bus = format!("far_{number}");
        plan = plan.bus(&bus, format!("tcp = \"far-{number}.example:502\""));
        plan = plan.polled(&format!("meter_{number}"), &bus, 9, "eastron-sdm630");
    }
    let site = Site::new(&plan.tcp("gateway", gateway.address()).counting("sauna", "gateway", 1));
    let daemon = site.start_with(&[("LD_PRELOAD", &library), ("NAMES_HANG_S", "3600")]);
    site.all_ok(&["sauna"]).await;
    until("the first report", || accepted_energy(&arkreen, 1).is_some()).await;
    let named = |document: &serde_json::Value| {
        let error = document["buses"]["far_519"]["error"].as_str().unwrap_or_default().to_owned();
        error.contains("the name far-519.example is not found within 5s; the name server does not answer in time")
    };
    let document = site.status_when("the name server is named", named).await;
    assert!(document["ledger"]["error"].is_null() && document["ledger"]["failed_commits"] == 0, "{document}");
    more_requests(&[&meter], 5).await;
    more_calls(&arkreen, 3).await;
    let threads = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap().count();
    assert!(threads <= MOST_THREADS, "{threads} threads");
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}
