//! What goes into the journal: one row for each decision, and one counted row for a series of holds that led to nothing. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::ClockReading;
use crate::guard::{GuardEvent, Verdict};
use crate::ledger::store::{JournalRow, MeterId};
use crate::units::Name;

/// A hold or glitch that follows the last one after this time begins another series.
const SERIES_ENDS_AFTER: Duration = Duration::from_secs(3600);
/// The most rows that wait for a disk which cannot be written; then the oldest are dropped.
const MAX_WAITING: usize = 10_000;

/// Journal rows that are not on disk yet, and the series that continue.
#[derive(Debug)]
pub(in crate::ledger) struct JournalBuffer {
    next_id: i64,
    waiting: BTreeMap<i64, JournalRow>,
    series: BTreeMap<MeterId, Series>,
}

#[derive(Debug)]
struct Series {
    row: JournalRow,
    last: ClockReading,
}

/// The result of [`JournalBuffer::note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct NotedEvent {
    /// It has a row of its own, or begins one: worth a log line and a commit.
    pub first: bool,
    /// The number of decisions in the series that it ends, if there was one.
    pub ended: Option<u64>,
}

/// What an entry is about.
#[derive(Clone, Debug)]
pub(in crate::ledger) enum EntrySubject {
    Meter(MeterId),
    /// Absent if the configuration no longer names it.
    Client(Option<Name>),
    Ledger,
}

impl JournalBuffer {
    pub(super) fn new(next_id: i64) -> Self {
        JournalBuffer { next_id, waiting: BTreeMap::new(), series: BTreeMap::new() }
    }

    /// Notes what the guard decided.
    pub(super) fn note(&mut self, meter: MeterId, event: &GuardEvent) -> NotedEvent {
        let passing = matches!(event.verdict, Verdict::Held | Verdict::Glitch | Verdict::Advanced | Verdict::Unchanged);
        let before = self.series.remove(&meter);
        let continues = |series: &Series| event.at.since(&series.last).is_some_and(|gap| gap < SERIES_ENDS_AFTER);
        let (series, noted) = match before {
            Some(mut series) if passing && continues(&series) => {
                series.add(event);
                (series, NotedEvent { first: false, ended: None })
            }
            before => {
                let row = self.new_row(EntrySubject::Meter(meter), event.verdict.as_str(), &event.reason, &event.at);
                let row = JournalRow { entry: Some(event.clone()), ..row };
                let ended = before.map(|series| series.row.count);
                (Series { row, last: event.at }, NotedEvent { first: true, ended })
            }
        };
        self.waiting.insert(series.row.id, series.row.clone());
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_first();
        }
        if passing {
            self.series.insert(meter, series);
        }
        noted
    }

    /// The number of the next entry.
    pub(in crate::ledger) fn next_id(&self) -> i64 {
        self.next_id
    }

    /// Adds an entry of its own; returns its number.
    pub(in crate::ledger) fn record(
        &mut self,
        subject: EntrySubject,
        word: &str,
        event: Option<GuardEvent>,
        reason: &str,
        at: &ClockReading,
    ) -> i64 {
        if let EntrySubject::Meter(meter) = subject {
            self.end_series(meter);
        }
        let row = self.new_row(subject, word, reason, at);
        let id = row.id;
        self.waiting.insert(id, JournalRow { entry: event, ..row });
        id
    }

    /// The next event of this meter begins another series.
    pub(super) fn end_series(&mut self, meter: MeterId) {
        self.series.remove(&meter);
    }

    /// Takes everything that is not on disk, for the next commit.
    pub(super) fn take(&mut self) -> Vec<JournalRow> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// The commit of these rows failed. A series may have gone on since.
    pub(super) fn put_back(&mut self, rows: Vec<JournalRow>) {
        for row in rows {
            self.waiting.entry(row.id).or_insert(row);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn new_row(&mut self, subject: EntrySubject, word: &str, reason: &str, at: &ClockReading) -> JournalRow {
        let (meter, client) = match subject {
            EntrySubject::Meter(meter) => (Some(meter), None),
            EntrySubject::Client(client) => (None, client),
            EntrySubject::Ledger => (None, None),
        };
        let row = JournalRow::of_ledger(self.next_id, word, reason.to_owned(), at.wall);
        self.next_id += 1;
        JournalRow { meter, client, ..row }
    }
}

impl Series {
    /// The row keeps the values before its first event, and gets those after the latest.
    fn add(&mut self, event: &GuardEvent) {
        self.last = event.at;
        self.row.count += 1;
        self.row.last = event.at.wall;
        self.row.word = event.verdict.as_str().to_owned();
        self.row.reason = event.reason.clone();
        if let Some(kept) = &mut self.row.entry {
            kept.verdict = event.verdict;
            kept.register_after = event.register_after;
            kept.published_after = event.published_after;
            kept.reason = event.reason.clone();
            kept.readings = kept.readings.saturating_add(event.readings);
            kept.serial_after = event.serial_after.clone();
            let correction = kept.correction.unwrap_or(0).saturating_add(event.correction.unwrap_or(0));
            kept.correction = (correction != 0).then_some(correction);
        }
    }
}
