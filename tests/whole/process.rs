//! Faults of the process: stopped by a signal, no free file descriptors, little memory, a panic, a wrong wall clock.

use std::fs;
use std::path::{Path, PathBuf};

use arkmeter::meter::Function;
use arkmeter::simulator::{SimulatedGateway, SimulatedUnit};

use crate::harness::*;

/// Resources of the process, from /proc/PID/status and /proc/PID/fd.
pub struct Usage {
    pub resident_kb: u64,
    /// What is not a page of the program's file.
    own_kb: u64,
    pub files: usize,
    pub threads: u64,
}

impl Usage {
    pub fn of(daemon: &Daemon) -> Self {
        let process = PathBuf::from(format!("/proc/{}", daemon.pid()));
        let status = fs::read_to_string(process.join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
        };
        let files = fs::read_dir(process.join("fd")).unwrap().count();
        Usage { resident_kb: field("VmRSS:"), own_kb: field("RssAnon:"), files, threads: field("Threads:") }
    }
}

async fn one_meter() -> (SimulatedUnit, SimulatedGateway, arkmeter::simulator::Arkreen, Site) {
    let meter = sdm630(1, 1000.0, 100.0);
    let gateway = SimulatedGateway::start([meter.clone()]).await.unwrap();
    let arkreen = arkreen([1]);
    let plan = Plan::new().account(arkreen.url()).tcp("gateway", gateway.address());
    let site = Site::new(&plan.meter("sauna", "gateway", 1));
    (meter, gateway, arkreen, site)
}

#[tokio::test]
async fn a_frozen_daemon_continues() {
    let (meter, _gateway, arkreen, site) = one_meter().await;
    let mut daemon = site.start();
    until("the first report", || accepted_energy(&arkreen, 1).is_some()).await;
    daemon.signal("STOP").await;
    // A call may still be under way.
    tokio::time::sleep(CHECK_INTERVAL * 4).await;
    let (calls, requests) = (arkreen.calls().len(), meter.requests());
    tokio::time::sleep(CHECK_INTERVAL * 60).await;
    assert_eq!((arkreen.calls().len(), meter.requests()), (calls, requests), "it is frozen");
    meter.set_f32(Function::Input, 0x0034, 1200.0);
    daemon.signal("CONT").await;
    until("fresh reports", || sent(&arkreen, 1).last().is_some_and(|entry| entry.power.0 == 1_200_000)).await;
    site.all_ok(&["sauna"]).await;
    assert!(daemon.runs());
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn without_file_descriptors_it_runs_on_and_recovers() {
    let (meter, gateway, arkreen, site) = one_meter().await;
    let mut daemon = site.start();
    until("the first report", || accepted_energy(&arkreen, 1).is_some()).await;
    site.all_ok(&["sauna"]).await;
    let pid = daemon.pid().to_string();
    let limit = |files: &str| {
        let files = format!("--nofile={files}:1024");
        std::process::Command::new("prlimit").args(["--pid", &pid, &files]).status()
    };
    // The limit is below the number of open files: no connection and no file can be opened.
    if !limit("4").is_ok_and(|status| status.success()) {
        return skipped("without_file_descriptors_it_runs_on_and_recovers", "prlimit is missing or not permitted");
    }
    gateway.disconnect();
    let logged = || site.log().contains("oo many open files");
    until("it is logged", logged).await;
    assert!(daemon.runs());
    assert!(limit("1024").unwrap().success());
    more_requests(&[&meter], 5).await;
    more_calls(&arkreen, 2).await;
    site.all_ok(&["sauna"]).await;
    assert!(daemon.runs());
    daemon.stop().await;
    assert_valid_calls(&arkreen);
    assert_only(&arkreen, 1, 1_000_000, 100_000_000);
}

/// Without a thread to write with, the runtime panics in the ledger's task. The program is built with `panic = "abort"`: it must end at
/// once, by SIGABRT, with the panic's message. systemd starts it again.
#[tokio::test]
#[ignore = "needs strace: .ci/run installs it"]
async fn process_a_task_that_panics_aborts_the_daemon_with_a_message() {
    let (_meter, _gateway, _arkreen, site) = one_meter().await;
    let no_threads = ["-e", "trace=clone,clone3", "-e", "inject=clone,clone3:error=EAGAIN"];
    let under = [&["strace", "-f", "-qq", "-o", "/dev/null"], &no_threads[..]].concat();
    let output = site.run_under(&under, &["run"], &site.path(".")).await;
    // strace ends with the same signal as the program, so there is no exit code.
    output.complains(-1, &["thread", "panicked at"]);
    assert!(!output.err.contains("ended unexpectedly"), "it unwound: {output:?}");
}

/// A memory cgroup for one test, removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    /// Version 1 or 2, below the group of this process; `None` if groups cannot be created.
    fn new(limit: u64) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let name = format!("arkmeter-test-{}", std::process::id());
        let first = own.lines().find_map(|line| line.split_once(":memory:").map(|(_, path)| path.to_owned()));
        let (folder, file) = match first {
            Some(path) => {
                (Path::new("/sys/fs/cgroup/memory").join(path.trim_start_matches('/')), "memory.limit_in_bytes")
            }
            None => {
                let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
                (Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/')), "memory.max")
            }
        };
        let group = Cgroup(folder.join(name));
        fs::create_dir(&group.0).ok()?;
        fs::write(group.0.join(file), limit.to_string()).ok()?;
        Some(group)
    }

    fn take(&self, pid: u32) -> bool {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).is_ok()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn it_runs_within_32_mb() {
    let Some(group) = Cgroup::new(32 << 20) else {
        return skipped("it_runs_within_32_mb", "no memory cgroup can be created");
    };
    let (meter, _gateway, arkreen, site) = one_meter().await;
    let mut daemon = site.start();
    if !group.take(daemon.pid()) {
        return skipped("it_runs_within_32_mb", "the daemon cannot be moved into a cgroup");
    }
    until("the first report", || accepted_energy(&arkreen, 1).is_some()).await;
    more_requests(&[&meter], 100).await;
    more_calls(&arkreen, 5).await;
    site.all_ok(&["sauna"]).await;
    assert!(daemon.runs(), "it was killed because of its memory use");
    // The rest are pages of this unoptimised program, nearly 30 MB. `.ci/run` has a limit for the whole of the release build.
    assert!(Usage::of(&daemon).own_kb < 8 << 10);
    daemon.stop().await;
    assert_valid_calls(&arkreen);
}

#[tokio::test]
async fn a_wall_clock_that_is_wrong_by_years_changes_no_figure() {
    let preload = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    if !Path::new(preload).exists() {
        return skipped("a_wall_clock_that_is_wrong_by_years_changes_no_figure", "libfaketime is not installed");
    }
    let (meter, _gateway, arkreen, site) = one_meter().await;
    for shift in ["-20y", "+5y", "+0"] {
        let variables = [("LD_PRELOAD", preload), ("FAKETIME", shift), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        let daemon = site.start_with(&variables);
        site.all_ok(&["sauna"]).await;
        more_requests(&[&meter], 10).await;
        more_calls(&arkreen, 2).await;
        daemon.stop().await;
    }
    assert_valid_calls(&arkreen);
    assert_only(&arkreen, 1, 1_000_000, 100_000_000);
}
