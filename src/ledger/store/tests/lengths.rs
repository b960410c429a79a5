//! A ledger of every length: what a disk or a copying program leaves when it stops in the middle, or goes on too long.

use super::*;

const PAGE: usize = 1024;

/// A folder in memory where there is such: thousands of ledgers are opened here.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Puts the ledger there with so many of its bytes, and its copy. Zeros and then other bytes are behind the last one.
fn put(folder: &TempDir, length: usize, whole: &[u8], copy: &[u8]) {
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("lock") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let mut bytes = whole.to_vec();
    bytes.resize(length.min(whole.len() + PAGE / 2), 0);
    bytes.resize(length, 0xA5);
    std::fs::write(file(folder, "ledger.db"), bytes).unwrap();
    std::fs::write(file(folder, "ledger-copy.db"), copy).unwrap();
}

/// Whether the ledger itself is used, as the daemon decides it.
fn is_used(locked: &Folder) -> Result<bool, String> {
    let open = |path: &Path| opening::open_to_write(path, locked, &Schema::current());
    let found = opening::find(locked.path(), "open", open).map_err(|error| error.to_string())?;
    match (figure(&found.contents), found.origin) {
        (Some(2000), Origin::Ledger) => Ok(true),
        (Some(1000), Origin::Copy(_)) => Ok(false),
        (figure, _) => Err(format!("{figure:?}")),
    }
}

#[test]
fn a_ledger_of_any_length_is_used_whole_or_its_copy_is() {
    let made = folder_with_copy();
    let whole = std::fs::read(file(&made, "ledger.db")).unwrap();
    let copy = std::fs::read(file(&made, "ledger-copy.db")).unwrap();
    let folder = scratch();
    let locked = Folder::take(folder.path()).unwrap();
    let check = |length: usize| {
        assert_eq!(is_used(&locked), Ok(length >= whole.len()), "{length} of {} bytes", whole.len());
    };
    for length in whole.len()..=whole.len() + PAGE + 1 {
        put(&folder, length, &whole, &copy);
        check(length);
    }
    put(&folder, whole.len(), &whole, &copy);
    let ledger = File::options().write(true).open(file(&folder, "ledger.db")).unwrap();
    for length in (0..whole.len()).rev() {
        ledger.set_len(length as u64).unwrap();
        check(length);
    }
}

/// The whole way, with the copy in the ledger's place afterwards.
#[test]
fn the_copy_takes_the_place_of_a_ledger_that_ends_within_a_page() {
    let made = folder_with_copy();
    let whole = std::fs::read(file(&made, "ledger.db")).unwrap();
    let copy = std::fs::read(file(&made, "ledger-copy.db")).unwrap();
    let folder = scratch();
    let last_page = whole.len() - PAGE;
    for length in [0, 1, 99, PAGE - 1, PAGE, PAGE + 1, last_page, last_page + 1, whole.len() - 1] {
        put(&folder, length, &whole, &copy);
        let opened = open(&folder).unwrap_or_else(|error| panic!("{length}: {error}"));
        assert_eq!(figure(&opened.contents), Some(1000), "{length}");
        assert!(opened.contents.meters.values().all(|meter| !meter.confirmed), "{length}");
        assert!(opened.fell_back.is_some() && file(&folder, "ledger-set-aside.db").exists(), "{length}");
        drop(opened.store);
        assert_eq!(open(&folder).unwrap().fell_back, None, "{length}: the next start finds a ledger");
    }
}
