//! SIGHUP: changes take effect, unchanged buses and accounts run on, and a configuration with an error changes nothing.

use arkmeter::simulator::SimulatedGateway;

use crate::harness::*;

#[tokio::test]
async fn a_reload_adds_and_removes_meters_without_disturbing_other_lines() {
    let meters = [sdm630(1, 100.0, 10.0), sdm630(2, 200.0, 20.0), sdm630(3, 300.0, 30.0)];
    let stays = SimulatedGateway::start([meters[0].clone()]).await.unwrap();
    let changes = SimulatedGateway::start([meters[1].clone(), meters[2].clone()]).await.unwrap();
    let arkreen = arkreen([1, 2, 3]);
    let without = Plan::new().account(arkreen.url()).tcp("stays", stays.address()).tcp("changes", changes.address());
    let without = without.meter("sauna", "stays", 1).meter("boiler", "changes", 2);
    let with = without.clone().meter("workshop", "changes", 3);
    let site = Site::new(&without);
    let daemon = site.start();
    let document = site.all_ok(&["sauna", "boiler"]).await;
    assert!(document["meters"]["workshop"].is_null());
    site.configure(&with);
    daemon.signal("HUP").await;
    site.all_ok(&["sauna", "boiler", "workshop"]).await;
    until("the new one is accepted", || accepted_energy(&arkreen, 3) == Some(30_000_000)).await;
    site.configure(&without);
    daemon.signal("HUP").await;
    site.status_when("the new one is gone", |it| it["meters"]["workshop"].is_null()).await;
    let requests = meters[2].requests();
    more_requests(&[&meters[0], &meters[1]], 10).await;
    assert_eq!(meters[2].requests(), requests, "a removed meter is no longer polled");
    assert_eq!(stays.connections(), 1, "the other line was not disturbed");
    let document = site.all_ok(&["sauna", "boiler"]).await;
    assert_eq!(document["buses"]["stays"]["reopened"], 0);
    daemon.stop().await;
    assert_valid_calls(&arkreen);
    assert_only(&arkreen, 1, 100_000, 10_000_000);
}

#[tokio::test]
async fn a_configuration_with_an_error_is_shown_and_the_old_one_stays_in_use() {
    let meter = sdm630(1, 100.0, 10.0);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let good = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1);
    let site = Site::new(&good);
    let mut daemon = site.start();
    site.all_ok(&["sauna"]).await;
    site.configure(&good.clone().text("poll_evry = \"1s\""));
    daemon.signal("HUP").await;
    let refused = |it: &serde_json::Value| it["trouble"].to_string().contains("was not reloaded");
    let document = site.status_when("the error is shown", refused).await;
    assert_eq!(document["meters"]["sauna"]["state"], "ok");
    assert!(site.log().contains("poll_evry"), "the log names the key");
    more_requests(&[&meter], 5).await;
    more_calls(&arkreen, 1).await;
    assert!(daemon.runs());
    site.configure(&good);
    daemon.signal("HUP").await;
    site.status_when("all is well again", |it| it["well"] == true).await;
    assert_eq!(gateway.connections(), 1);
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}
