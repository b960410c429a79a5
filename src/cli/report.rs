//! `arkmeter report`: one report by the running daemon, or by the daemon's tasks in this process if no daemon runs.

use std::io::{self, Write};
use std::time::Duration;

use super::context::{runtime, send_to_daemon};
use super::output::{finish_output, print_error};
use super::{exit, run};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::requests::{self, ReportResults};
use crate::daemon::{Error, ReportMode, TaskSupervisor, settings};
use crate::heartbeat::Hearts;
use crate::history;
use crate::ledger::{self, Figure};
use crate::recorder::Recorder;
use crate::status::control::ControlCommand;
use crate::text::chain;

/// Without a daemon a meter may need three polls for its first figure, and a slow bus more than one timeout.
const FIGURES_WITHIN: Duration = Duration::from_secs(60);
/// How often this process checks whether the figures are there.
const CHECK_EVERY: Duration = Duration::from_millis(200);

/// Reports every client now, or prints what would be sent. The exit code: 0 if every client was accepted (or would be sent).
pub(super) fn report(config: &Config, dry_run: bool) -> u8 {
    let results = runtime().and_then(|runtime| runtime.block_on(results(config, dry_run)));
    match results {
        Ok(results) => print(&results, dry_run),
        Err(code) => code,
    }
}

async fn results(config: &Config, dry_run: bool) -> Result<ReportResults, u8> {
    let command = ControlCommand::Report { dry_run, account: None };
    match send_to_daemon(config, &command).await? {
        Some(results) => Ok(results),
        None => report_without_daemon(config, dry_run).await.map_err(|error| {
            print_error(&chain(&error));
            run::exit_code(&error)
        }),
    }
}

/// This process takes the ledger and the lines for the time of one report.
async fn report_without_daemon(config: &Config, dry_run: bool) -> Result<ReportResults, Error> {
    let (clock, hearts) = (Clock::system(), Hearts::default());
    let (ledger, task) = ledger::open(&config.state.path, settings::of_ledger(config), clock.clone())?;
    let (mut supervisor, _ends) =
        TaskSupervisor::new(ledger.clone(), Recorder::new(clock.clone()), clock.clone(), hearts.clone());
    let (history, feed, writer) = history::open(config.state.path.clone(), settings::of_history(config), clock.clone());
    supervisor.start("ledger", task.with_history(feed).run(hearts.heart("ledger")));
    supervisor.start("history", writer.run(hearts.heart("history")));
    supervisor.apply(config, ReportMode::OnCommand).await?;
    let _ = tokio::time::timeout(FIGURES_WITHIN, all_ready(config, &ledger)).await;
    let results = requests::report(config, &supervisor.account_commands(), dry_run, None).await;
    supervisor.stop().await;
    ledger.close().await?;
    history.close().await;
    Ok(results)
}

/// Returns when every client has a figure.
async fn all_ready(config: &Config, ledger: &ledger::LedgerHandle) -> Result<(), ledger::LedgerStopped> {
    let clients: Vec<_> = config.clients.keys().cloned().collect();
    loop {
        let figures = ledger.figures(clients.clone()).await?;
        if figures.iter().all(|(_, figure)| matches!(figure, Figure::Ready { .. })) {
            return Ok(());
        }
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

fn print(results: &ReportResults, dry_run: bool) -> u8 {
    let mut out = io::stdout().lock();
    let written = write(results, &mut out).and_then(|()| out.flush());
    results.errors.iter().for_each(|error| print_error(error));
    let refused = results.clients.values().any(Result::is_err);
    let nothing = if dry_run { results.calls.is_empty() } else { results.clients.is_empty() };
    match finish_output(written) {
        0 if refused || nothing || !results.errors.is_empty() => exit::FAILED,
        code => code,
    }
}

fn write(results: &ReportResults, out: &mut dyn Write) -> io::Result<()> {
    for (url, body) in &results.calls {
        writeln!(out, "POST {url}\n{body:#}")?;
    }
    for (client, outcome) in &results.clients {
        match outcome {
            Ok(accepted) => writeln!(out, "{client}: {accepted}")?,
            Err(refused) => writeln!(out, "{client}: not reported: {refused}")?,
        }
    }
    Ok(())
}
