//! Meters that are called otherwise, before and after the configuration says so.

use super::*;
use crate::guard::MeterSettings;
use crate::ledger::command::{CommandError, CommandOutcome, CommandRequest, OperatorCommand};

fn order(ledger: &mut LedgerState, remedy: OperatorCommand, seconds: u64) -> Result<CommandOutcome, CommandError> {
    ledger.apply(&CommandRequest::new(remedy, false, Some(0)), &at(seconds))
}

fn rename(ledger: &mut LedgerState, from: &str, to: &str, seconds: u64) -> Result<CommandOutcome, CommandError> {
    order(ledger, OperatorCommand::Rename { meter: name(from), to: name(to) }, seconds)
}

fn building(meters: &[&str]) -> Vec<ClientSettings> {
    vec![client("building", "1", meters), client("a", "2", &[meters[0]])]
}

/// Meters `a` and `b`, each elsewhere, with figures on disk.
fn settings_of(meters: &[&str], clients: Vec<ClientSettings>) -> LedgerSettings {
    let mut settings = settings(meters, clients);
    for meter in settings.meters.iter_mut().filter(|meter| meter.name == name("b")) {
        meter.place = "cabinet 2".into();
    }
    settings
}

fn begun() -> LedgerState {
    let contents = Contents { next_journal: 1, ..Contents::default() };
    let mut ledger = LedgerState::new(contents, settings_of(&["a", "b"], building(&["a", "b"])), None);
    run(&mut ledger, "a", 0, 100, 1_000_000);
    run(&mut ledger, "b", 0, 100, 5_000_000);
    commit(&mut ledger, 90);
    assert_eq!(ready(&ledger, "building", 90).1, 6_000_180);
    ledger
}

/// From 100 s on `a` is `new`, and counts on.
fn goes_on(ledger: &mut LedgerState) {
    run(ledger, "new", 200, 300, 1_000_000);
    run(ledger, "b", 200, 300, 5_000_000);
    commit(ledger, 290);
    assert_eq!(ledger.meter_reports()[&name("new")].published, Some(energy(1_000_290)));
    assert_eq!(ready(ledger, "building", 290).1, 6_000_580, "each advance counts once");
    assert_eq!(ready(ledger, "a", 290).1, 1_000_290);
}

#[test]
fn renamed_in_the_ledger_first() {
    let mut ledger = begun();
    let done = rename(&mut ledger, "a", "new", 100).unwrap();
    assert_eq!((done.word.as_str(), done.published_after_mwh), ("rename", Some(energy(1_000_090))));
    let pending = ledger.prepare(&at(100), false).unwrap();
    assert_eq!(pending.renames, [MeterRename { from: name("a"), to: name("new") }]);
    let row = pending.commit.meters.iter().find(|row| row.name == name("new")).unwrap();
    assert_eq!((row.id, row.state.published()), (MeterId(1), Some(energy(1_000_090))), "the same row");
    assert!(pending.commit.copy, "an older copy has another name");
    ledger.committed(pending);
    // The configuration still says `a`: what answers there begins nothing.
    for seconds in (100..200).step_by(10) {
        assert!(ledger.take(&reading("a", seconds, 1_000_000 + seconds)).unwrap().published.is_none());
    }
    run(&mut ledger, "b", 100, 200, 5_000_000);
    commit(&mut ledger, 190);
    assert_eq!(ready(&ledger, "building", 190).1, 6_000_280);
    ledger.reconfigure(settings_of(&["new", "b"], building(&["new", "b"])));
    goes_on(&mut ledger);
}

#[test]
fn renamed_in_the_configuration_first() {
    let mut ledger = begun();
    ledger.reconfigure(settings_of(&["new", "b"], building(&["new", "b"])));
    let mut messages = Vec::new();
    for seconds in (100..200).step_by(10) {
        messages.extend(ledger.take(&reading("new", seconds, 1_000_000 + seconds)).unwrap().conflict);
    }
    assert_eq!(messages.len(), 1, "said once");
    assert!(messages[0].contains("`arkmeter ledger rename a new`"), "{messages:?}");
    assert_eq!(ledger.meter_reports()[&name("new")].held, Some(messages[0].clone()));
    run(&mut ledger, "b", 100, 200, 5_000_000);
    commit(&mut ledger, 190);
    assert_eq!(ready(&ledger, "a", 190), (3_600_000, 1_000_090, at(190)), "the standing energy is reported");
    rename(&mut ledger, "a", "new", 200).unwrap();
    goes_on(&mut ledger);
}

#[test]
fn a_rename_during_a_commit_is_in_the_next_one() {
    let mut ledger = begun();
    run(&mut ledger, "a", 100, 200, 1_000_000);
    let pending = ledger.prepare(&at(190), true).unwrap();
    rename(&mut ledger, "a", "new", 190).unwrap();
    ledger.committed(pending);
    let pending = ledger.prepare(&at(200), false).unwrap();
    let row = pending.commit.meters.iter().find(|row| row.name == name("new")).unwrap();
    assert_eq!((row.id, row.state.published()), (MeterId(1), Some(energy(1_000_190))));
    assert!(pending.commit.meters.iter().all(|row| row.name != name("a")));
    assert_eq!(pending.renames.len(), 1);
    ledger.committed(pending);
    let nothing_of_it = |pending: PendingCommit| {
        pending.renames.is_empty() && pending.commit.meters.iter().all(|row| row.name != name("a"))
    };
    assert!(ledger.prepare(&at(210), true).is_none_or(nothing_of_it), "once");
}

#[test]
fn renaming_twice_restores_the_first_state() {
    let mut ledger = begun();
    rename(&mut ledger, "a", "new", 100).unwrap();
    let back = rename(&mut ledger, "new", "a", 110).unwrap();
    commit(&mut ledger, 110);
    run(&mut ledger, "a", 110, 200, 1_000_000);
    run(&mut ledger, "b", 110, 200, 5_000_000);
    commit(&mut ledger, 190);
    assert_eq!(ready(&ledger, "building", 190).1, 6_000_380);
    let subject = commit(&mut ledger, 190).map(|commit| commit.journal);
    assert!(subject.is_none() && back.entry.is_some());
}

/// `b` is renamed away, then `a` takes its name, and all the while the configuration says `a` and `b`.
fn handed_on() -> LedgerState {
    let mut ledger = begun();
    rename(&mut ledger, "b", "c", 100).unwrap();
    rename(&mut ledger, "a", "b", 100).unwrap();
    commit(&mut ledger, 100);
    ledger
}

/// Reads what the configuration calls `first` and `second` for so long that every hold has ended.
fn read_both(ledger: &mut LedgerState, first: &str, second: &str, from: u64, to: u64) {
    run(ledger, first, from, to, 1_000_000);
    run(ledger, second, from, to, 5_000_000);
}

#[test]
fn a_name_that_another_meter_took_over_counts_nothing_twice() {
    for restarted in [false, true] {
        let mut ledger = handed_on();
        if restarted {
            let pending = ledger.prepare(&at(100), true);
            assert!(pending.is_none_or(|pending| pending.renames.is_empty()));
            let settings = settings_of(&["a", "b"], building(&["a", "b"]));
            ledger = LedgerState::new(stored(&ledger), settings, None);
        }
        read_both(&mut ledger, "a", "b", 110, 1500);
        commit(&mut ledger, 1490);
        let messages = ["a", "b"].map(|text| ledger.meter_reports()[&name(text)].held.clone().unwrap());
        assert!(messages[0].contains("ledger accept a") && messages[1].contains("calls a"), "{messages:?}");
        assert_eq!(ready(&ledger, "building", 1490).1, 6_000_180, "what waits is counted later");
        let mut settings = settings_of(&["b", "c"], building(&["b", "c"]));
        settings.meters[0].place = meter("b").place;
        settings.meters[1].place = "cabinet 2".into();
        ledger.reconfigure(settings);
        read_both(&mut ledger, "b", "c", 1500, 3000);
        commit(&mut ledger, 2990);
        assert_eq!(ready(&ledger, "building", 2990).1, 6_000_000 + 2 * 2990, "{restarted}");
        assert_eq!(ledger.meter_reports()[&name("b")].published, Some(energy(1_002_990)));
        assert_eq!(ledger.meter_reports()[&name("c")].published, Some(energy(5_002_990)));
    }
}

#[test]
fn swapped_names_keep_their_figures() {
    let mut ledger = begun();
    for (from, to) in [("a", "between"), ("b", "a"), ("between", "b")] {
        rename(&mut ledger, from, to, 100).unwrap();
    }
    commit(&mut ledger, 100);
    read_both(&mut ledger, "a", "b", 110, 1500);
    assert!(["a", "b"].iter().all(|text| ledger.meter_reports()[&name(text)].held.is_some()));
    assert_eq!(ready(&ledger, "building", 1490).1, 6_000_180);
    let mut settings = settings_of(&["a", "b"], building(&["a", "b"]));
    settings.meters[0].place = "cabinet 2".into();
    settings.meters[1].place = meter("b").place;
    ledger.reconfigure(settings);
    read_both(&mut ledger, "b", "a", 1500, 3000);
    commit(&mut ledger, 2990);
    let published = ["a", "b"].map(|text| ledger.meter_reports()[&name(text)].published.unwrap().get());
    assert_eq!((published, ready(&ledger, "building", 2990).1), ([5_002_990, 1_002_990], 6_000_000 + 2 * 2990));
}

#[test]
fn a_meter_that_was_renamed_and_moved_continues_after_accept() {
    let mut ledger = handed_on();
    run(&mut ledger, "b", 100, 200, 1_000_000);
    assert_eq!(ledger.meter_reports()[&name("b")].published, Some(energy(1_000_090)));
    let accepted = order(&mut ledger, OperatorCommand::Accept { meter: name("b") }, 200).unwrap();
    assert!(accepted.reason.contains("another place"), "{}", accepted.reason);
    run(&mut ledger, "b", 200, 300, 1_000_000);
    let messages = &ledger.meter_reports()[&name("b")];
    assert_eq!((messages.published, &messages.held), (Some(energy(1_000_290)), &None));
}

#[test]
fn a_refused_rename_names_the_remedy() {
    let mut ledger = begun();
    let refused = |ledger: &mut LedgerState, from, to| rename(ledger, from, to, 100).unwrap_err().to_string();
    let mut other = settings_of(&["a", "b"], Vec::new());
    other.meters.push(MeterSettings { place: "cabinet 3".into(), ..meter("heat_pump") });
    ledger.reconfigure(other);
    run(&mut ledger, "heat_pump", 100, 200, 7_000_000);
    assert!(refused(&mut ledger, "heatpump", "x").contains("but `heat_pump`"));
    assert!(refused(&mut ledger, "a", "b").contains("`arkmeter ledger credit b ENERGY`"));
    assert!(refused(&mut ledger, "a", "a").contains("already"));
    let dry = CommandRequest::new(OperatorCommand::Rename { meter: name("a"), to: name("x") }, true, None);
    assert_eq!(ledger.apply(&dry, &at(200)).unwrap().entry, None);
    assert!(ledger.meter_reports().contains_key(&name("a")), "a dry run changes nothing");
}

#[test]
fn another_meter_at_the_same_place_begins_after_accept() {
    let mut ledger = begun();
    ledger.reconfigure(settings_of(&["new", "b"], building(&["new", "b"])));
    ledger.take(&reading("new", 100, 70)).unwrap();
    let accepted = order(&mut ledger, OperatorCommand::Accept { meter: name("new") }, 110).unwrap();
    assert!(accepted.reason.contains("another meter than a"), "{}", accepted.reason);
    run(&mut ledger, "new", 110, 140, 70);
    commit(&mut ledger, 130);
    assert_eq!(ready(&ledger, "a", 130).1, 1_000_090, "its baseline is no consumption");
    run(&mut ledger, "new", 140, 200, 70);
    assert_eq!(ledger.meter_reports()[&name("new")].published, Some(energy(260)));
    commit(&mut ledger, 190);
    assert_eq!(ready(&ledger, "a", 190).1, 1_000_150);
    // The place is another's: nothing waits.
    let mut ledger = begun();
    let mut elsewhere = settings_of(&["new", "b"], Vec::new());
    elsewhere.meters[0].place = "cabinet 9".into();
    ledger.reconfigure(elsewhere);
    assert!(ledger.unmatched_names().unwrap().contains("`arkmeter ledger rename a new`"));
    run(&mut ledger, "new", 100, 200, 70);
    assert!(ledger.meter_reports()[&name("new")].published.is_some());
}

#[test]
fn a_renamed_client_keeps_its_figure() {
    let mut ledger = begun();
    let clients = vec![client("house", "1", &["a", "b"]), client("pump", "2", &["a"])];
    ledger.reconfigure(settings_of(&["a", "b"], clients));
    run(&mut ledger, "a", 100, 200, 1_000_000);
    run(&mut ledger, "b", 100, 200, 5_000_000);
    commit(&mut ledger, 190);
    assert_eq!((ready(&ledger, "house", 190).1, ready(&ledger, "pump", 190).1), (6_000_380, 1_000_190));
}

#[test]
fn a_retired_ledger_counts_and_reports_nothing() {
    let mut ledger = begun();
    let dry = CommandRequest::new(OperatorCommand::Move {}, true, None);
    ledger.apply(&dry, &at(100)).unwrap();
    ready(&ledger, "building", 90);
    let given = order(&mut ledger, OperatorCommand::Move {}, 100).unwrap();
    assert!(waiting(&ledger, "building", 100).contains("ledger restore"), "at once");
    let written = commit(&mut ledger, 100).unwrap();
    assert!(written.retire && written.copy && given.entry.is_some());
    assert!(ledger.take(&reading("a", 110, 2_000_000)).is_none());
    assert_eq!(
        ledger.meter_reports()[&name("a")].published,
        Some(energy(1_000_090)),
        "it can come back without a fall"
    );
    let again = order(&mut ledger, OperatorCommand::Move {}, 120).unwrap();
    assert_eq!(again.entry, None);
    for remedy in [OperatorCommand::Adopt {}, OperatorCommand::Credit { meter: name("a"), energy: energy(5) }] {
        assert_eq!(order(&mut ledger, remedy, 130), Err(CommandError::Retired));
    }
    assert!(commit(&mut ledger, 140).is_none_or(|commit| !commit.retire));
}
