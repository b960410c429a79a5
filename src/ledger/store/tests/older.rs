//! Pages of the ledger that come back intact as they were at an earlier commit, alone and together: as a disk that drops writes leaves
//! them.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

const PAGE: usize = 1024;
const METERS: usize = 12;
const ROUNDS: usize = 400;

/// A ledger after its last commit, all of it in one file, and that file after each commit before.
struct Past {
    last: Vec<u8>,
    earlier: Vec<Vec<u8>>,
    commits: u64,
    contents: Contents,
    journal: Vec<JournalRow>,
}

fn entry(id: i64, count: u64, length: usize) -> JournalRow {
    JournalRow { id, count, reason: "long ".repeat(length), ..commit(1, 1000, false).journal.remove(0) }
}

/// Everything that a ledger goes through, one kind of change a commit.
fn commits() -> Vec<Commit> {
    let of = |journal: Vec<JournalRow>| Commit { journal, meters: vec![], clients: vec![], ..commit(1, 2000, false) };
    let brief = |register| {
        let mut commit = Commit { journal: vec![], ..commit(METERS, register, false) };
        commit.meters.iter_mut().for_each(|row| row.whole = false);
        commit
    };
    let mut renamed = Commit { journal: vec![entry(31, 1, 9)], ..commit(METERS, 4000, false) };
    renamed.meters[0].name = name("other");
    renamed.renames = vec![Rename { from: name("m0"), to: name("other") }];
    let mut begun = Commit { journal: vec![entry(32, 1, 9)], ..commit(METERS, 5000, false) };
    begun.meters.iter_mut().for_each(|row| row.whole = row.name != name("m5"));
    vec![
        // Some of them over several pages.
        Commit { journal: (1..=20).map(|id| entry(id, 1, id as usize * 30)).collect(), ..commit(METERS, 1000, false) },
        brief(2000),
        of((21..=30).map(|id| entry(id, 1, 20)).collect()),
        // Spells that go on, no longer and no shorter than they were.
        of([10, 20, 30].map(|id| entry(id, 2, if id == 30 { 20 } else { id as usize * 30 })).into()),
        brief(3000),
        renamed,
        Commit { journal: vec![], ..begun },
        of(vec![entry(JOURNAL_ROWS + 15, 1, 9)]),
        Commit { adopt: true, ..of(vec![entry(JOURNAL_ROWS + 16, 1, 200)]) },
        brief(6000),
    ]
}

fn past(folder: &TempDir) -> Past {
    let mut store = open(folder).unwrap().store;
    let mut files = Vec::new();
    for mut commit in commits() {
        if files.len() > 5 {
            // Renamed before.
            commit.meters.iter_mut().filter(|row| row.name == name("m0")).for_each(|row| row.name = name("other"));
        }
        store.commit(&commit).unwrap();
        let folded = "PRAGMA wal_checkpoint(truncate)";
        store.connection.as_ref().unwrap().query_row(folded, [], |_| Ok(())).unwrap();
        files.push(std::fs::read(file(folder, "ledger.db")).unwrap());
    }
    let last = files.pop().unwrap();
    let (journal, commits) = (store.journal(None, 1000).unwrap(), store.sequence);
    store.close().unwrap();
    Past { last, earlier: files, commits, contents: open(folder).unwrap().contents, journal }
}

impl Past {
    /// The ledger with those pages as they were then.
    fn with(&self, then: usize, pages: &[usize]) -> Vec<u8> {
        let mut bytes = self.last.clone();
        for page in pages {
            let range = page * PAGE..(page + 1) * PAGE;
            bytes[range.clone()].copy_from_slice(&self.earlier[then][range]);
        }
        bytes
    }

    /// The pages that were others then.
    fn changed(&self, then: usize) -> Vec<usize> {
        let pages = 0..self.earlier[then].len().min(self.last.len()) / PAGE;
        let of = |bytes: &[u8], page: usize| bytes[page * PAGE..(page + 1) * PAGE].to_vec();
        pages.filter(|page| of(&self.earlier[then], *page) != of(&self.last, *page)).collect()
    }

    /// What became of it: whether that was noticed. `noted`: the commits that are known to have been on the disk.
    fn outcome(&self, folder: &TempDir, bytes: &[u8], noted: u64) -> Result<bool, String> {
        for left in ["ledger.db-wal", "ledger.db-shm", "ledger-set-aside.db", "ledger-set-aside.db-wal"] {
            let _ = std::fs::remove_file(file(folder, left));
        }
        std::fs::write(file(folder, "ledger.db"), bytes).unwrap();
        Folder::take(folder.path()).unwrap().note(noted);
        let opened = Store::open(folder.path(), Options { durable: false, ..options() });
        let Opened { mut store, contents, fell_back, other_machine, retired } = match opened {
            Ok(opened) => opened,
            Err(error) if error.exit_code() == 65 => return Ok(true),
            Err(error) => return Err(error.to_string()),
        };
        let lost = store.count_journal_if_due(&at(6000)).map_err(|error| error.to_string())?;
        if fell_back.is_some() {
            return Ok(true);
        }
        if (&contents.meters, &contents.clients) != (&self.contents.meters, &self.contents.clients) {
            return Err("other figures".into());
        }
        if other_machine || retired.is_some() || contents.next_journal < self.contents.next_journal && lost.is_none() {
            return Err(format!("{other_machine}, {retired:?}, next entry {}", contents.next_journal));
        }
        let journal = store.journal(None, 1000).map_err(|error| error.to_string())?;
        if lost.is_none() && journal != self.journal {
            return Err("another journal".into());
        }
        // What was not noticed must not come up later.
        let next = Commit { journal: vec![entry(contents.next_journal, 1, 99)], ..commit(METERS, 7000, false) };
        store.commit(&next).map_err(|error| format!("the next commit: {error}"))?;
        drop(store);
        let again = Store::open(folder.path(), Options { durable: false, ..options() });
        let mut again = again.map_err(|error| format!("then: {error}"))?;
        let then = again.store.count_journal_if_due(&at(7000)).map_err(|error| error.to_string())?;
        match again.fell_back.or(then) {
            Some(why) => Err(format!("then: {why}")),
            None => Ok(lost.is_some()),
        }
    }
}

#[test]
fn a_page_that_is_an_older_one_of_itself_is_noticed_or_changes_nothing() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let past = past(&folder);
    let (mut noticed, mut complaints) = (0, Vec::new());
    for then in 0..past.earlier.len() {
        for page in past.changed(then) {
            // Also where the disk keeps no note of the commits.
            for noted in [past.commits, 0] {
                match past.outcome(&folder, &past.with(then, &[page]), noted) {
                    Ok(told) => noticed += u32::from(told),
                    Err(why) => complaints.push(format!("page {page} of commit {then}, {noted} noted: {why}")),
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
    assert!(noticed > 100, "{noticed}");
}

#[test]
fn pages_that_are_older_ones_of_themselves_together_are_noticed_or_change_nothing() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let past = past(&folder);
    let mut rng = SmallRng::seed_from_u64(0x61726b6d);
    let (mut noticed, mut complaints) = (0, Vec::new());
    for _ in 0..ROUNDS {
        let then = rng.random_range(0..past.earlier.len());
        let mut pages = past.changed(then);
        // All that a time without writes leaves, most of it, or a few that lie together.
        match rng.random_range(0..4) {
            0 => {}
            1 => pages.retain(|_| rng.random_range(0..100) < 90),
            _ => {
                let first = rng.random_range(0..pages.len());
                pages = pages[first..].iter().copied().take(rng.random_range(2..8)).collect();
            }
        }
        match past.outcome(&folder, &past.with(then, &pages), past.commits) {
            Ok(told) => noticed += usize::from(told),
            Err(why) => complaints.push(format!("pages {pages:?} of commit {then}: {why}")),
        }
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
    assert!(noticed > ROUNDS / 2, "{noticed}");
}
