//! The ledger's end of the history: slots are aggregated here and sent when the ledger has committed them. It never waits.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::aggregator::SlotAggregator;
use super::hours::HoursByClient;
use super::{HistorySlot, MeterRename};
use crate::clock::ClockReading;
use crate::reading::Reading;
use crate::report_hours::ReportHours;
use crate::units::{MilliwattHours, Name};

/// Commits that wait for the writer, which falls behind only if the disk does. If the queue is full, the slot in progress continues.
pub(super) const QUEUE: usize = 8;
/// Report slots that follow more closely share a row.
const SHORTEST: Duration = Duration::from_secs(10);
/// A slot ends after this time even if nothing is reported: Arkreen asks for a report every 3 minutes.
const LONGEST: Duration = Duration::from_secs(180);

/// Slots and renames of one commit that is on disk.
#[derive(Debug, Default, PartialEq)]
pub(super) struct CommittedSlots {
    pub slots: Vec<HistorySlot>,
    /// After these slots.
    pub renames: Vec<MeterRename>,
    /// Of the clients with an accepted report since the last commit.
    pub hours: HoursByClient,
}

/// What the ledger sends to the history. The default feeds no history.
#[derive(Debug, Default)]
pub struct HistoryFeed {
    queue: Option<mpsc::Sender<CommittedSlots>>,
    aggregator: SlotAggregator,
    /// What the next commit makes final: the history is never ahead of the ledger.
    pending: CommittedSlots,
    /// Slots that did not end because the queue was full. Their readings count in the slot in progress.
    delayed: u64,
    /// The clients' hours of the time before the start, until they are read.
    stored: Option<oneshot::Receiver<HoursByClient>>,
}

impl HistoryFeed {
    pub(super) fn new(queue: mpsc::Sender<CommittedSlots>, stored: oneshot::Receiver<HoursByClient>) -> Self {
        HistoryFeed { queue: Some(queue), stored: Some(stored), ..HistoryFeed::default() }
    }

    /// The clients' hours of the time before the start, once they are read. It ends once, and not at all without a history.
    pub(crate) async fn stored_hours(&mut self) -> HoursByClient {
        let Some(stored) = &mut self.stored else { return std::future::pending().await };
        let hours = stored.await.unwrap_or_default();
        self.stored = None;
        hours
    }

    /// Takes the hours of a client, for the next commit.
    pub(crate) fn counted(&mut self, client: String, hours: ReportHours) {
        if self.queue.is_some() {
            self.pending.hours.insert(client, hours);
        }
    }

    /// Takes other meters, each with its poll interval; those that stay continue.
    pub(crate) fn reconfigure<'a>(&mut self, meters: impl IntoIterator<Item = (&'a Name, Duration)>) {
        if self.queue.is_some() {
            self.aggregator.reconfigure(meters);
        }
    }

    /// Adds a reading and what is published after it.
    pub(crate) fn add(&mut self, reading: &Reading, published: Option<MilliwattHours>) {
        self.aggregator.add(reading, published);
    }

    /// Whether the slot must end although nothing is reported: then the ledger commits.
    pub(crate) fn is_overdue(&self, now: &ClockReading) -> bool {
        self.pending.slots.is_empty() && self.has_room() && self.aggregator.age(now) >= LONGEST
    }

    /// A commit starts and the slot ends with it, unless it has only just started; the `last` one always ends.
    pub(crate) fn end_slot(&mut self, now: &ClockReading, last: bool) {
        let due = last || self.aggregator.age(now) >= SHORTEST;
        if self.queue.is_none() || !self.pending.slots.is_empty() || !due {
            return;
        }
        if !self.has_room() {
            if self.delayed == 0 {
                tracing::warn!("the history does not keep up with the ledger, its disk may be slow: slots are merged");
            }
            self.delayed += 1;
            return;
        }
        if self.delayed > 0 {
            tracing::info!(slots = self.delayed, "the history keeps up again; these slots were merged");
            self.delayed = 0;
        }
        self.pending.slots = self.aggregator.close(now);
    }

    /// The ledger's commit is on disk, and with it these renames; or there was nothing to commit.
    pub(crate) fn committed(&mut self, renames: impl IntoIterator<Item = MeterRename>) {
        self.pending.renames.extend(renames);
        let nothing = self.pending == CommittedSlots::default();
        // Without room the renames and hours wait for the next commit.
        if let Some(Ok(permit)) = self.queue.as_ref().filter(|_| !nothing).map(mpsc::Sender::try_reserve) {
            permit.send(std::mem::take(&mut self.pending));
        }
    }

    /// The ledger's commit failed: its figures are not on disk, so the slot is dropped.
    pub(crate) fn failed(&mut self) {
        if !std::mem::take(&mut self.pending.slots).is_empty() {
            self.aggregator.lose_last_slot();
        }
    }

    fn has_room(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.capacity() > 0)
    }
}
