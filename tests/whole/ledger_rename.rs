//! A renamed meter keeps its figure, whether the name is changed first in the ledger or in the configuration.

use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedUnit};
use serde_json::Value;

use crate::harness::*;

/// Two meters. The first is the member of a client `building`, the second has its own client.
fn plan(arkreen: &Arkreen, gateway: &SimulatedGateway, first: &str) -> Plan {
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let plan = plan.polled(first, "gateway", 1, "eastron-sdm630").replaced("\"100ms\"", "\"1s\"");
    let plan = plan.meter("second", "gateway", 2);
    let client = client(7).to_hex();
    plan.text(format!("[client.building]\nclient_id = \"{client}\"\nmeters = [\"{first}\"]"))
}

fn meters() -> [SimulatedUnit; 2] {
    [sdm630(1, 1000.0, 1500.0), sdm630(2, 2000.0, 2500.0)]
}

/// Just below the energy after [`count`], by less than a step of the register.
const MORE: u64 = 1_500_000_900;

/// Increases the meter's register by one watt-hour.
fn count(meter: &SimulatedUnit) {
    meter.set_f32(arkmeter::meter::Function::Input, 0x0048, 1500.001);
}

fn figure(document: &Value, meter: &str) -> Option<u64> {
    document["meters"][meter]["published_mwh"].as_u64()
}

#[tokio::test]
async fn a_meter_can_be_renamed_first_in_the_ledger() {
    let meters = meters();
    let gateway = SimulatedGateway::start(meters.clone()).await.unwrap();
    let arkreen = arkreen([2, 7]);
    let site = Site::new(&plan(&arkreen, &gateway, "first"));
    let daemon = site.start();
    site.all_ok(&["first", "second"]).await;
    until("the building is accepted", || accepted_energy(&arkreen, 7) == Some(1_500_000_000)).await;
    let dry = site.run(&["ledger", "rename", "first", "ground_floor", "--dry-run"]).await;
    assert!(dry.code == 0 && dry.out.contains("nothing was changed"), "{dry:?}");
    site.run(&["ledger", "rename", "frist", "x"]).await.complains(1, &["but `first`"]);
    site.run(&["ledger", "rename", "first", "second"]).await.complains(1, &["already has a figure", "ledger credit"]);
    let output = site.run(&["ledger", "rename", "first", "ground_floor"]).await;
    assert!(
        output.code == 0 && output.out.contains("ground_floor: ") && output.out.contains("it was first"),
        "{output:?}"
    );
    count(&meters[0]);
    site.configure(&plan(&arkreen, &gateway, "ground_floor"));
    daemon.signal("HUP").await;
    site.status_when("the figure continues", |it| figure(it, "ground_floor") > Some(MORE)).await;
    until("the building's reports continue", || accepted_energy(&arkreen, 7) > Some(MORE)).await;
    let journal = site.run(&["ledger", "journal", "--meter", "ground_floor"]).await;
    assert!(journal.out.contains("rename") && journal.out.contains("baseline"), "{journal:?}");
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn a_meter_can_be_renamed_first_in_the_configuration() {
    let meters = meters();
    let gateway = SimulatedGateway::start(meters.clone()).await.unwrap();
    let arkreen = arkreen([2, 7]);
    let site = Site::new(&plan(&arkreen, &gateway, "first"));
    let daemon = site.start();
    site.all_ok(&["first", "second"]).await;
    until("the building is accepted", || accepted_energy(&arkreen, 7) == Some(1_500_000_000)).await;
    daemon.stop().await;
    count(&meters[0]);
    site.configure(&plan(&arkreen, &gateway, "ground_floor"));
    let remedy = "`arkmeter ledger rename first ground_floor`";
    let check = site.run(&["check"]).await;
    assert!(check.code == 0 && check.err.contains(remedy), "{check:?}");
    let daemon = site.start();
    let waits =
        |it: &Value| it["meters"]["ground_floor"]["state"] == "held" && it["trouble"].to_string().contains(remedy);
    let document = site.status_when("the likely rename is shown", waits).await;
    assert_eq!(figure(&document, "ground_floor"), None, "no new figure is started");
    assert!(site.log().contains(remedy));
    more_requests(&[&meters[0]], 10).await;
    let output = site.run(&["ledger", "rename", "first", "ground_floor"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    site.status_when("the figure continues", |it| figure(it, "ground_floor") > Some(MORE)).await;
    until("the building's reports continue", || accepted_energy(&arkreen, 7) > Some(MORE)).await;
    let check = site.run(&["check"]).await;
    assert!(!check.err.contains("ledger rename"), "{check:?}");
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn a_meter_can_be_renamed_and_renamed_back_without_a_daemon() {
    let meters = meters();
    let gateway = SimulatedGateway::start(meters.clone()).await.unwrap();
    let arkreen = arkreen([2, 7]);
    let site = Site::new(&plan(&arkreen, &gateway, "first"));
    let daemon = site.start();
    site.all_ok(&["first", "second"]).await;
    daemon.stop().await;
    assert_eq!(site.run(&["ledger", "rename", "first", "other"]).await.code, 0);
    let shown = site.run(&["ledger", "show", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(
        (&shown["meters"]["first"], &shown["meters"]["other"]["published_mwh"]),
        (&Value::Null, &1_500_000_000.into())
    );
    site.run(&["ledger", "undo", &newest(&site).await]).await.complains(1, &["the other way round"]);
    assert_eq!(site.run(&["ledger", "rename", "other", "first"]).await.code, 0);
    count(&meters[0]);
    let daemon = site.start();
    site.status_when("the figure continues", |it| figure(it, "first") > Some(MORE)).await;
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

/// The number of the newest entry of the journal.
async fn newest(site: &Site) -> String {
    let output = site.run(&["ledger", "journal", "--json", "--most", "1"]).await;
    let journal: Value = serde_json::from_str(&output.out).unwrap();
    journal["entries"][0]["id"].to_string()
}
