//! Commands on a store that no daemon uses, and on a running ledger.

use std::path::Path;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::heartbeat::Hearts;
use crate::history::query::{HistoryQuery, read_page};
use crate::history::{self, HistorySlot};
use crate::ledger::settings::LedgerSettings;
use crate::ledger::shown::{self, ShownEntry, ShownMeter};
use crate::ledger::store::{JournalQuery, Store, StoreOptions};
use crate::ledger::testing::{at, client, energy, meter, name, reading};
use crate::ledger::{LedgerError, LedgerHandle, OpenError, Rehearsal, machine, open};
use crate::reading::Reading;

fn settings() -> LedgerSettings {
    LedgerSettings { meters: vec![meter("a"), meter("b")], clients: vec![client("c", "1", &["a"])], shard: None }
}

fn request(command: OperatorCommand) -> CommandRequest {
    CommandRequest::new(command, false, Some(0))
}

fn dry_run(command: OperatorCommand) -> CommandRequest {
    CommandRequest::new(command, true, Some(0))
}

fn accept() -> OperatorCommand {
    OperatorCommand::Accept { meter: name("a") }
}

fn credit(more: u64) -> OperatorCommand {
    OperatorCommand::Credit { meter: name("a"), energy: energy(more) }
}

/// A folder in which meter `a` was left at 1 kWh, held at 0.2 kWh.
fn held() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut rehearsal = Rehearsal::open(folder.path(), meter("a")).unwrap();
    for poll in 0..10 {
        rehearsal.take(&reading("a", 10 * poll, 1_000_000)).unwrap();
    }
    for poll in 10..13 {
        rehearsal.take(&reading("a", 10 * poll, 200_000)).unwrap();
    }
    rehearsal.close(&at(130)).unwrap();
    folder
}

fn meter_a(folder: &Path) -> ShownMeter {
    shown::show(folder).unwrap().meters.remove(&name("a")).unwrap()
}

fn newest(folder: &Path) -> ShownEntry {
    shown::journal(folder, &JournalQuery::newest(1)).unwrap().entries.remove(0)
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.display().to_string(), std::fs::read(&path).unwrap())
    };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(read).collect();
    files.retain(|(name, _)| name.ends_with(".db"));
    files.sort();
    files
}

#[test]
fn a_hold_is_accepted_on_the_store_and_the_journal_has_the_user() {
    let folder = held();
    assert!(meter_a(folder.path()).held.is_some());
    let before = files(folder.path());
    let would = run_on_store(folder.path(), settings(), &at(140), dry_run(accept())).unwrap();
    assert_eq!((would.entry, would.published_after_mwh), (None, Some(energy(1_000_000))));
    assert_eq!(files(folder.path()), before, "a dry run changes nothing");

    let done = run_on_store(folder.path(), settings(), &at(140), request(accept())).unwrap();
    assert!(done.on_disk && done.reason == would.reason, "{done:?}");
    assert_eq!(meter_a(folder.path()).held, None);
    let entry = newest(folder.path());
    assert_eq!((Some(entry.id), entry.word.as_str()), (done.entry, "accept"));
    assert!(entry.reason.starts_with("uid 0: accepted by the operator: the register fell"), "{}", entry.reason);
    let again = run_on_store(folder.path(), settings(), &at(150), request(accept())).unwrap_err();
    assert!(matches!(again, LedgerError::Refused(CommandError::NothingHeld(_))), "{again}");
}

#[test]
fn a_credit_reaches_the_client_once_and_undoing_it_does_not_lower_the_client() {
    let folder = held();
    run_on_store(folder.path(), settings(), &at(140), request(accept())).unwrap();
    let client = || shown::show(folder.path()).unwrap().clients[0].energy_mwh;
    assert_eq!(client(), Some(energy(1_000_000)));
    let credited = run_on_store(folder.path(), settings(), &at(150), request(credit(500))).unwrap();
    assert_eq!(client(), Some(energy(1_000_500)));
    let id = credited.entry.unwrap();
    let undone =
        run_on_store(folder.path(), settings(), &at(160), request(OperatorCommand::Undo { entry: id })).unwrap();
    let shown = meter_a(folder.path());
    assert_eq!((shown.published_mwh, shown.counted_mwh), (Some(energy(1_000_500)), Some(1_000_000)));
    assert_eq!(client(), Some(energy(1_000_500)));
    let twice =
        run_on_store(folder.path(), settings(), &at(170), request(OperatorCommand::Undo { entry: id })).unwrap_err();
    assert!(matches!(twice, LedgerError::Refused(CommandError::Undone { .. })), "{twice}");
    // The undoing undone, the credit stands again, and can be undone again.
    run_on_store(folder.path(), settings(), &at(180), request(OperatorCommand::Undo { entry: undone.entry.unwrap() }))
        .unwrap();
    assert_eq!(meter_a(folder.path()).counted_mwh, Some(1_000_500));
    run_on_store(folder.path(), settings(), &at(190), request(OperatorCommand::Undo { entry: id })).unwrap();
    let none =
        run_on_store(folder.path(), settings(), &at(190), request(OperatorCommand::Undo { entry: 99 })).unwrap_err();
    assert!(none.to_string().contains("`arkmeter ledger journal`"), "{none}");
}

#[test]
fn a_rename_on_the_store_renames_the_history_too() {
    let folder = held();
    let slot = HistorySlot {
        meter: name("a"),
        ended: at(130).wall,
        trusted: true,
        measured: std::time::Duration::ZERO,
        power: None,
        published: Some(energy(1_000_000)),
        began: None,
    };
    history::record(
        &mut None,
        folder.path(),
        &[slot],
        &history::NewHours::default(),
        &at(130),
        &history::Retention::default(),
    )
    .unwrap();
    let rename = OperatorCommand::Rename { meter: name("a"), to: name("new") };
    run_on_store(folder.path(), settings(), &at(140), request(rename)).unwrap();
    let recorded = |meter| {
        let query = HistoryQuery { meter: name(meter), from: None, to: None, after: 0 };
        read_page(folder.path(), &query).unwrap().slots.len()
    };
    assert_eq!((recorded("a"), recorded("new")), (0, 1));
}

#[test]
fn refusals_name_the_remedy_and_change_nothing() {
    let folder = held();
    let before = files(folder.path());
    let refused =
        |command| run_on_store(folder.path(), settings(), &at(140), dry_run(command)).unwrap_err().to_string();
    assert!(refused(OperatorCommand::Accept { meter: name("x") }).contains("`arkmeter ledger show`"));
    assert!(refused(OperatorCommand::Accept { meter: name("b") }).contains("nothing of b is held"));
    assert!(refused(OperatorCommand::Credit { meter: name("b"), energy: energy(1) }).contains("no baseline"));
    assert!(refused(OperatorCommand::Set { meter: name("a"), energy: energy(5) }).contains("never falls"));
    assert!(refused(credit((1 << 53) - 1)).contains("can be reported"));
    assert!(refused(OperatorCommand::Adopt {}).contains("already"));
    assert_eq!(files(folder.path()), before);
    let nothing = tempfile::tempdir().unwrap();
    let error = run_on_store(nothing.path(), settings(), &at(0), request(accept())).unwrap_err();
    assert!(matches!(error, LedgerError::Open(OpenError::Nothing { .. })), "{error}");
    assert_eq!(std::fs::read_dir(nothing.path()).unwrap().count(), 0, "a command creates no ledger");
}

#[test]
fn a_store_in_use_and_a_damaged_one_are_refused() {
    let folder = held();
    let taken = Store::open(folder.path(), StoreOptions { durable: true, machine: None }).unwrap();
    let busy = run_on_store(folder.path(), settings(), &at(140), request(accept())).unwrap_err();
    assert!(matches!(busy, LedgerError::Open(OpenError::InUse { .. })), "{busy}");
    drop(taken);
    for (file, _) in files(folder.path()) {
        std::fs::write(file, b"no ledger").unwrap();
    }
    let damaged = run_on_store(folder.path(), settings(), &at(140), request(accept())).unwrap_err();
    assert!(matches!(damaged, LedgerError::Open(OpenError::Damaged { .. })), "{damaged}");
}

/// The newest entry of a running ledger.
async fn newest_of(handle: &LedgerHandle) -> ShownEntry {
    let wanted = JournalQuery::newest(1);
    handle.journal(wanted).await.unwrap().entries.remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_running_ledger_answers_commands_when_they_are_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap());
    let (handle, ledger) = open(folder.path(), settings(), clock.clone()).unwrap();
    let hearts = Hearts::default();
    let task = tokio::spawn(ledger.run(hearts.heart("ledger")));
    for register in std::iter::repeat_n(1_000_000, 10).chain([200_000; 3]) {
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        let reading = Reading { at: clock.now(), ..reading("a", 0, register) };
        handle.readings().send(reading).await.unwrap();
    }
    let would = handle.command(dry_run(accept())).await.unwrap();
    assert!(would.entry.is_none() && handle.held().borrow().contains(&name("a")));
    let done = handle.command(request(accept())).await.unwrap();
    assert!(done.on_disk && handle.held().borrow().is_empty());
    assert_eq!(newest_of(&handle).await.word, "accept");
    let credited = handle.command(request(credit(500))).await.unwrap();
    assert_eq!(handle.show().await.unwrap().meters[&name("a")].published_mwh, Some(energy(1_000_500)));
    let undo = || request(OperatorCommand::Undo { entry: credited.entry.unwrap() });
    handle.command(undo()).await.unwrap();
    assert!(matches!(handle.command(undo()).await, Err(LedgerError::Refused(CommandError::Undone { .. }))));
    assert_eq!(handle.show().await.unwrap().meters[&name("a")].published_mwh, Some(energy(1_000_500)));
    handle.close().await.unwrap();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clone_reports_after_it_was_adopted() {
    let Some(ours) = machine::mark() else { return };
    let folder = tempfile::tempdir().unwrap();
    let machine = Some(format!("not {ours}"));
    let elsewhere = Store::open(folder.path(), StoreOptions { durable: true, machine }).unwrap();
    elsewhere.store.close().unwrap();
    let clock = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap());
    let (handle, ledger) = open(folder.path(), settings(), clock.clone()).unwrap();
    let hearts = Hearts::default();
    let _task = tokio::spawn(ledger.run(hearts.heart("ledger")));
    let why = async || format!("{:?}", handle.figures(vec![name("c")]).await.unwrap());
    assert!(why().await.contains("arkmeter ledger adopt"));
    handle.command(dry_run(OperatorCommand::Adopt {})).await.unwrap();
    assert!(why().await.contains("arkmeter ledger adopt"));
    let adopted = handle.command(request(OperatorCommand::Adopt {})).await.unwrap();
    assert!(adopted.on_disk);
    assert!(why().await.contains("NoBaseline"));
    assert!(!handle.show().await.unwrap().other_machine);
    assert_eq!(newest_of(&handle).await.word, "adopt");
}
