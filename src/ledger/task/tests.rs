//! The task over a real store: what it answers, and what a crash or a bad disk leave.

use std::path::Path;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::heartbeat::Hearts;
use crate::history;
use crate::ledger::store::JournalQuery;
use crate::ledger::testing::{client, meter, name, reading};
use crate::ledger::{LedgerStopped, shown};

struct Lab {
    folder: TempDir,
    clock: Clock,
    hearts: Hearts,
}

impl Lab {
    fn new() -> Self {
        let clock = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap());
        Lab { folder: tempfile::tempdir().unwrap(), clock, hearts: Hearts::default() }
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    /// Starts a ledger with meter and client `a`.
    fn start(&self) -> (LedgerHandle, JoinHandle<()>) {
        let _ = std::fs::create_dir(self.state());
        let (handle, ledger) = open(&self.state(), settings(&["a"]), self.clock.clone()).unwrap();
        (handle, tokio::spawn(ledger.run(self.hearts.heart("ledger"))))
    }

    /// Polls meter `a` every 10 s, 10 mWh each; gives the register after the last.
    async fn poll(&self, handle: &LedgerHandle, polls: u64, mut register: u64) -> u64 {
        for _ in 0..polls {
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
            register += 10;
            self.send(handle, register).await;
        }
        register
    }

    async fn send(&self, handle: &LedgerHandle, register: u64) {
        let reading = Reading { at: self.clock.now(), ..reading("a", 0, register) };
        handle.readings().send(reading).await.unwrap();
    }
}

fn settings(meters: &[&str]) -> LedgerSettings {
    LedgerSettings { meters: vec![meter("a"), meter("b")], clients: vec![client("a", "1", meters)], shard: None }
}

async fn energy(handle: &LedgerHandle) -> Result<u64, String> {
    match handle.figures(vec![name("a")]).await.unwrap().remove(0).1 {
        Figure::Ready { energy, .. } => Ok(energy.get()),
        Figure::Waiting(why) => Err(why.to_string()),
    }
}

/// The client's energy as the disk has it, read by the running ledger.
async fn shown_energy(handle: &LedgerHandle) -> Option<u64> {
    handle.show().await.unwrap().clients.first()?.energy_mwh.map(|energy| energy.get())
}

/// The same where none runs.
fn on_disk(state: &Path) -> Option<u64> {
    shown::show(state).unwrap().clients.first()?.energy_mwh.map(|energy| energy.get())
}

#[tokio::test(start_paused = true)]
async fn a_slot_returns_what_arrived_before_it_and_is_on_disk() {
    let lab = Lab::new();
    let (handle, _task) = lab.start();
    assert!(energy(&handle).await.unwrap_err().contains("no baseline"));
    let register = lab.poll(&handle, 10, 1_000_000).await;
    assert_eq!(energy(&handle).await, Ok(register));
    assert_eq!(shown_energy(&handle).await, Some(register));
    let commits = handle.report().borrow().commits;
    let both = (energy(&handle), energy(&handle));
    assert_eq!(tokio::join!(both.0, both.1), (Ok(register), Ok(register)));
    assert_eq!(handle.report().borrow().commits, commits, "nothing was new");
    lab.poll(&handle, 1, register).await;
    let both = (energy(&handle), energy(&handle));
    assert_eq!(tokio::join!(both.0, both.1), (Ok(register + 10), Ok(register + 10)));
    assert_eq!(handle.report().borrow().commits, commits + 1, "two slots share a commit");
}

#[tokio::test(start_paused = true)]
async fn a_crash_loses_no_reported_figure_and_the_meter_has_the_rest() {
    let lab = Lab::new();
    let (handle, task) = lab.start();
    let register = lab.poll(&handle, 10, 1_000_000).await;
    let given = energy(&handle).await.unwrap();
    lab.poll(&handle, 3, register).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let (handle, _task) = lab.start();
    assert_eq!(energy(&handle).await, Err("a has not been read yet".into()));
    assert_eq!(shown_energy(&handle).await, Some(given));
    let register = lab.poll(&handle, 10, register + 60).await;
    assert_eq!(energy(&handle).await, Ok(register));
}

#[tokio::test(start_paused = true)]
async fn closing_commits_everything_and_ends_the_task() {
    let lab = Lab::new();
    let (handle, task) = lab.start();
    let register = lab.poll(&handle, 10, 1_000_000).await;
    handle.close().await.unwrap();
    task.await.unwrap();
    assert!(!lab.state().join("ledger.db-wal").exists(), "one tidy file");
    assert_eq!(on_disk(&lab.state()), Some(register));
    assert!(matches!(handle.figures(vec![]).await, Err(LedgerStopped)));
    let (handle, task) = lab.start();
    drop(handle);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_any_slot_it_is_on_disk_within_two_minutes() {
    let lab = Lab::new();
    let (handle, _task) = lab.start();
    let register = lab.poll(&handle, 10, 1_000_000).await;
    let commits = handle.report().borrow().commits;
    lab.poll(&handle, 14, register).await;
    assert!(shown_energy(&handle).await.unwrap() > register);
    assert!(handle.report().borrow().commits <= commits + 2, "and no more often than that");
}

#[tokio::test(start_paused = true)]
async fn figures_stand_still_while_the_disk_fails_and_then_continue() {
    let lab = Lab::new();
    let (handle, _task) = lab.start();
    let register = lab.poll(&handle, 10, 1_000_000).await;
    assert_eq!(energy(&handle).await, Ok(register));
    handle.read(|store| store.fail_writes(true)).await.unwrap();
    let later = lab.poll(&handle, 3, register).await;
    assert_eq!(energy(&handle).await, Ok(register), "never more than is on disk");
    let error = handle.report().borrow().error.clone().unwrap();
    assert!(error.contains("ledger.db cannot be written") && error.contains("is still reported"), "{error}");
    assert_eq!(energy(&handle).await, Ok(register), "a slot during the pause is answered as well");
    assert_eq!(handle.report().borrow().failed_commits, 1);
    handle.read(|store| store.fail_writes(false)).await.unwrap();
    let last = lab.poll(&handle, 1, later).await;
    assert_eq!(energy(&handle).await, Ok(last));
    assert_eq!(handle.report().borrow().error, None);
}

#[tokio::test(start_paused = true)]
async fn removed_files_end_the_task() {
    let lab = Lab::new();
    let (handle, task) = lab.start();
    let register = lab.poll(&handle, 10, 1_000_000).await;
    assert_eq!(energy(&handle).await, Ok(register));
    std::fs::remove_file(lab.state().join("ledger.db")).unwrap();
    lab.poll(&handle, 1, register).await;
    assert!(
        matches!(handle.figures(vec![name("a")]).await, Err(LedgerStopped)),
        "nothing is given that is not on disk"
    );
    task.await.unwrap();
    // The next start finds the copy, which had no decision after it.
    let (handle, _task) = lab.start();
    lab.poll(&handle, 10, register).await;
    assert!(energy(&handle).await.unwrap() > register);
}

#[tokio::test(start_paused = true)]
async fn held_meters_are_published_and_the_hold_is_on_disk_at_once() {
    let lab = Lab::new();
    let (handle, _task) = lab.start();
    lab.poll(&handle, 10, 1_000_000).await;
    let mut held = handle.held();
    assert!(held.borrow_and_update().is_empty());
    lab.send(&handle, 5).await;
    held.changed().await.unwrap();
    assert!(held.borrow_and_update().contains("a"));
    assert!(handle.report().borrow().meters["a"].held.is_some());
    // The decision's commit was begun before this one: when this is answered that one is done.
    energy(&handle).await.unwrap();
    assert_eq!(handle.journal(JournalQuery::default()).await.unwrap().entries[0].word, "held");
    lab.poll(&handle, 1, 1_000_110).await;
    held.changed().await.unwrap();
    assert!(held.borrow().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_keeps_the_figures() {
    let lab = Lab::new();
    let (handle, _task) = lab.start();
    let register = lab.poll(&handle, 10, 1_000_000).await;
    assert_eq!(energy(&handle).await, Ok(register));
    handle.reconfigure(settings(&["a", "b"])).await.unwrap();
    assert_eq!(energy(&handle).await, Err("b has not been read yet".into()));
    handle.reconfigure(settings(&["a"])).await.unwrap();
    lab.poll(&handle, 1, register).await;
    assert_eq!(energy(&handle).await, Ok(register + 10));
    let at = lab.clock.now();
    let accepted = AcceptedReport { client: name("a"), energy: crate::ledger::testing::energy(register), at };
    handle.accepted(vec![accepted]).await.unwrap();
    assert_eq!(handle.report().borrow().clients["a"].accepted.map(|energy| energy.get()), Some(register));
    assert_eq!(handle.report().borrow().clients["a"].energy.map(|energy| energy.get()), Some(register + 10));
}

#[tokio::test(start_paused = true)]
async fn a_history_that_accepts_nothing_delays_no_figure() {
    let lab = Lab::new();
    std::fs::create_dir(lab.state()).unwrap();
    let (_history, feed, _idle) = history::open(lab.state(), history::Retention::default(), lab.clock.clone());
    let (handle, ledger) = open(&lab.state(), settings(&["a"]), lab.clock.clone()).unwrap();
    let task = tokio::spawn(ledger.with_history(feed).run(lab.hearts.heart("ledger")));
    let mut register = 1_000_000;
    for _ in 0..30 {
        register = lab.poll(&handle, 3, register).await;
        energy(&handle).await.ok();
    }
    assert_eq!(energy(&handle).await, Ok(register));
    handle.close().await.unwrap();
    task.await.unwrap();
    assert_eq!(on_disk(&lab.state()), Some(register));
}
