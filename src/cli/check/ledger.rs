//! Compares the configuration with the ledger: a meter that was renamed in the configuration only looks like a new one.

use super::Remark;
use crate::config::Config;
use crate::ledger::names;
use crate::ledger::store::Look;

/// Says nothing if there is no ledger yet, or if it cannot be opened: other commands report that.
pub(super) fn check(config: &Config) -> Vec<Remark> {
    let Ok(look) = Look::open(&config.state.path) else { return Vec::new() };
    let known = look.contents.meters.iter().filter(|(_, row)| row.state.published().is_some());
    let message = names::strangers(&config.meters.keys().collect(), &known.map(|(name, _)| name).collect());
    message.map(Remark::warning).into_iter().collect()
}
