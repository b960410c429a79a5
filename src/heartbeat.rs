//! Heartbeats: each task reports its progress, and the watchdog checks all of them.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// A task without a heartbeat for this long makes no progress. Every task beats at least once in [`BEAT_EVERY`].
pub const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How often a waiting task beats.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);
/// Work that takes longer than this hangs. Work with timeouts takes less: a call may take five minutes, and so may a meter that answers
/// each of many requests at the last moment.
pub const WORK_WITHIN: Duration = Duration::from_secs(15 * 60);

/// The heartbeat of one task, checked until it is dropped.
#[derive(Debug)]
pub struct Heart {
    beat: Arc<Beat>,
    /// The timer for the next beat of a waiting task. One for all waits, because most end long before it.
    tick: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Beat {
    task: String,
    last: Mutex<Instant>,
}

impl Heart {
    /// Reports progress.
    pub fn beat(&self) {
        self.beat_at(Instant::now());
    }

    fn beat_at(&self, now: Instant) {
        *self.beat.last.lock().expect("no panic while the lock is held") = now;
    }

    /// Awaits work and sends beats during it, but not for longer than [`WORK_WITHIN`]: a task whose work never ends hangs.
    pub async fn beating<F: Future>(&mut self, work: F) -> F::Output {
        let begun = Instant::now();
        let mut now = begun;
        let mut work = pin!(work);
        loop {
            if now - begun <= WORK_WITHIN {
                self.beat_at(now);
            }
            let tick = self.tick.get_or_insert_with(|| Box::pin(sleep(BEAT_EVERY)));
            tokio::select! {
                biased;
                output = &mut work => return output,
                () = tick.as_mut() => {
                    now = Instant::now();
                    tick.as_mut().reset(now + BEAT_EVERY);
                }
            }
        }
    }
}

/// All heartbeats of this process.
#[derive(Clone, Debug, Default)]
pub struct Hearts(Arc<Mutex<Vec<Weak<Beat>>>>);

impl Hearts {
    /// A heartbeat for the task of that name, which beats now.
    pub fn heart(&self, task: impl Into<String>) -> Heart {
        let beat = Arc::new(Beat { task: task.into(), last: Mutex::new(Instant::now()) });
        self.0.lock().expect("no panic while the lock is held").push(Arc::downgrade(&beat));
        Heart { beat, tick: None }
    }

    /// The names of the tasks that make no progress.
    pub fn stalled(&self) -> Vec<String> {
        let mut hearts = self.0.lock().expect("no panic while the lock is held");
        hearts.retain(|beat| beat.strong_count() > 0);
        let alive = hearts.iter().filter_map(Weak::upgrade);
        let late =
            |beat: &Arc<Beat>| beat.last.lock().expect("no panic while the lock is held").elapsed() > STALLED_AFTER;
        alive.filter(late).map(|beat| beat.task.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
