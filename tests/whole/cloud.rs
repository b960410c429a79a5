//! Every answer and failure of Arkreen: polling goes on, the status shows it, and one fresh report follows.

use std::time::Duration;

use arkmeter::meter::Function;
use arkmeter::simulator::arkreen::EndpointBehaviour;
use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedUnit};
use serde_json::Value;

use crate::harness::*;

/// A daemon with one meter that reports well.
struct Reporting {
    site: Site,
    daemon: Daemon,
    arkreen: Arkreen,
    meter: SimulatedUnit,
    _gateway: SimulatedGateway,
}

impl Reporting {
    async fn begin() -> Self {
        let meter = sdm630(1, 1000.0, 100.0);
        let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
        let arkreen = arkreen([1]);
        let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).meter("sauna", "gateway", 1);
        let site = Site::new(&plan);
        let daemon = site.start();
        until("the first report", || accepted_energy(&arkreen, 1).is_some()).await;
        Reporting { site, daemon, arkreen, meter, _gateway: gateway }
    }

    async fn status_of_account(&self, state: &str) -> Value {
        let so = |document: &Value| document["accounts"]["main"]["state"] == state;
        self.site.status_when(&format!("the account is {state}"), so).await
    }

    async fn end(self) {
        self.daemon.stop().await;
        assert_valid_calls(&self.arkreen);
    }
}

#[tokio::test]
async fn a_refused_token_is_shown_and_a_new_token_file_ends_the_pause_at_once() {
    let it = Reporting::begin().await;
    let new = format!("0x{}", "8".repeat(64));
    it.arkreen.set_token(&new);
    let document = it.status_of_account("refused").await;
    assert!(document["accounts"]["main"]["error"].as_str().unwrap().contains("1000"), "{document:#}");
    assert!(document["trouble"][0].as_str().unwrap().starts_with("Account main is refused by Arkreen"));
    let calls = it.arkreen.calls().len();
    more_requests(&[&it.meter], 30).await;
    assert!(it.arkreen.calls().len() <= calls + 1, "a refused account is probed slowly");
    it.meter.set_f32(Function::Input, 0x0034, 1100.0);
    more_requests(&[&it.meter], 6).await;
    it.site.put_token(&new);
    more_calls(&it.arkreen, 1).await;
    it.status_of_account("ok").await;
    assert_eq!(sent(&it.arkreen, 1).last().unwrap().power.0, 1_100_000, "the report is fresh");
    it.end().await;
}

#[tokio::test]
async fn an_unknown_client_does_not_affect_the_others() {
    let gateway = SimulatedGateway::start([sdm630(1, 1000.0, 100.0), sdm630(2, 2000.0, 200.0)]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.meter("known", "gateway", 1).meter("unknown", "gateway", 2));
    let daemon = site.start();
    let refused = |document: &Value| {
        document["clients"]["unknown"]["error"].as_str().is_some_and(|error| error.contains("do not belong together"))
    };
    site.status_when("the refusal is shown", refused).await;
    let calls = sent(&arkreen, 2).len();
    let before = sent(&arkreen, 1).len();
    until("the other client is still reported", || sent(&arkreen, 1).len() >= before + 3).await;
    assert!(sent(&arkreen, 2).len() <= calls + 1, "an unknown client is probed slowly");
    assert_eq!(site.all_ok(&["known", "unknown"]).await["clients"]["known"]["error"], Value::Null);
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn a_figure_that_arkreen_refuses_as_too_low_is_never_inflated() {
    let it = Reporting::begin().await;
    it.arkreen.set_energy(client(1), arkmeter::units::MilliwattHours::new(200_000_000).unwrap());
    let refused =
        |document: &Value| document["clients"]["sauna"]["error"].as_str().is_some_and(|error| error.contains("4003"));
    let document = it.site.status_when("the refusals are shown", refused).await;
    assert_eq!(document["meters"]["sauna"]["state"], "ok");
    more_calls(&it.arkreen, 3).await;
    it.arkreen.set_energy(client(1), arkmeter::units::MilliwattHours::new(100_000_000).unwrap());
    it.site.status_when("all is well", |it| it["well"] == true).await;
    assert_only(&it.arkreen, 1, 1_000_000, 100_000_000);
    it.end().await;
}

#[tokio::test]
async fn after_any_invalid_answer_the_next_reports_are_fresh() {
    let it = Reporting::begin().await;
    let bodies = ["", "{", "[]", "null", r#"{"jsonrpc":"2.0","id":1}"#];
    let mut behaviours = vec![
        EndpointBehaviour::Html,
        EndpointBehaviour::Truncated,
        EndpointBehaviour::Status(500),
        EndpointBehaviour::Huge(1 << 20),
        EndpointBehaviour::Empty(204),
        EndpointBehaviour::WrongId,
        EndpointBehaviour::Close,
    ];
    behaviours.extend(bodies.map(|body| EndpointBehaviour::Raw { status: 200, body: body.into() }));
    for (watts, behaviour) in (1..).zip(behaviours) {
        let what = format!("a report after {behaviour:?}");
        let polled = it.meter.requests();
        it.arkreen.behave(behaviour);
        more_calls(&it.arkreen, 1).await;
        it.meter.set_f32(Function::Input, 0x0034, watts as f32);
        let power = i64::from(watts) * 1000;
        until(&what, || sent(&it.arkreen, 1).last().is_some_and(|entry| entry.power.0 == power)).await;
        assert!(it.meter.requests() > polled);
    }
    it.status_of_account("ok").await;
    it.end().await;
}

#[tokio::test]
async fn a_slow_endpoint_delays_nothing_else() {
    let it = Reporting::begin().await;
    it.arkreen.always(EndpointBehaviour::Slow(Duration::from_secs(7)));
    let document = it.status_of_account("retrying").await;
    assert_eq!(document["meters"]["sauna"]["state"], "ok");
    more_requests(&[&it.meter], 10).await;
    it.arkreen.always(EndpointBehaviour::Normal);
    it.status_of_account("ok").await;
    it.end().await;
}

#[tokio::test]
async fn after_an_outage_the_endpoint_gets_one_fresh_report_and_no_backlog() {
    let (meter, cloud_at) = (sdm630(1, 1000.0, 100.0), unused_address());
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let way = Forwarder::open(cloud_at, &arkreen.url()).await;
    let plan = Plan::new().account(format!("http://{cloud_at}/v1")).tcp("gateway", gateway.address());
    let site = Site::new(&plan.meter("sauna", "gateway", 1));
    let daemon = site.start();
    until("the first report", || accepted_energy(&arkreen, 1).is_some()).await;
    drop(way);
    let document = site.status_when("it tries again", |it| it["accounts"]["main"]["state"] == "retrying").await;
    assert!(document["trouble"][0].as_str().unwrap().starts_with("Account main cannot report and tries again"));
    let before = arkreen.calls().len();
    // Several slots pass, each with another power.
    for watts in [1100.0, 1200.0, 1300.0] {
        meter.set_f32(Function::Input, 0x0034, watts);
        more_requests(&[&meter], 20).await;
    }
    assert_eq!(site.all_ok(&["sauna"]).await["meters"]["sauna"]["power_mw"], 1_300_000);
    let _way = Forwarder::open(cloud_at, &arkreen.url()).await;
    more_calls(&arkreen, 2).await;
    for call in &arkreen.calls()[before..] {
        assert_eq!(call.entries[0].power.0, 1_300_000, "values from the outage are not sent afterwards");
    }
    site.status_when("all is well", |it| it["well"] == true).await;
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}
