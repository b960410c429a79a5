//! What a report slot writes to the disk.

use super::*;
use crate::history::{self, HistorySlot, HistoryStore, NewHours, Retention, SlotAggregator, WRITE_EVERY};
use crate::ledger::store::{Store, StoreOptions};
use crate::units::ClientId;

/// What a slot may write in the mean.
const MOST: u64 = 16 * 1024;
const SLOT: u64 = 120;
/// A day of slots, at the default interval.
const SLOTS: u64 = 24 * 3600 / SLOT;
const POLL: u64 = 20;
const REGISTER: u64 = 180_000_000_000;

/// Twenty meters, each a client of its own, over a ledger and a history on disk.
struct Site20 {
    folder: tempfile::TempDir,
    store: Store,
    ledger: LedgerState,
    aggregator: SlotAggregator,
    history: Option<HistoryStore>,
    /// What waits to be written to the history.
    waiting: Vec<HistorySlot>,
    hours: NewHours,
    names: Vec<String>,
}

impl Site20 {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let store = Store::open(folder.path(), StoreOptions { durable: true, machine: None }).unwrap().store;
        let names: Vec<_> = (0..20).map(|index| format!("distribution_{index:02}")).collect();
        let clients = names.iter().enumerate().map(|(index, text)| {
            let client_id = ClientId::parse(&format!("0x{index:064x}")).unwrap();
            let one = client(text, "1", &[text]);
            ClientSettings { key: ClientKey { client_id, ..one.key }, ..one }
        });
        let meters: Vec<_> = names.iter().map(String::as_str).collect();
        let ledger = ledger(&meters, clients.collect());
        let mut aggregator = SlotAggregator::default();
        aggregator.reconfigure(ledger.poll_intervals());
        Site20 {
            folder,
            store,
            ledger,
            aggregator,
            history: None,
            waiting: Vec::new(),
            hours: NewHours::default(),
            names,
        }
    }

    /// The readings of one slot; then what its end writes, in bytes: of the ledger with its copy, and of the history.
    fn slot(&mut self, from: u64, retention: &Retention) -> [u64; 2] {
        for text in &self.names {
            for seconds in (from..from + SLOT).step_by(POLL as usize) {
                let reading = reading(text, seconds, REGISTER + seconds * 1000);
                let taken = self.ledger.take(&reading).unwrap();
                self.aggregator.add(&reading, taken.published);
            }
            let accepted = AcceptedReport { client: name(text), energy: energy(REGISTER + from), at: at(from) };
            let (client, hours) = self.ledger.accept(&accepted).unwrap();
            self.hours.clients.insert(client.in_history(), hours.clone());
        }
        let now = at(from + SLOT - 1);
        let pending = self.ledger.prepare(&now, false).unwrap();
        let before = written();
        self.store.commit(&pending.commit).unwrap();
        self.store.copy_if_due(&now).unwrap();
        let between = written();
        self.ledger.committed(pending);
        let rows = self.aggregator.close(&now);
        assert_eq!(rows.len(), 20);
        self.waiting.extend(rows);
        if (from / SLOT + 1).is_multiple_of(WRITE_EVERY.as_secs() / SLOT) {
            let rows = std::mem::take(&mut self.waiting);
            history::record(&mut self.history, self.folder.path(), &rows, &self.hours, &now, retention).unwrap();
        }
        [between - before, written() - between]
    }
}

/// Bytes that this thread has handed to the kernel so far, every one of them counted.
fn written() -> u64 {
    let counters = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    counters.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).unwrap()
}

/// Over a whole day, everything included: the copy, the folding in of the log, the history, and of that the removal of as many rows as are
/// written. `--nocapture` prints the figures.
#[test]
#[allow(clippy::print_stderr, reason = "the figures that the README states")]
fn a_slot_of_twenty_meters_is_small() {
    let mut site = Site20::new();
    // The history is full after the first two hours: from then on a day loses as many rows as it brings.
    let retention = Retention { keep: Duration::from_secs(2 * 3600), ..Retention::default() };
    let begun: u64 = (0..60).map(|index| site.slot(index * SLOT, &retention).iter().sum::<u64>()).sum();
    let slots: Vec<_> = (60..60 + SLOTS).map(|index| site.slot(index * SLOT, &retention)).collect();
    let [ledger, history] = [0, 1].map(|part| slots.iter().map(|slot| slot[part]).sum::<u64>() / SLOTS);
    let mut sums: Vec<u64> = slots.iter().map(|[ledger, history]| ledger + history).collect();
    sums.sort_unstable();
    let [usual, most, copy] = [SLOTS / 2, SLOTS - 2, SLOTS - 1].map(|rank| sums[rank as usize]);
    let figures = format!(
        "mean {} = {ledger} ledger + {history} history, usual {usual}, most {most}, with the copy {copy} bytes; the first two hours {}",
        ledger + history,
        begun / 60
    );
    eprintln!("{figures}");
    assert!(ledger + history <= MOST * 2 / 3 && usual <= MOST / 2, "{figures}");
    // One that writes the history of several slots, the rows of the day and the clients' hours; the ledger's daily copy is all of it.
    assert!(most <= MOST * 5 / 2 && copy <= MOST * 8, "{figures}");
}
