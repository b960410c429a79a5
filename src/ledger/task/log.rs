//! The ledger's log lines: one for each decision, and one for the begin and the end of a series or a failure.

use crate::guard::{GuardEvent, Verdict};
use crate::ledger::ReportingBlock;
use crate::ledger::command::CommandOutcome;
use crate::ledger::state::{LedgerState, ReadingOutcome};
use crate::ledger::store::Contents;
use crate::units::{MilliwattHours, Name};

pub(super) fn opened(contents: &Contents, fell_back: Option<&str>, block: Option<ReportingBlock>) {
    tracing::info!(meters = contents.meters.len(), clients = contents.clients.len(), "the ledger is open");
    if let Some(why) = fell_back {
        tracing::error!(
            why,
            "the ledger was damaged, missing or older than its copy: the last intact state is used; a meter is reported again once its \
             register was read; the damaged file is kept as ledger-set-aside.db"
        );
    }
    if let Some(block) = block {
        tracing::error!("nothing is reported: {block}");
    }
}

/// Meters of the configuration and of the ledger that may be the same under two names.
pub(super) fn unmatched_names(state: &LedgerState) {
    if let Some(why) = state.unmatched_names() {
        tracing::warn!("{why}");
    }
}

/// A decision on a meter's counter.
pub(super) fn reading(meter: &Name, outcome: &ReadingOutcome) {
    if let Some(count) = outcome.series_ended.filter(|count| *count > 1) {
        tracing::info!(%meter, count, "a series of holds and glitches has ended");
    }
    if let Some(why) = &outcome.conflict {
        tracing::warn!(%meter, "{why}");
    }
    let Some(event) = outcome.event.as_ref().filter(|_| outcome.news) else { return };
    let GuardEvent { register_before, register_after, published_before, published_after, reason, .. } = event;
    let verdict = event.verdict.as_str();
    let (register_before, register_after) = (number(*register_before), number(*register_after));
    let (published_before, published_after) = (number(*published_before), number(*published_after));
    // The macro takes its level as a constant.
    macro_rules! say {
        ($level:ident) => {
            tracing::$level!(
                %meter, verdict, register_before, register_after, published_before, published_after, "{reason}"
            )
        };
    }
    match event.verdict {
        Verdict::Held | Verdict::Reset | Verdict::Stepped | Verdict::Replaced => say!(warn),
        _ => say!(info),
    }
}

/// An operator's command.
pub(super) fn command(outcome: &CommandOutcome) {
    let CommandOutcome { word, meter, reason, published_before_mwh, published_after_mwh, entry, .. } = outcome;
    let meter = meter.as_ref().map(Name::as_str);
    let (published_before, published_after) = (number(*published_before_mwh), number(*published_after_mwh));
    tracing::warn!(meter, order = word.as_str(), entry, published_before, published_after, "{reason}");
}

/// The disk failed, failed with another error, or works again.
pub(super) fn disk(before: Option<&str>, now: Option<&str>) {
    match (before, now) {
        (before, Some(error)) if before != now => tracing::error!(error, "the ledger is not on disk as it should be"),
        (Some(_), None) => tracing::info!("the ledger is on disk again"),
        _ => {}
    }
}

fn number(energy: Option<MilliwattHours>) -> Option<u64> {
    energy.map(MilliwattHours::get)
}
