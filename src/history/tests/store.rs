//! The history on disk: what is kept of it, what it survives, and what is read of it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::clock::ClockReading;
use crate::guard::testing::{at, energy, name};
use crate::history::hours::NewHours;
use crate::history::query::{HistoryPage, HistoryQuery, HistoryReadError, read_page};
use crate::history::store::{HISTORY, HistoryStore, record, rename};
use crate::history::{HistorySlot, MeterRename, PowerSummary, RecordedSlot, Retention, SlotStart};
use crate::storage::StoreError;
use crate::units::Milliwatts;

/// A slot of 120 s of one meter, of so many to come.
pub(super) fn row(meter: &str, seconds: u64, published: u64) -> HistorySlot {
    let power = Milliwatts(3_600_000);
    HistorySlot {
        meter: name(meter),
        ended: at(seconds).wall,
        trusted: true,
        measured: Duration::from_secs(120),
        power: Some(PowerSummary { mean_mw: power, min_mw: power, max_mw: power }),
        published: Some(energy(published)),
        began: None,
    }
}

/// A history that is written to as the ledger's task does it.
pub(super) struct Lab {
    pub(super) folder: TempDir,
    pub(super) history: Option<HistoryStore>,
    pub(super) retention: Retention,
}

impl Lab {
    pub(super) fn new() -> Self {
        Lab { folder: tempfile::tempdir().unwrap(), history: None, retention: Retention::default() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn record(&mut self, rows: &[HistorySlot], now: u64) -> Result<Option<String>, StoreError> {
        record(&mut self.history, self.folder.path(), rows, &NewHours::default(), &at(now), &self.retention)
    }

    /// Slots of 120 s of one meter, 10 mWh each.
    pub(super) fn fill(&mut self, slots: std::ops::Range<u64>) {
        for slot in slots {
            self.record(&[row("a", slot * 120, slot * 10)], slot * 120).unwrap();
        }
    }

    /// What is there of meter `a`: when each slot ended, in slots.
    pub(super) fn ended(&self) -> Vec<u64> {
        let ended = |second: i64| (second - 1_800_000_000) as u64 / 120;
        all(self.folder.path(), "a").iter().map(|slot| ended(slot.interval.to.as_second())).collect()
    }
}

fn wanted(meter: &str) -> HistoryQuery {
    HistoryQuery { meter: name(meter), from: None, to: None, after: 0 }
}

fn all(folder: &Path, meter: &str) -> Vec<RecordedSlot> {
    let (mut slots, mut wanted) = (Vec::new(), wanted(meter));
    loop {
        let page = read_page(folder, &wanted).unwrap();
        slots.extend(page.slots);
        let Some(next) = page.next else { return slots };
        wanted.after = next;
    }
}

#[test]
fn slots_are_read_back_with_their_energy_and_the_file_is_private() {
    let mut lab = Lab::new();
    lab.record(
        &[
            HistorySlot {
                began: Some(SlotStart { at: at(5).wall, published: Some(energy(90)) }),
                ..row("a", 120, 100)
            },
            row("b", 120, 7),
        ],
        120,
    )
    .unwrap();
    lab.record(&[row("a", 240, 130), row("b", 240, 7)], 240).unwrap();
    let after =
        HistorySlot { began: Some(SlotStart { at: at(900).wall, published: Some(energy(230)) }), ..row("a", 960, 240) };
    lab.record(&[after, HistorySlot { power: None, published: None, ..row("b", 960, 0) }], 960).unwrap();
    for name in ["history.db", "history.db-journal"] {
        assert_eq!(lab.path(name).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let slots = all(lab.folder.path(), "a");
    let consumed: Vec<_> = slots.iter().map(|slot| slot.interval.consumed_mwh.unwrap().get()).collect();
    assert_eq!(consumed, [10, 30, 10]);
    let whole = |seconds: u64| Timestamp::from_second(at(seconds).wall.as_second()).unwrap();
    assert_eq!(slots.iter().map(|slot| slot.interval.from).collect::<Vec<_>>(), [whole(5), whole(120), whole(900)]);
    assert_eq!((slots[0].gap, slots[1].gap), (None, None));
    let gap = slots[2].gap.unwrap();
    assert_eq!((gap.from, gap.to, gap.consumed_mwh), (whole(240), whole(900), Some(energy(100))));
    let other = all(lab.folder.path(), "b");
    assert_eq!((other[1].interval.consumed_mwh, other[2].interval.consumed_mwh), (Some(energy(0)), None));
    assert_eq!((other[2].power, other[2].published_mwh), (None, None));
    let bounded = HistoryQuery { from: Some(whole(120)), to: Some(whole(240)), ..wanted("a") };
    let bounded = read_page(lab.folder.path(), &bounded).unwrap();
    assert_eq!(bounded.slots, [slots[1].clone()], "after the one, the other included; and it knows the one before");
    let unknown = read_page(lab.folder.path(), &wanted("c")).unwrap();
    assert_eq!((unknown.recorded, unknown.others), (false, vec![name("a"), name("b")]));
    let nothing = read_page(&lab.path("nowhere"), &wanted("a")).unwrap();
    assert_eq!(nothing, HistoryPage { recorded: false, others: Vec::new(), ..unknown_page() });
}

fn unknown_page() -> HistoryPage {
    HistoryPage { schema: 1, slots: Vec::new(), next: None, recorded: false, others: Vec::new() }
}

#[test]
fn a_lower_figure_and_a_clock_set_back_give_no_negative_energy() {
    let mut lab = Lab::new();
    lab.fill(1..4);
    // The ledger fell back to an older copy.
    lab.record(
        &[HistorySlot { began: Some(SlotStart { at: at(500).wall, published: Some(energy(5)) }), ..row("a", 600, 6) }],
        600,
    )
    .unwrap();
    // The clock was set back by 500 s.
    lab.record(
        &[HistorySlot { began: Some(SlotStart { at: at(100).wall, published: Some(energy(6)) }), ..row("a", 220, 9) }],
        720,
    )
    .unwrap();
    // A row says less than the one that it follows upon.
    lab.record(&[row("a", 340, 2)], 840).unwrap();
    let slots = all(lab.folder.path(), "a");
    let told: Vec<_> =
        slots[3..].iter().map(|slot| (slot.interval.consumed_mwh, slot.gap.map(|gap| gap.consumed_mwh))).collect();
    let some = |value| Some(energy(value));
    assert_eq!(told, [(some(1), Some(None)), (some(3), Some(some(0))), (None, None)]);
}

#[test]
fn a_page_is_bounded_and_the_next_one_continues() {
    let mut lab = Lab::new();
    let rows: Vec<_> = (1..=4500).map(|slot| row("a", slot * 120, slot * 10)).collect();
    lab.record(&rows, 600_000).unwrap();
    let first = read_page(lab.folder.path(), &wanted("a")).unwrap();
    assert_eq!((first.slots.len(), first.next), (2000, Some(2000)));
    let slots = all(lab.folder.path(), "a");
    assert_eq!(slots.len(), 4500);
    assert!(slots[1..].iter().all(|slot| slot.interval.consumed_mwh == Some(energy(10))), "also across pages");
}

#[test]
fn old_slots_are_deleted_only_by_a_trusted_clock() {
    let mut lab = Lab::new();
    lab.retention.keep = Duration::from_secs(3 * 24 * 3600);
    lab.fill(1..10);
    let day = 24 * 3600;
    let wrong = ClockReading { trusted: false, ..at(50 * day) };
    record(
        &mut lab.history,
        lab.folder.path(),
        &[HistorySlot { trusted: false, ..row("a", 50 * day, 100) }],
        &NewHours::default(),
        &wrong,
        &lab.retention,
    )
    .unwrap();
    assert_eq!(lab.ended().len(), 10, "nobody knows how old they are");
    lab.record(&[row("a", 4 * day - 60, 110)], 51 * day).unwrap();
    assert!(lab.ended().is_empty(), "once a day all of it goes");
    lab.record(&[row("a", 4 * day, 120)], 51 * day + 120).unwrap();
    assert_eq!(lab.ended(), [2880]);
}

#[test]
fn old_slots_are_deleted_a_few_with_each_write() {
    let mut lab = Lab::new();
    lab.retention.keep = Duration::from_secs(3 * 24 * 3600);
    lab.fill(1..10);
    let day = 24 * 3600;
    lab.history.as_mut().unwrap().set_tidied(&at(4 * day));
    for (slot, oldest) in [(2880, 3), (2881, 5), (2882, 7), (2883, 9), (2884, 2880)] {
        lab.fill(slot..slot + 1);
        assert_eq!(lab.ended()[0], oldest, "{slot}");
    }
}

#[test]
fn the_size_is_bounded_and_follows_a_smaller_one() {
    let mut lab = Lab::new();
    lab.retention.max_size = 1_000_000;
    let size = |lab: &Lab| lab.path(HISTORY).metadata().unwrap().len();
    for batch in 0..60u64 {
        let rows: Vec<_> = (1..=1000).map(|slot| row("a", (batch * 1000 + slot) * 12, batch * 1000 + slot)).collect();
        lab.record(&rows, batch * 12_000).unwrap();
    }
    let kept = lab.ended().len();
    assert!((10_000..40_000).contains(&kept), "{kept}");
    assert!(size(&lab) <= 1_100_000, "{}", size(&lab));
    let last = all(lab.folder.path(), "a").pop().unwrap();
    assert_eq!(last.published_mwh, Some(energy(60_000)), "the newest stay");
    lab.retention.max_size = 300_000;
    lab.fill(700_000..700_003);
    drop(lab.history.take());
    assert!(size(&lab) <= 330_000, "{}", size(&lab));
}

#[test]
fn a_damaged_or_foreign_file_is_set_aside_and_replaced() {
    for content in [&b""[..], b"no database at all, whatever its name says"] {
        let mut lab = Lab::new();
        std::fs::write(lab.path(HISTORY), content).unwrap();
        assert!(
            read_page(lab.folder.path(), &wanted("a"))
                .is_err_and(|error| matches!(error, HistoryReadError::Damaged { .. }))
        );
        assert!(lab.record(&[row("a", 120, 10)], 120).unwrap().is_some(), "it is told");
        assert_eq!(std::fs::read(lab.path("history-set-aside.db")).unwrap(), content);
        assert_eq!((lab.ended(), lab.record(&[row("a", 240, 20)], 240).unwrap()), (vec![1], None));
    }
    let newer = Lab::new();
    let connection = Connection::open(newer.path(HISTORY)).unwrap();
    connection.execute_batch("PRAGMA application_id = 1634430312; PRAGMA user_version = 99").unwrap();
    drop(connection);
    let mut newer = newer;
    assert_eq!(newer.record(&[row("a", 120, 10)], 120).unwrap().as_deref(), Some("it has version 99"));
}

#[test]
fn a_page_that_is_damaged_in_use_is_detected_within_a_day() {
    let mut lab = Lab::new();
    lab.fill(1..200);
    drop(lab.history.take());
    let mut bytes = std::fs::read(lab.path(HISTORY)).unwrap();
    bytes[2048..3072].fill(0xff);
    std::fs::write(lab.path(HISTORY), bytes).unwrap();
    let why = lab.record(&[row("a", 200 * 120, 2000)], 200 * 120).unwrap();
    assert!(why.is_some());
    assert_eq!(lab.ended(), [200]);
}

#[test]
fn a_removed_file_is_created_again() {
    let mut lab = Lab::new();
    lab.fill(1..3);
    for name in [HISTORY, "history.db-journal"] {
        std::fs::remove_file(lab.path(name)).unwrap();
    }
    assert!(lab.record(&[row("a", 360, 30)], 360).unwrap().is_some_and(|why| why.contains("removed")));
    assert_eq!((lab.ended(), lab.record(&[row("a", 480, 40)], 480).unwrap()), (vec![3], None));
    let away = lab.path("away");
    std::fs::rename(lab.folder.path(), &away).unwrap_err();
    std::fs::remove_file(lab.path(HISTORY)).unwrap();
    std::fs::create_dir(lab.path(HISTORY)).unwrap();
    std::fs::create_dir(lab.path("history-set-aside.db")).unwrap();
    std::fs::write(lab.path("history-set-aside.db/x"), "").unwrap();
    assert!(lab.record(&[row("a", 600, 50)], 600).is_err(), "what cannot be helped is an error and no more");
}

#[test]
fn a_full_disk_is_an_error_and_the_next_slot_is_tried() {
    let mut lab = Lab::new();
    lab.fill(1..3);
    let pages = |lab: &Lab, count: i64| lab.history.as_ref().unwrap().limit_pages(count);
    pages(&lab, 1);
    let many: Vec<_> = (0..100).map(|_| row("a", 360, 30)).collect();
    let error = lab.record(&many, 360).unwrap_err();
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(lab.ended(), [1, 2], "nothing of it is there");
    lab.fill(4..5);
    assert_eq!(lab.ended(), [1, 2, 4]);
}

#[test]
fn a_renamed_meter_keeps_its_history() {
    let mut lab = Lab::new();
    let renames = [MeterRename { from: name("a"), to: name("b") }];
    rename(lab.folder.path(), &renames);
    assert!(!lab.path(HISTORY).exists(), "it creates no file");
    lab.record(&[row("b", 120, 5), row("a", 120, 10)], 120).unwrap();
    rename(lab.folder.path(), &renames);
    lab.record(&[row("b", 240, 20), row("a", 240, 1)], 240).unwrap();
    let published = |meter| -> Vec<_> {
        all(lab.folder.path(), meter).iter().map(|slot| slot.published_mwh.unwrap().get()).collect()
    };
    assert_eq!((published("b"), published("a")), (vec![10, 20], vec![1]));
}

/// The first version created its tables in this form.
pub(super) const FIRST_VERSION: &str = "PRAGMA page_size = 512;
    CREATE TABLE meter (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE slot (id INTEGER PRIMARY KEY, meter INTEGER NOT NULL, ended INTEGER NOT NULL, trusted INTEGER NOT NULL, \
        measured_ms INTEGER NOT NULL, mean_mw INTEGER, min_mw INTEGER, max_mw INTEGER, published_mwh INTEGER, \
        began INTEGER, began_mwh INTEGER);
    PRAGMA application_id = 1634430312;
    PRAGMA user_version = 1;
    INSERT INTO meter VALUES (1, 'a');
    INSERT INTO slot VALUES (NULL, 1, 1800000120, 1, 120000, 5, 1, 9, 10, 1800000000, 4);
    INSERT INTO slot VALUES (NULL, 1, 1800000240, 1, 120000, 5, 1, 9, 20, NULL, NULL);";

#[test]
fn a_file_of_the_first_version_is_read_and_continued() {
    let mut lab = Lab::new();
    Connection::open(lab.path(HISTORY)).unwrap().execute_batch(FIRST_VERSION).unwrap();
    assert_eq!(lab.ended(), [1, 2]);
    assert_eq!(lab.record(&[row("a", 360, 30), row("b", 360, 5)], 360).unwrap(), None);
    assert_eq!((lab.ended(), all(lab.folder.path(), "b").len()), (vec![1, 2, 3], 1));
    let consumed = all(lab.folder.path(), "a").iter().map(|slot| slot.interval.consumed_mwh.unwrap().get()).collect();
    assert_eq!(vec![6, 10, 10], Vec::from_iter::<Vec<u64>>(consumed));
}

#[test]
fn an_interrupted_write_is_not_called_a_full_disk() {
    let told = |code| {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        StoreError::write(std::path::Path::new("/state/history.db"))(error).to_string()
    };
    assert_eq!(
        told(rusqlite::ffi::SQLITE_INTERRUPT),
        "/state/history.db cannot be written: it was interrupted, and the disk is not the cause"
    );
    assert!(told(rusqlite::ffi::SQLITE_FULL).contains("the disk is full"));
}
