//! Move, backup, restore and adopt, killed at each call to the disk: never do two machines report, and the ledger is never lost.

use std::path::Path;

use arkmeter::clock::Clock;
use arkmeter::ledger::store::{Commit, Store, StoreOptions, restore};
use arkmeter::ledger::{machine, shown};

use crate::disk_call_faults::{CALLS, copied, run_with_fault, stopped_site, sweep_calls};
use crate::harness::*;

/// The meter's figure, in mWh.
const FIGURE: u64 = 10_000_000;

#[tokio::test]
#[ignore = "needs strace: .ci/run installs it"]
#[allow(clippy::print_stderr, reason = "prints the number of calls")]
async fn disk_calls_that_kill_during_a_handover_leave_one_machine_that_reports() {
    let site = stopped_site().await;
    // Opening a file changes nothing.
    for calls in CALLS.into_iter().filter(|calls| *calls != "openat") {
        let moved = sweep_calls(|k| kill_a_move(&site, calls, k)).await;
        let saved = sweep_calls(|k| kill_a_backup(&site, calls, k)).await;
        let brought_back = sweep_calls(|k| kill_a_restore(&site, calls, k)).await;
        let adopted = sweep_calls(|k| kill_an_adoption(&site, calls, k)).await;
        eprintln!("{calls}: move k = 1 to {moved}, backup {saved}, restore {brought_back}, adopt {adopted}");
    }
}

/// Whether this ledger was moved to another machine. Asserts that it is intact.
fn is_retired(state: &Path, what: &str) -> bool {
    let shown = shown::show(state).unwrap();
    assert_eq!(shown.damaged, None, "{what}");
    let published = shown.meters.values().next().and_then(|meter| meter.published_mwh);
    assert_eq!(published.map(|energy| energy.get()), Some(FIGURE), "{what}");
    shown.retired.is_some()
}

/// Whether this file makes another machine the one that reports; `None` if it has no ledger.
fn makes_another_report(file: &Path) -> Option<bool> {
    let there = tempfile::tempdir().unwrap();
    let restored = restore(there.path(), file).ok()?;
    assert!(!is_retired(there.path(), "the restored ledger"));
    Some(restored.moved)
}

async fn kill_a_move(site: &Site, calls: &str, k: u32) -> bool {
    let (what, place) = (format!("move, {calls}, k = {k}"), copied(site));
    let state = place.path().join("state");
    let [file, part, again] = ["moved.db", "moved.db.part", "again.db"].map(|name| place.path().join(name));
    let order = ["ledger", "move", file.to_str().unwrap()];
    let (output, struck) = run_with_fault(site, &order, place.path(), calls, "signal=KILL", k).await;
    let retired = is_retired(&state, &what);
    for file in [&file, &part] {
        let takes_over = makes_another_report(file) == Some(true);
        assert!(retired || !takes_over, "{what}: both would report, by {}", file.display());
    }
    if output.code == 0 {
        assert!(retired && makes_another_report(&file) == Some(true), "{what}: it returned success");
    }
    // An existing file is never overwritten; the message asks for another name.
    if file.exists() {
        let output = site.run_under(&[], &order, place.path()).await;
        output.complains(1, &["is there already", "another name"]);
    }
    let order = ["ledger", "move", again.to_str().unwrap()];
    let output = site.run_under(&[], &order, place.path()).await;
    assert_eq!(output.code, 0, "{what}, then {output:?}");
    assert!(is_retired(&state, &what) && makes_another_report(&again) == Some(true), "{what}, then");
    struck
}

async fn kill_a_backup(site: &Site, calls: &str, k: u32) -> bool {
    let (what, place) = (format!("backup, {calls}, k = {k}"), copied(site));
    let [file, again] = ["saved.db", "again.db"].map(|name| place.path().join(name));
    let order = ["ledger", "backup", file.to_str().unwrap()];
    let (output, struck) = run_with_fault(site, &order, place.path(), calls, "signal=KILL", k).await;
    assert!(!is_retired(&place.path().join("state"), &what));
    let found = makes_another_report(&file);
    assert!(found == Some(false) || found.is_none() && output.code != 0, "{what}: {found:?}, {output:?}");
    let output = site.run_under(&[], &["ledger", "backup", again.to_str().unwrap()], place.path()).await;
    assert_eq!((output.code, makes_another_report(&again)), (0, Some(false)), "{what}, then {output:?}");
    struck
}

/// A moved ledger is restored on the machine that it came from.
async fn kill_a_restore(site: &Site, calls: &str, k: u32) -> bool {
    let (what, place) = (format!("restore, {calls}, k = {k}"), copied(site));
    let (state, file) = (place.path().join("state"), place.path().join("moved.db"));
    let file = file.to_str().unwrap();
    let given = site.run_under(&[], &["ledger", "move", file], place.path()).await;
    assert_eq!(given.code, 0, "{given:?}");
    let order = ["ledger", "restore", file];
    let (output, struck) = run_with_fault(site, &order, place.path(), calls, "signal=KILL", k).await;
    let shown = shown::show(&state).unwrap();
    let published = shown.meters.values().next().and_then(|meter| meter.published_mwh);
    assert_eq!(published.map(|energy| energy.get()), Some(FIGURE), "{what}");
    assert!(output.code != 0 || shown.retired.is_none() && shown.damaged.is_none(), "{what}: it returned success");
    let output = site.run_under(&[], &order, place.path()).await;
    assert_eq!(output.code, 0, "{what}, then {output:?}");
    assert!(!is_retired(&state, &what), "{what}, then");
    struck
}

/// A ledger of another machine is adopted.
async fn kill_an_adoption(site: &Site, calls: &str, k: u32) -> bool {
    let (what, place) = (format!("adopt, {calls}, k = {k}"), copied(site));
    let state = place.path().join("state");
    if machine::mark().is_none() {
        return false;
    }
    let elsewhere = StoreOptions { durable: true, machine: Some("00000000".into()) };
    let mut store = Store::open(&state, elsewhere).unwrap().store;
    store.commit(&Commit { adopt: true, ..Commit::empty(Clock::system().now()) }).unwrap();
    store.close().unwrap();
    let foreign = || shown::show(&state).unwrap().other_machine;
    assert!(foreign());
    let (output, struck) = run_with_fault(site, &["ledger", "adopt"], place.path(), calls, "signal=KILL", k).await;
    assert!(!is_retired(&state, &what));
    assert!(output.code != 0 || !foreign(), "{what}: it returned success");
    let done = !foreign();
    let output = site.run_under(&[], &["ledger", "adopt"], place.path()).await;
    assert_eq!(output.code, i32::from(done), "{what}, then {output:?}");
    assert!(!foreign() && !is_retired(&state, &what), "{what}, then");
    struck
}
