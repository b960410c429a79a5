//! A ledger of the first schema: this version shows the same figures and journal, and continues from them.

use std::fs;

use arkmeter::meter::Function;
use arkmeter::simulator::SimulatedGateway;
use serde_json::Value;

use crate::harness::*;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/whole/fixtures/ledger-v1");

fn expected(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(format!("{FIXTURE}/{name}")).unwrap()).unwrap()
}

async fn printed(site: &Site, arguments: &[&str]) -> Value {
    let output = site.run(arguments).await;
    assert_eq!(output.code, 0, "{output:?}");
    serde_json::from_str(&output.out).unwrap()
}

#[tokio::test]
async fn a_ledger_of_version_1_keeps_its_figures_and_its_journal() {
    let meters = [sdm630(1, 1000.0, 10.0003), sdm630(5, 500.0, 20.0)];
    meters[1].set(Function::Holding, 0xFC00, &[0, 4711]);
    let gateway = SimulatedGateway::start(meters.clone()).await.unwrap();
    let arkreen = arkreen([1, 5]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.meter("steam_bath", "gateway", 1).meter("garage", "gateway", 5));
    fs::create_dir(site.path("state")).unwrap();
    for name in ["ledger.db", "ledger-copy.db", "history.db"] {
        fs::copy(format!("{FIXTURE}/{name}"), site.path("state").join(name)).unwrap();
    }
    let shown = printed(&site, &["ledger", "show", "--json"]).await;
    let then = expected("show.json");
    assert_eq!((&shown["meters"], &shown["clients"]), (&then["meters"], &then["clients"]));
    let journal = printed(&site, &["ledger", "journal", "--json", "--most", "5000"]).await;
    assert_eq!(journal["entries"], expected("journal.json")["entries"]);

    // On the machine that made the fixture there is nothing to adopt.
    let adopted = site.run(&["ledger", "adopt"]).await;
    assert!(adopted.code == 0 || adopted.err.contains("already"), "{adopted:?}");
    assert!(site.path("state/ledger-v1.db").exists());
    let daemon = site.start();
    let ready = |it: &Value| {
        let meter = |name: &str| it["meters"][name]["published_mwh"].as_u64();
        meter("steam_bath") == Some(10_000_300) && meter("garage") == Some(700_000_000)
    };
    site.status_when("the figures are shown", ready).await;
    // The endpoint is a new one, so its clients start with their meters' figures.
    until("both are reported", || {
        accepted_energy(&arkreen, 1) == Some(10_000_300) && accepted_energy(&arkreen, 5) == Some(700_000_000)
    })
    .await;
    daemon.stop().await;
    let shown = printed(&site, &["ledger", "show", "--json"]).await;
    for (name, meter) in then["meters"].as_object().unwrap() {
        let now = shown["meters"][name]["published_mwh"].as_u64();
        assert!(now >= meter["published_mwh"].as_u64(), "{name} fell");
    }
    assert_valid_calls(&arkreen);
}
