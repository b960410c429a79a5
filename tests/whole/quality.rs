//! The quality of each bus: counters, response times and advice; no advice for a bus without faults.

use std::process::Stdio;
use std::time::Duration;

use arkmeter::simulator::{SimulatedGateway, SimulatedSerialLine, UnitFault};
use serde_json::Value;
use tokio::process::Command;

use crate::harness::*;
use crate::status_page::get;

const LONG_TIMEOUT: &str = "timeout = \"5s\"";

/// The sentences of advice.
fn advice(document: &Value) -> String {
    document["advice"].to_string()
}

fn requests(document: &Value, meter: &str) -> u64 {
    document["meters"][meter]["quality"]["recent"]["requests"].as_u64().unwrap_or_default()
}

/// Adds a bus with a long timeout. Its meters are polled every second.
fn slow_bus(plan: Plan, bus: &str, link: &str, meters: &[(&str, u8)]) -> Plan {
    let plan = plan.text(format!("[bus.{bus}]\n{link}\n{LONG_TIMEOUT}"));
    meters.iter().fold(plan, |plan, (name, unit)| {
        plan.polled(name, bus, *unit, "eastron-sdm630").replaced("poll_every = \"100ms\"", "poll_every = \"1s\"")
    })
}

#[tokio::test]
async fn a_noisy_unit_is_named_in_every_output() {
    let units: Vec<_> = (6..=8).map(|unit| sdm630(unit, 1500.0, 1234.5)).collect();
    let converter = SimulatedGateway::start_converter(units.clone()).await.unwrap();
    let address = unused_address();
    let link = format!("rtu_over_tcp = \"{}\"", converter.address());
    let meters = [("sauna", 6), ("boiler", 7), ("garage", 8)];
    let site = Site::new(&slow_bus(Plan::new().text(format!("listen = \"{address}\"")), "cabinet", &link, &meters));
    let daemon = site.start();
    site.all_ok(&["sauna", "boiler", "garage"]).await;
    let named = "Bus cabinet, boiler, unit 7: ";
    let noisy = |document: &Value| {
        // Only one answer is damaged: the second attempt of the poll succeeds.
        units[1].fault_next(1, UnitFault::Garbage);
        advice(document).contains("the other units have none")
    };
    let document = site.status_when("the noisy unit is named", noisy).await;
    let sentences = advice(&document);
    assert!(sentences.contains("% CRC errors, the other units have none: check the wiring"), "{sentences}");
    assert!(!sentences.contains("unit 6") && !sentences.contains("unit 8"), "{sentences}");
    let quality = |meter: &str, what: &str| document["meters"][meter]["quality"]["total"][what].as_u64().unwrap();
    assert!(quality("boiler", "crc_errors") >= 3);
    assert_eq!(quality("sauna", "crc_errors") + quality("garage", "crc_errors"), 0);
    assert!(document["meters"]["boiler"]["quality"]["response_us"]["p95"].is_u64(), "{document:#}");

    let human = site.run(&["status", "--lines"]).await.out.replace("\n  ", " ");
    assert!(human.contains(&format!("* {named}")) && human.contains("LINE TO"), "{human}");
    let bundle = site.run(&["support", "-"]).await.out;
    assert!(bundle.contains(&format!("advice: {named}")) && bundle.contains("    recent: answers "), "{bundle}");

    until("the page is served", || site.log().contains("the status page is served")).await;
    let (_, metrics) = get(address, "/metrics").await;
    let counted = |meter: &str| {
        let sample = format!("arkmeter_meter_outcomes_total{{meter=\"{meter}\",outcome=\"crc_errors\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&sample)).expect("it is counted");
        line.parse::<f64>().unwrap()
    };
    assert!(counted("boiler") >= 3.0 && counted("sauna") == 0.0, "{metrics}");
    assert!(metrics.contains("arkmeter_meter_response_seconds_bucket{le=\"+Inf\",meter=\"boiler\"}"), "{metrics}");
    daemon.stop().await;
    promtool(&site, &metrics).await;
}

async fn promtool(site: &Site, metrics: &str) {
    std::fs::write(site.path("metrics"), metrics).unwrap();
    let input = std::fs::File::open(site.path("metrics")).unwrap();
    let mut promtool = Command::new("promtool");
    match promtool.args(["check", "metrics"]).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).output().await
    {
        Ok(output) => assert!(output.status.success() && output.stderr.is_empty(), "{output:?}"),
        Err(_) => skipped("promtool on the quality metrics", "promtool is not installed"),
    }
}

#[tokio::test]
async fn a_bus_without_faults_gets_no_advice() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let line = SimulatedSerialLine::start([sdm630(2, 250.0, 10.0)], None).unwrap();
    let plan = slow_bus(Plan::new(), "gateway", &format!("tcp = \"{}\"", gateway.address()), &[("sauna", 1)]);
    let serial = format!("serial = \"{}\"", line.path().display());
    let site = Site::new(&slow_bus(plan, "cabinet", &serial, &[("boiler", 2)]));
    let daemon = site.start();
    site.all_ok(&["sauna", "boiler"]).await;
    let known = |document: &Value| {
        let many = ["sauna", "boiler"].iter().all(|meter| requests(document, meter) >= 30);
        many && ["gateway", "cabinet"].iter().all(|bus| document["buses"][bus]["quality"]["occupancy"].is_f64())
    };
    let document = site.status_when("both meters have enough requests", known).await;
    assert_eq!(advice(&document), "[]", "{document:#}");
    assert!(document["buses"]["cabinet"]["quality"]["occupancy"].as_f64().unwrap() < 0.9, "{document:#}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_bus_too_slow_for_the_poll_interval_gets_advice() {
    let units: Vec<_> = (1..=3).map(|unit| sdm630(unit, 1500.0, 1234.5)).collect();
    units.iter().for_each(|unit| unit.set_delay(Duration::from_millis(60)));
    let gateway = SimulatedGateway::start(units).await.unwrap();
    let plan = Plan::new().patient_tcp("gateway", gateway.address());
    let meters = [("sauna", 1), ("boiler", 2), ("garage", 3)];
    let plan = meters.iter().fold(plan, |plan, (name, unit)| plan.polled(name, "gateway", *unit, "eastron-sdm630"));
    let site = Site::new(&plan);
    let daemon = site.start();
    let busy =
        |document: &Value| advice(document).contains("the poll interval cannot be kept, because the line is in use");
    let document = site.status_when("the advice says that the bus is busy", busy).await;
    let advised = advice(&document);
    let (_, round) = advised.split_once("one round of its 3 meters takes ").unwrap_or_else(|| panic!("{document:#}"));
    let seconds: f64 = round.split_once(" s").unwrap().0.parse().unwrap();
    assert!(seconds >= 3.0 * 0.06, "three answers of 60 ms: {document:#}");
    assert!(advice(&document).contains("poll_every is 100ms"), "{document:#}");
    assert!(document["buses"]["gateway"]["quality"]["occupancy"].as_f64().unwrap() > 0.5, "{document:#}");
    daemon.stop().await;
}
