//! Whether every task still makes progress: each beats its own heart, and the watchdog listens.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::Instant;

/// A task that has not beaten for this long no longer makes progress. Every task beats at least each [`BEAT_EVERY`].
pub const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How often a waiting task wakes up only to beat.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);

/// One task's heart. It is listened to until it is dropped.
#[derive(Debug)]
pub struct Heart(Arc<Beat>);

#[derive(Debug)]
struct Beat {
    task: String,
    last: Mutex<Instant>,
}

impl Heart {
    pub fn beat(&self) {
        *self.0.last.lock().expect("a beat cannot panic") = Instant::now();
    }

    /// Awaits `future`, beating meanwhile: what is awaited must be bounded in time by itself.
    pub async fn beating<F: Future>(&self, future: F) -> F::Output {
        tokio::pin!(future);
        loop {
            self.beat();
            tokio::select! {
                output = &mut future => return output,
                () = tokio::time::sleep(BEAT_EVERY) => {}
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
        Heart(beat)
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
        let (hung, waiting, finished) = (hearts.heart("bus a"), hearts.heart("bus b"), hearts.heart("bus c"));
        drop(finished);
        waiting.beating(tokio::time::sleep(STALLED_AFTER * 2)).await;
        assert_eq!(hearts.stalled(), ["bus a"]);
        hung.beat();
        assert!(hearts.stalled().is_empty());
    }
}
