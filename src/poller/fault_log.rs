//! Decides which faults are logged: the start of a fault, and its end with its duration. A fault that comes and goes is not logged each
//! time.

use std::time::Duration;

use tokio::time::Instant;

/// A fault that begins within this time after the last logged one is logged only if it lasts.
const QUIET_FOR: Duration = Duration::from_secs(300);
/// A fault lasts if it is at least this old.
const LASTING: Duration = Duration::from_secs(60);

/// The faults of one meter or link.
#[derive(Debug, Default)]
pub(super) struct FaultLog {
    fault: Option<Fault>,
    logged_at: Option<Instant>,
    /// Failures of faults that were not logged.
    unlogged: u64,
}

#[derive(Debug)]
struct Fault {
    since: Instant,
    failures: u64,
    logged: bool,
}

/// A change to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultChange {
    /// A fault began.
    Failed,
    /// The fault ended `after` this time. `failures` includes those of earlier faults that were not logged.
    Recovered { failures: u64, after: Duration },
}

impl FaultLog {
    /// Records a failure or a success.
    pub(super) fn record(&mut self, failed: bool, now: Instant) -> Option<FaultChange> {
        if failed {
            let new = Fault { since: now, failures: 0, logged: false };
            let fault = self.fault.get_or_insert(new);
            fault.failures += 1;
            let quiet = self.logged_at.is_some_and(|at| now < at + QUIET_FOR) && now < fault.since + LASTING;
            if fault.logged || quiet {
                return None;
            }
            (fault.logged, self.logged_at) = (true, Some(now));
            return Some(FaultChange::Failed);
        }
        let fault = self.fault.take()?;
        self.unlogged += fault.failures;
        let after = now.saturating_duration_since(fault.since);
        fault.logged.then(|| FaultChange::Recovered { failures: std::mem::take(&mut self.unlogged), after })
    }
}

/// A duration for the log, in whole seconds.
pub(super) fn roughly(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_fault_is_logged_at_its_start_and_its_end() {
        let (mut faults, now) = (FaultLog::default(), Instant::now());
        assert_eq!(faults.record(false, now), None);
        assert_eq!(faults.record(true, now), Some(FaultChange::Failed));
        assert_eq!(faults.record(true, now + MINUTE * 10), None);
        let recovered = FaultChange::Recovered { failures: 2, after: MINUTE * 20 };
        assert_eq!(faults.record(false, now + MINUTE * 20), Some(recovered));
        assert_eq!(faults.record(false, now + MINUTE * 20), None);
    }

    #[test]
    fn a_fault_that_comes_and_goes_is_not_logged_each_time() {
        let (mut faults, mut now) = (FaultLog::default(), Instant::now());
        let mut lines = 0;
        for _ in 0..300 {
            now += Duration::from_secs(1);
            lines += usize::from(faults.record(true, now).is_some());
            lines += usize::from(faults.record(false, now).is_some());
        }
        assert_eq!(lines, 2);
    }

    #[test]
    fn a_lasting_fault_is_logged_even_soon_after_another() {
        let (mut faults, now) = (FaultLog::default(), Instant::now());
        faults.record(true, now);
        faults.record(false, now);
        assert_eq!(faults.record(true, now + MINUTE), None);
        assert_eq!(faults.record(false, now + MINUTE), None);
        assert_eq!(faults.record(true, now + MINUTE * 2), None);
        assert_eq!(faults.record(true, now + MINUTE * 3), Some(FaultChange::Failed));
        let recovered = FaultChange::Recovered { failures: 3, after: MINUTE * 2 };
        assert_eq!(faults.record(false, now + MINUTE * 4), Some(recovered));
    }
}
