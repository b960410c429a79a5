//! The log: to the systemd journal under systemd, else as text to standard error. A thread writes it, so that a full pipe or a journal
//! that hangs stops nothing else.

mod journal;
mod panics;
mod text;

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::writer_thread::{DroppedCount, WriterThread};

/// The environment variable with the filter, in the form of `RUST_LOG`: a level, or `target=level` separated by commas.
const VARIABLE: &str = "ARKMETER_LOG";
/// Crates that log warnings only, unless `ARKMETER_LOG` names them.
const QUIET: &str = "tokio_modbus=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn";

/// Lines that wait for the thread: more than a start or a reload of a large site logs, in at most some 100 KB.
const DEPTH: usize = 1024;
/// The longest wait at the end of the process for the lines that are not written yet. A reader that is alive needs milliseconds.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// The log of this process.
pub(super) struct Log {
    dropped: DroppedCount,
    finish: Arc<dyn Fn() + Send + Sync>,
}

impl Log {
    /// Lines that were dropped because nobody read the log.
    pub(super) fn dropped(&self) -> DroppedCount {
        self.dropped.clone()
    }

    /// Waits a short time until the last lines are written.
    pub(super) fn finish(&self) {
        (self.finish)();
    }

    fn written_by<T: Send + 'static>(thread: &WriterThread<T>) -> Self {
        let (dropped, thread) = (thread.dropped(), thread.clone());
        Log { dropped, finish: Arc::new(move || thread.finish(LAST_LINES_WITHIN)) }
    }
}

/// Sets up the log, once for a process.
pub(super) fn init() -> Log {
    let wanted = std::env::var(VARIABLE).ok();
    let (filter, problem) = filter(wanted.as_deref());
    let (output, log) = output();
    let subscriber = Registry::default().with(output).with(filter);
    // A second call would change nothing, and there is none.
    let _ = tracing::subscriber::set_global_default(subscriber);
    if let Some(problem) = problem {
        tracing::warn!("{VARIABLE} has an error, `info` is used instead: {problem}");
    }
    log
}

/// The filter that `wanted` describes, or the default one and the error in `wanted`.
fn filter(wanted: Option<&str>) -> (Targets, Option<String>) {
    let parse = |text: &str| format!("{QUIET},{text}").parse::<Targets>();
    match wanted.filter(|text| !text.trim().is_empty()).map(parse) {
        Some(Ok(filter)) => (filter, None),
        parsed => {
            let problem = parsed.and_then(Result::err).map(|error| crate::text::foreign(&error.to_string(), 200));
            (parse("info").unwrap_or_default(), problem)
        }
    }
}

fn output<S: Subscriber + for<'a> LookupSpan<'a>>() -> (Box<dyn Layer<S> + Send + Sync>, Log) {
    let named = std::env::var("JOURNAL_STREAM").ok();
    let stderr = fs::metadata("/proc/self/fd/2").ok();
    let thread = match stderr.filter(|stderr| is_journal(named.as_deref(), stderr)) {
        Some(_) => journal::start().map(|events| (Log::written_by(&events), journal::QueuedEvents(events).boxed())),
        None => text::start().map(|lines| (Log::written_by(&lines), text::layer(text::QueuedLines(lines)))),
    };
    match thread {
        Ok((log, output)) => {
            panics::log_with(log.finish.clone());
            (output, log)
        }
        // Without a thread the log may block, which is better than no log.
        Err(_) => (text::layer(io::stderr), Log { dropped: DroppedCount::default(), finish: Arc::new(|| {}) }),
    }
}

/// Logged by the thread once it has written everything again.
fn drained(dropped: u64) {
    tracing::warn!("{dropped} lines of the log were dropped: whatever reads the log did not keep up");
}

/// True if `stream` is the one that `JOURNAL_STREAM` names. The variable alone does not prove it: a process inherits it also if its
/// standard error is redirected.
/// Source: systemd.exec(5), `$JOURNAL_STREAM`: device and inode in decimal with a colon between.
fn is_journal(named: Option<&str>, stream: &Metadata) -> bool {
    let identity = named.and_then(|named| named.split_once(':'));
    identity.is_some_and(|(device, inode)| device.parse() == Ok(stream.dev()) && inode.parse() == Ok(stream.ino()))
}

#[cfg(test)]
mod tests;
