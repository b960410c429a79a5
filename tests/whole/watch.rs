//! `status --watch` on a terminal: it is drawn in place, follows the window's size, waits for a daemon that is gone, and leaves the
//! terminal as it was.

use arkmeter::simulator::SimulatedGateway;

use crate::harness::*;
use crate::terminal::{CTRL_C, Terminal};

#[tokio::test]
async fn the_watch_survives_a_restart_of_the_daemon_and_restores_the_terminal() {
    let gateway = SimulatedGateway::start([sdm630(1, 1500.0, 1234.5)]).await.unwrap();
    let site =
        Site::new(&Plan::new().tcp("gateway", gateway.address()).polled("sauna", "gateway", 1, "eastron-sdm630"));
    let daemon = site.start();
    site.all_ok(&["sauna"]).await;

    let mut terminal = Terminal::start(&site, &["status", "--watch"]);
    terminal.draws("1 meter is read.").await;
    assert!(!terminal.is_restored());
    daemon.kill().await;
    terminal.draws("The daemon is gone since").await;
    let daemon = site.start();
    terminal.draws("1 meter is read.").await;
    terminal.keys(CTRL_C).await;
    terminal.ends_restored(130).await;

    // q gives the exit code of `status`, and a signal leaves the terminal in order too.
    let mut terminal = Terminal::start(&site, &["status", "--watch"]);
    terminal.draws("q quits").await;
    terminal.keys("q").await;
    terminal.ends_restored(0).await;
    let mut terminal = Terminal::start(&site, &["status", "--watch"]);
    terminal.draws("q quits").await;
    terminal.kill("TERM");
    terminal.ends_restored(130).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_pipe_is_not_watched() {
    let site = Site::new(&Plan::new());
    site.run(&["status", "--watch"]).await.complains(2, &["--watch needs a terminal"]);
}
