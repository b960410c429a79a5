//! Limits of the process: more buses than open files, and files that may not grow.

use std::process::Command;

use arkmeter::simulator::SimulatedGateway;

use crate::harness::*;

/// Of these, 10 fit into the limit: a quarter of it.
const GATEWAYS: u8 = 13;
const LIMIT: &str = "--nofile=40";

#[tokio::test]
async fn more_buses_than_open_files_leave_reports_and_listeners_alone_and_say_that_they_wait() {
    if !Command::new("prlimit").args([LIMIT, "true"]).status().is_ok_and(|status| status.success()) {
        return skipped("more_buses_than_open_files", "prlimit is missing or not permitted");
    }
    let arkreen = arkreen(1..=GATEWAYS);
    let (mut plan, mut gateways) = (Plan::new().account(arkreen.url()), Vec::new());
    for number in 1..=GATEWAYS {
        let gateway = SimulatedGateway::start([sdm630(number, 1000.0, 100.0)]).await.unwrap();
        let bus = format!("bus_{number}");
        plan = plan.tcp(&bus, gateway.address()).meter(&format!("meter_{number}"), &bus, number);
        gateways.push(gateway);
    }
    let site = Site::new(&plan);
    let checked = site.run_under(&["prlimit", LIMIT], &["check"], &site.path(".")).await;
    checked.complains(0, &["warning: 13 buses do not fit into the limit of 40 open files", "LimitNOFILE=141"]);
    let mut daemon = site.start_under(&["prlimit", LIMIT]);
    let in_state = |document: &serde_json::Value, state: &str| {
        let buses = document["buses"].as_object().into_iter().flatten();
        buses.filter(|(_, bus)| bus["state"] == state).count()
    };
    let full = |document: &serde_json::Value| in_state(document, "open") == 10 && in_state(document, "closed") == 3;
    let document = site.status_when("10 buses are open and 3 wait", full).await;
    let waiting = document["buses"].to_string();
    assert!(waiting.contains("it waits: the other buses use all file descriptors"), "{waiting}");
    assert!(waiting.contains("LimitNOFILE="), "{waiting}");
    more_calls(&arkreen, 3).await;
    let reported = || (1..=GATEWAYS).filter(|number| accepted_energy(&arkreen, *number).is_some()).count() == 10;
    until("the ten are reported", reported).await;
    assert!(daemon.runs());
    daemon.stop().await;
}

#[tokio::test]
async fn a_limit_of_file_sizes_is_a_failed_write_and_not_the_end() {
    let meter = sdm630(1, 1000.0, 100.0);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.meter("sauna", "gateway", 1));
    let mut daemon = site.start();
    site.all_ok(&["sauna"]).await;
    until("the first report", || accepted_energy(&arkreen, 1).is_some()).await;
    let pid = daemon.pid().to_string();
    let limit = |bytes: &str| {
        let bytes = format!("--fsize={bytes}:unlimited");
        Command::new("prlimit").args(["--pid", &pid, &bytes]).status().is_ok_and(|status| status.success())
    };
    if !limit("1") {
        return skipped("a_limit_of_file_sizes_is_a_failed_write_and_not_the_end", "prlimit is missing");
    }
    // The log may not grow either.
    let document =
        site.status_when("the ledger cannot be written", |document| !document["ledger"]["error"].is_null()).await;
    assert!(document["ledger"]["error"].as_str().unwrap().contains("cannot be written"), "{document:#}");
    more_requests(&[&meter], 5).await;
    more_calls(&arkreen, 2).await;
    assert!(daemon.runs());
    assert!(limit("unlimited"));
    site.status_when("the ledger is written again", |document| document["ledger"]["error"].is_null()).await;
    site.all_ok(&["sauna"]).await;
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}
