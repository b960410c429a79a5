//! Answers that come after their timeout: they are discarded on every kind of link.

use arkmeter::simulator::{SimulatedGateway, SimulatedSerialLine, SimulatedUnit, UnitFault};
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::*;

fn meters() -> [SimulatedUnit; 3] {
    [sdm630(1, 1000.0, 1500.0), sdm630(2, 2000.0, 2500.0), sdm630(3, 3000.0, 3500.0)]
}

#[tokio::test]
async fn late_answers_over_tcp_are_discarded() {
    let meters = meters();
    let gateway = SimulatedGateway::start(meters.clone()).await.unwrap();
    assert_discarded(&meters, |plan| plan.tcp("line", gateway.address())).await;
}

#[tokio::test]
async fn late_answers_through_a_converter_are_discarded() {
    let meters = meters();
    let converter = SimulatedGateway::start_converter(meters.clone()).await.unwrap();
    assert_discarded(&meters, |plan| plan.converter("line", converter.address())).await;
}

#[tokio::test]
async fn late_answers_over_a_serial_line_are_discarded() {
    let meters = meters();
    let line = SimulatedSerialLine::start(meters.clone(), None).unwrap();
    assert_discarded(&meters, |plan| plan.serial("line", line.path())).await;
}

#[tokio::test]
async fn late_answers_of_a_single_meter_are_discarded() {
    // The answer with the power is late and comes after the request for the energy, whose answer has the same length.
    let meters = meters();
    let gateway = SimulatedGateway::start([meters[0].clone()]).await.unwrap();
    let converter = SimulatedGateway::start_converter([meters[1].clone()]).await.unwrap();
    let line = SimulatedSerialLine::start([meters[2].clone()], None).unwrap();
    let arkreen = arkreen([1, 2, 3]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let plan = plan.converter("converter", converter.address()).serial("cabinet", line.path());
    let plan = plan.meter("first", "gateway", 1).meter("second", "converter", 2).meter("third", "cabinet", 3);
    let site = Site::new(&plan);
    let daemon = site.start();
    site.all_ok(&["first", "second", "third"]).await;
    let names = ["first", "second", "third"];
    let failed =
        |it: &Value, least: u64| names.iter().all(|name| it["meters"][name]["failures"].as_u64() >= Some(least));
    // On a loaded machine an answer that is late by little is often in time for the program: a failure is waited for, not counted.
    for least in 1..=4 {
        let end = Instant::now() + WAIT_LIMIT;
        while !failed(&site.document().await.unwrap_or_default(), least) {
            assert!(Instant::now() < end, "not every meter failed {least} times");
            for meter in &meters {
                meter.fault_next(1, UnitFault::Late(TIMEOUT * 6 / 5));
            }
            more_requests(&meters.each_ref(), 4).await;
        }
    }
    more_calls(&arkreen, 1).await;
    let document = site.all_ok(&names).await;
    for name in names {
        let meter = &document["meters"][name];
        assert!(meter["verdicts"]["held"].is_null() && meter["verdicts"]["glitch"].is_null(), "{meter:#}");
    }
    daemon.stop().await;
    assert_valid_calls(&arkreen);
    for (number, watts) in [(1, 1000), (2, 2000), (3, 3000)] {
        assert_only(&arkreen, number, watts * 1000, (watts as u64 + 500) * 1_000_000);
    }
}

async fn assert_discarded(meters: &[SimulatedUnit; 3], line: impl Fn(Plan) -> Plan) {
    let arkreen = arkreen([1, 2, 3]);
    let plan = line(Plan::new().account(arkreen.url()));
    let plan = plan.meter("first", "line", 1).meter("second", "line", 2).meter("third", "line", 3);
    let site = Site::new(&plan);
    let daemon = site.start();
    site.all_ok(&["first", "second", "third"]).await;
    let [first, second, third] = meters;
    // First one answer is late, then the other, then all for some time. The answers with power and energy have the same length.
    for late in [1, 1, 2, 3] {
        second.fault_next(late, UnitFault::Late(TIMEOUT * 6 / 5));
        more_requests(&[first, third], 4).await;
        more_requests(&[second], 6).await;
    }
    second.fault(UnitFault::Late(TIMEOUT * 6 / 5));
    site.status_when("the late meter fails", |it| it["meters"]["second"]["state"] == "failing").await;
    more_requests(&[first, third], 10).await;
    more_calls(&arkreen, 2).await;
    let document = site.status_when("the other meters are ok", |it| it["meters"]["first"]["state"] == "ok").await;
    assert!(document["buses"]["line"]["timeouts"].as_u64() >= Some(5), "{document:#}");
    second.clear_fault();
    let document = site.all_ok(&["first", "second", "third"]).await;
    for (name, verdicts) in ["first", "second", "third"].map(|name| (name, &document["meters"][name]["verdicts"])) {
        assert!(verdicts["held"].is_null() && verdicts["glitch"].is_null(), "{name}: {verdicts}");
    }
    more_calls(&arkreen, 2).await;
    daemon.stop().await;
    assert_valid_calls(&arkreen);
    assert_only(&arkreen, 1, 1_000_000, 1_500_000_000);
    assert_only(&arkreen, 2, 2_000_000, 2_500_000_000);
    assert_only(&arkreen, 3, 3_000_000, 3_500_000_000);
}
