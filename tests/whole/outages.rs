//! Adapters, gateways and networks that disappear and return.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use arkmeter::simulator::{SimulatedGateway, SimulatedSerialLine};

use crate::harness::*;

/// Points the symbolic link to the current device, as udev does.
fn plug(by_id: &Path, line: &SimulatedSerialLine) {
    let new = by_id.with_extension("new");
    symlink(line.path(), &new).unwrap();
    fs::rename(new, by_id).unwrap();
}

#[tokio::test]
async fn an_adapter_that_returns_as_another_device_is_found_by_its_name() {
    let (meter, other) = (sdm630(1, 100.0, 10.0), sdm630(2, 200.0, 20.0));
    let gateway = SimulatedGateway::start([other.clone()]).await.unwrap();
    let arkreen = arkreen([1, 2]);
    let mut line = SimulatedSerialLine::start([meter.clone()], None).unwrap();
    let site = Site::new(&Plan::new());
    let by_id = site.path("by-id");
    plug(&by_id, &line);
    let plan = Plan::new().account(arkreen.url()).serial("cabinet", &by_id).tcp("gateway", gateway.address());
    site.configure(&plan.meter("sauna", "cabinet", 1).meter("boiler", "gateway", 2));
    let daemon = site.start();
    site.all_ok(&["sauna", "boiler"]).await;
    for _ in 0..2 {
        fs::remove_file(&by_id).unwrap();
        drop(line);
        let document = site.status_when("the bus is closed", |it| it["buses"]["cabinet"]["state"] == "closed").await;
        assert_eq!(document["meters"]["sauna"]["state"], "failing");
        assert_eq!(document["meters"]["boiler"]["state"], "ok");
        more_requests(&[&other], 3).await;
        // Another device is created first, so that the new one gets a different number.
        let _between = SimulatedSerialLine::start([], None).unwrap();
        line = SimulatedSerialLine::start([meter.clone()], None).unwrap();
        plug(&by_id, &line);
        site.all_ok(&["sauna", "boiler"]).await;
    }
    more_calls(&arkreen, 2).await;
    daemon.stop().await;
    assert_valid_calls(&arkreen);
    assert_only(&arkreen, 1, 100_000, 10_000_000);
}

#[tokio::test]
async fn a_gateway_that_returns_is_connected_again() {
    let (meter, other) = (sdm630(1, 100.0, 10.0), sdm630(2, 200.0, 20.0));
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let stays = SimulatedGateway::start([other.clone()]).await.unwrap();
    let plan = Plan::new().tcp("gateway", gateway.address()).tcp("stays", stays.address());
    let plan = plan.polled("sauna", "gateway", 1, "eastron-sdm630").polled("boiler", "stays", 2, "eastron-sdm630");
    let site = Site::new(&plan);
    let daemon = site.start();
    site.all_ok(&["sauna", "boiler"]).await;
    let address = gateway.address();
    drop(gateway);
    let document = site.status_when("the bus is closed", |it| it["buses"]["gateway"]["state"] == "closed").await;
    assert_eq!(document["meters"]["boiler"]["state"], "ok");
    more_requests(&[&other], 3).await;
    let gateway = SimulatedGateway::start_at(address, [meter.clone()]).await.unwrap();
    site.all_ok(&["sauna", "boiler"]).await;
    // The gateway may close an idle connection.
    gateway.disconnect();
    more_requests(&[&meter], 6).await;
    site.all_ok(&["sauna", "boiler"]).await;
    assert_eq!(stays.connections(), 1, "one connection is enough");
    daemon.stop().await;
}

#[tokio::test]
async fn it_starts_without_meters_and_network_and_uses_what_appears() {
    let (gateway_at, cloud_at) = (unused_address(), unused_address());
    let arkreen = arkreen([1, 2]);
    let site = Site::new(&Plan::new());
    let by_id = site.path("by-id");
    let plan =
        Plan::new().account(format!("http://{cloud_at}/v1")).tcp("gateway", gateway_at).serial("cabinet", &by_id);
    site.configure(&plan.meter("sauna", "gateway", 1).meter("boiler", "cabinet", 2));
    let mut daemon = site.start();
    let closed =
        |it: &serde_json::Value| ["gateway", "cabinet"].iter().all(|bus| it["buses"][bus]["state"] == "closed");
    let document = site.status_when("both buses are closed", closed).await;
    assert_eq!(document["meters"]["sauna"]["state"], "never_read");
    let trouble = document["trouble"].to_string();
    assert!(trouble.contains("Bus gateway is closed") && trouble.contains("Bus cabinet is closed"), "{trouble}");
    assert!(daemon.runs());
    let _gateway = SimulatedGateway::start_at(gateway_at, [sdm630(1, 100.0, 10.0)]).await.unwrap();
    let line = SimulatedSerialLine::start([sdm630(2, 200.0, 20.0)], None).unwrap();
    plug(&by_id, &line);
    site.all_ok(&["sauna", "boiler"]).await;
    site.status_when("the account tries again", |it| it["accounts"]["main"]["state"] == "retrying").await;
    let _way = Forwarder::open(cloud_at, &arkreen.url()).await;
    until("both are accepted", || (1..=2).all(|number| accepted_energy(&arkreen, number).is_some())).await;
    site.status_when("all is well", |it| it["well"] == true).await;
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}
