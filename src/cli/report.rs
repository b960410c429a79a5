//! `arkmeter report --once` and `--dry-run`: through the running daemon, else with the same tasks for as long as it takes.

use std::io::{self, Write};
use std::time::Duration;

use super::{complain, done, exit};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::requests::{self, ReportResults};
use crate::daemon::{Error, ReportMode, TaskSupervisor, settings};
use crate::heartbeat::Hearts;
use crate::history;
use crate::ledger::{self, Figure};
use crate::recorder::Recorder;
use crate::status::control::{self, ControlCommand, ControlError};

/// Without a daemon a meter may need three polls for its first figure, and a slow bus more than one time-out.
const FIGURES_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether the figures are there.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Reports every client now, or prints what would be sent.
pub fn report(config: &Config, dry_run: bool) -> u8 {
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    match runtime.block_on(ask(config, dry_run)) {
        Ok(answer) => show(&answer, dry_run),
        Err(code) => code,
    }
}

async fn ask(config: &Config, dry_run: bool) -> Result<ReportResults, u8> {
    match control::post(&config.status.socket, &ControlCommand::Report { dry_run, account: None }).await {
        Err(ControlError::NoDaemon(_)) => alone(config, dry_run).await.map_err(|error| {
            complain(&format!("{}\n", super::chain(&error)));
            super::run::code(&error)
        }),
        Err(error) => {
            complain(&format!("{}\n", super::chain(&error)));
            Err(exit::FAILED)
        }
        Ok(answer) => serde_json::from_value(answer).map_err(|_| {
            complain("the daemon's answer is not understood: restart it, it may be an older arkmeter\n");
            exit::FAILED
        }),
    }
}

/// No daemon runs: this process takes the ledger and the lines for the time of one report.
async fn alone(config: &Config, dry_run: bool) -> Result<ReportResults, Error> {
    let (clock, hearts) = (Clock::system(), Hearts::default());
    let (ledger, task) = ledger::open(&config.state.path, settings::of_ledger(config), clock.clone())?;
    let (mut fleet, _ends) =
        TaskSupervisor::new(ledger.clone(), Recorder::new(clock.clone()), clock.clone(), hearts.clone());
    let (history, feed, writer) = history::open(config.state.path.clone(), settings::of_history(config), clock.clone());
    fleet.start("ledger", task.with_history(feed).run(hearts.heart("ledger")));
    fleet.start("history", writer.run(hearts.heart("history")));
    fleet.apply(config, ReportMode::OnCommand).await?;
    let _ = tokio::time::timeout(FIGURES_WITHIN, all_ready(config, &ledger)).await;
    let answer = requests::report(config, &fleet.account_commands(), dry_run, None).await;
    fleet.stop().await;
    ledger.close().await?;
    history.close().await;
    Ok(answer)
}

/// Returns when every client has a figure.
async fn all_ready(config: &Config, ledger: &ledger::Handle) -> Result<(), ledger::Gone> {
    let clients: Vec<_> = config.clients.keys().cloned().collect();
    loop {
        let figures = ledger.figures(clients.clone()).await?;
        if figures.iter().all(|(_, figure)| matches!(figure, Figure::Ready { .. })) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// 0 when every client was accepted (or would be sent).
fn show(answer: &ReportResults, dry_run: bool) -> u8 {
    let mut out = io::stdout().lock();
    let written = write(answer, &mut out).and_then(|()| out.flush());
    for error in &answer.errors {
        complain(&format!("{error}\n"));
    }
    let refused = answer.clients.values().any(Result::is_err);
    let nothing = if dry_run { answer.calls.is_empty() } else { answer.clients.is_empty() };
    match done(written) {
        0 if refused || nothing || !answer.errors.is_empty() => exit::FAILED,
        code => code,
    }
}

fn write(answer: &ReportResults, out: &mut dyn Write) -> io::Result<()> {
    for (url, body) in &answer.calls {
        writeln!(out, "POST {url}\n{body:#}")?;
    }
    for (client, outcome) in &answer.clients {
        match outcome {
            Ok(accepted) => writeln!(out, "{client}: {accepted}")?,
            Err(refused) => writeln!(out, "{client}: not reported: {refused}")?,
        }
    }
    Ok(())
}
