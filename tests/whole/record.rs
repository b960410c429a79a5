//! `run --record` and `ledger record`: readings are recorded and can be replayed.

use std::fs;

use arkmeter::simulator::{SimulatedGateway, SimulatedMeter, SimulatedModel, UnitFault};
use serde_json::Value;

use crate::harness::*;

/// The published energy of this meter after a replay of the trace.
async fn replayed(site: &Site, meter: &str, trace: &str) -> Option<u64> {
    let output = site.run(&["replay", "--meter", meter, trace]).await;
    assert_eq!(output.code, 0, "{output:?}");
    let last: Value = serde_json::from_str(output.out.lines().last().unwrap()).unwrap();
    last["published_mwh"].as_u64()
}

async fn published(site: &Site, meter: &str) -> Option<u64> {
    let shown = site.run(&["ledger", "show", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    shown["meters"][meter]["published_mwh"].as_u64()
}

#[tokio::test]
async fn a_recording_of_the_daemon_replays_to_its_figures_across_a_restart() {
    let first = CountingMeter::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 360.0, 10.0, 7));
    let second = CountingMeter::start(SimulatedMeter::new(2, SimulatedModel::Sdm630, 180.0, 20.0, 8));
    let gateway = SimulatedGateway::start([first.unit(), second.unit()]).await.unwrap();
    let arkreen = arkreen([1, 2]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.counting("first", "gateway", 1).counting("second", "gateway", 2));
    for _ in 0..2 {
        let daemon = site.start_as(&["run", "--record", "trace.jsonl"]);
        let document = site.all_ok(&["first", "second"]).await;
        let before = document["meters"]["first"]["published_mwh"].as_u64();
        first.unit().fault_next(3, UnitFault::Silent);
        let counted = |it: &Value| it["meters"]["first"]["published_mwh"].as_u64() > before.map(|it| it + 200);
        site.status_when("more is counted", counted).await;
        daemon.stop().await;
    }
    let trace = fs::read_to_string(site.path("trace.jsonl")).unwrap();
    for part in ["\"event\":\"restart\"", "\"event\":\"slot\"", "\"register_mwh\":null", "\"meter\":\"second\""] {
        assert!(trace.contains(part), "{part} is missing: {trace}");
    }
    assert!(!trace.contains(&"7".repeat(16)) && !trace.contains(&"01".repeat(16)), "no token and no client identifier");
    for meter in ["first", "second"] {
        assert_eq!(replayed(&site, meter, "trace.jsonl").await, published(&site, meter).await, "{meter}");
    }
    let other = site.run(&["replay", "--meter", "first"]).await;
    assert_eq!(other.code, 0, "an empty trace is no error: {other:?}");
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn readings_of_a_running_daemon_are_recorded_for_the_given_time() {
    let gateway = SimulatedGateway::start([sdm630(1, 1000.0, 10.0), sdm630(2, 2000.0, 20.0)]).await.unwrap();
    let plan = Plan::new().tcp("gateway", gateway.address()).polled("sauna", "gateway", 1, "eastron-sdm630");
    let site = Site::new(&plan.polled("boiler", "gateway", 2, "eastron-sdm630"));
    site.run(&["ledger", "record", "--for", "1s", "none.jsonl"]).await.complains(1, &["no arkmeter daemon answers"]);
    assert!(!site.path("none.jsonl").exists());
    let daemon = site.start();
    site.all_ok(&["sauna", "boiler"]).await;
    let output = site.run(&["ledger", "record", "--meter", "sauna", "--for", "25s", "sauna.jsonl"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    let output = site.run(&["ledger", "record", "--for", "1s", "all.jsonl"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    let [sauna, all] = ["sauna.jsonl", "all.jsonl"].map(|file| fs::read_to_string(site.path(file)).unwrap());
    assert!(sauna.contains("\"sauna\"") && !sauna.contains("boiler") && all.contains("boiler"), "{sauna}");
    assert!(sauna.ends_with("# end of the requested time\n"), "{sauna}");
    assert_eq!(replayed(&site, "sauna", "sauna.jsonl").await, Some(10_000_000));
    site.run(&["replay", "--meter", "boiler", "sauna.jsonl"]).await.complains(65, &["the trace is of sauna"]);
    site.run(&["ledger", "record", "--for", "1s", "all.jsonl"]).await.complains(1, &["is there already"]);
    site.run(&["ledger", "record", "--meter", "x", "x.jsonl"]).await.complains(1, &["boiler, sauna"]);
    let site_ok = site.all_ok(&["sauna", "boiler"]).await;
    assert_eq!(site_ok["buses"]["gateway"]["dropped"], 0);
    daemon.stop().await;
}

#[tokio::test]
async fn a_recording_file_that_cannot_be_used_does_not_stop_the_daemon() {
    let gateway = SimulatedGateway::start([sdm630(1, 1000.0, 10.0)]).await.unwrap();
    let plan = Plan::new().tcp("gateway", gateway.address()).polled("sauna", "gateway", 1, "eastron-sdm630");
    let site = Site::new(&plan);
    fs::write(site.path("precious"), "precious").unwrap();
    let daemon = site.start_as(&["run", "--record", "precious"]);
    site.all_ok(&["sauna"]).await;
    assert!(site.log().contains("nothing is recorded"));
    assert_eq!(fs::read_to_string(site.path("precious")).unwrap(), "precious");
    daemon.stop().await;
}
