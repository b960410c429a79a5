//! What the journal says of clients, and a client's figure that Arkreen holds already.

use super::*;
use crate::ledger::command::{ClientMoved, CommandError, CommandRequest, OperatorCommand};

/// Both have counted from 0 s to 90 s, and the client's first figure is on disk; with it came this journal.
fn both() -> (LedgerState, Vec<(Option<String>, String, String)>) {
    let mut ledger = ledger(&["a", "b"], vec![client("both", "1", &["a", "b"])]);
    run(&mut ledger, "a", 0, 100, 1_000_000);
    run(&mut ledger, "b", 0, 100, 5_000_000);
    let found = entries(&commit(&mut ledger, 90).unwrap());
    (ledger, found)
}

/// The rows about clients.
fn entries(commit: &Commit) -> Vec<(Option<String>, String, String)> {
    let rows = commit.journal.iter().filter(|row| ["begun", "joined", "left"].contains(&&*row.word));
    let found = rows.map(|row| {
        let figures = row.entry.as_ref().map(|entry| (entry.published_before, entry.published_after));
        assert!(figures.is_some_and(|(before, after)| before.is_some() && before == after), "{row:?}");
        (row.client.as_ref().map(Name::to_string), row.word.clone(), row.reason.clone())
    });
    found.collect()
}

fn order(
    ledger: &mut LedgerState,
    remedy: OperatorCommand,
    dry_run: bool,
) -> Result<crate::ledger::command::CommandOutcome, CommandError> {
    ledger.apply(&CommandRequest::new(remedy, dry_run, None), &at(95))
}

fn set(
    ledger: &mut LedgerState,
    to: u64,
    dry_run: bool,
) -> Result<crate::ledger::command::CommandOutcome, CommandError> {
    order(ledger, OperatorCommand::Set { meter: name("both"), energy: energy(to) }, dry_run)
}

#[test]
fn the_journal_has_how_a_client_began_and_which_members_joined_and_left() {
    let (mut ledger, begun) = both();
    assert_eq!(begun.len(), 1, "{begun:?}");
    let (who, word, reason) = &begun[0];
    assert_eq!((who.as_deref(), word.as_str()), (Some("both"), "begun"));
    assert!(
        reason.contains("0x1111...1111 begins at 6.000 kWh") && reason.contains("a 1.000 kWh, b 5.000 kWh"),
        "{reason}"
    );
    run(&mut ledger, "a", 100, 200, 1_000_000);
    ledger.reconfigure(settings(&["a", "b"], vec![client("both", "1", &["a"])]));
    let left = entries(&commit(&mut ledger, 200).unwrap());
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        left[0].2.starts_with("b is no longer a member of client both") && left[0].2.contains("up to 5.000 kWh"),
        "{left:?}"
    );
    ledger.reconfigure(settings(&["a", "b"], vec![client("both", "1", &["a", "b"])]));
    let joined = entries(&commit(&mut ledger, 210).unwrap());
    assert_eq!((joined.len(), joined[0].1.as_str()), (1, "joined"));
    assert!(
        joined[0].2.contains("from 5.000 kWh on") && joined[0].2.contains("the client is at 6.000 kWh"),
        "{joined:?}"
    );
    run(&mut ledger, "a", 210, 300, 1_000_000);
    assert_eq!(entries(&commit(&mut ledger, 300).unwrap()), [], "an advance is no news");
}

#[test]
fn a_restart_and_a_client_of_one_meter_make_no_entries() {
    let mut alone = ledger(&["a"], vec![client("a", "1", &["a"])]);
    run(&mut alone, "a", 0, 100, 1_000_000);
    assert_eq!(entries(&commit(&mut alone, 90).unwrap()), []);
    // With and without something that is to be made up for.
    for (floor, given) in [(None, 6_000_220), (Some(6_500_000), 6_500_000)] {
        let (mut before, _) = both();
        if let Some(floor) = floor {
            set(&mut before, floor, false).unwrap();
        }
        run(&mut before, "a", 100, 110, 1_000_000);
        run(&mut before, "b", 100, 110, 5_000_000);
        commit(&mut before, 110).unwrap();
        let settings = settings(&["a", "b"], vec![client("both", "1", &["a", "b"])]);
        let mut ledger = LedgerState::new(stored(&before), settings, None);
        run(&mut ledger, "a", 110, 120, 1_000_000);
        run(&mut ledger, "b", 110, 120, 5_000_000);
        let after = commit(&mut ledger, 120).unwrap();
        assert!(entries(&after).is_empty() && !after.copy, "{:?}", after.journal);
        assert_eq!(ready(&ledger, "both", 110).1, given);
    }
}

#[test]
fn a_client_that_was_set_stands_still_until_its_members_have_caught_up() {
    let (mut ledger, _) = both();
    let would = set(&mut ledger, 6_000_300, true).unwrap();
    assert_eq!((would.entry, would.published_after_mwh), (None, Some(energy(6_000_300))));
    assert!(would.reason.contains("until its members have consumed"), "{}", would.reason);
    let done = set(&mut ledger, 6_000_300, false).unwrap();
    assert!(done.entry.is_some() && done.register_after_mwh.is_none());
    assert!(commit(&mut ledger, 95).unwrap().journal.iter().any(|row| row.word == "set"));
    for (from, to, given) in [(100, 140, 6_000_300), (140, 200, 6_000_380), (200, 300, 6_000_580)] {
        run(&mut ledger, "a", from, to, 1_000_000);
        run(&mut ledger, "b", from, to, 5_000_000);
        commit(&mut ledger, to).unwrap();
        assert_eq!(ready(&ledger, "both", to - 10).1, given, "the sum of its members' again once they have passed it");
    }
    assert_eq!(
        ledger.meter_reports()[&name("a")].published,
        Some(energy(1_000_290)),
        "its members' own figures are as they were"
    );
}

#[test]
fn a_client_refuses_commands_that_are_for_meters() {
    let (mut ledger, _) = both();
    let refused = |ledger: &mut LedgerState, remedy| order(ledger, remedy, false).unwrap_err().to_string();
    let credit = OperatorCommand::Credit { meter: name("both"), energy: energy(1) };
    assert!(refused(&mut ledger, credit).contains("name one of them, a, b"));
    assert!(set(&mut ledger, 5, false).unwrap_err().to_string().contains("never falls"));
    assert!(set(&mut ledger, 1 << 52, false).unwrap_err().to_string().contains("30 years"));
    let mut empty = super::ledger(&["a", "b"], vec![client("both", "1", &["a", "b"])]);
    assert!(set(&mut empty, 5, false).unwrap_err().to_string().contains("no figure yet"));
    // Who is in the ledger and not in the configuration is found from who is in neither.
    ledger.reconfigure(settings(&["a"], vec![client("both", "1", &["a"])]));
    let left = OperatorCommand::Credit { meter: name("b"), energy: energy(1) };
    assert!(refused(&mut ledger, left).contains("`arkmeter ledger rename b NEW`"));
    assert!(commit(&mut ledger, 96).unwrap().journal.iter().all(|row| row.word != "credit" && row.word != "set"));
}

#[test]
fn a_command_returns_its_effect_on_a_client_of_several_meters() {
    let (mut ledger, _) = both();
    let credit = OperatorCommand::Credit { meter: name("a"), energy: energy(500_000) };
    let would = order(&mut ledger, credit, true).unwrap();
    let moved = ClientMoved { client: name("both"), before_mwh: energy(6_000_180), after_mwh: energy(6_500_180) };
    assert_eq!(would.clients, [moved]);
    let mut alone = super::ledger(&["a"], vec![client("a", "1", &["a"])]);
    run(&mut alone, "a", 0, 100, 1_000_000);
    commit(&mut alone, 90);
    let credit = OperatorCommand::Credit { meter: name("a"), energy: energy(500_000) };
    assert_eq!(order(&mut alone, credit, true).unwrap().clients, [], "the meter's own figures say it");
}

#[test]
fn a_meter_that_was_set_reports_how_long_it_stands_still() {
    let mut ledger = ledger(&["a"], vec![client("a", "1", &["a"])]);
    run(&mut ledger, "a", 0, 100, 1_000_000);
    assert_eq!(ledger.meter_reports()[&name("a")].stands, None);
    let remedy = OperatorCommand::Set { meter: name("a"), energy: energy(1_002_000) };
    ledger.apply(&CommandRequest::new(remedy, false, Some(0)), &at(100)).unwrap();
    let stands = ledger.meter_reports()[&name("a")].stands.clone().unwrap();
    assert!(stands.contains("stands still until the counter has caught up"), "{stands}");
    run(&mut ledger, "a", 110, 2_200, 1_000_000);
    assert_eq!(ledger.meter_reports()[&name("a")].stands, None);
}
