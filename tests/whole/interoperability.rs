//! Meters on other Modbus implementations: pymodbus over every link, and libmodbus over TCP.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, copy_bidirectional};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_serial::{SerialPort, SerialStream};

use crate::harness::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

/// A meter process with another Modbus implementation; killed when dropped.
struct Meter {
    _child: Child,
    port: u16,
}

impl Meter {
    async fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = timeout(WAIT_LIMIT, lines.next_line()).await.expect("the meter prints when it is ready").unwrap();
        let port = ready.as_deref().and_then(|line| line.strip_prefix("ready ")?.parse().ok());
        Meter { _child: child, port: port.unwrap_or_else(|| panic!("it printed {ready:?} instead of `ready`")) }
    }

    async fn pymodbus(arguments: &[&str]) -> Self {
        Meter::start(Command::new("python3").arg(format!("{FOLDER}/pymodbus_meter.py")).args(arguments)).await
    }
}

/// Asserts that `read` and the daemon read this meter, and that the reported values are exact.
async fn assert_read_and_reported(link: &str) {
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).bus("line", link).text("request_gap = \"5ms\"");
    let site = Site::new(&plan.meter("other", "line", 1));
    let output = site.run(&["read", "--json"]).await;
    let rows: Value = serde_json::from_str(&output.out).unwrap_or_default();
    assert_eq!(
        (output.code, &rows[0]["power_mw"], &rows[0]["register_mwh"]),
        (0, &1_500_000.into(), &1_234_500_000.into())
    );
    let daemon = site.start();
    until("two reports", || sent(&arkreen, 1).len() >= 2).await;
    site.all_ok(&["other"]).await;
    daemon.stop().await;
    assert_only(&arkreen, 1, 1_500_000, 1_234_500_000);
    assert_valid_calls(&arkreen);
}

#[tokio::test]
#[ignore = "needs pymodbus and libmodbus: .ci/run installs them"]
async fn interoperability_with_pymodbus_over_tcp() {
    let meter = Meter::pymodbus(&["tcp"]).await;
    assert_read_and_reported(&format!("tcp = \"127.0.0.1:{}\"", meter.port)).await;
}

#[tokio::test]
#[ignore = "needs pymodbus and libmodbus: .ci/run installs them"]
async fn interoperability_with_pymodbus_over_rtu_over_tcp() {
    let meter = Meter::pymodbus(&["rtu_over_tcp"]).await;
    assert_read_and_reported(&format!("rtu_over_tcp = \"127.0.0.1:{}\"", meter.port)).await;
}

#[tokio::test]
#[ignore = "needs pymodbus and libmodbus: .ci/run installs them"]
async fn interoperability_with_pymodbus_over_a_serial_line() {
    // Two pseudo-terminals whose masters are connected act as a null-modem cable.
    let (mut near, our_end) = SerialStream::pair().unwrap();
    let (mut far, their_end) = SerialStream::pair().unwrap();
    let cable = tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
    let _meter = Meter::pymodbus(&["serial", &their_end.name().unwrap()]).await;
    assert_read_and_reported(&format!("serial = \"{}\"", our_end.name().unwrap())).await;
    cable.abort();
}

#[tokio::test]
#[ignore = "needs pymodbus and libmodbus: .ci/run installs them"]
async fn interoperability_with_libmodbus_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("libmodbus_meter");
    compile(&program).await;
    let meter = Meter::start(&mut Command::new(&program)).await;
    assert_read_and_reported(&format!("tcp = \"127.0.0.1:{}\"", meter.port)).await;
}

async fn compile(program: &Path) {
    let mut cc = Command::new("cc");
    cc.arg("-o").arg(program).arg(format!("{FOLDER}/libmodbus_meter.c")).args(["-I/usr/include/modbus", "-lmodbus"]);
    let output = cc.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
