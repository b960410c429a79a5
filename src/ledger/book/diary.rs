//! What goes into the journal: one row a decision, and one counted row for a spell of holds that led to nothing. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Book;
use crate::clock::ClockReading;
use crate::guard::{GuardEvent, Verdict};
use crate::ledger::store::JournalRow;
use crate::units::Name;

/// A hold or glitch this long after the last one begins a spell of its own.
const SPELL_ENDS_AFTER: Duration = Duration::from_secs(3600);
/// Rows that wait for a disk which cannot be written; beyond, the oldest are given up.
const WAITING_ROWS: usize = 10_000;

/// Journal rows that are not on disk yet, and the spells that go on.
#[derive(Debug)]
pub(super) struct Diary {
    next_id: i64,
    /// Each with the epoch in which it was last touched.
    waiting: BTreeMap<i64, (u64, JournalRow)>,
    spells: BTreeMap<Name, Spell>,
}

#[derive(Debug)]
struct Spell {
    row: JournalRow,
    last: ClockReading,
}

/// What noting an entry came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// It has a row of its own, or begins one: worth a log line and a commit.
    pub first: bool,
    /// Entries of the spell that it ends, where there was one.
    pub ended: Option<u64>,
}

impl Book {
    /// Takes down in the journal that entries of it are lost, and which.
    pub(crate) fn note_loss(&mut self, why: &str, now: &ClockReading) {
        let reason = format!(
            "the journal is not as it was written ({why}); no figure is concerned, but an older entry may have been undone by one that is \
             lost: see what is published before it is undone"
        );
        // The copy is to know of it, too.
        self.decided = Some(self.epoch);
        self.dirty_since.get_or_insert(*now);
        self.diary.record(None, "lost", None, &reason, now, self.epoch);
    }
}

impl Diary {
    pub(super) fn new(next_id: i64) -> Self {
        Diary { next_id, waiting: BTreeMap::new(), spells: BTreeMap::new() }
    }

    pub(super) fn note(&mut self, meter: &Name, entry: &GuardEvent, epoch: u64) -> Noted {
        let passing = matches!(entry.verdict, Verdict::Held | Verdict::Glitch | Verdict::Advanced | Verdict::Unchanged);
        let before = self.spells.remove(meter);
        let goes_on = |spell: &Spell| entry.at.since(&spell.last).is_some_and(|gap| gap < SPELL_ENDS_AFTER);
        let (spell, noted) = match before {
            Some(mut spell) if passing && goes_on(&spell) => {
                spell.go_on(entry);
                (spell, Noted { first: false, ended: None })
            }
            before => (self.begin(meter, entry), Noted { first: true, ended: before.map(|spell| spell.row.count) }),
        };
        self.waiting.insert(spell.row.id, (epoch, spell.row.clone()));
        if self.waiting.len() > WAITING_ROWS {
            self.waiting.pop_first();
        }
        if passing {
            self.spells.insert(meter.clone(), spell);
        }
        noted
    }

    /// The number of the next entry.
    pub(super) fn next_id(&self) -> i64 {
        self.next_id
    }

    /// Takes down what an operator did, in a row of its own; gives its number.
    pub(super) fn record(
        &mut self,
        meter: Option<&Name>,
        word: &str,
        entry: Option<GuardEvent>,
        reason: &str,
        at: &ClockReading,
        epoch: u64,
    ) -> i64 {
        if let Some(meter) = meter {
            self.spells.remove(meter);
        }
        let id = self.next_id;
        let (meter, word, reason) = (meter.cloned(), word.to_owned(), reason.to_owned());
        let row = JournalRow { id, meter, word, at: at.wall, last: at.wall, count: 1, reason, entry };
        self.next_id += 1;
        self.waiting.insert(id, (epoch, row));
        id
    }

    /// The meter is another's name now.
    pub(super) fn rename(&mut self, from: &Name, to: &Name) {
        let rows = self.waiting.values_mut().map(|(_, row)| row);
        for row in rows.filter(|row| row.meter.as_ref() == Some(from)) {
            row.meter = Some(to.clone());
        }
        self.spells.remove(from);
        self.spells.remove(to);
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

    fn begin(&mut self, meter: &Name, entry: &GuardEvent) -> Spell {
        let row = JournalRow {
            id: self.next_id,
            meter: Some(meter.clone()),
            word: entry.verdict.as_str().to_owned(),
            at: entry.at.wall,
            last: entry.at.wall,
            count: 1,
            reason: entry.reason.clone(),
            entry: Some(entry.clone()),
        };
        self.next_id += 1;
        Spell { row, last: entry.at }
    }
}

impl Spell {
    /// The row keeps how it began, and takes up what it came to.
    fn go_on(&mut self, entry: &GuardEvent) {
        self.last = entry.at;
        self.row.count += 1;
        self.row.last = entry.at.wall;
        self.row.word = entry.verdict.as_str().to_owned();
        self.row.reason = entry.reason.clone();
        if let Some(kept) = &mut self.row.entry {
            kept.verdict = entry.verdict;
            kept.register_after = entry.register_after;
            kept.published_after = entry.published_after;
            kept.reason = entry.reason.clone();
            kept.readings = kept.readings.saturating_add(entry.readings);
            kept.serial_after = entry.serial_after.clone();
            let correction = kept.correction.unwrap_or(0).saturating_add(entry.correction.unwrap_or(0));
            kept.correction = (correction != 0).then_some(correction);
        }
    }
}
