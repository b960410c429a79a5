//! Whether every task still makes progress: each beats its own heart, and the watchdog listens.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// A task that has not beaten for this long no longer makes progress. Every task beats at least each [`BEAT_EVERY`].
pub const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How often a waiting task wakes up only to beat.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);
/// A piece of work that takes longer than this has hung. What bounds itself takes less: a call may take five minutes, and so may a meter
/// that answers each of many questions at the last moment.
pub const WORK_WITHIN: Duration = Duration::from_secs(15 * 60);

/// One task's heart. It is listened to until it is dropped.
#[derive(Debug)]
pub struct Heart {
    beat: Arc<Beat>,
    /// When a waiting task is next woken up only to beat. One for all waits: most are over long before.
    tick: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Beat {
    task: String,
    last: Mutex<Instant>,
}

impl Heart {
    pub fn beat(&self) {
        *self.beat.last.lock().expect("a beat cannot panic") = Instant::now();
    }

    /// Awaits a piece of work, beating meanwhile, but no longer than [`WORK_WITHIN`]: work that never ends is a task that hangs.
    pub async fn beating<F: Future>(&mut self, work: F) -> F::Output {
        let begun = Instant::now();
        let mut work = pin!(work);
        loop {
            if begun.elapsed() <= WORK_WITHIN {
                self.beat();
            }
            let tick = self.tick.get_or_insert_with(|| Box::pin(sleep(BEAT_EVERY)));
            tokio::select! {
                biased;
                output = &mut work => return output,
                () = tick.as_mut() => tick.as_mut().reset(Instant::now() + BEAT_EVERY),
            }
        }
    }
}

/// All hearts that beat in this process.
#[derive(Clone, Debug, Default)]
pub struct Hearts(Arc<Mutex<Vec<Weak<Beat>>>>);

impl Hearts {
    /// A heart for the task of that name, beating now.
    pub fn heart(&self, task: impl Into<String>) -> Heart {
        let beat = Arc::new(Beat { task: task.into(), last: Mutex::new(Instant::now()) });
        self.0.lock().expect("listing hearts cannot panic").push(Arc::downgrade(&beat));
        Heart { beat, tick: None }
    }

    /// The names of the tasks that make no progress; empty when all is well.
    pub fn stalled(&self) -> Vec<String> {
        let mut hearts = self.0.lock().expect("listing hearts cannot panic");
        hearts.retain(|beat| beat.strong_count() > 0);
        let alive = hearts.iter().filter_map(Weak::upgrade);
        let late = |beat: &Arc<Beat>| beat.last.lock().expect("a beat cannot panic").elapsed() > STALLED_AFTER;
        alive.filter(late).map(|beat| beat.task.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hung_task_is_named_and_a_finished_one_is_not() {
        let hearts = Hearts::default();
        let (hung, mut waiting, finished) = (hearts.heart("bus a"), hearts.heart("bus b"), hearts.heart("bus c"));
        drop(finished);
        waiting.beating(tokio::time::sleep(STALLED_AFTER * 2)).await;
        assert_eq!(hearts.stalled(), ["bus a"]);
        hung.beat();
        assert!(hearts.stalled().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_never_ends_is_a_task_that_hangs() {
        let hearts = Hearts::default();
        let mut heart = hearts.heart("bus a");
        let mut work = pin!(heart.beating(std::future::pending::<()>()));
        assert!(tokio::time::timeout(WORK_WITHIN, &mut work).await.is_err());
        assert!(hearts.stalled().is_empty(), "it may still be done");
        assert!(tokio::time::timeout(STALLED_AFTER * 2, work).await.is_err());
        assert_eq!(hearts.stalled(), ["bus a"]);
    }
}
