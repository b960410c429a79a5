mod histories;
mod work;

use std::cell::Cell;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::guard::{GuardEvent, GuardState, Verdict};
use crate::ledger::client::ClientState;
use crate::ledger::store::folder::LEDGER;
use crate::ledger::store::{
    ClientRow, Commit, JournalQuery, JournalRow, LedgerSnapshot, MeterId, MeterRow, Store, StoreOptions, begin_shards,
};
use crate::ledger::testing::{at, client, energy, meter, name, state};
use crate::shard::{ShardCount, Sharding};
use crate::units::ClientId;

thread_local! {
    /// How many steps are left before the power fails.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

pub(super) fn step() -> Result<(), ResizeError> {
    match LEFT.get() {
        Some(0) => Err(ResizeError::Stopped),
        left => {
            LEFT.set(left.map(|left| left - 1));
            Ok(())
        }
    }
}

fn shards(count: u16) -> Layout {
    Layout::Shards(ShardCount::new(count).unwrap())
}

/// Meter `mN` has N kWh and is in place N modulo the number of places; so is client N, of this meter.
const METERS: u64 = 11;

fn figure(meter: u64) -> GuardState {
    state(&self::meter("any"), meter * 1_000_000)
}

fn self_client(number: u64) -> ClientKey {
    let client_id = ClientId::parse(&format!("0x{number:064x}")).unwrap();
    ClientKey { client_id, ..client("c", "1", &[]).key }
}

fn planned(folder: &TempDir, from: Layout, to: Layout) -> ResizePlan {
    planned_with(METERS, folder, from, to)
}

fn planned_with(many: u64, folder: &TempDir, from: Layout, to: Layout) -> ResizePlan {
    let places = to.places(folder.path()).len() as u64;
    let place = |meter: u64| (meter % places) as usize;
    let meters = (1..=many).map(|number| (name(&format!("m{number}")), place(number)));
    let clients = (1..=many).map(|number| {
        let placed = PlacedClient {
            name: name(&format!("c{number}")),
            place: place(number),
            meters: vec![name(&format!("m{number}"))],
        };
        (self_client(number), placed)
    });
    ResizePlan { state: folder.path().to_owned(), from, to, meters: meters.collect(), clients: clients.collect() }
}

/// Ledgers of this layout, whose daemons have run.
fn site(layout: Layout) -> TempDir {
    site_with(METERS, layout)
}

fn site_with(many: u64, layout: Layout) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if let Layout::Shards(count) = layout {
        begin_shards(folder.path(), Sharding::All(count)).unwrap();
    }
    let places = layout.places(folder.path());
    for (index, place) in places.iter().enumerate() {
        let machine = Some(place.shard.map_or("11111111".to_owned(), Shard::owner));
        let mut store = Store::open(&place.folder, StoreOptions { durable: true, machine }).unwrap().store;
        let here: Vec<_> = (1..=many).filter(|number| *number as usize % places.len() == index).collect();
        store.commit(&rows(&here)).unwrap();
        store.copy_if_due(&at(1)).unwrap();
        store.close().unwrap();
    }
    folder
}

fn event(undoes: Option<i64>) -> GuardEvent {
    GuardEvent {
        at: at(1),
        verdict: Verdict::Advanced,
        register_before: None,
        register_after: None,
        published_before: None,
        published_after: None,
        reason: String::new(),
        readings: 0,
        serial_before: None,
        serial_after: None,
        correction: None,
        undoes,
    }
}

fn rows(numbers: &[u64]) -> Commit {
    let wall = jiff::Timestamp::from_second(at(1).wall.as_second()).unwrap();
    let ids = || (1..).map(MeterId).zip(numbers);
    let meters: Vec<_> = ids()
        .map(|(id, number)| MeterRow {
            id,
            name: name(&format!("m{number}")),
            confirmed: true,
            updated: wall,
            state: figure(*number),
        })
        .collect();
    let clients = ids().map(|(id, number)| {
        let total = energy(number * 1_000_000);
        let state = ClientState { energy: Some(total), counted: [(id, total)].into(), ..ClientState::default() };
        ClientRow { id: id.0, key: self_client(*number), state }
    });
    // For each meter a decision, and an entry that undoes it.
    let journal = ids().flat_map(|(id, _)| {
        let entry = |number: i64, word: &str, undoes| JournalRow {
            id: number,
            meter: Some(id),
            client: None,
            word: word.to_owned(),
            at: wall,
            last: wall,
            count: 1,
            reason: format!("{word} of m{}", numbers[id.0 as usize - 1]),
            entry: Some(event(undoes)),
        };
        [entry(2 * id.0 - 1, "credit", None), entry(2 * id.0, "undo", Some(2 * id.0 - 1))]
    });
    Commit {
        memories: meters.iter().map(|row| row.id).collect(),
        clients: clients.collect(),
        journal: journal.collect(),
        meters,
        copy: true,
        ..Commit::empty(at(1))
    }
}

/// The ledgers that count now: those that a resize would go on from.
fn counting(plan: &ResizePlan) -> Vec<std::path::PathBuf> {
    let first = &plan.from.places(&plan.state)[0].folder;
    let switched = |folder: &Path| {
        let new = build::beside(folder).join(LEDGER);
        if new.exists() { new } else { folder.join(LEDGER) }
    };
    match Mark::read(first).unwrap() {
        Some(mark) if mark.decided => plan.to.places(&plan.state).iter().map(|place| switched(&place.folder)).collect(),
        _ => {
            let all = plan.from.places(&plan.state).into_iter().chain(plan.to.places(&plan.state));
            let mut files: Vec<_> = all.map(|place| place.folder.join(LEDGER)).filter(|file| file.exists()).collect();
            files.sort();
            files.dedup();
            files
        }
    }
}

/// Each meter and client is in exactly one of these ledgers, with its figure.
fn check_once(files: &[std::path::PathBuf], what: &str) {
    let read: Vec<_> =
        files.iter().map(|file| read_file(file).unwrap_or_else(|error| panic!("{what}: {error}")).1).collect();
    for number in 1..=METERS {
        let meters: Vec<_> = read.iter().filter_map(|one| one.meters.get(&name(&format!("m{number}")))).collect();
        assert_eq!(meters.len(), 1, "{what}: m{number}");
        assert_eq!(
            (meters[0].state.published(), meters[0].confirmed),
            (Some(energy(number * 1_000_000)), true),
            "{what}"
        );
        let clients: Vec<_> = read.iter().filter_map(|one| one.clients.get(&self_client(number))).collect();
        assert_eq!(clients.len(), 1, "{what}: client {number}");
        assert_eq!(clients[0].state.energy, Some(energy(number * 1_000_000)), "{what}");
        assert_eq!(clients[0].state.counted.keys().collect::<Vec<_>>(), [&meters[0].id], "{what}");
    }
}

#[test]
fn meters_clients_and_their_journal_move_to_the_ledgers_of_their_shards() {
    let layouts = [Layout::Whole, shards(4), shards(6), shards(3), shards(3), shards(1), Layout::Whole];
    let folder = site(layouts[0]);
    for pair in layouts.windows(2) {
        let plan = planned(&folder, pair[0], pair[1]);
        let what = format!("{} to {}", pair[0], pair[1]);
        let done = resize(&plan).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(done.changed, pair[0] != pair[1], "{what}");
        assert_eq!(done.ledgers.iter().map(|(_, meters, _)| meters).sum::<usize>(), METERS as usize, "{what}");
        check_once(&counting(&plan), &what);
        assert!(!resize(&plan).unwrap().changed, "{what}: a second run has nothing to do");
        for (index, place) in plan.to.places(folder.path()).iter().enumerate() {
            let machine = Some(place.shard.map_or("22222222".to_owned(), Shard::owner));
            let opened = Store::open(&place.folder, StoreOptions { durable: true, machine }).unwrap();
            assert_eq!((opened.block, opened.fell_back), (None, None), "{what}");
            let names: Vec<_> = opened.contents.meters.keys().map(|name| name.to_string()).collect();
            assert!(names.iter().all(|name| plan.meters[name.as_str()] == index), "{what}: {names:?}");
            check_journal(&opened.store, &opened.contents.names(), &what);
        }
    }
}

/// Each meter has its two entries, and the second undoes the first.
fn check_journal(store: &Store, names: &BTreeMap<MeterId, Name>, what: &str) {
    let rows = store.journal(&JournalQuery::newest(1000)).unwrap();
    assert!(rows.iter().any(|row| row.word == "resize"), "{what}");
    for (id, name) in names {
        let of_meter: Vec<_> = rows.iter().filter(|row| row.meter == Some(*id)).collect();
        let [undo, credit] = of_meter[..] else { panic!("{what}: {of_meter:?}") };
        assert_eq!(
            (undo.reason.clone(), credit.reason.clone()),
            (format!("undo of {name}"), format!("credit of {name}"))
        );
        assert_eq!(undo.entry.as_ref().unwrap().undoes, Some(credit.id), "{what}");
    }
}

#[test]
fn a_resize_that_is_stopped_after_any_step_is_completed_by_a_second_run() {
    for (from, to) in
        [(shards(2), shards(3)), (shards(3), shards(2)), (Layout::Whole, shards(2)), (shards(2), Layout::Whole)]
    {
        let mut stops = 0;
        for left in 0.. {
            let folder = site(from);
            let plan = planned(&folder, from, to);
            LEFT.set(Some(left));
            let outcome = resize(&plan);
            LEFT.set(None);
            let what = format!("{from} to {to}, after {left} steps");
            check_once(&counting(&plan), &what);
            match outcome {
                Ok(_) => break,
                Err(error) => assert!(error.to_string().contains("stopped by a test"), "{what}: {error}"),
            }
            stops += 1;
            // No daemon and no command uses a ledger of which it is not certain that it counts.
            for place in from.places(folder.path()).into_iter().chain(to.places(folder.path())) {
                let counts = counting(&plan).contains(&place.folder.join(LEDGER));
                match LedgerSnapshot::open(&place.folder) {
                    Ok(_) => assert!(counts, "{what}: {}", place.folder.display()),
                    Err(OpenError::Resizing { .. } | OpenError::Nothing { .. }) => {}
                    Err(error) => panic!("{what}: {error}"),
                }
            }
            resize(&plan).unwrap_or_else(|error| panic!("{what}, then: {error}"));
            check_once(&counting(&plan), &format!("{what}, then"));
            for place in to.places(folder.path()) {
                assert_eq!(Mark::read(&place.folder).unwrap(), None, "{what}");
                assert!(!build::beside(&place.folder).exists(), "{what}");
            }
        }
        assert!(stops > 10, "{from} to {to}: only {stops} steps");
    }
}

#[test]
fn what_prevents_a_resize_is_named_and_changes_nothing() {
    let message = |folder: &TempDir, from, to| {
        let error = resize(&planned(folder, from, to)).unwrap_err().to_string();
        error.replace(folder.path().to_str().unwrap(), "STATE")
    };
    let folder = site(shards(4));
    let running = Store::open(&folder.path().join("shard-3"), StoreOptions { durable: true, machine: None }).err();
    assert!(running.is_some(), "it belongs to a shard");
    let owner = ShardCount::new(4).unwrap().shard(3).unwrap().owner();
    let running =
        Store::open(&folder.path().join("shard-3"), StoreOptions { durable: true, machine: Some(owner) }).unwrap();
    let in_use = message(&folder, shards(4), shards(6));
    assert!(in_use.starts_with("the ledger in STATE/shard-3 is in use by another arkmeter"), "{in_use}");
    assert!(in_use.ends_with("stop that one first; nothing was changed"), "{in_use}");
    drop(running);
    assert_eq!(
        message(&folder, shards(3), shards(6)),
        "the ledger in STATE/shard-1 belongs to shard 1 of 4, not to shard 1 of 3: correct --from; nothing was changed"
    );
    let moved = folder.path().join("elsewhere");
    fs::rename(folder.path().join("shard-4"), &moved).unwrap();
    assert_eq!(
        message(&folder, shards(4), shards(6)),
        "shard 4 of 4 has no ledger in STATE/shard-4: mount its state there, for a resize needs all of them; nothing was changed"
    );
    fs::rename(&moved, folder.path().join("shard-4")).unwrap();
    // A damaged ledger with a good copy.
    let ledger = folder.path().join("shard-2/ledger.db");
    let good = fs::read(&ledger).unwrap();
    fs::write(&ledger, "junk".repeat(2000)).unwrap();
    let damaged = message(&folder, shards(4), shards(6));
    assert!(damaged.starts_with("the ledger of shard 2 of 4 in STATE/shard-2 is damaged"), "{damaged}");
    assert!(
        damaged.ends_with(
            "start it once, so that it continues from its copy, and then run this again; nothing was changed"
        )
    );
    // Its copy is damaged, too.
    let copy = folder.path().join("shard-2/ledger-copy.db");
    let good_copy = fs::read(&copy).unwrap();
    fs::write(&copy, "junk").unwrap();
    let lost = message(&folder, shards(4), shards(6));
    assert!(lost.contains("so is its copy STATE/shard-2/ledger-copy.db") && !lost.contains("start it once"), "{lost}");
    let remedy = "restore a backup (`arkmeter ledger restore --shards 4 --shard 2 FILE`), and then run this again; nothing was changed";
    assert!(lost.ends_with(remedy), "{lost}");
    fs::write(&copy, good_copy).unwrap();
    fs::write(&ledger, good).unwrap();
    // A folder that was in use before.
    fs::copy(folder.path().join("shard-1/ledger.db"), folder.path().join("shard-5/ledger.db")).unwrap();
    assert_eq!(
        message(&folder, shards(4), shards(6)),
        "the folder STATE/shard-5 is to become that of shard 5 of 6, but has a ledger with 2 meters: correct --from, or move the files of an \
         earlier attempt away; nothing was changed"
    );
    fs::remove_dir_all(folder.path().join("shard-5")).unwrap();
    // Another resize was interrupted.
    LEFT.set(Some(5));
    assert!(resize(&planned(&folder, shards(4), shards(6))).is_err());
    LEFT.set(None);
    assert_eq!(
        message(&folder, shards(4), shards(3)),
        "a resize from 4 to 6 was interrupted: complete it first, with `arkmeter shard resize --from 4 --to 6`"
    );
    resize(&planned(&folder, shards(4), shards(6))).unwrap();
}

#[test]
fn of_a_meter_in_two_ledgers_the_higher_figure_is_kept() {
    let folder = site(shards(2));
    let owner = ShardCount::new(2).unwrap().shard(1).unwrap().owner();
    let options = StoreOptions { durable: true, machine: Some(owner) };
    let mut store = Store::open(&folder.path().join("shard-1"), options).unwrap().store;
    // m1 is in shard 2.
    let mut more = rows(&[1]);
    (more.meters[0].id, more.meters[0].state) = (MeterId(77), figure(2));
    more.memories = [MeterId(77)].into();
    (more.clients, more.journal) = Default::default();
    store.commit(&more).unwrap();
    store.close().unwrap();
    let plan = planned(&folder, shards(2), shards(2));
    let done = resize(&plan).unwrap();
    assert_eq!((done.changed, done.notes.len()), (true, 1), "{done:?}");
    assert!(done.notes[0].starts_with("meter m1 was in two ledgers"));
    let kept: Vec<_> =
        counting(&plan).iter().filter_map(|file| read_file(file).unwrap().1.meters.remove(&name("m1"))).collect();
    assert_eq!(kept.iter().map(|row| row.state.published()).collect::<Vec<_>>(), [Some(energy(2_000_000))]);
}
