//! Where the log goes: to the journal when systemd listens, else as text to standard error.

mod told;

use std::fs::{self, Metadata};
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;

use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, fmt};

/// What is logged, in the form of `RUST_LOG`: a level, or `target=level` with commas between.
const VARIABLE: &str = "ARKMETER_LOG";
/// Crates that tell more than an operator wants to know; `ARKMETER_LOG` can name them to hear them.
const QUIET: &str = "tokio_modbus=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn";

/// Sets the log up, once a process; a second call changes nothing.
pub fn init() {
    let asked = std::env::var(VARIABLE).ok();
    let (filter, problem) = filter(asked.as_deref());
    let subscriber = Registry::default().with(output()).with(filter);
    let first = tracing::subscriber::set_global_default(subscriber).is_ok();
    if let Some(problem) = problem.filter(|_| first) {
        tracing::warn!("{VARIABLE} is not understood, `info` is used instead: {problem}");
    }
}

/// The filter that `asked` describes, or the default one and what is wrong with `asked`.
fn filter(asked: Option<&str>) -> (Targets, Option<String>) {
    let parse = |asked: &str| format!("{QUIET},{asked}").parse::<Targets>();
    match asked.filter(|asked| !asked.trim().is_empty()).map(parse) {
        Some(Ok(filter)) => (filter, None),
        asked => {
            let problem = asked.and_then(Result::err).map(|error| crate::text::foreign(&error.to_string(), 200));
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
            told::Told(journal.with_field_prefix(None).with_syslog_identifier("arkmeter".to_owned())).boxed()
        }
        None => text(),
    }
}

/// Whether `stream` is the one that systemd named in `JOURNAL_STREAM`: the variable is inherited by whoever redirects it as well.
/// Source: systemd.exec(5), `$JOURNAL_STREAM`: device and inode in decimal with a colon between.
fn is_journal(named: Option<&str>, stream: &Metadata) -> bool {
    let identity = named.and_then(|named| named.split_once(':'));
    identity.is_some_and(|(device, inode)| device.parse() == Ok(stream.dev()) && inode.parse() == Ok(stream.ino()))
}

/// On a terminal coloured and without the time, which who watches knows; elsewhere with it.
fn text<S: Subscriber + for<'a> LookupSpan<'a>>() -> Box<dyn Layer<S> + Send + Sync> {
    let layer = fmt::layer().with_writer(io::stderr).with_target(false);
    if io::stderr().is_terminal() {
        layer.with_ansi(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())).without_time().boxed()
    } else {
        layer.with_ansi(false).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stream_that_systemd_named_is_the_journal() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let other = tempfile::NamedTempFile::new().unwrap();
        let metadata = |file: &tempfile::NamedTempFile| fs::metadata(file.path()).unwrap();
        let named = format!("{}:{}", metadata(&file).dev(), metadata(&file).ino());
        assert!(is_journal(Some(&named), &metadata(&file)));
        assert!(!is_journal(Some(&named), &metadata(&other)));
        for wrong in [None, Some(""), Some(":"), Some("7"), Some("a:b")] {
            assert!(!is_journal(wrong, &metadata(&file)), "{wrong:?}");
        }
    }

    #[test]
    fn other_crates_are_quiet_unless_they_are_named() {
        let logged = |asked: Option<&str>| filter(asked).0.to_string();
        assert!(logged(None).contains("hyper=warn"));
        assert!(logged(None).ends_with("info") || logged(None).contains(",info"), "{}", logged(None));
        assert!(logged(Some("debug")).contains("rustls=warn"));
        assert!(logged(Some("debug,hyper=trace")).contains("hyper=trace"));
        assert!(!logged(Some("debug,hyper=trace")).contains("hyper=warn"));
    }

    #[test]
    fn what_is_not_understood_is_said_and_info_is_used() {
        let (used, problem) = filter(Some("arkmeter=loud"));
        assert!(problem.is_some());
        assert_eq!(used.to_string(), filter(None).0.to_string());
        assert_eq!(filter(Some(" ")).1, None);
    }
}
