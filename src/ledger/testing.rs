//! Clients for the ledger's tests; readings and meters come from the guard's.

use super::settings::{ClientKey, ClientSettings};
pub(crate) use crate::guard::testing::{at, energy, meter, name, reading, state};
use crate::units::ClientId;

pub(crate) fn client(text: &str, digit: &str, meters: &[&str]) -> ClientSettings {
    let client_id = ClientId::parse(&format!("0x{}", digit.repeat(64))).unwrap();
    let key = ClientKey { url: "https://api.example/v1".into(), client_id };
    ClientSettings { name: name(text), key, meters: meters.iter().map(|text| name(text)).collect() }
}
