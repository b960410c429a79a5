//! Clients for the ledger's tests; readings and meters come from the guard's.

use std::cell::Cell;

use super::settings::{ClientKey, ClientSettings};
pub(crate) use crate::guard::testing::{at, energy, meter, name, reading, state};
use crate::units::ClientId;

pub(crate) fn client(text: &str, digit: &str, meters: &[&str]) -> ClientSettings {
    let client_id = ClientId::parse(&format!("0x{}", digit.repeat(64))).unwrap();
    let key = ClientKey { url: "https://api.example/v1".into(), client_id };
    ClientSettings { name: name(text), key, meters: meters.iter().map(|text| name(text)).collect() }
}

thread_local! {
    static NAMES_IN_HISTORY: Cell<u64> = const { Cell::new(0) };
}

/// Counts a name that was made, as a measure of work.
pub(super) fn count_name_in_history() {
    NAMES_IN_HISTORY.set(names_in_history() + 1);
}

/// How often this thread made the name of a client in the history.
pub(crate) fn names_in_history() -> u64 {
    NAMES_IN_HISTORY.get()
}
