//! Tasks with a defect: one that panics ends the daemon, one that hangs silences the watchdog. systemd starts it again either way.

use super::*;
use crate::cli;
use crate::heartbeat::{STALLED_AFTER, WORK_WITHIN};

const NOBODY: &str = "http://127.0.0.1:1/v1";
/// `WatchdogSec=` of the unit.
const WATCHDOG: Duration = MINUTE;

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_ends_the_daemon_with_its_name_and_what_was_told_is_on_disk() {
    let it = House::new(NOBODY);
    let daemon = it.start().await;
    let sources = daemon.sources.clone();
    let begun = Instant::now();
    let defect = async {
        sleep(5 * MINUTE).await;
        assert_eq!(sources.document().meters[&name("sauna")].state, MeterState::Ok);
        set_trap(NOWHERE, Trap::Panics);
        sleep(5 * MINUTE).await;
    };
    let error = tokio::select! {
        ended = it.live(daemon) => ended.unwrap_err(),
        () = defect => panic!("it lives on without the task"),
    };
    // A bus that cannot be opened is tried again within 38 s.
    assert!(begun.elapsed() < 5 * MINUTE + Duration::from_secs(40), "{:?}", begun.elapsed());
    assert!(matches!(&error, Error::TaskEnded(task) if task == "bus cellar"), "{error:?}");
    assert_eq!(error.to_string().split(',').next(), Some("the task `bus cellar` ended by itself"));
    assert_eq!(cli::run::exit_code(&error), 1, "which systemd starts again");
    assert_eq!(told("STOPPING=1"), 1);
    let kept = shown::show(&it.state()).unwrap();
    assert_eq!(kept.clients.iter().filter_map(|client| client.energy_mwh).next().unwrap().get(), 100_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_returns_before_it_was_told_to_ends_the_daemon_as_well() {
    let it = House::new(NOBODY);
    let mut daemon = it.start().await;
    daemon.fleet.start("bus of late", sleep(MINUTE));
    let ended = tokio::time::timeout(2 * MINUTE, it.live(daemon)).await.expect("it ends");
    assert!(matches!(ended, Err(Error::TaskEnded(task)) if task == "bus of late"));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_hangs_silences_the_watchdog_for_good_while_the_others_go_on() {
    let it = House::new(NOBODY);
    let daemon = it.start().await;
    let sources = daemon.sources.clone();
    let story = async {
        sleep(5 * MINUTE).await;
        assert!(told("WATCHDOG=1") >= 29, "every ten seconds while all is well");
        set_trap(NOWHERE, Trap::Hangs);
        sleep(WORK_WITHIN - MINUTE).await;
        assert!(told("WATCHDOG=1") >= 80, "it may be at work");
        sleep(2 * MINUTE + STALLED_AFTER).await;
        told("");
        let asked = it.sauna.requests();
        sleep(WATCHDOG * 60).await;
        assert_eq!(told("WATCHDOG=1"), 0, "systemd has restarted it long ago");
        assert_eq!(sources.stalled(), ["bus cellar"]);
        assert!(sources.document().trouble.contains(&"The task `bus cellar` makes no progress.".to_owned()));
        assert!(it.sauna.requests() - asked >= 2 * 350, "its neighbours are polled");
    };
    tokio::select! {
        ended = it.live(daemon) => panic!("{ended:?}"),
        () = story => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_stops_beating_is_noticed_within_its_time() {
    let it = House::new(NOBODY);
    let mut daemon = it.start().await;
    let heart = daemon.hearts.heart("bus of late");
    daemon.fleet.start("bus of late", async move {
        let _heart = heart;
        std::future::pending().await
    });
    let story = async {
        sleep(STALLED_AFTER + LISTEN_EVERY).await;
        assert!((1..=4).contains(&told("WATCHDOG=1")));
        sleep(WATCHDOG * 2).await;
        assert_eq!(told("WATCHDOG=1"), 0);
    };
    tokio::select! {
        ended = it.live(daemon) => panic!("{ended:?}"),
        () = story => {}
    }
}
