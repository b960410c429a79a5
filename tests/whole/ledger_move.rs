//! `ledger move`: a ledger moves to another machine, and never do both machines report.

use arkmeter::simulator::{Arkreen, SimulatedGateway};
use serde_json::Value;

use crate::harness::*;

fn plan(arkreen: &Arkreen, gateway: &SimulatedGateway) -> Plan {
    Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1)
}

/// A site whose daemon reports.
async fn reporting(arkreen: &Arkreen, gateway: &SimulatedGateway) -> (Site, Daemon) {
    let site = Site::new(&plan(arkreen, gateway));
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    until("it is accepted", || accepted_energy(arkreen, 1) == Some(10_000_000)).await;
    (site, daemon)
}

fn is_retired(document: &Value) -> bool {
    document["trouble"].to_string().contains("the ledger was moved away")
}

#[tokio::test]
async fn the_new_machine_reports_and_the_old_one_does_not_even_after_a_restart() {
    let meter = sdm630(1, 1000.0, 10.0);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let (site, daemon) = reporting(&arkreen, &gateway).await;
    let file = site.path("moved.db");
    let file = file.to_str().unwrap();
    let dry = site.run(&["ledger", "move", file, "--dry-run"]).await;
    assert!(dry.code == 0 && dry.out.contains("nothing was changed") && !site.path("moved.db").exists(), "{dry:?}");
    more_calls(&arkreen, 1).await;
    let output = site.run(&["ledger", "move", file]).await;
    assert!(output.code == 0 && output.out.contains("ledger restore"), "{output:?}");
    site.run(&["ledger", "move", file]).await.complains(1, &["is there already"]);
    site.status_when("the move is shown", is_retired).await;
    let calls = arkreen.calls().len();
    daemon.stop().await;
    let daemon = site.start();
    let document = site.status_when("the move is shown after a restart", is_retired).await;
    assert_eq!(document["accounts"]["main"]["accepted"], 0);
    more_requests(&[&meter], 30).await;
    assert!(site.run(&["ledger", "show"]).await.out.contains("! the ledger was moved away"));
    site.run(&["ledger", "adopt"]).await.complains(1, &["moved away", "restore"]);
    site.run(&["ledger", "credit", "sauna", "1kWh"]).await.complains(1, &["moved away"]);
    // A report that was under way during the move may still arrive.
    assert!(arkreen.calls().len() <= calls + 1);
    assert!(site.log().contains("nothing is reported"));
    daemon.stop().await;

    // The new machine, which has no ledger yet.
    let there = Site::new(&plan(&arkreen, &gateway));
    let restored = there.run(&["ledger", "restore", file]).await;
    assert!(restored.code == 0 && restored.out.contains("it was moved here"), "{restored:?}");
    meter.set_f32(arkmeter::meter::Function::Input, 0x0048, 10.001);
    let daemon = there.start();
    until("reports continue", || accepted_energy(&arkreen, 1) > Some(10_000_900)).await;
    daemon.stop().await;
    assert_valid_calls(&arkreen);
    assert!(!site.path("moved.db.part").exists());
}

#[tokio::test]
async fn a_moved_ledger_can_be_restored_on_the_same_machine() {
    let meter = sdm630(1, 1000.0, 10.0);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let (site, daemon) = reporting(&arkreen, &gateway).await;
    daemon.stop().await;
    let (first, second) = (site.path("first.db"), site.path("second.db"));
    assert_eq!(site.run(&["ledger", "move", first.to_str().unwrap()]).await.code, 0);
    // The file is lost, so it is written again.
    std::fs::remove_file(first).unwrap();
    let daemon = site.start();
    site.status_when("the move is shown", is_retired).await;
    meter.set_f32(arkmeter::meter::Function::Input, 0x0048, 10.001);
    more_requests(&[&meter], 10).await;
    let again = site.run(&["ledger", "move", second.to_str().unwrap()]).await;
    assert_eq!(again.code, 0, "{again:?}");
    daemon.stop().await;
    let restored = site.run(&["ledger", "restore", second.to_str().unwrap()]).await;
    assert_eq!(restored.code, 0, "{restored:?}");
    let daemon = site.start();
    until("reports continue", || accepted_energy(&arkreen, 1) > Some(10_000_900)).await;
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn a_move_without_a_file_changes_nothing() {
    let gateway = SimulatedGateway::start([sdm630(1, 1000.0, 10.0)]).await.unwrap();
    let arkreen = arkreen([1]);
    let (site, daemon) = reporting(&arkreen, &gateway).await;
    site.run(&["ledger", "move", "/proc/moved.db"]).await.complains(1, &["/proc/moved.db"]);
    std::fs::write(site.path("there.db"), "precious").unwrap();
    let there = site.path("there.db");
    site.run(&["ledger", "move", there.to_str().unwrap()]).await.complains(1, &["is there already"]);
    assert_eq!(std::fs::read(there).unwrap(), b"precious");
    more_calls(&arkreen, 3).await;
    let document = site.all_ok(&["sauna"]).await;
    assert!(document["ledger"]["barred"].is_null());
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}
