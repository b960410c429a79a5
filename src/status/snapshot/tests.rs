use super::*;
use crate::ledger::LedgerReport;
use crate::writer_thread::DroppedCount;
use crate::{config, history};

/// Sources without a meter, on a simulated clock.
pub(in crate::status) fn empty() -> (StatusSources, Hearts) {
    let config = Config {
        accounts: BTreeMap::new(),
        buses: BTreeMap::new(),
        meters: BTreeMap::new(),
        clients: BTreeMap::new(),
        state: config::StateConfig::at("/nowhere".into()),
        status: config::StatusConfig { listen: None, hosts: Vec::new(), socket: "/nowhere".into() },
        site: Default::default(),
        shard: None,
    };
    let ledger = LedgerHandle::reporting(LedgerReport::default());
    let current = ActiveTasks {
        config: Arc::new(config),
        buses: BTreeMap::new(),
        bus_commands: BTreeMap::new(),
        ledger,
        accounts: BTreeMap::new(),
    };
    let start = jiff::Timestamp::from_second(1_750_000_000).unwrap();
    let (hearts, clock) = (Hearts::default(), Clock::simulated(1, start));
    let (history, ..) = history::open("/nowhere".into(), history::Retention::default(), clock.clone());
    (StatusSources::new(clock, hearts.clone(), history, DroppedCount::default(), current), hearts)
}

#[tokio::test(start_paused = true)]
async fn every_clone_sees_changed_tasks_and_notes() {
    let (sources, _hearts) = empty();
    let seen = sources.clone();
    assert!(seen.document().well);
    let ledger = LedgerHandle::reporting(LedgerReport { commits: 7, ..LedgerReport::default() });
    let config = sources.0.current.read().unwrap().config.clone();
    sources.replace(ActiveTasks {
        config,
        buses: BTreeMap::new(),
        bus_commands: BTreeMap::new(),
        ledger,
        accounts: BTreeMap::new(),
    });
    assert_eq!(seen.document().ledger.commits, 7);
    sources.remark("reload", Some("The configuration was not reloaded.".to_owned()));
    assert_eq!(seen.document().trouble, ["The configuration was not reloaded."]);
    sources.remark("reload", None);
    assert!(seen.document().well);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_task_is_trouble() {
    let (sources, hearts) = empty();
    let _heart = hearts.heart("bus cabinet");
    tokio::time::advance(crate::heartbeat::STALLED_AFTER * 2).await;
    let document = sources.document();
    assert_eq!(document.stalled, ["bus cabinet"]);
    assert_eq!(document.trouble, ["The task `bus cabinet` makes no progress."]);
}
