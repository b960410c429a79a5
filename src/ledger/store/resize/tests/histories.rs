//! Histories that cannot be used.

use std::os::unix::fs::FileExt;

use rusqlite::Connection;

use super::*;
use crate::history::{self, HISTORY};

/// Slots of each meter.
const SLOTS: i64 = 200;

/// Gives each ledger of the layout a history of its meters.
fn record(folder: &TempDir, layout: Layout) {
    let places = layout.places(folder.path());
    for (index, place) in places.iter().enumerate() {
        history::gather(&[], &place.folder, &|_, _| true, &|_, _| true).unwrap();
        let history = Connection::open(place.folder.join(HISTORY)).unwrap();
        for number in (1..=METERS).filter(|number| *number as usize % places.len() == index) {
            history.execute("INSERT INTO meter (name) VALUES (?1)", [format!("m{number}")]).unwrap();
            let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?1)
                       INSERT INTO slot (meter, ended, trusted, measured_ms) SELECT ?2, 120 * x, 1, 120000 FROM n";
            history.execute(sql, [SLOTS, history.last_insert_rowid()]).unwrap();
        }
    }
}

fn slots(folder: &Path, number: u64) -> i64 {
    let history = Connection::open(folder.join(HISTORY)).unwrap();
    let sql = "SELECT count(*) FROM slot JOIN meter ON meter.id = slot.meter WHERE name = ?1";
    history.query_row(sql, [format!("m{number}")], |row| row.get(0)).unwrap()
}

#[test]
fn a_history_that_cannot_be_used_is_kept_aside_and_named_and_the_others_move() {
    let overwritten = |file: &Path| fs::write(file, "junk".repeat(2000)).unwrap();
    let deep = |file: &Path| {
        let file = fs::OpenOptions::new().write(true).open(file).unwrap();
        file.write_all_at(&[0xff; 1024], 40 * 512).unwrap();
    };
    let newer = |file: &Path| Connection::open(file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let damages: [&dyn Fn(&Path); 3] = [&overwritten, &deep, &newer];
    for damage in damages {
        let folder = site(shards(2));
        record(&folder, shards(2));
        let second = folder.path().join("shard-2");
        damage(&second.join(HISTORY));
        let damaged = fs::read(second.join(HISTORY)).unwrap();
        let plan = planned(&folder, shards(2), shards(3));
        let done = resize(&plan).unwrap();
        let [note] = &done.notes[..] else { panic!("{done:?}") };
        assert!(
            note.starts_with(&format!("the history {} cannot be used (", second.join(HISTORY).display())),
            "{note}"
        );
        assert!(note.ends_with("it is kept as history-set-aside.db, and nothing of it is moved"), "{note}");
        assert!(fs::read(second.join("history-set-aside.db")).unwrap() == damaged);
        check_once(&counting(&plan), note);
        for number in 1..=METERS {
            for (index, place) in plan.to.places(folder.path()).iter().enumerate() {
                // The odd ones were in the second shard.
                let here = number % 2 == 0 && plan.meters[name(&format!("m{number}")).as_str()] == index;
                assert_eq!(slots(&place.folder, number), if here { SLOTS } else { 0 }, "m{number}, {index}: {note}");
            }
        }
    }
}

#[test]
fn a_history_that_cannot_be_read_prevents_a_resize_and_can_be_moved_away() {
    let folder = site(shards(2));
    record(&folder, shards(2));
    let history = folder.path().join("shard-2").join(HISTORY);
    fs::remove_file(&history).unwrap();
    fs::create_dir(&history).unwrap();
    let plan = planned(&folder, shards(2), shards(3));
    let error = resize(&plan).unwrap_err().to_string();
    assert!(error.starts_with(&format!("the history {} cannot be used: ", history.display())), "{error}");
    assert!(error.contains("move it away (no figure depends on it)"), "{error}");
    assert!(error.ends_with("nothing was changed, and the shards can start as before"), "{error}");
    fs::remove_dir(&history).unwrap();
    assert!(resize(&plan).unwrap().changed);
    check_once(&counting(&plan), "then");
}
