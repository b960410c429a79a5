//! Disks that fail for real: full ones, read-only ones, power that goes. All of it needs root and loop devices.

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

/// Power cuts, unless `ARKMETER_CUTS` says how many.
const CUTS: u32 = 20;
/// Cuts of a disk that keeps no promise until one is found out; the first shows it.
const CONTROL: u32 = 5;

/// Something that is mounted until this is dropped.
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
        // Lazily: a daemon that was just killed may still be on its way out.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

pub fn tool(name: &str, arguments: &[&str]) {
    let output = Command::new(name).args(arguments).output().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An ext4 disk in a file that can be copied in an instant, mounted where the site keeps its state.
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

    /// The disk as it is when the power goes now, and what of these figures it does not hold.
    fn cut(&self, told: &BTreeMap<u8, u64>) -> Result<(), String> {
        let (copy, folder) = (self.outer.join("cut.img"), self.outer.join("cut"));
        tool("cp", &["--reflink=always", self.image.to_str().unwrap(), copy.to_str().unwrap()]);
        let _mount = Mount::new(&["-o", "loop", copy.to_str().unwrap()], &folder);
        let options = store::StoreOptions { durable: true, machine: machine::mark() };
        let opened = store::Store::open(&folder, options).map_err(|error| error.to_string())?;
        if let Some(why) = opened.fell_back {
            return Err(why);
        }
        for (number, told) in told {
            let found = opened.contents.clients.iter().find(|(key, _)| key.client_id == client(*number));
            let kept = found.and_then(|(_, client)| client.state.energy).map_or(0, |energy| energy.get());
            if kept < *told {
                return Err(format!("client {number} was told {told} mWh, and {kept} are on the disk"));
            }
        }
        Ok(())
    }
}

/// What Arkreen holds of clients 1 and 4.
fn told(arkreen: &Arkreen) -> BTreeMap<u8, u64> {
    [1, 4].into_iter().filter_map(|number| Some((number, held(arkreen, number)?))).collect()
}

/// A daemon with a counter and a meter without one, on a disk whose power is cut so often; the cuts that it did not survive.
async fn cut_so_often(cuts: u32, variables: &[(&str, &str)]) -> Vec<String> {
    let sauna = Living::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 3600.0, 10.0, 7));
    let gateway = SimulatedGateway::start([sauna.unit(), sdm630(4, 2400.0, 0.0)]).await.unwrap();
    let arkreen = arkreen([1, 4]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address()).counting("sauna", "gateway", 1);
    let plan = plan.polled("boiler", "gateway", 4, "watts").text(format!("client_id = \"{}\"", client(4).to_hex()));
    let power = "[profile.watts.power]\nregister = 0x0034\nfunction = \"input\"\ntype = \"f32\"\nunit = \"W\"";
    let site = Site::new(&plan.text(format!("[profile.watts]\nvendor = \"Acme\"\nmodel = \"watts\"\n{power}")));
    let disk = LiveDisk::under(&site);
    let daemon = site.start_with(variables);
    until("both are reported", || told(&arkreen).len() == 2).await;
    let mut lost = Vec::new();
    for cut in 0..cuts {
        // At another moment of a slot each time, most of them soon after a report.
        let calls = arkreen.calls().len();
        until("a report", || arkreen.calls().len() > calls).await;
        sleep(Duration::from_millis(u64::from(cut * cut * 37 % 400))).await;
        let told = told(&arkreen);
        lost.extend(disk.cut(&told).err());
    }
    daemon.kill().await;
    assert_truthful(&arkreen);
    lost
}

#[tokio::test]
#[ignore = "needs root, loop devices, xfsprogs and e2fsprogs: .ci/run runs it where it can"]
#[allow(clippy::print_stderr, reason = "the figures")]
async fn disk_whatever_was_told_is_there_after_a_power_cut() {
    let cuts = std::env::var("ARKMETER_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(CUTS);
    assert_eq!(cut_so_often(cuts, &[]).await, Vec::<String>::new());
    // The same without a flush, or the test proves nothing.
    let disk = Disk::compile().await;
    let lost = cut_so_often(CONTROL, &disk.without_flush()).await;
    assert!(!lost.is_empty(), "without a flush nothing was lost either");
    eprintln!("{cuts} power cuts survived; without a flush {} of {CONTROL} lost something: {}", lost.len(), lost[0]);
}

#[tokio::test]
#[ignore = "needs root, to mount a small disk: .ci/run runs it where it can"]
async fn disk_full_stops_no_report_of_what_is_safe_and_sends_nothing_else() {
    let sauna = Living::start(SimulatedMeter::new(1, SimulatedModel::Sdm630, 3600.0, 10.0, 7));
    let gateway = SimulatedGateway::start([sauna.unit()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.counting("sauna", "gateway", 1));
    let state = site.path("state");
    let _mount = Mount::new(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"], &state);
    let daemon = site.start();
    until("it is reported", || held(&arkreen, 1).is_some()).await;
    let ballast = state.join("ballast");
    let _ = std::fs::write(&ballast, vec![1; 2 << 20]);
    site.status_when("the full disk is told", |it| it.to_string().contains("free some space")).await;
    let (calls, asked) = (arkreen.calls().len(), sauna.unit().requests());
    more_calls(&arkreen, 3).await;
    assert!(sauna.unit().requests() > asked, "it is polled all the same");
    // What Arkreen was told meanwhile is what a restart would find.
    let safe = on_disk(&site).await;
    for call in &arkreen.calls()[calls..] {
        assert!(call.entries.iter().all(|entry| entry.energy.get() <= safe), "{call:?} with {safe} mWh on disk");
    }
    assert!(sauna.reading() > safe as f64 + 2.0, "it counted on");
    std::fs::remove_file(&ballast).unwrap();
    let end = Instant::now() + 2 * SOON;
    while held(&arkreen, 1).unwrap() <= safe {
        assert!(Instant::now() < end, "it does not go on with room on the disk");
        sleep(LOOK_EVERY).await;
    }
    daemon.kill().await;
    assert!(on_disk(&site).await >= held(&arkreen, 1).unwrap());
    assert_truthful(&arkreen);
}

#[tokio::test]
#[ignore = "needs root, to mount a disk that cannot be written: .ci/run runs it where it can"]
async fn disk_read_only_is_told_with_its_remedy() {
    let site = Site::new(&Plan::new().tcp("gateway", nobody()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    let _mount = Mount::new(&["-t", "tmpfs", "-o", "ro", "tmpfs"], &site.path("state"));
    site.run(&["run"]).await.complains(1, &["mount it writable"]);
}

/// The energy of the one client that is on disk, whether the daemon runs or not.
async fn on_disk(site: &Site) -> u64 {
    let said = site.run(&["ledger", "show", "--json"]).await;
    let shown: Shown = serde_json::from_str(&said.out).unwrap();
    assert_eq!(shown.damaged, None);
    shown.clients[0].energy_mwh.unwrap().get()
}
