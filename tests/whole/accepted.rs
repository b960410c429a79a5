//! From registers to accepted reports, over every link.

use arkmeter::meter::Function;
use arkmeter::simulator::{LineSpeed, SimulatedGateway, SimulatedSerialLine, SimulatedUnit, WordOrder};

use crate::harness::*;

#[tokio::test]
async fn register_values_reach_arkreen_over_all_three_links() {
    let behind_gateway = sdm630(1, 1500.0, 1234.5);
    let pzem = SimulatedUnit::new(2);
    pzem.set_u32(Function::Input, 0x0003, 2304, WordOrder::Little);
    pzem.set_u32(Function::Input, 0x0005, 12_345_678, WordOrder::Little);
    let behind_converter = sdm630(3, 0.5, 0.25);
    let gateway = SimulatedGateway::start([behind_gateway]).await.unwrap();
    let line = SimulatedSerialLine::start([pzem], Some(LineSpeed { baud: 9600, bits: 10 })).unwrap();
    let converter = SimulatedGateway::start_converter([behind_converter]).await.unwrap();
    let arkreen = arkreen([1, 2, 3]);
    let plan = Plan::new()
        .account(arkreen.url())
        .tcp("gateway", gateway.address())
        .serial("cabinet", line.path())
        .converter("converter", converter.address())
        .meter("heat_pump", "gateway", 1)
        .polled("boiler", "cabinet", 2, "peacefair-pzem-004t-v3")
        .text(format!("client_id = \"{}\"", client(2).to_hex()))
        .meter("workshop", "converter", 3);
    let site = Site::new(&plan);
    let daemon = site.start();
    until("three clients are accepted", || (1..=3).all(|number| accepted_energy(&arkreen, number).is_some())).await;
    let batch = |entries: usize| arkreen.calls().iter().any(|call| call.batch && call.entries.len() == entries);
    until("all three in one call", || batch(3)).await;
    assert_only(&arkreen, 1, 1_500_000, 1_234_500_000);
    assert_only(&arkreen, 2, 230_400, 12_345_678_000);
    assert_only(&arkreen, 3, 500, 250_000);
    let document = site.all_ok(&["heat_pump", "boiler", "workshop"]).await;
    let heat_pump = &document["meters"]["heat_pump"];
    assert_eq!(heat_pump["power_mw"], 1_500_000);
    assert_eq!(heat_pump["register_mwh"], 1_234_500_000);
    assert_eq!(heat_pump["published_mwh"], 1_234_500_000);
    let output = site.status_when("the client's acceptance is known", |it| {
        it["clients"]["boiler"]["accepted_mwh"] == 12_345_678_000u64
    });
    assert_eq!(output.await["accounts"]["main"]["state"], "ok");
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn meters_of_one_client_are_added() {
    let gateway = SimulatedGateway::start([sdm630(1, 1000.0, 100.0), sdm630(2, 200.0, 20.0)]).await.unwrap();
    let arkreen = arkreen([9]);
    let plan = Plan::new()
        .account(arkreen.url())
        .tcp("gateway", gateway.address())
        .polled("floor_1", "gateway", 1, "eastron-sdm630")
        .polled("floor_2", "gateway", 2, "eastron-sdm630")
        .text(format!(
            "[client.building]\nclient_id = \"{}\"\nmeters = [\"floor_1\", \"floor_2\"]",
            client(9).to_hex()
        ));
    let site = Site::new(&plan);
    let daemon = site.start();
    until("three reports", || sent(&arkreen, 9).len() >= 3).await;
    assert_only(&arkreen, 9, 1_200_000, 120_000_000);
    assert!(arkreen.calls().iter().all(|call| !call.batch), "a single entry is not sent as a batch");
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}
