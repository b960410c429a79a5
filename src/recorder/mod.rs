//! Records the readings of the meters, so that a problem of one site can be replayed elsewhere (`arkmeter replay`).
//!
//! No task waits for a recording: if its queue is full, events are dropped and counted.

mod file;
mod lines;
#[cfg(test)]
mod tests;

pub use file::{BoundedFile, MOST_BYTES, record_to};
pub use lines::{MAX_SERIAL, TraceWriter};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::mpsc;

use crate::clock::{Clock, ClockReading};
use crate::reading::Values;
use crate::units::Name;

/// Depth of a recording's queue: a few seconds of 500 meters.
const QUEUE_DEPTH: usize = 1024;
/// The maximum number of recordings at a time. People start them.
const MAX_RECORDINGS: usize = 4;

/// An event of a trace.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordedEvent {
    /// A poll.
    Poll {
        /// The meter.
        meter: Name,
        /// The time of the answer.
        at: ClockReading,
        /// Empty if the poll failed.
        values: Values,
    },
    /// A report slot: the ledger commits.
    Slot {
        /// Its begin.
        at: ClockReading,
    },
}

/// Passes the events of all tasks to the recordings, if any. Cheap to clone; all clones share the recordings.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    recordings: Mutex<Vec<RecordingQueue>>,
}

#[derive(Debug)]
struct RecordingQueue {
    /// All meters if absent.
    meter: Option<Name>,
    sender: mpsc::Sender<RecordedEvent>,
    lost: Arc<AtomicU64>,
}

/// A running recording.
#[derive(Debug)]
pub struct Recording {
    /// Its begin.
    pub began: ClockReading,
    events: mpsc::Receiver<RecordedEvent>,
    lost: Arc<AtomicU64>,
}

/// The maximum number of recordings is running.
#[derive(Debug, thiserror::Error)]
#[error("{MAX_RECORDINGS} recordings are running already: end one of them, or wait")]
pub struct TooManyRecordings;

impl Recorder {
    /// A recorder without recordings.
    pub fn new(clock: Clock) -> Self {
        Recorder(Arc::new(Inner { clock, recordings: Mutex::default() }))
    }

    /// Starts to record one meter, or all. Dropping the recording ends it.
    ///
    /// # Errors
    /// The maximum number of recordings is running.
    pub fn listen(&self, meter: Option<Name>) -> Result<Recording, TooManyRecordings> {
        let (sender, events) = mpsc::channel(QUEUE_DEPTH);
        let lost = Arc::new(AtomicU64::new(0));
        let mut recordings = self.recordings();
        recordings.retain(|recording| !recording.sender.is_closed());
        if recordings.len() >= MAX_RECORDINGS {
            return Err(TooManyRecordings);
        }
        recordings.push(RecordingQueue { meter, sender, lost: lost.clone() });
        Ok(Recording { began: self.0.clock.now(), events, lost })
    }

    /// Records a poll: its values and their time, or nothing if it failed.
    pub fn poll(&self, meter: &Name, answer: Option<(ClockReading, &Values)>) {
        self.record(Some(meter), || {
            let (at, values) =
                answer.map_or_else(|| (self.0.clock.now(), Values::default()), |(at, it)| (at, it.clone()));
            RecordedEvent::Poll { meter: meter.clone(), at, values }
        });
    }

    /// Records a report slot.
    pub fn slot(&self) {
        self.record(None, || RecordedEvent::Slot { at: self.0.clock.now() });
    }

    /// Ends every recording. Events in the queues are still written.
    pub fn close(&self) {
        self.recordings().clear();
    }

    fn record(&self, meter: Option<&Name>, event: impl Fn() -> RecordedEvent) {
        self.recordings().retain(|recording| {
            let of_interest = recording.meter.is_none() || meter.is_none() || recording.meter.as_ref() == meter;
            if !of_interest {
                return true;
            }
            match recording.sender.try_send(event()) {
                Err(mpsc::error::TrySendError::Closed(_)) => false,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    recording.lost.fetch_add(1, Ordering::Relaxed);
                    true
                }
                Ok(()) => true,
            }
        });
    }

    fn recordings(&self) -> MutexGuard<'_, Vec<RecordingQueue>> {
        self.0.recordings.lock().expect("no panic while the lock is held")
    }
}

impl Recording {
    /// The next event, and the number of events dropped before it. `None` once the recorder is closed.
    pub async fn next(&mut self) -> Option<(RecordedEvent, u64)> {
        let event = self.events.recv().await?;
        Some((event, self.lost.swap(0, Ordering::Relaxed)))
    }

    /// The same for a thread.
    fn blocking_next(&mut self) -> Option<(RecordedEvent, u64)> {
        let event = self.events.blocking_recv()?;
        Some((event, self.lost.swap(0, Ordering::Relaxed)))
    }
}
