//! The reporter's task between a real ledger and the simulated endpoint.

use std::fs::{self, Permissions};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::{ReportedClient, ReportingState};
use super::*;
use crate::clock::ClockReading;
use crate::config::{Batch, TokenSource};
use crate::guard::{CounterSettings, MeterSettings};
use crate::heartbeat::Hearts;
use crate::ledger::{ClientKey, ClientSettings, LedgerSettings};
use crate::reading::{Reading, Register, RegisterDefinition, Values};
use crate::simulator::arkreen::{Arkreen, EndpointBehaviour};
use crate::units::{MilliwattHours, Milliwatts};

/// So long that no slot is due while a test drives the task with commands.
const SELDOM: Duration = Duration::from_secs(100_000);
const OFTEN: Duration = Duration::from_secs(1);
/// The limit of a wait in a test.
const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    folder: tempfile::TempDir,
    arkreen: Arkreen,
    ledger: ledger::LedgerHandle,
    clock: Clock,
    commands: mpsc::Sender<AccountCommand>,
    report: watch::Receiver<AccountReport>,
    task: JoinHandle<()>,
}

fn token(digit: &str) -> String {
    format!("0x{}", digit.repeat(64))
}

fn put_token(path: &Path, digit: &str) {
    let new = path.with_extension("new");
    fs::write(&new, token(digit)).unwrap();
    fs::set_permissions(&new, Permissions::from_mode(0o640)).unwrap();
    fs::rename(new, path).unwrap();
}

fn name(number: u64) -> Name {
    Name::new(&format!("meter_{number}")).unwrap()
}

fn id(number: u64) -> ClientId {
    ClientId::parse(&format!("0x{number:064x}")).unwrap()
}

/// The reading of the clock `ago` before now.
fn before(clock: &Clock, ago: Duration) -> ClockReading {
    let now = clock.now();
    ClockReading { since_boot: now.since_boot.saturating_sub(ago), wall: now.wall - ago, ..now }
}

fn settings(clients: u64, url: &str) -> LedgerSettings {
    let meter = |number| MeterSettings {
        name: name(number),
        max_power: Milliwatts(20_000_000),
        poll_every: Duration::from_secs(10),
        counter: CounterSettings::Register,
        start_at_zero: false,
        definition: RegisterDefinition { text: "input 0x48 u32 Wh".into(), rollover: None, range: None },
        place: "cabinet 1".into(),
    };
    let client = |number| ClientSettings {
        name: name(number),
        key: ClientKey { url: url.into(), client_id: id(number) },
        meters: vec![name(number)],
    };
    let (meters, clients) = ((1..=clients).map(meter).collect(), (1..=clients).map(client).collect());
    LedgerSettings { meters, clients, shard: None }
}

impl Bench {
    /// A site with this many clients, each with a figure of 1 kWh.
    async fn new(clients: u64, report_every: Duration) -> Self {
        let mut bench = Self::without_figures(clients, report_every);
        bench.read(1..=clients).await;
        bench
    }

    fn without_figures(clients: u64, report_every: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap());
        let hearts = Hearts::default();
        let arkreen = Arkreen::start(&token("1"), (1..=clients).map(id)).unwrap();
        let state = folder.path().join("state");
        fs::create_dir(&state).unwrap();
        let (ledger, task) = ledger::open(&state, settings(clients, arkreen.url().as_str()), clock.clone()).unwrap();
        tokio::spawn(task.run(hearts.heart("ledger")));
        let token_file = folder.path().join("token");
        put_token(&token_file, "1");
        let account = config::AccountConfig {
            name: Name::new("main").unwrap(),
            url: arkreen.url(),
            token: TokenSource::File(token_file),
            report_every,
            batch: Batch::Auto,
            batch_max: NonZeroUsize::new(100).unwrap(),
            timeout: Duration::from_secs(20),
            proxy: None,
            ca_file: None,
        };
        let (commands, receiver) = mpsc::channel(8);
        let (sender, report) = watch::channel(AccountReport::default());
        let clients =
            (1..=clients).map(|number| ReportedClient { name: name(number), client_id: id(number) }).collect();
        let reporter = Reporter {
            account,
            clients,
            ledger: ledger.clone(),
            commands: receiver,
            report: sender,
            clock: clock.clone(),
            heart: hearts.heart("account main"),
            scheduled: true,
        };
        Bench { folder, arkreen, ledger, clock, commands, report, task: tokio::spawn(reporter.run()) }
    }

    /// Sends three readings that agree: a baseline.
    async fn read(&mut self, meters: impl IntoIterator<Item = u64> + Clone) {
        for number in meters.clone() {
            for seconds in [20, 10, 0] {
                let register =
                    Register { value: MilliwattHours::new(1_000_000).unwrap(), step: MilliwattHours::new(1).unwrap() };
                let values = Values { power: Some(Milliwatts(5_000)), register: Some(register), serial: None };
                let at = before(&self.clock, Duration::from_secs(seconds));
                self.ledger
                    .readings()
                    .send(Reading { meter: name(number), at, values, definition: None })
                    .await
                    .unwrap();
            }
        }
        let mut report = self.ledger.report();
        let ready = |report: &ledger::LedgerReport, number| report.meters[&name(number)].published.is_some();
        report.wait_for(|report| meters.clone().into_iter().all(|number| ready(report, number))).await.unwrap();
    }

    /// Sends one more reading.
    async fn read_once(&mut self, meters: impl IntoIterator<Item = u64>) {
        for number in meters {
            let register =
                Register { value: MilliwattHours::new(1_000_000).unwrap(), step: MilliwattHours::new(1).unwrap() };
            let values = Values { power: Some(Milliwatts(5_000)), register: Some(register), serial: None };
            let reading = Reading { meter: name(number), at: self.clock.now(), values, definition: None };
            self.ledger.readings().send(reading).await.unwrap();
        }
    }

    async fn report_now(&self) -> Vec<(Name, Result<String, String>)> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(AccountCommand::ReportNow { reply }).await.unwrap();
        answer.await.unwrap()
    }

    async fn until(&mut self, wanted: impl FnMut(&AccountReport) -> bool) -> AccountReport {
        let report = tokio::time::timeout(PATIENCE, self.report.wait_for(wanted)).await;
        report.expect("published in time").unwrap().clone()
    }

    fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    fn shapes(&self) -> Vec<(bool, usize)> {
        self.arkreen.calls().iter().map(|call| (call.batch, call.entries.len())).collect()
    }

    fn assert_well_behaved(&self) {
        assert_eq!(self.arkreen.violations(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn an_accepted_report_is_shown_and_recorded() {
    let mut bench = Bench::new(3, SELDOM).await;
    let lines = bench.report_now().await;
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|(_, line)| *line == Ok("accepted 5 W and 1 kWh".into())), "{lines:?}");
    let report = bench.until(|report| report.accepted == 3).await;
    assert_eq!((report.state, report.calls, report.rejected, report.error), (ReportingState::Ok, 1, 0, None));
    assert!(report.next_report_at.is_some() && report.clients.is_empty());
    assert_eq!(bench.shapes(), [(true, 3)]);
    assert_eq!(bench.arkreen.energy(id(2)), MilliwattHours::new(1_000_000));
    let mut ledger = bench.ledger.report();
    let accepted = |report: &ledger::LedgerReport| report.clients.values().all(|client| client.accepted.is_some());
    tokio::time::timeout(PATIENCE, ledger.wait_for(accepted)).await.expect("recorded in time").unwrap();
    bench.assert_well_behaved();
}

#[tokio::test(start_paused = true)]
async fn slots_follow_the_timer() {
    let mut bench = Bench::new(2, OFTEN).await;
    for round in 1..=3 {
        bench.until(|report| report.accepted == 2 * round).await;
        // No reading is sent twice.
        sleep(3 * OFTEN).await;
        bench.read_once([1, 2]).await;
    }
    bench.until(|report| report.accepted == 8).await;
    assert!(bench.shapes().iter().all(|shape| *shape == (true, 2)), "{:?}", bench.shapes());
    bench.assert_well_behaved();
}

#[tokio::test(start_paused = true)]
async fn a_client_is_reported_as_soon_as_it_has_a_figure() {
    let mut bench = Bench::without_figures(2, OFTEN);
    bench.read([1]).await;
    let report = bench.until(|report| report.accepted > 0).await;
    assert!(report.clients[&name(2)].to_string().contains("meter_2"), "{report:?}");
    assert!(bench.arkreen.calls().iter().all(|call| call.entries.iter().all(|entry| entry.client == id(1))));
    bench.read([2]).await;
    bench.until(|report| report.clients.is_empty()).await;
    bench.assert_well_behaved();
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_batches_gets_single_calls() {
    let mut bench = Bench::new(20, SELDOM).await;
    bench.arkreen.for_batches(EndpointBehaviour::Error {
        status: 200,
        code: -32600,
        message: "Invalid Request".into(),
    });
    assert!(bench.report_now().await.iter().all(|(_, line)| line.is_ok()));
    assert_eq!(bench.shapes()[0], (true, 20));
    assert!(bench.report_now().await.iter().all(|(_, line)| line.is_ok()));
    assert_eq!(bench.shapes()[1..], [(false, 1); 40]);
    bench.commands.send(AccountCommand::Reloaded).await.unwrap();
    bench.arkreen.for_batches(EndpointBehaviour::Normal);
    bench.report_now().await;
    assert_eq!(bench.shapes()[41..], [(true, 20)], "a reload gives batches another chance");
    assert_eq!(bench.until(|report| report.calls == 42).await.state, ReportingState::Ok);
    bench.assert_well_behaved();
}

#[tokio::test(start_paused = true)]
async fn entries_missing_in_a_batch_answer_are_sent_once_more() {
    let bench = Bench::new(4, SELDOM).await;
    bench.arkreen.behave(EndpointBehaviour::Partial(2));
    assert!(bench.report_now().await.iter().all(|(_, line)| line.is_ok()));
    assert_eq!(bench.shapes(), [(true, 4), (false, 1), (false, 1)]);
    bench.assert_well_behaved();
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_tried_again_when_its_file_changes() {
    let mut bench = Bench::new(2, OFTEN).await;
    bench.arkreen.set_token(&token("2"));
    let report = bench.until(|report| report.state == ReportingState::Refused).await;
    assert!(report.error.unwrap().contains("does not accept the token"));
    let accepted = report.accepted;
    fs::write(bench.token_file(), "not a token").unwrap();
    bench.until(|report| report.error.as_ref().is_some_and(|error| error.contains("stays in use"))).await;
    put_token(&bench.token_file(), "2");
    bench.until(|report| report.state == ReportingState::Ok && report.accepted > accepted).await;
    bench.assert_well_behaved();
}

#[tokio::test(start_paused = true)]
async fn a_figure_below_the_one_at_arkreen_is_not_sent_repeatedly() {
    let mut bench = Bench::new(2, SELDOM).await;
    bench.arkreen.set_energy(id(1), MilliwattHours::MAX);
    for _ in 0..3 {
        let lines = bench.report_now().await;
        assert!(lines[0].1.is_err() && lines[1].1.is_ok(), "{lines:?}");
    }
    assert_eq!(bench.shapes(), [(true, 2); 3]);
    let report = bench.until(|report| report.rejected == 3).await;
    assert!(report.clients[&name(1)].to_string().contains("3 times in a row"));
    bench.assert_well_behaved();
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_the_call_without_sending_it() {
    let bench = Bench::new(2, SELDOM).await;
    let (reply, answer) = oneshot::channel();
    bench.commands.send(AccountCommand::DryRun { reply }).await.unwrap();
    let bodies = answer.await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!((bodies.len(), &body[1]["params"]["energy"]), (1, &serde_json::json!(1_000_000)));
    assert!(!bodies[0].contains(&token("1")));
    assert_eq!(bench.arkreen.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn without_a_token_no_call_is_made_and_each_client_shows_the_reason() {
    let mut bench = Bench::new(1, OFTEN).await;
    // The token is in use.
    bench.report_now().await;
    fs::remove_file(bench.token_file()).unwrap();
    bench.until(|report| report.error.as_ref().is_some_and(|error| error.contains("stays in use"))).await;
    let bench = Bench::without_figures(1, SELDOM);
    fs::remove_file(bench.token_file()).unwrap();
    let lines = bench.report_now().await;
    assert!(lines[0].1.is_err(), "{lines:?}");
    assert_eq!(bench.arkreen.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_at_once_during_a_call() {
    let Bench { folder: _folder, arkreen, ledger: _ledger, commands, task, .. } = Bench::new(1, SELDOM).await;
    arkreen.behave(EndpointBehaviour::Slow(Duration::from_secs(60)));
    let mut events = arkreen.events();
    let (reply, answer) = oneshot::channel();
    commands.send(AccountCommand::ReportNow { reply }).await.unwrap();
    events.recv().await.unwrap();
    drop(commands);
    tokio::time::timeout(Duration::from_secs(1), task).await.expect("it ends within a second").unwrap();
    assert!(answer.await.is_err());
}
