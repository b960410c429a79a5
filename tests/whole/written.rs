//! What a report slot of twenty meters costs the disk itself: its file system's own journal is in it, and each block that is written twice.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use arkmeter::simulator::{SimulatedGateway, SimulatedMeter, SimulatedModel};
use tokio::time::sleep;

use crate::cuts::{Mount, tool};
use crate::harness::*;
use crate::world::Living;

const METERS: u8 = 20;
/// Seconds between two reports, unless `ARKMETER_SLOT` says how many.
const SLOT: u64 = 12;
/// One of them at least writes the history of all before it.
const SLOTS: u64 = 16;
/// Where more is written something is wrong: ext4 alone writes some 12 KiB with each commit.
const MOST: u64 = 96 * 1024;

/// Bytes that the device under that folder was given so far.
fn given(folder: &Path) -> u64 {
    tool("sync", &["-f", folder.to_str().unwrap()]);
    let found = Command::new("findmnt").args(["-no", "SOURCE", folder.to_str().unwrap()]).output().unwrap();
    let device = String::from_utf8(found.stdout).unwrap().trim().replace("/dev/", "");
    let told = std::fs::read_to_string(format!("/sys/block/{device}/stat")).unwrap();
    told.split_whitespace().nth(6).unwrap().parse::<u64>().unwrap() * 512
}

#[tokio::test]
#[ignore = "needs root, loop devices and e2fsprogs, and takes minutes: .ci/run runs it where it can"]
#[allow(clippy::print_stderr, reason = "the figure that the README states")]
async fn disk_blocks_that_reports_of_twenty_meters_cost() {
    let slot = std::env::var("ARKMETER_SLOT").ok().and_then(|text| text.parse().ok()).unwrap_or(SLOT);
    let meters: Vec<_> = (1..=METERS)
        .map(|unit| Living::start(SimulatedMeter::new(unit, SimulatedModel::Sdm630, 3600.0, 10.0, 7)))
        .collect();
    let gateway = SimulatedGateway::start(meters.iter().map(Living::unit)).await.unwrap();
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
    until("all are reported", || (1..=METERS).all(|number| held(&arkreen, number).is_some())).await;
    sleep(Duration::from_secs(2 * slot)).await;
    let before = given(&state);
    sleep(Duration::from_secs(SLOTS * slot)).await;
    let bytes = (given(&state) - before) / SLOTS;
    assert!(daemon.runs(), "{}", site.log());
    daemon.kill().await;
    eprintln!("a report each {slot} s: {bytes} bytes a slot at the device, ext4's own included");
    assert!(bytes <= MOST, "{bytes}");
}
