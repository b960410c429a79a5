//! What goes into the journal: one row a decision, and one counted row for a spell of holds that led to nothing. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::ClockReading;
use crate::guard::{GuardEvent, Verdict};
use crate::ledger::store::{JournalRow, MeterId};
use crate::units::Name;

/// A hold or glitch this long after the last one begins a spell of its own.
const SPELL_ENDS_AFTER: Duration = Duration::from_secs(3600);
/// Rows that wait for a disk which cannot be written; beyond, the oldest are given up.
const WAITING_ROWS: usize = 10_000;

/// Journal rows that are not on disk yet, and the spells that go on.
#[derive(Debug)]
pub(in crate::ledger) struct JournalBuffer {
    next_id: i64,
    /// Each with the epoch in which it was last touched.
    waiting: BTreeMap<i64, (u64, JournalRow)>,
    spells: BTreeMap<MeterId, Spell>,
}

#[derive(Debug)]
struct Spell {
    row: JournalRow,
    last: ClockReading,
}

/// What noting an event came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct NotedEvent {
    /// It has a row of its own, or begins one: worth a log line and a commit.
    pub first: bool,
    /// Entries of the spell that it ends, where there was one.
    pub ended: Option<u64>,
}

/// What an entry is about.
#[derive(Clone, Debug)]
pub(in crate::ledger) enum EntrySubject {
    Meter(MeterId),
    /// Absent where the configuration does not name it any more.
    Client(Option<Name>),
    Ledger,
}

impl JournalBuffer {
    pub(super) fn new(next_id: i64) -> Self {
        JournalBuffer { next_id, waiting: BTreeMap::new(), spells: BTreeMap::new() }
    }

    /// Notes what the guard decided.
    pub(super) fn note(&mut self, meter: MeterId, event: &GuardEvent, epoch: u64) -> NotedEvent {
        let passing = matches!(event.verdict, Verdict::Held | Verdict::Glitch | Verdict::Advanced | Verdict::Unchanged);
        let before = self.spells.remove(&meter);
        let goes_on = |spell: &Spell| event.at.since(&spell.last).is_some_and(|gap| gap < SPELL_ENDS_AFTER);
        let (spell, noted) = match before {
            Some(mut spell) if passing && goes_on(&spell) => {
                spell.go_on(event);
                (spell, NotedEvent { first: false, ended: None })
            }
            before => {
                (self.begin(meter, event), NotedEvent { first: true, ended: before.map(|spell| spell.row.count) })
            }
        };
        self.waiting.insert(spell.row.id, (epoch, spell.row.clone()));
        if self.waiting.len() > WAITING_ROWS {
            self.waiting.pop_first();
        }
        if passing {
            self.spells.insert(meter, spell);
        }
        noted
    }

    /// The number of the next entry.
    pub(in crate::ledger) fn next_id(&self) -> i64 {
        self.next_id
    }

    /// Adds an entry of its own; gives its number.
    pub(in crate::ledger) fn record(
        &mut self,
        subject: EntrySubject,
        word: &str,
        event: Option<GuardEvent>,
        reason: &str,
        at: &ClockReading,
        epoch: u64,
    ) -> i64 {
        let (meter, client) = match subject {
            EntrySubject::Meter(meter) => (Some(meter), None),
            EntrySubject::Client(client) => (None, client),
            EntrySubject::Ledger => (None, None),
        };
        if let Some(meter) = meter {
            self.spells.remove(&meter);
        }
        let id = self.next_id;
        let (word, reason) = (word.to_owned(), reason.to_owned());
        let row = JournalRow { id, meter, client, word, at: at.wall, last: at.wall, count: 1, reason, entry: event };
        self.next_id += 1;
        self.waiting.insert(id, (epoch, row));
        id
    }

    /// What comes next about this meter is another spell.
    pub(super) fn end_spell(&mut self, meter: MeterId) {
        self.spells.remove(&meter);
    }

    /// Everything that is to be on disk with the next commit.
    pub(super) fn waiting(&self) -> Vec<JournalRow> {
        self.waiting.values().map(|(_, row)| row.clone()).collect()
    }

    /// What was touched up to that epoch is on disk.
    pub(super) fn committed(&mut self, epoch: u64) {
        self.waiting.retain(|_, (touched, _)| *touched > epoch);
    }

    pub(super) fn is_clean(&self) -> bool {
        self.waiting.is_empty()
    }

    fn begin(&mut self, meter: MeterId, event: &GuardEvent) -> Spell {
        let row = JournalRow {
            id: self.next_id,
            meter: Some(meter),
            client: None,
            word: event.verdict.as_str().to_owned(),
            at: event.at.wall,
            last: event.at.wall,
            count: 1,
            reason: event.reason.clone(),
            entry: Some(event.clone()),
        };
        self.next_id += 1;
        Spell { row, last: event.at }
    }
}

impl Spell {
    /// The row keeps how it began, and takes what it came to.
    fn go_on(&mut self, event: &GuardEvent) {
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
