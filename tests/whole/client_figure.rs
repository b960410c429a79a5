//! The figure of a client: `ledger set`, its members, and the reasons in the journal.

use arkmeter::simulator::{Arkreen, SimulatedGateway};
use serde_json::Value;

use crate::harness::*;

/// Two meters, and a client `building` with these members.
fn plan(arkreen: &Arkreen, gateway: &SimulatedGateway, members: &str) -> Plan {
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let plan = plan.polled("floor_1", "gateway", 1, "eastron-sdm630").polled("floor_2", "gateway", 2, "eastron-sdm630");
    plan.text(format!("[client.building]\nclient_id = \"{}\"\nmeters = [{members}]", client(9).to_hex()))
}

async fn journal(site: &Site, arguments: &[&str]) -> Vec<Value> {
    let output = site.run(&[&["ledger", "journal", "--json"], arguments].concat()).await;
    assert_eq!(output.code, 0, "{output:?}");
    let journal: Value = serde_json::from_str(&output.out).unwrap();
    journal["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_clients_figure_can_be_set_and_the_journal_explains_it() {
    let gateway = SimulatedGateway::start([sdm630(1, 1000.0, 100.0), sdm630(2, 200.0, 20.0)]).await.unwrap();
    let arkreen = arkreen([9]);
    let site = Site::new(&plan(&arkreen, &gateway, "\"floor_1\", \"floor_2\""));
    let daemon = site.start();
    until("the building is accepted", || accepted_energy(&arkreen, 9) == Some(120_000_000)).await;
    arkreen.set_energy(client(9), arkmeter::units::MilliwattHours::new(121_000_000).unwrap());
    // The text of the first refusals and that of later ones both name the code.
    site.status_when("Arkreen holds more", |it| it["trouble"].to_string().contains("code 4003")).await;
    site.run(&["ledger", "credit", "building", "1kWh"]).await.complains(1, &["name one of them, floor_1, floor_2"]);
    site.run(&["ledger", "set", "building", "900GWh"])
        .await
        .complains(1, &["30 years", "check the number and its unit"]);
    let dry = site.run(&["ledger", "set", "building", "121kWh", "--dry-run"]).await;
    assert!(dry.code == 0 && dry.out.contains("nothing was changed"), "{dry:?}");
    let output = site.run(&["ledger", "set", "building", "121kWh"]).await;
    assert!(output.code == 0 && output.out.contains("120.000 kWh -> 121.000 kWh"), "{output:?}");
    let accepted = |it: &Value| it["clients"]["building"]["accepted_mwh"] == 121_000_000u64;
    site.status_when("the new figure is accepted", accepted).await;
    let shown = site.run(&["ledger", "show"]).await;
    assert!(shown.out.contains("building") && shown.out.contains("1.000 kWh above its members' sum"), "{shown:?}");

    site.configure(&plan(&arkreen, &gateway, "\"floor_1\""));
    daemon.signal("HUP").await;
    let entries = async || journal(&site, &["--meter", "building"]).await;
    let end = tokio::time::Instant::now() + WAIT_LIMIT;
    while entries().await.len() < 3 {
        assert!(tokio::time::Instant::now() < end, "no member left");
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
    let entries = entries().await;
    let words: Vec<_> = entries.iter().map(|entry| entry["word"].as_str().unwrap()).collect();
    assert_eq!(words, ["left", "set", "begun"]);
    assert!(entries[0]["reason"].as_str().unwrap().contains("floor_2 is no longer a member"), "{entries:?}");
    for entry in &entries {
        let boot = entry["boot"].as_str().unwrap();
        assert!(
            boot.len() == 32 && entry["since_boot_s"].is_number() && entry["clock_trusted"].is_boolean(),
            "{entry}"
        );
    }
    more_calls(&arkreen, 2).await;
    assert_eq!(accepted_energy(&arkreen, 9), Some(121_000_000));
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn the_journal_shows_the_readings_behind_each_decision_in_pages() {
    let gateway = SimulatedGateway::start([sdm630(1, 1000.0, 100.0), sdm630(2, 200.0, 20.0)]).await.unwrap();
    let arkreen = arkreen([9]);
    let site = Site::new(&plan(&arkreen, &gateway, "\"floor_1\", \"floor_2\""));
    let daemon = site.start();
    site.all_ok(&["floor_1", "floor_2"]).await;
    daemon.stop().await;
    for energy in ["1kWh", "2kWh"] {
        assert_eq!(site.run(&["ledger", "credit", "floor_1", energy]).await.code, 0);
    }
    let all = journal(&site, &[]).await;
    let credit = site.run(&["ledger", "credit", "floor_1", "3kWh", "--dry-run"]).await;
    assert!(credit.out.contains("client     building: 123.000 kWh -> 126.000 kWh"), "{credit:?}");
    let output = site.run(&["ledger", "journal", "--meter", "floor_1"]).await;
    for part in
        ["published 101.000 kWh -> 103.000 kWh", "register 100.000 kWh", " readings", "serial number 1001", "; up "]
    {
        assert!(output.out.contains(part), "{part} is missing: {}", output.out);
    }
    let (mut paged, mut before) = (Vec::new(), i64::MAX);
    while before > 1 {
        let page = journal(&site, &["--most", "2", "--before", &before.to_string()]).await;
        before = page.last().map_or(0, |entry| entry["id"].as_i64().unwrap());
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let first = site.run(&["ledger", "journal", "--most", "2"]).await;
    assert!(first.out.ends_with(&format!("earlier ones: --before {}\n", all[1]["id"])), "{first:?}");
    site.run(&["ledger", "journal", "--meter", "flor_1"]).await.complains(1, &["did you mean `floor_1`?"]);
    let newest = all[0]["id"].to_string();
    assert_eq!(site.run(&["ledger", "undo", &newest]).await.code, 0);
    site.run(&["ledger", "undo", &newest]).await.complains(1, &["undone already, by entry"]);
}
