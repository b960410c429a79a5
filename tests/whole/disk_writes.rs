//! How many bytes a report slot of twenty meters writes to the disk, including the file system's journal and blocks written twice.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use arkmeter::simulator::{SimulatedGateway, SimulatedMeter, SimulatedModel};
use tokio::time::sleep;

use crate::harness::*;
use crate::power_cuts::{Mount, tool};
use crate::surroundings::CountingMeter;

const METERS: u8 = 20;
/// Seconds between two reports, unless `ARKMETER_SLOT` is set.
const SLOT: u64 = 12;
/// Enough slots that at least one of them writes the history.
const SLOTS: u64 = 16;
/// The maximum bytes per slot. ext4 alone writes about 12 KiB with each commit.
const MOST: u64 = 96 * 1024;

/// Bytes written so far to the device of this folder.
fn written_bytes(folder: &Path) -> u64 {
    tool("sync", &["-f", folder.to_str().unwrap()]);
    let found = Command::new("findmnt").args(["-no", "SOURCE", folder.to_str().unwrap()]).output().unwrap();
    let device = String::from_utf8(found.stdout).unwrap().trim().replace("/dev/", "");
    let statistics = std::fs::read_to_string(format!("/sys/block/{device}/stat")).unwrap();
    statistics.split_whitespace().nth(6).unwrap().parse::<u64>().unwrap() * 512
}

#[tokio::test]
#[ignore = "needs root, loop devices and e2fsprogs, and takes minutes: .ci/run runs it where it can"]
#[allow(clippy::print_stderr, reason = "prints the figure that the documents state")]
async fn disk_blocks_written_for_reports_of_twenty_meters() {
    let slot = std::env::var("ARKMETER_SLOT").ok().and_then(|text| text.parse().ok()).unwrap_or(SLOT);
    let meters: Vec<_> = (1..=METERS)
        .map(|unit| CountingMeter::start(SimulatedMeter::new(unit, SimulatedModel::Sdm630, 3600.0, 10.0, 7)))
        .collect();
    let gateway = SimulatedGateway::start(meters.iter().map(CountingMeter::unit)).await.unwrap();
    let arkreen = arkreen(1..=METERS);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let plan = (1..=METERS).fold(plan, |plan, unit| plan.counting(&format!("meter_{unit}"), "gateway", unit));
    let site = Site::new(&plan.replaced("report_every = \"1s\"", &format!("report_every = \"{slot}s\"")));
    let (folder, state) = (tempfile::tempdir().unwrap(), site.path("state"));
    let image = folder.path().join("disk.img");
    std::fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
    tool("mkfs.ext4", &["-q", "-b", "4096", image.to_str().unwrap()]);
    let _disk = Mount::new(&["-o", "loop", image.to_str().unwrap()], &state);
    let mut daemon = site.start();
    until("all meters are reported", || (1..=METERS).all(|number| accepted_energy(&arkreen, number).is_some())).await;
    sleep(Duration::from_secs(2 * slot)).await;
    let before = written_bytes(&state);
    sleep(Duration::from_secs(SLOTS * slot)).await;
    let bytes = (written_bytes(&state) - before) / SLOTS;
    assert!(daemon.runs(), "{}", site.log());
    daemon.kill().await;
    eprintln!("a report every {slot} s: {bytes} bytes per slot at the device, including ext4's own");
    assert!(bytes <= MOST, "{bytes}");
}
