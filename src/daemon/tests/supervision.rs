//! Tasks with a defect: one that returns ends the daemon, one that hangs silences the watchdog. systemd then starts the daemon again.

use super::*;
use crate::cli;
use crate::heartbeat::{STALLED_AFTER, WORK_WITHIN};

const NOBODY: &str = "http://127.0.0.1:1/v1";
/// `WatchdogSec=` of the unit.
const WATCHDOG: Duration = MINUTE;

#[tokio::test(start_paused = true)]
async fn a_task_that_returns_early_ends_the_daemon_by_name_and_published_figures_are_on_disk() {
    let it = Site::new(NOBODY);
    let mut daemon = it.start().await;
    daemon.supervisor.start("bus of late", sleep(10 * MINUTE));
    let ended = tokio::time::timeout(11 * MINUTE, it.run(daemon)).await.expect("it ends");
    let error = ended.unwrap_err();
    assert!(matches!(&error, Error::TaskEnded(task) if task == "bus of late"), "{error:?}");
    assert_eq!(error.to_string().split(',').next(), Some("the task `bus of late` ended unexpectedly"));
    assert_eq!(cli::run::exit_code(&error), 1, "systemd starts it again");
    assert_eq!(notified("STOPPING=1"), 1);
    let kept = shown::show(&it.state()).unwrap();
    assert_eq!(kept.clients.iter().filter_map(|client| client.energy_mwh).next().unwrap().get(), 100_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_hung_task_stops_the_watchdog_messages_while_the_others_continue() {
    let it = Site::new(NOBODY);
    let daemon = it.start().await;
    let sources = daemon.sources.clone();
    let story = async {
        sleep(5 * MINUTE).await;
        assert!(notified("WATCHDOG=1") >= 29, "every ten seconds while all is well");
        hang_at(NOWHERE);
        sleep(WORK_WITHIN - MINUTE).await;
        assert!(notified("WATCHDOG=1") >= 80, "it may be at work");
        sleep(2 * MINUTE + STALLED_AFTER).await;
        notified("");
        let requests = it.sauna.requests();
        sleep(WATCHDOG * 60).await;
        assert_eq!(notified("WATCHDOG=1"), 0, "systemd has restarted it long ago");
        assert_eq!(sources.stalled(), ["bus cellar"]);
        assert!(sources.document().trouble.contains(&"The task `bus cellar` makes no progress.".to_owned()));
        assert!(it.sauna.requests() - requests >= 2 * 350, "the other meters are polled");
    };
    tokio::select! {
        ended = it.run(daemon) => panic!("{ended:?}"),
        () = story => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_stops_beating_is_noticed_within_its_time() {
    let it = Site::new(NOBODY);
    let mut daemon = it.start().await;
    let heart = daemon.hearts.heart("bus of late");
    daemon.supervisor.start("bus of late", async move {
        let _heart = heart;
        std::future::pending().await
    });
    let story = async {
        sleep(STALLED_AFTER + CHECK_EVERY).await;
        assert!((1..=4).contains(&notified("WATCHDOG=1")));
        sleep(WATCHDOG * 2).await;
        assert_eq!(notified("WATCHDOG=1"), 0);
    };
    tokio::select! {
        ended = it.run(daemon) => panic!("{ended:?}"),
        () = story => {}
    }
}
