//! The task over a real file: what it writes and when, and what a bad or slow disk costs.

use std::path::PathBuf;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::guard::testing::{energy, name, reading};
use crate::heartbeat::Hearts;
use crate::history::feed::QUEUE;
use crate::history::query::{HistoryQuery, read_page};
use crate::history::*;
use crate::reading::Reading;

struct Lab {
    folder: TempDir,
    clock: Clock,
    handle: HistoryHandle,
    feed: HistoryFeed,
    published: u64,
}

impl Lab {
    /// A running history with one meter `a`.
    fn start() -> (Self, JoinHandle<()>) {
        let (lab, writer) = Lab::stopped();
        (lab, tokio::spawn(writer.run(Hearts::default().heart("history"))))
    }

    fn stopped() -> (Self, HistoryWriter) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap());
        let (handle, mut feed, writer) = open(folder.path().into(), Retention::default(), clock.clone());
        feed.reconfigure([(&name("a"), Duration::from_secs(10))]);
        (Lab { folder, clock, handle, feed, published: 1000 }, writer)
    }

    /// A slot of 2 minutes with a poll every 10 s, 10 mWh each.
    async fn slot(&mut self) {
        self.polls().await;
        self.feed.committed([]);
    }

    async fn polls(&mut self) {
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            self.published += 10;
            let reading = Reading { at: self.clock.now(), ..reading("a", 0, self.published) };
            self.feed.add(&reading, Some(energy(self.published)));
        }
        self.feed.end_slot(&self.clock.now(), false);
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("history.db")
    }

    async fn page(&self, meter: &str) -> HistoryPage {
        let query = HistoryQuery { meter: name(meter), from: None, to: None, after: 0 };
        self.handle.page(query).await.unwrap()
    }

    /// What the slots from the first on add up to, gaps included.
    fn total(slots: &[RecordedSlot]) -> u64 {
        let intervals = slots[1..].iter().flat_map(|slot| [Some(slot.interval), slot.gap]).flatten();
        let consumed: u64 = intervals.map(|interval| interval.consumed_mwh.unwrap().get()).sum();
        slots[0].published_mwh.unwrap().get() + consumed
    }
}

#[tokio::test(start_paused = true)]
async fn slots_are_written_together_and_a_reader_gets_all_committed_ones() {
    let (mut lab, task) = Lab::start();
    for _ in 0..3 {
        lab.slot().await;
    }
    assert!(!lab.file().exists(), "nothing is written before there is enough");
    assert_eq!(lab.page("a").await.slots.len(), 3);
    lab.polls().await;
    assert_eq!(lab.page("a").await.slots.len(), 3, "the ledger has not committed the fourth");
    lab.feed.failed();
    lab.slot().await;
    let slots = lab.page("a").await.slots;
    assert_eq!((slots.len(), slots[3].gap.unwrap().consumed_mwh), (4, Some(energy(130))), "the lost one is a gap");
    lab.slot().await;
    lab.handle.close().await;
    task.await.unwrap();
    let query = HistoryQuery { meter: name("a"), from: None, to: None, after: 0 };
    let slots = read_page(lab.folder.path(), &query).unwrap().slots;
    assert_eq!((slots.len(), Lab::total(&slots)), (5, lab.published), "closing writes what waits");
    assert!(lab.handle.page(query).await.is_err(), "and then nobody reads any more");
}

#[tokio::test(start_paused = true)]
async fn an_unwritable_file_is_reported_and_its_slots_are_written_later() {
    let (mut lab, _task) = Lab::start();
    std::fs::create_dir(lab.file()).unwrap();
    for _ in 0..7 {
        lab.slot().await;
    }
    let mut report = lab.handle.report.clone();
    let error = report.wait_for(|report| report.error.is_some()).await.unwrap().error.clone().unwrap();
    assert!(error.contains("history.db cannot be written"), "{error}");
    lab.slot().await;
    std::fs::remove_dir(lab.file()).unwrap();
    lab.slot().await;
    report.wait_for(|report| report.error.is_none()).await.unwrap();
    lab.slot().await;
    let slots = lab.page("a").await.slots;
    assert_eq!((slots.len(), Lab::total(&slots)), (10, lab.published));
}

#[tokio::test(start_paused = true)]
async fn a_slow_writer_gets_longer_slots_without_a_loss_of_energy() {
    let (mut lab, writer) = Lab::stopped();
    for _ in 0..QUEUE + 5 {
        lab.slot().await;
    }
    let _task = tokio::spawn(writer.run(Hearts::default().heart("history")));
    assert_eq!(lab.page("a").await.slots.len(), QUEUE);
    lab.slot().await;
    let slots = lab.page("a").await.slots;
    assert_eq!((slots.len(), Lab::total(&slots)), (QUEUE + 1, lab.published));
    assert_eq!(slots[QUEUE].measured_ms, 6 * 120_000, "the power of the merged slots is kept");
}

#[tokio::test(start_paused = true)]
async fn a_renamed_meter_keeps_written_and_waiting_slots() {
    let (mut lab, _task) = Lab::start();
    lab.slot().await;
    assert_eq!(lab.page("a").await.slots.len(), 1);
    lab.slot().await;
    lab.polls().await;
    lab.feed.committed([MeterRename { from: name("a"), to: name("b") }]);
    assert_eq!(lab.page("b").await.slots.len(), 3);
    assert!(!lab.page("a").await.recorded);
}
