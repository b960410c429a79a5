//! Notifications to systemd, and the sandbox of the unit.

use std::process::Stdio;
use std::time::Duration;

use arkmeter::simulator::SimulatedGateway;
use tokio::net::UnixDatagram;
use tokio::process::Command;
use tokio::time::{Instant, timeout, timeout_at};

use crate::harness::*;

/// systemd's end of the notify socket.
struct Manager {
    socket: UnixDatagram,
    received: Vec<String>,
}

impl Manager {
    /// Waits for the next line with this beginning and returns it.
    async fn receive(&mut self, wanted: &str) -> String {
        let end = Instant::now() + WAIT_LIMIT;
        loop {
            if let Some(at) = self.received.iter().position(|line| line.starts_with(wanted)) {
                return self.received.drain(..=at).next_back().unwrap();
            }
            let mut message = [0; 4096];
            let length = timeout_at(end, self.socket.recv(&mut message)).await;
            let length = length.unwrap_or_else(|_| panic!("systemd did not receive {wanted}")).unwrap();
            self.received.extend(std::str::from_utf8(&message[..length]).unwrap().lines().map(str::to_owned));
        }
    }
}

#[tokio::test]
async fn systemd_is_notified_of_ready_watchdog_reloading_and_stopping() {
    let gateway = SimulatedGateway::start([sdm630(1, 100.0, 10.0)]).await.unwrap();
    let site =
        Site::new(&Plan::new().tcp("gateway", gateway.address()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    let path = site.path("notify");
    let mut manager = Manager { socket: UnixDatagram::bind(&path).unwrap(), received: Vec::new() };
    let daemon = site.start_with(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")]);
    manager.receive("READY=1").await;
    assert!(manager.receive("STATUS=").await.contains("of 1 meters read well"));
    for _ in 0..3 {
        manager.receive("WATCHDOG=1").await;
    }
    daemon.signal("HUP").await;
    manager.receive("RELOADING=1").await;
    manager.receive("READY=1").await;
    daemon.signal("TERM").await;
    manager.receive("STOPPING=1").await;
    assert_eq!(daemon.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_daemon_that_cannot_start_is_never_ready() {
    let site = Site::new(&Plan::new().text("[bus.gateway]"));
    let path = site.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let daemon = site.start_with(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    assert_eq!(daemon.end().await.code(), Some(78));
    let mut message = [0; 4096];
    let received = timeout(Duration::ZERO, socket.recv(&mut message)).await;
    assert!(received.is_err(), "{}", String::from_utf8_lossy(&message));
}

#[tokio::test]
async fn the_units_sandbox_is_tight() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/arkmeter.service");
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["security", "--offline=true", "--threshold=16", "--no-pager", unit]);
    match analyze.stdout(Stdio::piped()).stderr(Stdio::piped()).output().await {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => skipped("the_units_sandbox_is_tight", "systemd-analyze is not installed"),
    }
}

/// Only what must not collide between instances differs. A change of the sandbox in one unit must reach the other.
#[test]
fn the_unit_of_an_instance_is_that_of_the_service() {
    let unit = include_str!("../../systemd/arkmeter.service");
    let template = include_str!("../../systemd/arkmeter@.service");
    let own = [
        "Description=Energy meters to the Arkreen Network (%i)",
        "RequiresMountsFor=/var/lib/arkmeter-%i",
        "Environment=ARKMETER_CONFIG=/etc/arkmeter/%i/arkmeter.toml",
        "StateDirectory=arkmeter-%i",
        "RuntimeDirectory=arkmeter-%i",
        "ConfigurationDirectory=arkmeter arkmeter/%i",
    ];
    for line in own {
        assert!(template.lines().any(|other| other == line), "{line}");
    }
    let instance = template.lines().skip_while(|line| line.starts_with('#'));
    let instance = instance.filter(|line| !line.starts_with("Environment="));
    let expected = unit.lines().map(|line| {
        let key = line.split_inclusive('=').next().unwrap_or_default();
        own.into_iter().find(|own| own.starts_with(key) && key.ends_with('=')).unwrap_or(line)
    });
    assert!(instance.eq(expected));
}
