//! Damage of every kind in every page of the store: the right figures, an older copy that says that it is one, or a refusal.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

const PAGE: usize = 1024;
const SECTOR: usize = 512;
/// Every so many pages get all other kinds of damage: one of each kind is among them.
const RARELY: usize = 4;
const FILES: [&str; 3] = ["ledger.db", "ledger.db-wal", "ledger-copy.db"];
/// The commits of the ledger: the copy is of the second, the log begins behind the third.
const COMMITS: [u64; 6] = [1000, 2000, 3000, 4000, 5000, 6000];
const METERS: usize = 12;
/// Entries of the journal a commit.
const ENTRIES: usize = 20;

/// A state folder as a power cut leaves it, by the names of its files.
type Files = BTreeMap<&'static str, Vec<u8>>;

/// A folder in memory where there is such: thousands of stores are opened here.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What is left of a ledger, and what it should hold.
struct Left {
    files: Files,
    journal: Vec<JournalRow>,
}

/// A ledger of many pages, with a log of several commits that was never folded in, and an older copy.
fn left() -> Left {
    let folder = scratch();
    let mut store = open(&folder).unwrap().store;
    for register in COMMITS {
        let mut commit = commit(METERS, register, register == COMMITS[1]);
        let entry = commit.journal[0].clone();
        let rows =
            |index| JournalRow { id: register as i64 + index, reason: "a long reason".repeat(12), ..entry.clone() };
        commit.journal = (0..ENTRIES as i64).map(rows).collect();
        // A series that the commit before began continues.
        commit.journal.extend(rest(&store));
        store.commit(&commit).unwrap();
        if register == COMMITS[1] {
            store.copy_if_due(&at(register)).unwrap();
        }
        if register == COMMITS[2] {
            let folded = "PRAGMA wal_checkpoint(truncate)";
            store.connection.query_row(folded, [], |_| Ok(())).unwrap();
        }
    }
    let files = FILES.map(|name| (name, std::fs::read(file(&folder, name)).unwrap()));
    Left { files: files.into(), journal: super::journal(&store, None, 1000) }
}

fn rest(store: &Store) -> Option<JournalRow> {
    let row = super::journal(store, None, 1).pop()?;
    Some(JournalRow { count: row.count + 1, ..row })
}

/// Puts the files there, and nothing else.
fn put(folder: &TempDir, files: &Files) {
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name != "lock") {
            std::fs::remove_file(path).unwrap();
        }
    }
    for (name, bytes) in files {
        std::fs::write(file(folder, name), bytes).unwrap();
    }
}

/// The ways in which the bytes may be damaged, each with its name.
fn damages(bytes: &[u8], rng: &mut SmallRng) -> Vec<(String, Vec<u8>)> {
    let mut damages = Vec::new();
    let mut damage = |name: String, change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = bytes.to_vec();
        change(&mut changed);
        if changed != bytes {
            damages.push((name, changed));
        }
    };
    for start in (0..bytes.len()).step_by(PAGE) {
        let end = (start + PAGE).min(bytes.len());
        if !(start / PAGE).is_multiple_of(RARELY) {
            continue;
        }
        // What SQLite goes by stands at the head of a page; anything may stand in the rest.
        let head =
            [start, (start + rng.random_range(1..12)).min(end - 1), (start + rng.random_range(12..100)).min(end - 1)];
        let rest: [usize; 5] = std::array::from_fn(|_| rng.random_range(start..end));
        for at in head.into_iter().chain(rest) {
            let flip = 1u8 << rng.random_range(0..8);
            damage(format!("byte {at} ^ {flip:#x}"), &|bytes| bytes[at] ^= flip);
        }
        let at = rng.random_range(start..end);
        damage(format!("byte {at} inverted"), &|bytes| bytes[at] ^= 0xff);
        let sector = start + rng.random_range(0..PAGE / SECTOR) * SECTOR;
        damage(format!("sector at {sector} zeroed"), &|bytes| {
            bytes[sector.min(end)..(sector + SECTOR).min(end)].fill(0)
        });
        damage(format!("page at {start} zeroed"), &|bytes| bytes[start..end].fill(0));
        let other = rng.random_range(0..bytes.len() / PAGE + 1) * PAGE;
        damage(format!("page at {start} is that at {other}"), &|bytes| {
            let source = bytes.clone();
            let length = (end - start).min(source.len().saturating_sub(other));
            bytes[start..start + length].copy_from_slice(&source[other..other + length]);
        });
        damage(format!("cut to {start}"), &|bytes| bytes.truncate(start));
        damage(format!("cut to {at}"), &|bytes| bytes.truncate(at));
    }
    damages
}

/// What became of each damage.
#[derive(Debug, Default)]
struct Outcomes {
    right: usize,
    /// Of those, with a journal in which entries are shown as unreadable.
    unreadable: usize,
    /// Of those, at an earlier commit: a log that ends early looks like one.
    earlier: usize,
    older: usize,
    refused: usize,
}

/// Opens what was damaged as the daemon does, and goes on from there.
fn outcome(folder: &TempDir, journal: &[JournalRow], log: bool, outcomes: &mut Outcomes) -> Result<(), String> {
    let options = StoreOptions { durable: false, ..options() };
    let opened = match Store::open(folder.path(), options.clone()) {
        Ok(opened) => opened,
        Err(error) if ["damaged", "newer"].contains(&kind(&error)) => {
            outcomes.refused += 1;
            return Ok(());
        }
        Err(error) => return Err(format!("{}: {error}", kind(&error))),
    };
    let Opened { mut store, contents, fell_back, block } = opened;
    let (figure, meters) = (figure(&contents), contents.meters.len());
    let confirmed = contents.meters.values().all(|meter| meter.confirmed);
    match &fell_back {
        None if (figure, meters, confirmed) == (Some(6000), METERS, true) => outcomes.right += 1,
        None if log && COMMITS[2..].iter().any(|commit| figure == Some(*commit)) && confirmed => outcomes.earlier += 1,
        Some(_) if contents.meters.values().all(|meter| !meter.confirmed) && figure <= Some(6000) => {
            outcomes.older += 1
        }
        _ => return Err(format!("{fell_back:?}, {figure:?} of {meters} meters, confirmed: {confirmed}")),
    }
    if let Some(block) = block {
        return Err(block.to_string());
    }
    let entries = store.journal(&JournalQuery::newest(1000)).map_err(|error| error.to_string())?;
    let unreadable = entries.iter().filter(|entry| entry.word == "unreadable").count();
    outcomes.unreadable += usize::from(unreadable > 0);
    // An entry is right or says that it is not.
    let wrong = |entry: &&JournalRow| entry.word != "unreadable" && !journal.contains(entry);
    if figure == Some(6000)
        && fell_back.is_none()
        && (entries.len() != journal.len() || entries.iter().any(|it| wrong(&it)))
    {
        return Err(format!("{} entries of the journal are left, {unreadable} of them unreadable", entries.len()));
    }
    // What was not noticed must not come up later.
    let next = Commit { journal: Vec::new(), ..commit(METERS, 7000, false) };
    store.commit(&next).map_err(|error| format!("the next commit: {error}"))?;
    store.close().map_err(|error| format!("its end: {error}"))?;
    let again = Store::open(folder.path(), options).map_err(|error| format!("then: {error}"))?;
    match (again.fell_back, super::figure(&again.contents), again.contents.meters.len()) {
        (None, Some(7000), METERS) => Ok(()),
        (fell_back, figure, meters) => Err(format!("then {fell_back:?}, {figure:?} of {meters} meters")),
    }
}

/// Every damage to that file: none leads to another figure.
fn sweep(name: &'static str) -> Outcomes {
    let Left { files, journal } = left();
    let mut rng = SmallRng::seed_from_u64(0x61726b6d);
    let folder = scratch();
    let mut outcomes = Outcomes::default();
    let mut complaints = Vec::new();
    let mut damages = damages(&files[name], &mut rng);
    damages.push(("taken away".into(), Vec::new()));
    let count = damages.len();
    for (damage, bytes) in damages {
        let mut files = files.clone();
        match damage.as_str() {
            "taken away" => drop(files.remove(name)),
            _ => drop(files.insert(name, bytes)),
        }
        put(&folder, &files);
        if let Err(complaint) = outcome(&folder, &journal, name == "ledger.db-wal", &mut outcomes) {
            complaints.push(format!("{damage}: {complaint}"));
        }
    }
    assert!(complaints.is_empty(), "{name}: {} of {count}:\n{}", complaints.len(), complaints.join("\n"));
    outcomes
}

#[test]
fn no_damage_to_the_ledger_becomes_another_figure() {
    let outcomes = sweep("ledger.db");
    assert!(outcomes.older > 50 && outcomes.right > 50 && outcomes.unreadable > 10, "{outcomes:?}");
}

#[test]
fn damage_to_the_log_leads_back_to_an_earlier_commit_at_most() {
    let outcomes = sweep("ledger.db-wal");
    assert!(outcomes.earlier > 100, "{outcomes:?}");
}

#[test]
fn damage_to_the_copy_changes_nothing_while_the_ledger_is_intact() {
    let outcomes = sweep("ledger-copy.db");
    assert_eq!((outcomes.older, outcomes.refused), (0, 0), "{outcomes:?}");
}
