//! The status page on TCP: it is read-only, and its failure does not stop polling.

use std::net::SocketAddr;
use std::process::Stdio;

use arkmeter::simulator::SimulatedGateway;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::harness::*;

/// The status line and the body of a GET.
pub async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

async fn served(address: SocketAddr, gateway: &SimulatedGateway) -> (Site, Daemon) {
    let plan = Plan::new().text(format!("listen = \"{address}\"")).tcp("gateway", gateway.address());
    let site = Site::new(&plan.polled("sauna", "gateway", 1, "eastron-sdm630"));
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    until("the page is served", || site.log().contains("the status page is served")).await;
    (site, daemon)
}

#[tokio::test]
async fn page_status_document_metrics_and_health_are_served() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let address = unused_address();
    let (_site, daemon) = served(address, &gateway).await;
    let (status, body) = get(address, "/status.json").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let document: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&document["schema"], &document["meters"]["sauna"]["register_mwh"]), (&1.into(), &1_234_500_000.into()));
    let (_, metrics) = get(address, "/metrics").await;
    for line in [
        "arkmeter_meter_power_watts{meter=\"sauna\"} 1500",
        "arkmeter_meter_published_joules_total{meter=\"sauna\"} 4444200000",
        "arkmeter_build_info{",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(get(address, "/healthz").await, ("HTTP/1.1 200 OK".into(), "ok\n".into()));
    assert!(get(address, "/").await.1.contains("sauna"));
    assert_eq!(get(address, "/command").await.0, "HTTP/1.1 404 Not Found");
    daemon.stop().await;
}

#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let address = unused_address();
    let (site, daemon) = served(address, &gateway).await;
    let (_, metrics) = get(address, "/metrics").await;
    daemon.stop().await;
    std::fs::write(site.path("metrics"), metrics).unwrap();
    let input = std::fs::File::open(site.path("metrics")).unwrap();
    let mut promtool = Command::new("promtool");
    match promtool.args(["check", "metrics"]).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).output().await
    {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => skipped("promtool_accepts_the_metrics", "promtool is not installed"),
    }
}

#[tokio::test]
async fn a_busy_port_causes_a_warning_and_polling_continues() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let meter = sdm630(1, 1500.0, 1234.5);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let plan =
        Plan::new().text(format!("listen = \"{}\"", taken.local_addr().unwrap())).tcp("gateway", gateway.address());
    let site = Site::new(&plan.polled("sauna", "gateway", 1, "eastron-sdm630"));
    let daemon = site.start();
    let document = site.all_ok(&["sauna"]).await;
    assert!(document["trouble"].to_string().contains("The status page cannot be served"), "{document:#}");
    assert!(site.log().contains("WARN the status page cannot be served"));
    more_requests(&[&meter], 5).await;
    daemon.stop().await;
}
