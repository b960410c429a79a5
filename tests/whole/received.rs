//! The entries that the simulated Arkreen received, and what must always be true of them.

use arkmeter::simulator::Arkreen;
use arkmeter::simulator::arkreen::PostedEntry;

use crate::harness::client;

/// The entries sent for this client, accepted or not, oldest first.
pub fn sent(arkreen: &Arkreen, number: u8) -> Vec<PostedEntry> {
    let entries = arkreen.calls().into_iter().flat_map(|call| call.entries);
    entries.filter(|entry| entry.client == client(number)).collect()
}

/// The energy that Arkreen has accepted for this client, in mWh.
pub fn accepted_energy(arkreen: &Arkreen, number: u8) -> Option<u64> {
    arkreen.energy(client(number)).map(|energy| energy.get())
}

/// Asserts that every call was well-formed, and that no client's energy ever fell.
pub fn assert_valid_calls(arkreen: &Arkreen) {
    assert_eq!(arkreen.violations(), Vec::<String>::new());
    for number in 1..=u8::MAX {
        let sent = sent(arkreen, number);
        assert!(sent.is_sorted_by_key(|entry| entry.energy), "a figure fell: {sent:?}");
    }
}

/// Asserts that at least one entry was sent for this client, and that all have exactly this power (mW) and energy (mWh).
pub fn assert_only(arkreen: &Arkreen, number: u8, power: i64, energy: u64) {
    let sent = sent(arkreen, number);
    assert!(!sent.is_empty(), "nothing was sent for client {number}");
    for entry in sent {
        assert_eq!((entry.power.0, entry.energy.get()), (power, energy), "client {number}");
    }
}
