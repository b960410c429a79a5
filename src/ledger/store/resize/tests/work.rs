//! How much a resize works, counted and not timed.

use super::*;
use crate::history::{self, HISTORY};
use crate::ledger::testing::names_in_history;

/// How often a resize from 2 to 3 with so many clients, which all are in the history, makes the name of one.
fn names_made(clients: u64) -> u64 {
    let folder = site_with(clients, shards(2));
    for place in shards(2).places(folder.path()) {
        history::gather(&[], &place.folder, &|_, _| true, &|_, _| true).unwrap();
        let history = rusqlite::Connection::open(place.folder.join(HISTORY)).unwrap();
        for number in 1..=clients {
            history.execute("INSERT INTO client (name) VALUES (?1)", [self_client(number).in_history()]).unwrap();
        }
    }
    let plan = planned_with(clients, &folder, shards(2), shards(3));
    let before = names_in_history();
    assert!(resize(&plan).unwrap().changed);
    names_in_history() - before
}

#[test]
fn the_names_that_a_resize_makes_are_proportional_to_its_clients() {
    let (few, many) = (names_made(10), names_made(40));
    assert!(few >= 10 && many <= 4 * few, "10 clients: {few}, 40 clients: {many}");
}
