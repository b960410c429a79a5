//! `handover`: the sheet as text and as a page, from the running daemon.

use std::fs;

use arkmeter::simulator::SimulatedGateway;
use tokio::process::Command;

use crate::harness::*;

#[tokio::test]
async fn the_sheet_names_box_meters_and_clients_and_no_secret() {
    let arkreen = arkreen([1]);
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5), sdm630(2, 250.0, 10.0)]).await.unwrap();
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.meter("sauna", "gateway", 1).polled("shed", "gateway", 2, "eastron-sdm630"));
    site.run(&["handover"]).await.complains(69, &["no arkmeter daemon answers"]);
    let daemon = site.start();
    let accepted = |document: &serde_json::Value| document["clients"]["sauna"]["accepted_mwh"].is_u64();
    site.status_when("a report is accepted", accepted).await;

    let sheet = site.run(&["handover"]).await;
    assert_eq!(sheet.code, 0, "{sheet:?}");
    assert!(sheet.out.lines().all(|line| line.chars().count() <= 80), "{}", sheet.out);
    let hash = Command::new("sha256sum").arg(site.path("arkmeter.toml")).output().await.unwrap().stdout;
    let hash = String::from_utf8(hash).unwrap();
    let hash = format!("sha256 {} {}", &hash[..8], &hash[8..16]);
    let words = [
        "HANDOVER SHEET",
        "Eastron SDM630",
        "serial number 1001",
        "gateway, unit 1; last hour",
        "up to 20.00 kW; as wired, 1.50 kW now",
        "counted since",
        "1234.500 kWh    display reads  ____",
        &hash,
        "Handed over to",
        "0x0101…0101",
    ];
    for words in words {
        assert!(sheet.out.contains(words), "{words:?} is missing:\n{}", sheet.out);
    }
    let page = site.run(&["handover", "--html"]).await;
    assert!(page.code == 0 && page.out.starts_with("<!DOCTYPE html>"), "{page:?}");
    for words in ["Handover sheet", "Eastron SDM630, serial number 1001", "1234.500 kWh", &hash] {
        assert!(page.out.contains(words), "{words:?} is missing:\n{}", page.out);
    }
    assert!(!page.out.contains("<script") && !page.out.contains("style=\""), "{}", page.out);
    let output = fs::read_to_string(site.path("output")).unwrap();
    assert!(!output.contains(&token()[2..]) && !output.contains(&client(1).to_hex()[2..]), "{output}");
    daemon.stop().await;
}
