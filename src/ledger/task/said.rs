//! What the ledger says in the log: a line a decision, one where a spell or a failure begins and one where it ends.

use crate::guard::{GuardEvent, Verdict};
use crate::ledger::Barred;
use crate::ledger::book::{Book, Taken};
use crate::ledger::remedy::Outcome;
use crate::ledger::store::Contents;
use crate::units::{MilliwattHours, Name};

pub(super) fn opening(contents: &Contents, fell_back: Option<&str>, barred: Option<Barred>) {
    tracing::info!(meters = contents.meters.len(), clients = contents.clients.len(), "the ledger is open");
    if let Some(why) = fell_back {
        tracing::error!(
            why,
            "the ledger was damaged or lost its end: its last good copy, or what is left of it, took its place; nothing is reported of \
             a meter before its register was taken again; a damaged file is kept as ledger-set-aside.db"
        );
    }
    if let Some(barred) = barred {
        tracing::error!("nothing is reported: {barred}");
    }
}

/// Meters of the configuration and of the ledger that may be the same under two names.
pub(super) fn strangers(book: &Book) {
    if let Some(why) = book.strangers() {
        tracing::warn!("{why}");
    }
}

/// A decision on a meter's counter.
pub(super) fn taken(meter: &Name, taken: &Taken) {
    if let Some(count) = taken.spell_ended.filter(|count| *count > 1) {
        tracing::info!(%meter, count, "a spell of holds and glitches is over");
    }
    if let Some(why) = &taken.put_off {
        tracing::warn!(%meter, "{why}");
    }
    let Some(entry) = taken.entry.as_ref().filter(|_| taken.news) else { return };
    let GuardEvent { register_before, register_after, published_before, published_after, reason, .. } = entry;
    let verdict = entry.verdict.as_str();
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
    match entry.verdict {
        Verdict::Held | Verdict::Reset | Verdict::Stepped | Verdict::Replaced => say!(warn),
        _ => say!(info),
    }
}

/// What an operator ordered.
pub(super) fn ordered(outcome: &Outcome) {
    let Outcome { word, meter, reason, published_before_mwh, published_after_mwh, entry, .. } = outcome;
    let meter = meter.as_ref().map(Name::as_str);
    let (published_before, published_after) = (number(*published_before_mwh), number(*published_after_mwh));
    tracing::warn!(meter, order = word.as_str(), entry, published_before, published_after, "{reason}");
}

/// The disk failed, failed otherwise, or is well again.
pub(super) fn disk(before: Option<&str>, now: Option<&str>) {
    match (before, now) {
        (before, Some(error)) if before != now => tracing::error!(error, "the ledger is not on disk as it should be"),
        (Some(_), None) => tracing::info!("the ledger is on disk again"),
        _ => {}
    }
}

/// The journal is not what it was.
pub(super) fn journal(why: &str) {
    tracing::error!(
        why,
        "the ledger's journal is not as it was written: the disk lost entries or gave older ones back, and may be failing; figures and \
         reports are not concerned"
    );
}

fn number(energy: Option<MilliwattHours>) -> Option<u64> {
    energy.map(MilliwattHours::get)
}
