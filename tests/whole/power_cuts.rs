//! Real disk faults: a full disk, a read-only disk, power cuts. They need root and loop devices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use arkmeter::ledger::shown::Shown;
use arkmeter::ledger::{machine, store};
use arkmeter::simulator::{Arkreen, SimulatedGateway, SimulatedMeter, SimulatedModel};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::disk::Disk;
use crate::harness::*;

/// The number of power cuts, unless `ARKMETER_CUTS` is set.
const CUTS: u32 = 20;
/// The number of power cuts in the control run without flushes.
const CONTROL: u32 = 5;

/// A mount that is removed when dropped.
pub struct Mount(PathBuf);

impl Mount {
    pub fn new(arguments: &[&str], target: &Path) -> Self {
        std::fs::create_dir_all(target).unwrap();
        tool("mount", &[arguments, &[target.to_str().unwrap()]].concat());
        Mount(target.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a daemon that was just killed may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

pub fn tool(name: &str, arguments: &[&str]) {
    let output = Command::new(name).args(arguments).output().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An ext4 image that can be copied at once (reflink), mounted at the site's state folder.
struct LiveDisk {
    image: PathBuf,
    outer: PathBuf,
    _inner: Mount,
    _outer: Mount,
    _folder: TempDir,
}

impl LiveDisk {
    fn under(site: &Site) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (file, outer) = (folder.path().join("outer.img"), folder.path().join("outer"));
        std::fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
        tool("mkfs.xfs", &["-q", "-m", "reflink=1", file.to_str().unwrap()]);
        let below = Mount::new(&["-o", "loop", file.to_str().unwrap()], &outer);
        let image = outer.join("inner.img");
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        tool("mkfs.ext4", &["-q", image.to_str().unwrap()]);
        let inner = Mount::new(&["-o", "loop", image.to_str().unwrap()], &site.path("state"));
        LiveDisk { image, outer, _inner: inner, _outer: below, _folder: folder }
    }

    /// Opens a copy of the disk as a power cut would leave it. An error says which of these figures it has lost.
    fn cut(&self, reported: &BTreeMap<u8, u64>) -> Result<(), String> {
        let (copy, folder) = (self.outer.join("cut.img"), self.outer.join("cut"));
        tool("cp", &["--reflink=always", self.image.to_str().unwrap(), copy.to_str().unwrap()]);
        let _mount = Mount::new(&["-o", "loop", copy.to_str().unwrap()], &folder);
        let options = store::StoreOptions { durable: true, machine: machine::mark() };
        let opened = store::Store::open(&folder, options).map_err(|error| error.to_string())?;
        if let Some(why) = opened.fell_back {
            return Err(why);
        }
        for (number, reported) in reported {
            let found = opened.contents.clients.iter().find(|(key, _)| key.client_id == client(*number));
            let kept = found.and_then(|(_, client)| client.state.energy).map_or(0, |energy| energy.get());
            if kept < *reported {
                return Err(format!("client {number} got {reported} mWh, but {kept} are on the disk"));
            }
        }
        Ok(())
    }
}

/// The energy that Arkreen has accepted for clients 1 and 4.
fn reported(arkreen: &Arkreen) -> BTreeMap<u8, u64> {
    [1, 4].into_iter().filter_map(|number| Some((number, accepted_energy(arkreen, number)?))).collect()
}

/// Runs a daemon with two meters, one of them without a counter, and cuts the disk's power this many times. Returns the losses.
async fn losses_after_cuts(cuts: u32, variables: &[(&str, &str)]) -> Vec<String> {
    let sauna = CountingMeter::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 3600.0, 10.0, 7));
    let gateway = SimulatedGateway::start([sauna.unit(), sdm630(4, 2400.0, 0.0)]).await.unwrap();
    let arkreen = arkreen([1, 4]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).counting("sauna", "gateway", 1);
    let plan = plan.polled("boiler", "gateway", 4, "watts").text(format!("client_id = \"{}\"", client(4).to_hex()));
    let power = "[profile.watts.power]\nregister = 0x0034\nfunction = \"input\"\ntype = \"f32\"\nunit = \"W\"";
    let site = Site::new(&plan.text(format!("[profile.watts]\nvendor = \"Acme\"\nmodel = \"watts\"\n{power}")));
    let disk = LiveDisk::under(&site);
    let daemon = site.start_with(variables);
    until("both are reported", || reported(&arkreen).len() == 2).await;
    let mut lost = Vec::new();
    for cut in 0..cuts {
        // At a different moment of the slot each time, mostly soon after a report.
        let calls = arkreen.calls().len();
        until("a report", || arkreen.calls().len() > calls).await;
        sleep(Duration::from_millis(u64::from(cut * cut * 37 % 400))).await;
        let reported = reported(&arkreen);
        lost.extend(disk.cut(&reported).err());
    }
    daemon.kill().await;
    assert_valid_calls(&arkreen);
    lost
}

#[tokio::test]
#[ignore = "needs root, loop devices, xfsprogs and e2fsprogs: .ci/run runs it where it can"]
#[allow(clippy::print_stderr, reason = "prints the number of cuts and losses")]
async fn disk_holds_every_reported_figure_after_a_power_cut() {
    let cuts = std::env::var("ARKMETER_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(CUTS);
    assert_eq!(losses_after_cuts(cuts, &[]).await, Vec::<String>::new());
    // Control run: without flushes something must be lost, or the test proves nothing.
    let disk = Disk::compile().await;
    let lost = losses_after_cuts(CONTROL, &disk.without_flush()).await;
    assert!(!lost.is_empty(), "nothing was lost without flushes");
    eprintln!("{cuts} power cuts survived; without flushes {} of {CONTROL} lost something: {}", lost.len(), lost[0]);
}

#[tokio::test]
#[ignore = "needs root, to mount a small disk: .ci/run runs it where it can"]
async fn disk_full_allows_reports_of_figures_on_disk_and_no_others() {
    let sauna = CountingMeter::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 3600.0, 10.0, 7));
    let gateway = SimulatedGateway::start([sauna.unit()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    // Few slots before the disk is full: a log that has reached its full size is used again and needs no space.
    let plan = plan.counting("sauna", "gateway", 1).replaced("report_every = \"1s\"", "report_every = \"10s\"");
    let site = Site::new(&plan);
    let state = site.path("state");
    let _mount = Mount::new(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"], &state);
    let daemon = site.start();
    until("it is reported", || accepted_energy(&arkreen, 1).is_some()).await;
    let ballast = state.join("ballast");
    let _ = std::fs::write(&ballast, vec![1; 2 << 20]);
    site.status_when("the full disk is shown", |it| it.to_string().contains("free some space")).await;
    let (calls, requests) = (arkreen.calls().len(), sauna.unit().requests());
    more_calls(&arkreen, 2).await;
    assert!(sauna.unit().requests() > requests, "the meter is still polled");
    // Every figure that was reported meanwhile is on disk.
    let safe = on_disk(&site).await;
    for call in &arkreen.calls()[calls..] {
        assert!(call.entries.iter().all(|entry| entry.energy.get() <= safe), "{call:?} with {safe} mWh on disk");
    }
    assert!(sauna.reading() > safe as f64 + 2.0, "it counted on");
    std::fs::remove_file(&ballast).unwrap();
    let end = Instant::now() + 2 * WAIT_LIMIT;
    while accepted_energy(&arkreen, 1).unwrap() <= safe {
        assert!(Instant::now() < end, "no new figure is reported after the disk has room");
        sleep(CHECK_INTERVAL).await;
    }
    daemon.kill().await;
    assert!(on_disk(&site).await >= accepted_energy(&arkreen, 1).unwrap());
    assert_valid_calls(&arkreen);
}

#[tokio::test]
#[ignore = "needs root, to mount a disk that cannot be written: .ci/run runs it where it can"]
async fn disk_read_only_is_an_error_with_its_remedy() {
    let site = Site::new(&Plan::new().tcp("gateway", unused_address()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    let _mount = Mount::new(&["-t", "tmpfs", "-o", "ro", "tmpfs"], &site.path("state"));
    site.run(&["run"]).await.complains(1, &["mount it writable"]);
}

/// The client's energy on disk, with or without a running daemon.
async fn on_disk(site: &Site) -> u64 {
    let output = site.run(&["ledger", "show", "--json"]).await;
    let shown: Shown = serde_json::from_str(&output.out).unwrap();
    assert_eq!(shown.damaged, None);
    shown.clients[0].energy_mwh.unwrap().get()
}
