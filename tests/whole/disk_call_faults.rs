//! Faults at each system call to the disk: the first open fails or kills the program, then the second, until a run ends without a fault.
//!
//! The runs are ledger commands without a daemon. They open the ledger, commit, replace the copy and close it, as the daemon does.

use std::fs;
use std::path::Path;

use arkmeter::ledger::{LedgerError, OpenError, shown};
use arkmeter::simulator::SimulatedGateway;
use futures_util::StreamExt;
use futures_util::stream;
use tempfile::TempDir;

use crate::harness::*;

pub const CALLS: [&str; 8] =
    ["openat", "write", "pwrite64", "fsync", "fdatasync", "rename,renameat2", "ftruncate", "unlink,unlinkat"];
const FAULTS: [&str; 3] = ["signal=KILL", "error=EIO", "error=ENOSPC"];
/// Parallel runs.
const AT_ONCE: usize = 4;
/// More than the calls of one kind in any run.
const MOST: u32 = 400;
/// The energy that the command adds, in mWh.
const CREDIT: u64 = 1_000_000;

/// The command, and the state folder before it.
#[derive(Clone, Copy, PartialEq)]
enum Run {
    /// `ledger credit` on an existing ledger.
    Credit,
    /// `ledger restore` into an empty folder.
    Restore,
}

#[tokio::test]
#[ignore = "needs strace: .ci/run installs it"]
#[allow(clippy::print_stderr, reason = "prints the number of calls")]
async fn disk_calls_that_fail_or_kill_the_program_cost_no_figure() {
    let site = stopped_site().await;
    let saved = site.path("saved.db");
    assert_eq!(site.run(&["ledger", "backup", saved.to_str().unwrap()]).await.code, 0);
    for run in [Run::Credit, Run::Restore] {
        for calls in CALLS {
            for fault in FAULTS {
                let most = sweep(&site, run, calls, fault).await;
                let what = if run == Run::Credit { "credit" } else { "restore" };
                eprintln!("ledger {what}: {calls} {fault}: k = 1 to {most}");
            }
        }
    }
}

/// Runs the command with the fault at each call. Returns the number of runs that met the fault.
async fn sweep(site: &Site, run: Run, calls: &str, fault: &str) -> u32 {
    sweep_calls(|k| inject(site, run, calls, fault, k)).await
}

/// Injects the fault at the first call, the second, and so on, until a run ends before the fault. Returns the number of runs that met it.
pub async fn sweep_calls<F: Future<Output = bool>>(run: impl Fn(u32) -> F) -> u32 {
    let mut struck = stream::iter(1..MOST).map(run).buffered(AT_ONCE);
    let mut most = 0;
    while let Some(true) = struck.next().await {
        most += 1;
    }
    assert!(most < MOST - 1, "every run met the fault");
    most
}

/// Runs this command in this folder, with this fault at the `k`-th of these calls. Returns whether the fault was met.
pub async fn run_with_fault(
    site: &Site,
    order: &[&str],
    place: &Path,
    calls: &str,
    fault: &str,
    k: u32,
) -> (CommandOutput, bool) {
    let trace = place.join("trace");
    let injection = format!("inject={calls}:{fault}:when={k}");
    let (trace_only, trace_file) = (format!("trace={calls}"), trace.to_str().unwrap());
    // With Cargo's library path the loader tries many files that are not there.
    let mut under = vec![
        "env",
        "-u",
        "LD_LIBRARY_PATH",
        "strace",
        "-f",
        "-qq",
        "-o",
        trace_file,
        "-e",
        &trace_only,
        "-e",
        &injection,
    ];
    if fault.starts_with("error=") {
        // Only the traced calls are slower then; but strace sends no signals.
        under.push("--seccomp-bpf");
    }
    let output = site.run_under(&under, order, place).await;
    let traced = fs::read_to_string(&trace).unwrap_or_default();
    let struck = traced.contains("(INJECTED)") || traced.contains("killed by SIGKILL");
    assert!(struck || output.code == 0, "{calls} {fault} k = {k}: {output:?}");
    (output, struck)
}

/// A copy of the site's ledger in a new folder, with a configuration for it.
pub fn copied(site: &Site) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    fs::create_dir(&state).unwrap();
    for entry in fs::read_dir(site.path("state")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), state.join(entry.file_name())).unwrap();
    }
    configure(site, &place);
    place
}

/// A site with a stopped daemon; its meter has a figure of 10 kWh.
pub async fn stopped_site() -> Site {
    let gateway = SimulatedGateway::start([sdm630(1, 100.0, 10.0)]).await.unwrap();
    let plan = Plan::new().tcp("gateway", gateway.address()).meter("sauna", "gateway", 1);
    let site = Site::new(&plan.text("[account.main]\nurl = \"http://127.0.0.1:9/v1\"\ntoken_file = \"token\""));
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;
    daemon.stop().await;
    site
}

/// Runs the command with one fault and checks the ledger afterwards. False if the run ended before the fault.
async fn inject(site: &Site, run: Run, calls: &str, fault: &str, k: u32) -> bool {
    let what = format!("{calls} {fault} k = {k}");
    let place = if run == Run::Credit { copied(site) } else { empty(site) };
    let state = place.path().join("state");
    let saved = site.path("saved.db");
    let order = match run {
        Run::Credit => ["ledger", "credit", "sauna", "1kWh"].as_slice(),
        Run::Restore => &["ledger", "restore", saved.to_str().unwrap()],
    };
    let (output, struck) = run_with_fault(site, order, place.path(), calls, fault, k).await;
    let first = 10_000_000;
    let reached = published(&state, run);
    match run {
        Run::Credit if output.code == 0 => assert_eq!(reached, Some(first + CREDIT), "{what}: it returned success"),
        Run::Credit => assert!([Some(first), Some(first + CREDIT)].contains(&reached), "{what}: {reached:?}"),
        Run::Restore if output.code == 0 => assert_eq!(reached, Some(first), "{what}: it returned success"),
        Run::Restore => assert!([None, Some(first)].contains(&reached), "{what}: {reached:?}"),
    }
    // The next run succeeds in any case.
    let output = site.run_under(&[], order, place.path()).await;
    assert_eq!(output.code, 0, "{what}, then {output:?}");
    let end = if run == Run::Credit { reached.map(|reached| reached + CREDIT) } else { Some(first) };
    assert_eq!(published(&state, run), end, "{what}, then");
    struck
}

/// A folder without a ledger.
fn empty(site: &Site) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("state")).unwrap();
    configure(site, &place);
    place
}

/// The site's configuration, for another state folder.
fn configure(site: &Site, place: &TempDir) {
    let text = fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    let text = text.replace("token_file = \"token\"", &format!("token_file = {:?}", site.path("token")));
    fs::write(place.path().join("arkmeter.toml"), text).unwrap();
}

/// The meter's published energy as a restart would find it; `None` without a ledger.
fn published(state: &Path, run: Run) -> Option<u64> {
    match shown::show(state) {
        Ok(shown) => {
            // A restore writes the copy before the ledger. In between, the copy is found and reported as such.
            assert!(shown.damaged.is_none() || run == Run::Restore, "{:?}", shown.damaged);
            shown.meters.values().next().and_then(|meter| meter.published_mwh).map(|energy| energy.get())
        }
        Err(LedgerError::Open(OpenError::Nothing { .. })) => None,
        Err(error) => panic!("{error}"),
    }
}
