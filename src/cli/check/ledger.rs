//! Compares the configuration with the ledger: a meter that was renamed in the configuration only looks like a new one.

use super::Remark;
use crate::cli::runtime;
use crate::config::Config;
use crate::ledger::names;
use crate::ledger::shown::{self, Shown};
use crate::status::control::{self, ControlError, SHOW};

/// Says nothing if there is no ledger yet, or if it cannot be opened: other commands report that.
pub(super) fn check(config: &Config) -> Vec<Remark> {
    let Some(shown) = read(config) else { return Vec::new() };
    let known = shown.meters.iter().filter(|(_, meter)| meter.published_mwh.is_some());
    let message = names::unmatched(&config.meters.keys().collect(), &known.map(|(name, _)| name).collect());
    message.map(Remark::warning).into_iter().collect()
}

/// From the daemon, or from the file if no daemon runs. In a separate thread: the caller may be in an asynchronous runtime.
fn read(config: &Config) -> Option<Shown> {
    let get = || match runtime().ok()?.block_on(control::get(&config.status.socket, SHOW)) {
        Ok(bytes) => serde_json::from_slice(&bytes).ok(),
        Err(ControlError::NoDaemon(_)) => shown::show(&config.state.path).ok(),
        Err(_) => None,
    };
    std::thread::scope(|scope| scope.spawn(get).join().ok().flatten())
}
