//! A trouble that repeats is said twice: when it begins, and when it ends with how long it lasted. One that comes and goes is not said
//! each time.

use std::time::Duration;

use tokio::time::Instant;

/// A trouble that begins so soon after the last one that was said is said only if it lasts.
const QUIET_FOR: Duration = Duration::from_secs(300);
/// It lasts when it is older than this.
const LASTING: Duration = Duration::from_secs(60);

/// Whether something works, as far as it was told.
#[derive(Debug, Default)]
pub(super) struct FaultLog {
    trouble: Option<Trouble>,
    said_at: Option<Instant>,
    /// Failures of troubles that were not said.
    unsaid: u64,
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    failures: u64,
    said: bool,
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultChange {
    Failed,
    /// `failures` counts those of the short troubles before that were not said.
    Recovered {
        failures: u64,
        after: Duration,
    },
}

impl FaultLog {
    /// It failed, or worked, at this time.
    pub(super) fn told(&mut self, failed: bool, now: Instant) -> Option<FaultChange> {
        if failed {
            let fresh = Trouble { since: now, failures: 0, said: false };
            let trouble = self.trouble.get_or_insert(fresh);
            trouble.failures += 1;
            let quiet = self.said_at.is_some_and(|at| now < at + QUIET_FOR) && now < trouble.since + LASTING;
            if trouble.said || quiet {
                return None;
            }
            (trouble.said, self.said_at) = (true, Some(now));
            return Some(FaultChange::Failed);
        }
        let trouble = self.trouble.take()?;
        self.unsaid += trouble.failures;
        let after = now.saturating_duration_since(trouble.since);
        trouble.said.then(|| FaultChange::Recovered { failures: std::mem::take(&mut self.unsaid), after })
    }
}

/// A duration for a log line, to the second.
pub(super) fn roughly(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_fault_is_logged_at_its_start_and_its_end() {
        let (mut health, now) = (FaultLog::default(), Instant::now());
        assert_eq!(health.told(false, now), None);
        assert_eq!(health.told(true, now), Some(FaultChange::Failed));
        assert_eq!(health.told(true, now + MINUTE * 10), None);
        let recovered = FaultChange::Recovered { failures: 2, after: MINUTE * 20 };
        assert_eq!(health.told(false, now + MINUTE * 20), Some(recovered));
        assert_eq!(health.told(false, now + MINUTE * 20), None);
    }

    #[test]
    fn an_intermittent_fault_is_not_logged_each_time() {
        let (mut health, mut now) = (FaultLog::default(), Instant::now());
        let mut lines = 0;
        for _ in 0..300 {
            now += Duration::from_secs(1);
            lines += usize::from(health.told(true, now).is_some());
            lines += usize::from(health.told(false, now).is_some());
        }
        assert_eq!(lines, 2);
    }

    #[test]
    fn a_lasting_fault_is_logged_even_soon_after_another() {
        let (mut health, now) = (FaultLog::default(), Instant::now());
        health.told(true, now);
        health.told(false, now);
        assert_eq!(health.told(true, now + MINUTE), None);
        assert_eq!(health.told(false, now + MINUTE), None);
        assert_eq!(health.told(true, now + MINUTE * 2), None);
        assert_eq!(health.told(true, now + MINUTE * 3), Some(FaultChange::Failed));
        let recovered = FaultChange::Recovered { failures: 3, after: MINUTE * 2 };
        assert_eq!(health.told(false, now + MINUTE * 4), Some(recovered));
    }
}
