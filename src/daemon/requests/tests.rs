//! An operator's command from the control socket to the ledger and back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::*;
use crate::clock::Clock;
use crate::config;
use crate::guard::{CounterSettings, MeterSettings};
use crate::heartbeat::Hearts;
use crate::history;
use crate::ledger::command::{CommandOutcome, OperatorCommand};
use crate::ledger::shown::{Shown, ShownJournal};
use crate::ledger::{self, LedgerSettings};
use crate::reading::{Reading, Register, RegisterDefinition, Values};
use crate::recorder::Recorder;
use crate::status::StatusSources;
use crate::status::control::{self, ControlSocket, QUEUE};
use crate::units::{MilliwattHours, Milliwatts};
use crate::writer_thread::DroppedCount;

fn energy(value: u64) -> MilliwattHours {
    MilliwattHours::new(value).unwrap()
}

fn settings(meter: &Name) -> LedgerSettings {
    let meter = MeterSettings {
        name: meter.clone(),
        max_power: Milliwatts(20_000_000),
        poll_every: std::time::Duration::from_secs(10),
        counter: CounterSettings::Register,
        start_at_zero: false,
        definition: RegisterDefinition { text: "input 0x48".into(), rollover: None, range: None },
        place: "cabinet 1".into(),
    };
    LedgerSettings { meters: vec![meter], ..LedgerSettings::default() }
}

#[tokio::test(start_paused = true)]
async fn a_command_reaches_the_ledger_through_the_socket_and_is_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (state, socket) = (folder.path().join("state"), folder.path().join("control.sock"));
    let config = Arc::new(Config {
        accounts: BTreeMap::new(),
        buses: BTreeMap::new(),
        meters: BTreeMap::new(),
        clients: BTreeMap::new(),
        state: config::StateConfig::at(state.clone()),
        status: config::StatusConfig { listen: None, hosts: Vec::new(), socket: socket.clone() },
        site: Default::default(),
        shard: None,
    });
    let clock = Clock::simulated(1, Timestamp::from_second(1_800_000_000).unwrap());
    let (hearts, meter) = (Hearts::default(), Name::new("a").unwrap());
    let (ledger, task) = ledger::open(&state, settings(&meter), clock.clone()).unwrap();
    tokio::spawn(task.run(hearts.heart("ledger")));
    let recorder = Recorder::new(clock.clone());
    let (supervisor, _ends) = TaskSupervisor::new(ledger.clone(), recorder.clone(), clock.clone(), hearts.clone());
    for _ in 0..10 {
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        let register = Register { value: energy(1_000_000), step: energy(1) };
        let values = Values { power: Some(Milliwatts(1)), register: Some(register), serial: None };
        ledger
            .readings()
            .send(Reading { meter: meter.clone(), at: clock.now(), values, definition: None })
            .await
            .unwrap();
    }
    tokio::time::resume();
    let (sender, mut commands) = mpsc::channel(QUEUE);
    let (history, ..) = history::open(state.clone(), history::Retention::default(), clock.clone());
    let sources = StatusSources::new(
        clock.clone(),
        hearts.clone(),
        history,
        DroppedCount::default(),
        supervisor.current(config.clone()),
    );
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(ControlSocket::new(socket.clone(), sources, sender, recorder).run(hearts.heart("control"), stopped));
    while UnixStream::connect(&socket).await.is_err() {
        tokio::task::yield_now().await;
    }
    tokio::spawn(async move {
        while let Some(request) = commands.recv().await {
            answer(request, &config, &supervisor).await;
        }
    });

    let send = async |energy, dry_run| {
        let command = OperatorCommand::Credit { meter: meter.clone(), energy };
        let answer = control::post(&socket, &ControlCommand::Ledger { command, dry_run }).await.unwrap();
        serde_json::from_value::<Result<CommandOutcome, String>>(answer).unwrap()
    };
    let would = send(energy(500), true).await.unwrap();
    assert_eq!((would.published_after_mwh, would.on_disk), (Some(energy(1_000_500)), false));
    let done = send(energy(500), false).await.unwrap();
    assert_eq!((done.published_after_mwh, done.on_disk), (Some(energy(1_000_500)), true));
    let refused = send(MilliwattHours::MAX, false).await.unwrap_err();
    assert!(refused.contains("can be reported"), "{refused}");

    let shown: Shown = serde_json::from_slice(&control::get(&socket, "/ledger.json").await.unwrap()).unwrap();
    assert_eq!(shown.meters[&meter].published_mwh, Some(energy(1_000_500)));
    let journal = control::get(&socket, "/journal.json?meter=a&most=1").await.unwrap();
    let journal: ShownJournal = serde_json::from_slice(&journal).unwrap();
    assert_eq!((journal.entries.len(), journal.entries[0].word.as_str()), (1, "credit"));
    assert!(journal.entries[0].reason.starts_with("uid "), "{}", journal.entries[0].reason);
}
