//! What the meters said, for whoever records it: a site's trouble can then be replayed at a desk (`arkmeter replay`).
//!
//! Nobody waits for a recording: what it cannot take at once is lost to it, and counted.

mod file;
mod lines;
#[cfg(test)]
mod tests;

pub use file::{BoundedFile, MOST_BYTES, RecordError, record_to};
pub use lines::Lines;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use crate::clock::{Clock, ClockReading};
use crate::reading::Values;
use crate::units::Name;

/// Polls that wait to be written: some seconds of 500 meters.
const WAITING: usize = 1024;
/// Recordings at a time: people ask for them.
const RECORDINGS: usize = 4;

/// What is recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A poll. Without values it failed.
    Poll { meter: Name, at: ClockReading, values: Values },
    /// A report slot: the ledger commits.
    Slot { at: ClockReading },
}

/// Where polls are told. Cheap to clone; all clones are one. Nobody may be listening.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    listeners: Mutex<Vec<Listener>>,
}

#[derive(Debug)]
struct Listener {
    /// All where absent.
    meter: Option<Name>,
    sender: mpsc::Sender<Said>,
    lost: Arc<AtomicU64>,
}

/// What is said from its beginning on.
#[derive(Debug)]
pub struct Recording {
    /// When it began.
    pub began: ClockReading,
    said: mpsc::Receiver<Said>,
    lost: Arc<AtomicU64>,
}

/// As many recordings as there may be are under way.
#[derive(Debug, thiserror::Error)]
#[error("{RECORDINGS} recordings are under way already: end one of them, or wait")]
pub struct TooMany;

impl Recorder {
    pub fn new(clock: Clock) -> Self {
        Recorder(Arc::new(Inner { clock, listeners: Mutex::default() }))
    }

    /// Begins to listen to one meter, or to all. Dropping the recording ends it.
    pub fn listen(&self, meter: Option<Name>) -> Result<Recording, TooMany> {
        let (sender, said) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let mut listeners = self.0.listeners.lock().expect("telling cannot panic");
        listeners.retain(|listener| !listener.sender.is_closed());
        if listeners.len() >= RECORDINGS {
            return Err(TooMany);
        }
        listeners.push(Listener { meter, sender, lost: lost.clone() });
        Ok(Recording { began: self.0.clock.now(), said, lost })
    }

    /// Tells what a poll gave: the values and when they came, or nothing where it failed.
    pub fn poll(&self, meter: &Name, came: Option<(ClockReading, &Values)>) {
        self.tell(Some(meter), || {
            let (at, values) =
                came.map_or_else(|| (self.0.clock.now(), Values::default()), |(at, it)| (at, it.clone()));
            Said::Poll { meter: meter.clone(), at, values }
        });
    }

    /// Tells that the ledger commits for a report.
    pub fn slot(&self) {
        self.tell(None, || Said::Slot { at: self.0.clock.now() });
    }

    /// Ends every recording: what was said until now is still taken.
    pub fn close(&self) {
        self.0.listeners.lock().expect("telling cannot panic").clear();
    }

    fn tell(&self, meter: Option<&Name>, said: impl Fn() -> Said) {
        let mut listeners = self.0.listeners.lock().expect("telling cannot panic");
        let mut gone = false;
        let concerned = |listener: &&Listener| {
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
    /// What was said next, and how much before it was lost because nobody took it in time. `None` once nobody can say anything more.
    pub async fn next(&mut self) -> Option<(Said, u64)> {
        let said = self.said.recv().await?;
        Some((said, self.lost.swap(0, Ordering::Relaxed)))
    }

    /// The same, waiting as a thread does.
    fn blocking_next(&mut self) -> Option<(Said, u64)> {
        let said = self.said.blocking_recv()?;
        Some((said, self.lost.swap(0, Ordering::Relaxed)))
    }
}
