//! The message of a panic goes through the log: the standard one is written to standard error, which may block for ever.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::sync::Arc;

/// Logs each panic and lets `finish` write it before the process aborts.
pub(super) fn log_with(finish: Arc<dyn Fn() + Send + Sync>) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        let backtrace = Backtrace::capture();
        match backtrace.status() {
            BacktraceStatus::Captured => tracing::error!("thread '{name}' {panic}\n{backtrace}"),
            _ => tracing::error!("thread '{name}' {panic}"),
        }
        finish();
    }));
}
