//! What systemd is told: ready, what goes on in plain words, that every task still makes progress, reloading, stopping.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

#[cfg(test)]
thread_local! {
    /// What this thread's test has told.
    pub(super) static TOLD: std::cell::RefCell<Vec<String>> = std::cell::RefCell::default();
}

/// Tells systemd; without a systemd this does nothing.
pub fn tell(states: &[NotifyState]) {
    #[cfg(test)]
    TOLD.with_borrow_mut(|told| told.extend(states.iter().map(ToString::to_string)));
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd cannot be told how things are");
    }
}

/// How often the watchdog wants to hear of us (half of `WatchdogSec=`); none where it is off.
pub fn watchdog_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}
