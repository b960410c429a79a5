//! Notifications to systemd: ready, status in plain words, watchdog, reloading, stopping.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

#[cfg(test)]
thread_local! {
    /// The notifications of this thread's test.
    pub(super) static NOTIFIED: std::cell::RefCell<Vec<String>> = std::cell::RefCell::default();
}

/// Notifies systemd; without systemd this does nothing.
pub(super) fn notify(states: &[NotifyState]) {
    #[cfg(test)]
    NOTIFIED.with_borrow_mut(|notified| notified.extend(states.iter().map(ToString::to_string)));
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd cannot be notified");
    }
}

/// How often systemd expects `WATCHDOG=1`: half of `WatchdogSec=`; `None` if the watchdog is off.
pub(super) fn watchdog_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}
