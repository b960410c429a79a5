//! Which figures the ledger gives, and when.

mod clients;
mod names;
mod slots;

use std::sync::Arc;

use super::*;
use crate::ledger::Figure;
use crate::ledger::testing::{at, client, energy, meter, name, reading};
use crate::reading::RegisterDefinition;
use crate::units::Milliwatts;

fn settings(meters: &[&str], clients: Vec<ClientSettings>) -> LedgerSettings {
    LedgerSettings { meters: meters.iter().map(|text| meter(text)).collect(), clients, shard: None }
}

fn ledger(meters: &[&str], clients: Vec<ClientSettings>) -> LedgerState {
    let contents = Contents { next_journal: 1, ..Contents::default() };
    LedgerState::new(contents, settings(meters, clients), None)
}

fn commit(ledger: &mut LedgerState, seconds: u64) -> Option<Commit> {
    let pending = ledger.prepare(&at(seconds), false)?;
    let commit = pending.commit.clone();
    ledger.committed(pending);
    Some(commit)
}

/// What a store holds after a commit of this.
fn stored(ledger: &LedgerState) -> Contents {
    let known = ledger.meters.iter().filter(|(_, record)| !record.state.is_blank());
    let meters = known.map(|(name, record)| (name.clone(), record.row(name, true)));
    let clients = ledger.clients.iter().map(|(key, balance)| {
        (key.clone(), ClientRow { id: balance.id, key: key.clone(), state: balance.state.clone() })
    });
    Contents { meters: meters.collect(), clients: clients.collect(), next_journal: 9, ..Contents::default() }
}

fn figure(ledger: &LedgerState, client: &str, seconds: u64) -> Figure {
    ledger.figures(vec![name(client)], &at(seconds)).remove(0).1
}

fn ready(ledger: &LedgerState, client: &str, seconds: u64) -> (i64, u64, ClockReading) {
    match figure(ledger, client, seconds) {
        Figure::Ready { power, energy, read_at } => (power.0, energy.get(), read_at),
        Figure::Waiting(why) => panic!("{why}"),
    }
}

fn waiting(ledger: &LedgerState, client: &str, seconds: u64) -> String {
    match figure(ledger, client, seconds) {
        Figure::Waiting(why) => why.to_string(),
        ready => panic!("{ready:?}"),
    }
}

/// Reads the meter every 10 s with 10 mWh between, from `from` up to and without `to` seconds.
fn run(ledger: &mut LedgerState, meter: &str, from: u64, to: u64, register: u64) {
    for seconds in (from..to).step_by(10) {
        ledger.take(&reading(meter, seconds, register + seconds)).unwrap();
    }
}

#[test]
fn the_energy_to_report_is_on_disk_and_the_power_is_the_latest() {
    let mut ledger = ledger(&["a"], vec![client("a", "1", &["a"])]);
    run(&mut ledger, "a", 0, 100, 1_000_000);
    assert_eq!(waiting(&ledger, "a", 90), "its first figure is not on disk yet");
    commit(&mut ledger, 90).unwrap();
    let first = ready(&ledger, "a", 90);
    assert_eq!(first, (3_600_000, 1_000_090, at(90)));
    run(&mut ledger, "a", 100, 200, 1_000_000);
    assert_eq!(ledger.meter_reports()[&name("a")].published, Some(energy(1_000_190)), "the picture goes on");
    assert_eq!(ready(&ledger, "a", 190), (3_600_000, 1_000_090, at(190)), "the disk does not know it yet");
    let pending = ledger.prepare(&at(190), false).unwrap();
    assert_eq!(ready(&ledger, "a", 190).1, 1_000_090, "nor while it is being written");
    run(&mut ledger, "a", 200, 230, 1_000_000);
    ledger.committed(pending);
    assert_eq!(ready(&ledger, "a", 220).1, 1_000_190, "what came meanwhile is for the next one");
    commit(&mut ledger, 220).unwrap();
    assert_eq!(ready(&ledger, "a", 220).1, 1_000_220);
    assert!(commit(&mut ledger, 220).is_none(), "nothing is new");
}

#[test]
fn the_next_commit_has_what_a_failed_one_lost() {
    let mut ledger = ledger(&["a"], vec![client("a", "1", &["a"])]);
    run(&mut ledger, "a", 0, 100, 1_000_000);
    let pending = ledger.prepare(&at(90), false).unwrap();
    let lost = pending.commit.clone();
    run(&mut ledger, "a", 100, 110, 1_000_000);
    ledger.failed(pending);
    let again = commit(&mut ledger, 100).unwrap();
    assert_eq!(again.journal, lost.journal, "decisions are kept");
    assert_eq!((again.meters.len(), again.clients.len()), (lost.meters.len(), lost.clients.len()));
    assert!(again.copy && lost.copy);
    assert_eq!(ready(&ledger, "a", 100).1, 1_000_100);
}

#[test]
fn members_without_a_figure_are_named() {
    let mut ledger = ledger(&["a", "b"], vec![client("both", "1", &["a", "b"])]);
    assert_eq!(waiting(&ledger, "both", 0), "a, b have no baseline yet");
    run(&mut ledger, "a", 0, 100, 1_000_000);
    assert!(waiting(&ledger, "both", 90).starts_with("b has no baseline yet"), "{}", waiting(&ledger, "both", 90));
    run(&mut ledger, "b", 0, 100, 5_000_000);
    commit(&mut ledger, 90);
    assert_eq!(ready(&ledger, "both", 90), (7_200_000, 6_000_180, at(90)));
    run(&mut ledger, "a", 100, 200, 1_000_000);
    commit(&mut ledger, 190);
    assert_eq!(waiting(&ledger, "both", 190), "b was last read 1m 40s ago");
    // After a gap, the readings of a minute have to agree.
    run(&mut ledger, "b", 200, 360, 5_000_000);
    run(&mut ledger, "a", 280, 360, 1_000_000);
    commit(&mut ledger, 350);
    assert_eq!(ready(&ledger, "both", 350).1, 6_000_350 + 350, "what both counted meanwhile is there");
    assert_eq!(waiting(&ledger, "neither", 0), "neither is not configured");
}

#[test]
fn without_fresh_power_there_is_no_figure() {
    let mut ledger = ledger(&["a"], vec![client("a", "1", &["a"])]);
    run(&mut ledger, "a", 0, 100, 1_000_000);
    commit(&mut ledger, 90);
    let powerless = |seconds| {
        let mut reading = reading("a", seconds, 1_000_090);
        reading.values.power = None;
        reading
    };
    ledger.take(&powerless(100));
    assert_eq!(ready(&ledger, "a", 100).2, at(90), "the power of ten seconds ago is still fresh");
    (110..160).step_by(10).for_each(|seconds| drop(ledger.take(&powerless(seconds))));
    assert_eq!(waiting(&ledger, "a", 151), "a is read, but gives no power");
}

#[test]
fn a_power_that_the_connection_cannot_carry_is_not_reported() {
    let mut ledger = ledger(&["a"], vec![client("a", "1", &["a"])]);
    run(&mut ledger, "a", 0, 100, 1_000_000);
    commit(&mut ledger, 90);
    let excessive = |seconds| {
        let mut reading = reading("a", seconds, 1_000_090);
        reading.values.power = Some(Milliwatts(2_000_000_000_000));
        reading
    };
    ledger.take(&excessive(100));
    assert_eq!(ready(&ledger, "a", 100).0, 3_600_000, "the power of ten seconds ago is still fresh");
    let mut report = MeterLedger::default();
    ledger.update_report(&name("a"), &mut report);
    assert!(report.faults[0].contains("2000000000 W is more than the connection can carry (25000 W)"), "{report:?}");
    (110..160).step_by(10).for_each(|seconds| drop(ledger.take(&excessive(seconds))));
    let why = waiting(&ledger, "a", 151);
    assert!(why.starts_with("a is read, but its power of 2000000000 W is more than"), "{why}");
}

#[test]
fn export_counts_as_0_for_each_meter() {
    let mut ledger = ledger(&["a", "b"], vec![client("both", "1", &["a", "b"])]);
    for seconds in (0..100).step_by(10) {
        ledger.take(&reading("a", seconds, 1000));
        let mut exporting = reading("b", seconds, 2000);
        exporting.values.power = Some(Milliwatts(-9_000_000));
        ledger.take(&exporting);
    }
    commit(&mut ledger, 90);
    assert_eq!(ready(&ledger, "both", 90).0, 3_600_000);
}

#[test]
fn after_a_restart_a_meter_is_read_before_it_is_reported() {
    let clients = || vec![client("a", "1", &["a"])];
    let mut before = ledger(&["a"], clients());
    run(&mut before, "a", 0, 100, 1_000_000);
    commit(&mut before, 90).unwrap();
    for confirmed in [true, false] {
        let mut contents = stored(&before);
        contents.meters.values_mut().for_each(|meter| meter.confirmed = confirmed);
        let mut ledger = LedgerState::new(contents, settings(&["a"], clients()), None);
        assert_eq!(waiting(&ledger, "a", 100), "a has not been read yet");
        let mut failed = reading("a", 100, 0);
        failed.values.register = None;
        ledger.take(&failed).unwrap();
        if confirmed {
            assert_eq!(ready(&ledger, "a", 100).1, 1_000_090, "fresh power and the standing energy");
            continue;
        }
        ledger.take(&reading("a", 100, 3)).unwrap();
        commit(&mut ledger, 100).unwrap();
        assert!(waiting(&ledger, "a", 100).contains("fell back"), "the copy may be older than what was published");
        run(&mut ledger, "a", 110, 210, 1_000_000);
        assert!(waiting(&ledger, "a", 200).contains("fell back"), "not before it is on disk");
        commit(&mut ledger, 200).unwrap();
        assert_eq!(ready(&ledger, "a", 200).1, 1_000_200);
    }
}

#[test]
fn nothing_is_reported_from_the_ledger_of_another_machine() {
    let contents = Contents { next_journal: 1, ..Contents::default() };
    let mut ledger =
        LedgerState::new(contents, settings(&["a"], vec![client("a", "1", &["a"])]), Some(ReportingBlock::Cloned));
    run(&mut ledger, "a", 0, 100, 1_000_000);
    commit(&mut ledger, 90).unwrap();
    assert_eq!(waiting(&ledger, "a", 90), ReportingBlock::Cloned.to_string());
}

#[test]
fn a_decision_requests_a_commit_and_a_copy_and_an_advance_neither() {
    let mut ledger = ledger(&["a"], vec![]);
    let taken: Vec<_> = (0..60).step_by(10).filter_map(|s| ledger.take(&reading("a", s, 1000 + s))).collect();
    let begun = taken.iter().find(|taken| taken.published.is_some()).unwrap();
    assert!(begun.commit_now);
    assert!(commit(&mut ledger, 60).unwrap().copy);
    let advanced = ledger.take(&reading("a", 60, 1060)).unwrap();
    assert_eq!((advanced.verdict, advanced.commit_now), (Verdict::Advanced, false));
    assert!(!commit(&mut ledger, 60).unwrap().copy);
    let held = ledger.take(&reading("a", 70, 0)).unwrap();
    assert_eq!((held.verdict, held.commit_now), (Verdict::Held, true));
    assert!(!commit(&mut ledger, 70).unwrap().copy, "published is the same function of the register as before");
}

#[test]
fn a_series_of_glitches_is_one_row_and_one_line() {
    let mut ledger = ledger(&["a"], vec![]);
    run(&mut ledger, "a", 0, 100, 1_000_000);
    commit(&mut ledger, 90);
    let mut news = 0;
    for seconds in (100..2100).step_by(20) {
        news += u32::from(ledger.take(&reading("a", seconds, 0)).unwrap().news);
        news += u32::from(ledger.take(&reading("a", seconds + 10, 1_000_100 + seconds)).unwrap().news);
    }
    assert_eq!(news, 1);
    let journal = commit(&mut ledger, 2100).unwrap().journal;
    assert_eq!(journal.len(), 1, "{journal:?}");
    assert_eq!((journal[0].at, journal[0].last), (at(100).wall, at(2090).wall));
    assert!(journal[0].count >= 200, "{}", journal[0].count);
    let later = ledger.take(&reading("a", 9000, 0)).unwrap();
    assert!(later.news && later.series_ended.is_some(), "an hour later it is another series");
}

#[test]
fn a_meter_that_left_the_configuration_keeps_its_row() {
    let mut ledger = ledger(&["a", "b"], vec![client("both", "1", &["a", "b"])]);
    run(&mut ledger, "a", 0, 100, 1_000_000);
    run(&mut ledger, "b", 0, 100, 5_000_000);
    commit(&mut ledger, 90);
    ledger.reconfigure(settings(&["a"], vec![client("both", "1", &["a"])]));
    assert!(ledger.take(&reading("b", 100, 5_000_100)).is_none());
    run(&mut ledger, "a", 100, 200, 1_000_000);
    commit(&mut ledger, 190);
    assert_eq!(ready(&ledger, "both", 190).1, 6_000_280);
    ledger.reconfigure(settings(&["a", "b"], vec![client("both", "1", &["a", "b"])]));
    assert_eq!(ledger.meter_reports()[&name("b")].published, Some(energy(5_000_090)));
    assert_eq!(waiting(&ledger, "both", 190), "b was last read 1m 40s ago");
}

#[test]
fn accepted_figures_are_kept_and_written_once_an_hour() {
    let mut ledger = ledger(&["a"], vec![client("a", "1", &["a"])]);
    let accept = |ledger: &mut LedgerState, seconds: u64| {
        ledger.accept(&AcceptedReport { client: name("a"), energy: energy(seconds), at: at(seconds) });
        assert_eq!(ledger.client_reports()[&name("a")].accepted_at, Some(at(seconds).wall));
    };
    accept(&mut ledger, 77);
    assert_eq!(commit(&mut ledger, 125).unwrap().clients[0].state.accepted, Some(energy(77)));
    accept(&mut ledger, 197);
    assert!(commit(&mut ledger, 245).is_none() && !ledger.overdue(&at(1000)));
    accept(&mut ledger, 3677);
    assert_eq!(commit(&mut ledger, 3725).unwrap().clients[0].state.accepted, Some(energy(3677)));
    accept(&mut ledger, 3797);
    let last = ledger.prepare(&at(3800), true).unwrap();
    assert_eq!(last.commit.clients[0].state.accepted, Some(energy(3797)));
}

#[test]
fn a_register_with_another_definition_begins_an_epoch() {
    let mut ledger = ledger(&["a"], vec![client("a", "1", &["a"])]);
    let found = |seconds: u64, register: u64, text: &str| {
        let definition = Arc::new(RegisterDefinition { text: text.to_owned(), rollover: None, range: None });
        Reading { definition: Some(definition), ..reading("a", seconds, register) }
    };
    for seconds in (0..100).step_by(10) {
        ledger.take(&found(seconds, 1_000_000 + seconds, "map one")).unwrap();
    }
    let before = ledger.meter_reports()[&name("a")].published.unwrap();
    // The other map reads another register of the same meter: higher, and yet possible in time.
    for seconds in (100..200).step_by(10) {
        ledger.take(&found(seconds, 1_000_300 + seconds, "map two")).unwrap();
    }
    let after = ledger.meter_reports()[&name("a")].published.unwrap();
    assert!(
        after >= before && after.get() < before.get() + 200,
        "the difference of two registers is no energy: {before:?} {after:?}"
    );
}
