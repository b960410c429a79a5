//! Notifications to systemd: ready, status in plain words, watchdog, reloading, stopping. A thread sends them: a systemd that hangs must
//! not stop the polls.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

use crate::writer_thread::WriterThread;

#[cfg(test)]
thread_local! {
    /// The notifications of this thread's test.
    pub(super) static NOTIFIED: std::cell::RefCell<Vec<String>> = std::cell::RefCell::default();
}

/// Notifications that wait for the thread: those of a reload, and a few more. When it is full, systemd has not read for a minute.
const DEPTH: usize = 8;
/// The longest wait for the last notification.
const LAST_WITHIN: Duration = Duration::from_millis(200);

/// Sends notifications to systemd; without systemd it does nothing.
#[derive(Clone)]
pub(super) struct Notifier(Option<WriterThread<String>>);

impl Notifier {
    pub(super) fn new() -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Notifier(None);
        }
        let send = |text: String| {
            sd_notify::notify(&[NotifyState::Custom(&text)])
                .inspect_err(|error| warn!(%error, "systemd cannot be notified"))
        };
        let drained = |dropped| warn!("{dropped} notifications to systemd were dropped: it did not read them");
        match WriterThread::start("systemd", DEPTH, send, drained) {
            Ok(thread) => Notifier(Some(thread)),
            Err(error) => {
                warn!(%error, "systemd cannot be notified, there is no thread for it");
                Notifier(None)
            }
        }
    }

    /// Queues a notification. Never waits.
    pub(super) fn notify(&self, states: &[NotifyState]) {
        #[cfg(test)]
        NOTIFIED.with_borrow_mut(|notified| notified.extend(states.iter().map(ToString::to_string)));
        if let Some(thread) = &self.0 {
            let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
            thread.put(lines.join("\n"));
        }
    }

    /// Waits a short time until the last notification is sent.
    pub(super) fn finish(&self) {
        if let Some(thread) = &self.0 {
            thread.finish(LAST_WITHIN);
        }
    }
}

/// How often systemd expects `WATCHDOG=1`: half of `WatchdogSec=`; `None` if the watchdog is off.
pub(super) fn watchdog_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}
