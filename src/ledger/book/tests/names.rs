//! Meters that are called otherwise, before and after the configuration says so.

use super::*;
use crate::ledger::remedy::{CommandError, Order, Outcome, Remedy};

fn order(book: &mut Book, remedy: Remedy, seconds: u64) -> Result<Outcome, CommandError> {
    book.order(&Order::new(remedy, false, Some(0)), &at(seconds))
}

fn rename(book: &mut Book, from: &str, to: &str, seconds: u64) -> Result<Outcome, CommandError> {
    order(book, Remedy::Rename { meter: name(from), to: name(to) }, seconds)
}

fn building(meters: &[&str]) -> Vec<ClientSettings> {
    vec![client("building", "1", meters), client("a", "2", &[meters[0]])]
}

/// Meters `a` and `b`, each elsewhere, with figures on disk.
fn settings_of(meters: &[&str], clients: Vec<ClientSettings>) -> Settings {
    let mut settings = settings(meters, clients);
    for meter in settings.meters.iter_mut().filter(|meter| meter.name == name("b")) {
        meter.place = "cabinet 2".into();
    }
    settings
}

fn begun() -> Book {
    let contents = Contents { next_journal: 1, ..Contents::default() };
    let mut book = Book::new(contents, settings_of(&["a", "b"], building(&["a", "b"])), None);
    run(&mut book, "a", 0, 100, 1_000_000);
    run(&mut book, "b", 0, 100, 5_000_000);
    commit(&mut book, 90);
    assert_eq!(ready(&book, "building", 90).1, 6_000_180);
    book
}

/// From 100 s on `a` is `new`, and counts on.
fn goes_on(book: &mut Book) {
    run(book, "new", 200, 300, 1_000_000);
    run(book, "b", 200, 300, 5_000_000);
    commit(book, 290);
    assert_eq!(book.meters()[&name("new")].published, Some(energy(1_000_290)));
    assert_eq!(ready(book, "building", 290).1, 6_000_580, "each advance counts once");
    assert_eq!(ready(book, "a", 290).1, 1_000_290);
}

#[test]
fn renamed_in_the_ledger_first() {
    let mut book = begun();
    let done = rename(&mut book, "a", "new", 100).unwrap();
    assert_eq!((done.word.as_str(), done.published_after_mwh), ("rename", Some(energy(1_000_090))));
    let written = commit(&mut book, 100).unwrap();
    assert_eq!(written.renames.len(), 1);
    let row = written.meters.iter().find(|row| row.name == name("new")).unwrap();
    assert!(row.whole && row.state.published() == Some(energy(1_000_090)), "nothing of it is under the new name yet");
    assert!(written.copy, "an older copy knows another name");
    // The configuration still says `a`: what answers there begins nothing.
    for seconds in (100..200).step_by(10) {
        assert!(book.take(&reading("a", seconds, 1_000_000 + seconds)).unwrap().published.is_none());
    }
    run(&mut book, "b", 100, 200, 5_000_000);
    commit(&mut book, 190);
    assert_eq!(ready(&book, "building", 190).1, 6_000_280);
    book.reconfigure(settings_of(&["new", "b"], building(&["new", "b"])));
    goes_on(&mut book);
}

#[test]
fn renamed_in_the_configuration_first() {
    let mut book = begun();
    book.reconfigure(settings_of(&["new", "b"], building(&["new", "b"])));
    let mut told = Vec::new();
    for seconds in (100..200).step_by(10) {
        told.extend(book.take(&reading("new", seconds, 1_000_000 + seconds)).unwrap().put_off);
    }
    assert_eq!(told.len(), 1, "said once");
    assert!(told[0].contains("`arkmeter ledger rename a new`"), "{told:?}");
    assert_eq!(book.meters()[&name("new")].held, Some(told[0].clone()));
    run(&mut book, "b", 100, 200, 5_000_000);
    commit(&mut book, 190);
    assert_eq!(ready(&book, "a", 190), (3_600_000, 1_000_090, at(190)), "the standing energy is reported");
    rename(&mut book, "a", "new", 200).unwrap();
    goes_on(&mut book);
}

#[test]
fn a_commit_under_way_knows_the_old_name_and_spoils_nothing() {
    let mut book = begun();
    run(&mut book, "a", 100, 200, 1_000_000);
    let pending = book.prepare(&at(190), true).unwrap();
    rename(&mut book, "a", "new", 190).unwrap();
    book.committed(pending);
    let written = commit(&mut book, 200).unwrap();
    let row = written.meters.iter().find(|row| row.name == name("new")).unwrap();
    assert!(row.whole && row.state.published() == Some(energy(1_000_190)));
    assert!(written.meters.iter().all(|row| row.name != name("a")));
    assert_eq!(written.renames.len(), 1);
    let nothing_of_it = |pending: Pending| {
        pending.commit.renames.is_empty() && pending.commit.meters.iter().all(|row| row.name != name("a"))
    };
    assert!(book.prepare(&at(210), true).is_none_or(nothing_of_it), "once");
}

#[test]
fn there_and_back_again_is_as_before() {
    let mut book = begun();
    rename(&mut book, "a", "new", 100).unwrap();
    let back = rename(&mut book, "new", "a", 110).unwrap();
    commit(&mut book, 110);
    run(&mut book, "a", 110, 200, 1_000_000);
    run(&mut book, "b", 110, 200, 5_000_000);
    commit(&mut book, 190);
    assert_eq!(ready(&book, "building", 190).1, 6_000_380);
    let subject = commit(&mut book, 190).map(|commit| commit.journal);
    assert!(subject.is_none() && back.entry.is_some());
}

/// `b` is renamed away, then `a` takes its name, and all the while the configuration says `a` and `b`.
fn handed_on() -> Book {
    let mut book = begun();
    rename(&mut book, "b", "c", 100).unwrap();
    rename(&mut book, "a", "b", 100).unwrap();
    commit(&mut book, 100);
    book
}

/// Reads what the configuration calls `first` and `second` for so long that every hold has ended.
fn read_both(book: &mut Book, first: &str, second: &str, from: u64, to: u64) {
    run(book, first, from, to, 1_000_000);
    run(book, second, from, to, 5_000_000);
}

#[test]
fn a_name_that_was_handed_on_counts_nothing_twice() {
    for restarted in [false, true] {
        let mut book = handed_on();
        if restarted {
            let pending = book.prepare(&at(100), true);
            assert!(pending.is_none_or(|pending| pending.commit.renames.is_empty()));
            let meters = std::mem::take(&mut book.meters).into_iter().filter(|(_, page)| !page.state.is_blank());
            let row = |(name, page): (Name, Box<Page>)| (name.clone(), page.row(&name, true));
            let clients = book.clients.iter().map(|(key, account)| (key.clone(), account.state.clone())).collect();
            let contents = Contents { meters: meters.map(row).collect(), clients, next_journal: 9 };
            book = Book::new(contents, settings_of(&["a", "b"], building(&["a", "b"])), None);
        }
        read_both(&mut book, "a", "b", 110, 1500);
        commit(&mut book, 1490);
        let told = ["a", "b"].map(|text| book.meters()[&name(text)].held.clone().unwrap());
        assert!(told[0].contains("ledger accept a") && told[1].contains("calls a"), "{told:?}");
        assert_eq!(ready(&book, "building", 1490).1, 6_000_180, "what waits is counted later");
        let mut settings = settings_of(&["b", "c"], building(&["b", "c"]));
        settings.meters[0].place = meter("b").place;
        settings.meters[1].place = "cabinet 2".into();
        book.reconfigure(settings);
        read_both(&mut book, "b", "c", 1500, 3000);
        commit(&mut book, 2990);
        assert_eq!(ready(&book, "building", 2990).1, 6_000_000 + 2 * 2990, "{restarted}");
        assert_eq!(book.meters()[&name("b")].published, Some(energy(1_002_990)));
        assert_eq!(book.meters()[&name("c")].published, Some(energy(5_002_990)));
    }
}

#[test]
fn names_that_change_places_keep_their_figures() {
    let mut book = begun();
    for (from, to) in [("a", "between"), ("b", "a"), ("between", "b")] {
        rename(&mut book, from, to, 100).unwrap();
    }
    commit(&mut book, 100);
    read_both(&mut book, "a", "b", 110, 1500);
    assert!(["a", "b"].iter().all(|text| book.meters()[&name(text)].held.is_some()));
    assert_eq!(ready(&book, "building", 1490).1, 6_000_180);
    let mut settings = settings_of(&["a", "b"], building(&["a", "b"]));
    settings.meters[0].place = "cabinet 2".into();
    settings.meters[1].place = meter("b").place;
    book.reconfigure(settings);
    read_both(&mut book, "b", "a", 1500, 3000);
    commit(&mut book, 2990);
    let published = ["a", "b"].map(|text| book.meters()[&name(text)].published.unwrap().get());
    assert_eq!((published, ready(&book, "building", 2990).1), ([5_002_990, 1_002_990], 6_000_000 + 2 * 2990));
}

#[test]
fn what_was_renamed_and_moved_goes_on_once_somebody_says_so() {
    let mut book = handed_on();
    run(&mut book, "b", 100, 200, 1_000_000);
    assert_eq!(book.meters()[&name("b")].published, Some(energy(1_000_090)));
    let accepted = order(&mut book, Remedy::Accept { meter: name("b") }, 200).unwrap();
    assert!(accepted.reason.contains("another place"), "{}", accepted.reason);
    run(&mut book, "b", 200, 300, 1_000_000);
    let told = &book.meters()[&name("b")];
    assert_eq!((told.published, &told.held), (Some(energy(1_000_290)), &None));
}

#[test]
fn what_cannot_be_renamed_is_told_with_a_way_out() {
    let mut book = begun();
    let refused = |book: &mut Book, from, to| rename(book, from, to, 100).unwrap_err().to_string();
    let mut other = settings_of(&["a", "b"], Vec::new());
    other.meters.push(MeterSettings { place: "cabinet 3".into(), ..meter("heat_pump") });
    book.reconfigure(other);
    run(&mut book, "heat_pump", 100, 200, 7_000_000);
    assert!(refused(&mut book, "heatpump", "x").contains("but of `heat_pump`"));
    assert!(refused(&mut book, "a", "b").contains("`arkmeter ledger credit b ENERGY`"));
    assert!(refused(&mut book, "a", "a").contains("already"));
    let dry = Order::new(Remedy::Rename { meter: name("a"), to: name("x") }, true, None);
    assert_eq!(book.order(&dry, &at(200)).unwrap().entry, None);
    assert!(book.meters().contains_key(&name("a")), "a dry run changes nothing");
}

#[test]
fn another_meter_at_the_same_place_begins_once_somebody_says_so() {
    let mut book = begun();
    book.reconfigure(settings_of(&["new", "b"], building(&["new", "b"])));
    book.take(&reading("new", 100, 70)).unwrap();
    let accepted = order(&mut book, Remedy::Accept { meter: name("new") }, 110).unwrap();
    assert!(accepted.reason.contains("another meter than a"), "{}", accepted.reason);
    run(&mut book, "new", 110, 140, 70);
    commit(&mut book, 130);
    assert_eq!(ready(&book, "a", 130).1, 1_000_090, "its baseline is no consumption");
    run(&mut book, "new", 140, 200, 70);
    assert_eq!(book.meters()[&name("new")].published, Some(energy(260)));
    commit(&mut book, 190);
    assert_eq!(ready(&book, "a", 190).1, 1_000_150);
    // The place is another's: nothing waits.
    let mut book = begun();
    let mut elsewhere = settings_of(&["new", "b"], Vec::new());
    elsewhere.meters[0].place = "cabinet 9".into();
    book.reconfigure(elsewhere);
    assert!(book.strangers().unwrap().contains("`arkmeter ledger rename a new`"));
    run(&mut book, "new", 100, 200, 70);
    assert!(book.meters()[&name("new")].published.is_some());
}

#[test]
fn a_client_that_is_called_otherwise_keeps_its_figure() {
    let mut book = begun();
    let clients = vec![client("house", "1", &["a", "b"]), client("pump", "2", &["a"])];
    book.reconfigure(settings_of(&["a", "b"], clients));
    run(&mut book, "a", 100, 200, 1_000_000);
    run(&mut book, "b", 100, 200, 5_000_000);
    commit(&mut book, 190);
    assert_eq!((ready(&book, "house", 190).1, ready(&book, "pump", 190).1), (6_000_380, 1_000_190));
}

#[test]
fn what_was_given_away_counts_and_reports_nothing_more() {
    let mut book = begun();
    let dry = Order::new(Remedy::Move {}, true, None);
    book.order(&dry, &at(100)).unwrap();
    ready(&book, "building", 90);
    let given = order(&mut book, Remedy::Move {}, 100).unwrap();
    assert!(waiting(&book, "building", 100).contains("ledger restore"), "at once");
    let written = commit(&mut book, 100).unwrap();
    assert!(written.retire && written.copy && given.entry.is_some());
    assert!(book.take(&reading("a", 110, 2_000_000)).is_none());
    assert_eq!(book.meters()[&name("a")].published, Some(energy(1_000_090)), "it can come back without a fall");
    let again = order(&mut book, Remedy::Move {}, 120).unwrap();
    assert_eq!(again.entry, None);
    for remedy in [Remedy::Adopt {}, Remedy::Credit { meter: name("a"), energy: energy(5) }] {
        assert_eq!(order(&mut book, remedy, 130), Err(CommandError::Retired));
    }
    assert!(commit(&mut book, 140).is_none_or(|commit| !commit.retire));
}
