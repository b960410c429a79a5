//! What the stand-in for Arkreen was told, and what must be true of it whatever happened.

use arkmeter::simulator::Arkreen;
use arkmeter::simulator::arkreen::PostedEntry;

use crate::harness::client;

/// What was sent for this client, accepted or not, oldest first.
pub fn sent(arkreen: &Arkreen, number: u8) -> Vec<PostedEntry> {
    let entries = arkreen.calls().into_iter().flat_map(|call| call.entries);
    entries.filter(|entry| entry.client == client(number)).collect()
}

/// What Arkreen holds for this client, in mWh.
pub fn held(arkreen: &Arkreen, number: u8) -> Option<u64> {
    arkreen.energy(client(number)).map(|energy| energy.get())
}

/// Whatever else happened: every call was in form, and no client's figure ever fell.
pub fn assert_truthful(arkreen: &Arkreen) {
    assert_eq!(arkreen.violations(), Vec::<String>::new());
    for number in 1..=u8::MAX {
        let sent = sent(arkreen, number);
        assert!(sent.is_sorted_by_key(|entry| entry.energy), "a figure fell: {sent:?}");
    }
}

/// All that was ever sent for this client is exactly this power (mW) and energy (mWh), and there was something.
pub fn assert_only(arkreen: &Arkreen, number: u8, power: i64, energy: u64) {
    let sent = sent(arkreen, number);
    assert!(!sent.is_empty(), "nothing was sent for client {number}");
    for entry in sent {
        assert_eq!((entry.power.0, entry.energy.get()), (power, energy), "client {number}");
    }
}
