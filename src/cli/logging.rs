//! The log: to the systemd journal under systemd, else as text to standard error.

mod fields;

use std::fs::{self, Metadata};
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;

use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, fmt};

/// The environment variable with the filter, in the form of `RUST_LOG`: a level, or `target=level` separated by commas.
const VARIABLE: &str = "ARKMETER_LOG";
/// Crates that log warnings only, unless `ARKMETER_LOG` names them.
const QUIET: &str = "tokio_modbus=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn";

/// Sets up the log, once for a process; a second call changes nothing.
pub(super) fn init() {
    let wanted = std::env::var(VARIABLE).ok();
    let (filter, problem) = filter(wanted.as_deref());
    let subscriber = Registry::default().with(output()).with(filter);
    let first = tracing::subscriber::set_global_default(subscriber).is_ok();
    if let Some(problem) = problem.filter(|_| first) {
        tracing::warn!("{VARIABLE} has an error, `info` is used instead: {problem}");
    }
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

fn output<S: Subscriber + for<'a> LookupSpan<'a>>() -> Box<dyn Layer<S> + Send + Sync> {
    let named = std::env::var("JOURNAL_STREAM").ok();
    let stderr = fs::metadata("/proc/self/fd/2").ok();
    let journal =
        stderr.filter(|stderr| is_journal(named.as_deref(), stderr)).and_then(|_| tracing_journald::layer().ok());
    match journal {
        Some(journal) => {
            fields::FieldsInMessage(journal.with_field_prefix(None).with_syslog_identifier("arkmeter".to_owned()))
                .boxed()
        }
        None => text(),
    }
}

/// True if `stream` is the one that `JOURNAL_STREAM` names. The variable alone does not prove it: a process inherits it also if its
/// standard error is redirected.
/// Source: systemd.exec(5), `$JOURNAL_STREAM`: device and inode in decimal with a colon between.
fn is_journal(named: Option<&str>, stream: &Metadata) -> bool {
    let identity = named.and_then(|named| named.split_once(':'));
    identity.is_some_and(|(device, inode)| device.parse() == Ok(stream.dev()) && inode.parse() == Ok(stream.ino()))
}

/// On a terminal with colours and without the time, elsewhere with the time.
fn text<S: Subscriber + for<'a> LookupSpan<'a>>() -> Box<dyn Layer<S> + Send + Sync> {
    let layer = fmt::layer().with_writer(io::stderr).with_target(false);
    if io::stderr().is_terminal() {
        layer.with_ansi(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())).without_time().boxed()
    } else {
        layer.with_ansi(false).boxed()
    }
}

#[cfg(test)]
mod tests;
