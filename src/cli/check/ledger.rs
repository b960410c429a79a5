//! What of the configuration the ledger knows: a meter that was renamed only seems new.

use super::Remark;
use crate::config::Config;
use crate::ledger::names;
use crate::ledger::store::Look;

/// Says nothing where there is no ledger yet, or none that may be looked at: that is told by others.
pub(super) fn check(config: &Config) -> Vec<Remark> {
    let Ok(look) = Look::open(&config.state.path) else { return Vec::new() };
    let known = look.contents.meters.iter().filter(|(_, row)| row.state.published().is_some());
    let message = names::strangers(&config.meters.keys().collect(), &known.map(|(name, _)| name).collect());
    message.map(Remark::warning).into_iter().collect()
}
