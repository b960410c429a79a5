//! Kills, orderly stops, and a second daemon with the same state folder.

use std::time::Duration;

use arkmeter::simulator::{SimulatedGateway, SimulatedMeter, SimulatedModel};

use crate::harness::*;

#[tokio::test]
async fn after_repeated_kills_no_figure_falls_and_none_is_invented() {
    let first = CountingMeter::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 360.0, 10.0, 7));
    let second = CountingMeter::start(SimulatedMeter::new(2, SimulatedModel::Sdm630, 180.0, 20.0, 8));
    let gateway = SimulatedGateway::start([first.unit(), second.unit()]).await.unwrap();
    let arkreen = arkreen([1, 2]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.counting("first", "gateway", 1).counting("second", "gateway", 2));
    for round in 0..3u64 {
        let daemon = site.start();
        more_calls(&arkreen, 2).await;
        // At a different moment between two slots in each round.
        tokio::time::sleep(Duration::from_millis(round * 230)).await;
        daemon.kill().await;
    }
    let before = accepted_energy(&arkreen, 1).unwrap();
    let daemon = site.start();
    until("it counts on", || accepted_energy(&arkreen, 1).unwrap() > before).await;
    daemon.stop().await;
    assert_valid_calls(&arkreen);
    for (number, meter) in [(1, &first), (2, &second)] {
        assert!(
            accepted_energy(&arkreen, number).unwrap() as f64 <= meter.reading() + 4.0,
            "more than the meter's counter"
        );
    }
    assert!(arkreen.calls().iter().all(|call| call.status == Some(200)));
}

#[tokio::test]
async fn after_an_orderly_stop_every_figure_is_on_disk() {
    let meter = CountingMeter::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 360.0, 10.0, 7));
    let gateway = SimulatedGateway::start([meter.unit()]).await.unwrap();
    let arkreen = arkreen([1]);
    // One report, then no slot for an hour: only the stop writes the energy counted after it.
    let account = format!("[account.main]\nurl = \"{}\"\ntoken_file = \"token\"\nreport_every = \"1h\"", arkreen.url());
    let plan = Plan::new().text(account).tcp("gateway", gateway.address()).counting("sauna", "gateway", 1);
    let site = Site::new(&plan);
    let daemon = site.start();
    let first = eventually("the first report", || accepted_energy(&arkreen, 1)).await;
    let counted =
        |document: &serde_json::Value| document["meters"]["sauna"]["published_mwh"].as_u64() > Some(first + 50);
    let document = site.status_when("more was counted", counted).await;
    daemon.stop().await;
    let counted = document["meters"]["sauna"]["published_mwh"].as_u64().unwrap();
    // Without its meter the daemon has the figure only from the disk.
    drop(gateway);
    let daemon = site.start();
    let known = site.status_when("the figure is known", |it| !it["meters"]["sauna"]["published_mwh"].is_null()).await;
    assert_eq!(known["meters"]["sauna"]["state"], "never_read");
    let kept = known["meters"]["sauna"]["published_mwh"].as_u64().unwrap();
    assert!(kept >= counted, "{kept} of {counted} mWh are left");
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn counts_of_accepted_reports_outlive_an_orderly_stop_and_are_all_that_a_lost_history_costs() {
    let meter = CountingMeter::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 360.0, 10.0, 7));
    let gateway = SimulatedGateway::start([meter.unit()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).counting("sauna", "gateway", 1);
    let site = Site::new(&plan);
    let daemon = site.start();
    let counted = |document: &serde_json::Value| document["clients"]["sauna"]["week_reports"].as_u64();
    let before = site.status_when("four reports are accepted", |document| counted(document) >= Some(4)).await;
    daemon.stop().await;
    // Without its meter nothing more is reported, and the client's error says so.
    drop(gateway);
    let has_error = |document: &serde_json::Value| document["clients"]["sauna"]["error"].is_string();
    let daemon = site.start();
    let are_back = |document: &serde_json::Value| counted(document) >= counted(&before) && has_error(document);
    let kept = site.status_when("the counts are back", are_back).await;
    assert_eq!(kept["clients"]["sauna"]["reports_accepted"], 0, "since the start");
    daemon.stop().await;
    for name in ["history.db", "history.db-journal"] {
        std::fs::remove_file(site.path("state").join(name)).unwrap();
    }
    let daemon = site.start();
    let known =
        |document: &serde_json::Value| !document["meters"]["sauna"]["published_mwh"].is_null() && has_error(document);
    let document = site.status_when("the figure is known", known).await;
    assert_eq!(
        (counted(&document), &document["clients"]["sauna"]["error"]),
        (Some(0), &kept["clients"]["sauna"]["error"])
    );
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on() {
    let meter = sdm630(1, 100.0, 10.0);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let site =
        Site::new(&Plan::new().tcp("gateway", gateway.address()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    let mut daemon = site.start();
    site.all_ok(&["sauna"]).await;
    let second = site.run(&["run"]).await;
    second.complains(75, &["in use by another arkmeter", &format!("process {}", daemon.pid())]);
    more_requests(&[&meter], 3).await;
    assert!(daemon.runs());
    site.all_ok(&["sauna"]).await;
    daemon.stop().await;
    assert!(!site.path("control.sock").exists(), "the control socket is removed");
}
