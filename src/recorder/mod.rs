//! Records what the meters answer, so that a problem of a site can be replayed elsewhere (`arkmeter replay`).
//!
//! No task waits for a recording: events that it cannot take at once are dropped and counted.
#![deny(missing_docs)]

mod file;
mod lines;
#[cfg(test)]
mod tests;

pub use file::{BoundedFile, MOST_BYTES, RecordError, RecordingEnd, record_to};
pub use lines::TraceWriter;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use crate::clock::{Clock, ClockReading};
use crate::reading::Values;
use crate::units::Name;

/// Events that wait to be written: a few seconds of 500 meters.
const WAITING: usize = 1024;
/// The maximum number of recordings at a time: people start them.
const RECORDINGS: usize = 4;

/// An event of a trace.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordedEvent {
    /// A poll.
    Poll {
        /// The meter.
        meter: Name,
        /// When the answer came.
        at: ClockReading,
        /// Empty when the poll failed.
        values: Values,
    },
    /// A report slot: the ledger commits.
    Slot {
        /// When it began.
        at: ClockReading,
    },
}

/// Takes the events of all tasks and passes them to the recordings, if any. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    listeners: Mutex<Vec<RecordingQueue>>,
}

#[derive(Debug)]
struct RecordingQueue {
    /// All meters when absent.
    meter: Option<Name>,
    sender: mpsc::Sender<RecordedEvent>,
    lost: Arc<AtomicU64>,
}

/// A running recording.
#[derive(Debug)]
pub struct Recording {
    /// When it began.
    pub began: ClockReading,
    said: mpsc::Receiver<RecordedEvent>,
    lost: Arc<AtomicU64>,
}

/// The maximum number of recordings is running.
#[derive(Debug, thiserror::Error)]
#[error("{RECORDINGS} recordings are under way already: end one of them, or wait")]
pub struct TooManyRecordings;

impl Recorder {
    /// A recorder without recordings.
    pub fn new(clock: Clock) -> Self {
        Recorder(Arc::new(Inner { clock, listeners: Mutex::default() }))
    }

    /// Starts to record one meter, or all. Dropping the recording ends it.
    ///
    /// # Errors
    /// When the maximum number of recordings is running.
    pub fn listen(&self, meter: Option<Name>) -> Result<Recording, TooManyRecordings> {
        let (sender, said) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let mut listeners = self.0.listeners.lock().expect("telling cannot panic");
        listeners.retain(|listener| !listener.sender.is_closed());
        if listeners.len() >= RECORDINGS {
            return Err(TooManyRecordings);
        }
        listeners.push(RecordingQueue { meter, sender, lost: lost.clone() });
        Ok(Recording { began: self.0.clock.now(), said, lost })
    }

    /// Records a poll: its values and when they came, or nothing when it failed.
    pub fn poll(&self, meter: &Name, came: Option<(ClockReading, &Values)>) {
        self.tell(Some(meter), || {
            let (at, values) =
                came.map_or_else(|| (self.0.clock.now(), Values::default()), |(at, it)| (at, it.clone()));
            RecordedEvent::Poll { meter: meter.clone(), at, values }
        });
    }

    /// Records a report slot.
    pub fn slot(&self) {
        self.tell(None, || RecordedEvent::Slot { at: self.0.clock.now() });
    }

    /// Ends every recording; events that wait are still written.
    pub fn close(&self) {
        self.0.listeners.lock().expect("telling cannot panic").clear();
    }

    fn tell(&self, meter: Option<&Name>, said: impl Fn() -> RecordedEvent) {
        let mut listeners = self.0.listeners.lock().expect("telling cannot panic");
        let mut gone = false;
        let concerned = |listener: &&RecordingQueue| {
            let wanted = listener.meter.as_ref();
            wanted.is_none() || meter.is_none() || wanted == meter
        };
        for listener in listeners.iter().filter(concerned) {
            match listener.sender.try_send(said()) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => drop(listener.lost.fetch_add(1, Ordering::Relaxed)),
                Err(mpsc::error::TrySendError::Closed(_)) => gone = true,
            }
        }
        if gone {
            listeners.retain(|listener| !listener.sender.is_closed());
        }
    }
}

impl Recording {
    /// The next event, and the number of events dropped before it. `None` once the recorder is closed.
    pub async fn next(&mut self) -> Option<(RecordedEvent, u64)> {
        let said = self.said.recv().await?;
        Some((said, self.lost.swap(0, Ordering::Relaxed)))
    }

    /// The same for a thread.
    fn blocking_next(&mut self) -> Option<(RecordedEvent, u64)> {
        let said = self.said.blocking_recv()?;
        Some((said, self.lost.swap(0, Ordering::Relaxed)))
    }
}
