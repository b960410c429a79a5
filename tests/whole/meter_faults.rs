//! Faulty meters: the status shows each fault, and the other meters on the bus are not affected.

use arkmeter::meter::Function;
use arkmeter::simulator::{SimulatedGateway, SimulatedSerialLine, UnitFault};

use crate::harness::*;

#[tokio::test]
async fn each_fault_is_shown_and_the_other_meters_keep_their_schedule() {
    let units: Vec<_> = (1..=8).map(|unit| sdm630(unit, 1000.0 + f32::from(unit), 100.0)).collect();
    let gateway = SimulatedGateway::start(units.clone()).await.unwrap();
    let arkreen = arkreen(1..=8);
    let names = ["good", "exception", "length", "nan", "twice", "silent", "other_unit", "also_good"];
    let mut plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    for (name, unit) in names.iter().zip(1..) {
        plan = plan.meter(name, "gateway", unit);
    }
    let site = Site::new(&plan);
    let daemon = site.start();
    site.all_ok(&names).await;
    units[1].fault(UnitFault::Exception(2));
    units[2].fault(UnitFault::WrongLength);
    units[3].set_f32(Function::Input, 0x0034, f32::NAN);
    units[3].set_f32(Function::Input, 0x0048, f32::INFINITY);
    units[4].fault(UnitFault::Twice);
    units[5].fault(UnitFault::Silent);
    units[6].fault(UnitFault::WrongUnit);
    let failing = ["exception", "length", "nan", "silent", "other_unit"];
    let shown = |document: &serde_json::Value| {
        let failing = failing.iter().all(|name| document["meters"][name]["state"] == "failing");
        failing && ["good", "twice", "also_good"].iter().all(|name| document["meters"][name]["state"] == "ok")
    };
    let document = site.status_when("the faults are shown", shown).await;
    for name in failing {
        assert!(document["meters"][name]["error"].is_string(), "{name} has no reason: {document:#}");
        assert_eq!(document["meters"][name]["published_mwh"], 100_000_000, "{name}");
    }
    assert_eq!(site.run(&["status"]).await.code, 1);
    let dead = units[5].requests();
    more_requests(&[&units[0], &units[4], &units[7]], 60).await;
    assert!(
        units[5].requests() - dead < 40,
        "the dead meter is requested as often as the others: {}",
        units[5].requests() - dead
    );
    for unit in &units {
        unit.clear_fault();
    }
    units[3].set_f32(Function::Input, 0x0034, 1004.0);
    units[3].set_f32(Function::Input, 0x0048, 100.0);
    site.all_ok(&names).await;
    daemon.stop().await;
    assert_valid_calls(&arkreen);
    for unit in 1..=8 {
        assert_only(&arkreen, unit, 1_000_000 + i64::from(unit) * 1000, 100_000_000);
    }
}

#[tokio::test]
async fn a_dead_meter_on_a_serial_line_does_not_slow_the_others() {
    let units: Vec<_> = (1..=4).map(|unit| sdm630(unit, 500.0, 50.0)).collect();
    units[3].fault(UnitFault::Silent);
    let line = SimulatedSerialLine::start(units.clone(), None).unwrap();
    let mut plan = Plan::new().serial("cabinet", line.path());
    for (name, unit) in ["a", "b", "c", "dead"].iter().zip(1..) {
        plan = plan.polled(name, "cabinet", unit, "eastron-sdm630");
    }
    let site = Site::new(&plan);
    let daemon = site.start();
    site.all_ok(&["a", "b", "c"]).await;
    let document =
        site.status_when("the dead meter was never read", |it| it["meters"]["dead"]["error"].is_string()).await;
    assert_eq!(document["meters"]["dead"]["state"], "never_read");
    let dead = units[3].requests();
    more_requests(&[&units[0], &units[1], &units[2]], 60).await;
    assert!(units[3].requests() - dead < 20, "{}", units[3].requests() - dead);
    units[3].clear_fault();
    site.all_ok(&["a", "b", "c", "dead"]).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_spike_is_held_and_shown_and_never_reported() {
    let meter = sdm630(1, 1000.0, 180.0);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let site =
        Site::new(&Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1));
    let daemon = site.start();
    assert_eq!(site.all_ok(&["sauna"]).await["meters"]["sauna"]["published_mwh"], 180_000_000);
    meter.set_f32(Function::Input, 0x0048, 5000.0);
    let document = site.status_when("the spike is held", |it| it["meters"]["sauna"]["state"] == "held").await;
    assert!(document["meters"]["sauna"]["held"].is_string());
    assert_eq!(document["meters"]["sauna"]["published_mwh"], 180_000_000);
    assert_eq!(document["well"], false);
    more_calls(&arkreen, 2).await;
    meter.set_f32(Function::Input, 0x0048, 180.0);
    let document = site.all_ok(&["sauna"]).await;
    assert_eq!(document["meters"]["sauna"]["verdicts"]["glitch"], 1, "{document:#}");
    daemon.stop().await;
    assert_only(&arkreen, 1, 1_000_000, 180_000_000);
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn status_without_a_daemon_says_so() {
    let site = Site::new(&Plan::new().tcp("gateway", unused_address()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    site.run(&["status"]).await.complains(69, &["no arkmeter daemon answers", "systemctl start arkmeter"]);
    site.run(&["status", "--json"]).await.complains(69, &["no arkmeter daemon answers"]);
}

/// Devices that answer with a constant transaction id, which all other programs read. One of them closes each connection after its answer.
#[tokio::test]
async fn devices_with_constant_transaction_ids_are_read_and_status_says_what_they_do() {
    let gateways = [gateway_with_id(1, false).await, gateway_with_id(2, true).await];
    let arkreen = arkreen(1..=2);
    let mut plan = Plan::new().account(arkreen.url());
    for (gateway, (bus, meter, unit)) in gateways.iter().zip([("stays", "first", 1), ("closes", "second", 2)]) {
        plan = plan.patient_tcp(bus, gateway.address()).meter(meter, bus, unit);
    }
    let site = Site::new(&plan);
    let daemon = site.start();
    site.all_ok(&["first", "second"]).await;
    let accepted = |name: &str, it: &serde_json::Value| it["clients"][name]["accepted_mwh"].is_u64();
    let both = |it: &serde_json::Value| accepted("first", it) && accepted("second", it);
    let document = site.status_when("both are reported", both).await;
    for bus in ["stays", "closes"] {
        let told = document["buses"][bus]["tolerated"].to_string();
        assert!(told.contains("answers carry transaction id 0 whatever was sent"), "{document:#}");
        assert_eq!(document["buses"][bus]["timeouts"], 0, "{document:#}");
        assert_eq!(told.contains("closed after each answer"), bus == "closes", "{document:#}");
    }
    assert!(site.run(&["status", "--lines"]).await.out.contains("answers carry transaction id 0 whatever was sent"));
    let read = site.run(&["read"]).await;
    assert_eq!(read.code, 0, "{read:?}");
    daemon.stop().await;
    let read = site.run(&["read"]).await;
    assert_eq!(read.code, 0, "{read:?}");
    for unit in 1..=2 {
        assert_only(&arkreen, unit, 1_000_000 + i64::from(unit) * 1000, 100_000_000);
    }
}

async fn gateway_with_id(unit: u8, closes: bool) -> SimulatedGateway {
    let gateway = SimulatedGateway::start([sdm630(unit, 1000.0 + f32::from(unit), 100.0)]).await.unwrap();
    gateway.behave(|gateway| (gateway.transaction, gateway.close_after_answer) = (Some(0), closes));
    gateway
}
