//! What systemd is told, and the sandbox that it runs the daemon in.

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
    told: Vec<String>,
}

impl Manager {
    /// Waits until the daemon says a line that begins so, after what was waited for before; gives the line.
    async fn hears(&mut self, wanted: &str) -> String {
        let end = Instant::now() + SOON;
        loop {
            if let Some(at) = self.told.iter().position(|line| line.starts_with(wanted)) {
                return self.told.drain(..=at).next_back().unwrap();
            }
            let mut message = [0; 4096];
            let length = timeout_at(end, self.socket.recv(&mut message)).await;
            let length = length.unwrap_or_else(|_| panic!("systemd was not told {wanted}")).unwrap();
            self.told.extend(std::str::from_utf8(&message[..length]).unwrap().lines().map(str::to_owned));
        }
    }
}

#[tokio::test]
async fn systemd_is_told_ready_watchdog_reloading_and_stopping() {
    let gateway = SimulatedGateway::start([sdm630(1, 100.0, 10.0)]).await.unwrap();
    let site =
        Site::new(&Plan::new().tcp("gateway", gateway.address()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    let path = site.path("notify");
    let mut manager = Manager { socket: UnixDatagram::bind(&path).unwrap(), told: Vec::new() };
    let daemon = site.start_with(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")]);
    manager.hears("READY=1").await;
    assert!(manager.hears("STATUS=").await.contains("of 1 meters read well"));
    for _ in 0..3 {
        manager.hears("WATCHDOG=1").await;
    }
    daemon.signal("HUP").await;
    manager.hears("RELOADING=1").await;
    manager.hears("READY=1").await;
    daemon.signal("TERM").await;
    manager.hears("STOPPING=1").await;
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
    let told = timeout(Duration::ZERO, socket.recv(&mut message)).await;
    assert!(told.is_err(), "{}", String::from_utf8_lossy(&message));
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
