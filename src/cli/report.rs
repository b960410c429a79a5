//! `arkmeter report`: one report by the running daemon, or by the daemon's tasks in this process if no daemon runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::context::{refuse_where_daemon_runs, runtime, send_to_daemon};
use super::output::{finish_output, print_error};
use super::progress::TerminalProgress;
use super::scan::unless_interrupted;
use super::{exit, run};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::requests::{self, ReportResults};
use crate::daemon::{Error, ReportMode, TaskSupervisor, settings};
use crate::files;
use crate::heartbeat::Hearts;
use crate::history;
use crate::ledger::{self, Figure};
use crate::poller::MeterPoll;
use crate::recorder::Recorder;
use crate::status::ActiveTasks;
use crate::status::control::ControlCommand;
use crate::text::chain;
use crate::units::Name;

/// Without a daemon a meter may need three polls for its first figure, and a slow bus more than one timeout.
const FIGURES_WITHIN: Duration = Duration::from_secs(60);
/// A meter that failed this often in a row is not waited for.
const FAILURES: u32 = 3;
/// How often this process checks whether the figures are there.
const CHECK_EVERY: Duration = Duration::from_millis(200);

/// Reports every client now, or prints what would be sent. The exit code: 0 if every client was accepted (or would be sent).
pub(super) fn report(config: &Config, dry_run: bool) -> u8 {
    let results = runtime().and_then(|runtime| {
        let bar = TerminalProgress::on_terminal();
        let results = runtime.block_on(unless_interrupted(results(config, dry_run, &bar)));
        results.unwrap_or_else(|| {
            bar.interrupted();
            Err(exit::INTERRUPTED)
        })
    });
    match results {
        Ok(results) => print(&results, dry_run),
        Err(code) => code,
    }
}

async fn results(config: &Config, dry_run: bool, bar: &TerminalProgress) -> Result<ReportResults, u8> {
    let command = ControlCommand::Report { dry_run, account: None };
    if let Some(results) = send_to_daemon(config, &command).await? {
        return Ok(results);
    }
    let copy = if dry_run { Some(copy_of_ledger(config)?) } else { None };
    let folder = copy.as_ref().map_or(config.state.path.as_path(), TempDir::path);
    report_without_daemon(config, folder, dry_run, bar).await.map_err(|error| {
        print_error(&chain(&error));
        run::exit_code(&error)
    })
}

/// The ledger in a folder of its own: a dry run changes nothing.
fn copy_of_ledger(config: &Config) -> Result<TempDir, u8> {
    refuse_where_daemon_runs(config)?;
    let state = &config.state.path;
    let copied = tempfile::tempdir().and_then(|copy| {
        for entry in std::fs::read_dir(state).into_iter().flatten() {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("ledger") {
                let mut from = files::open(&entry.path()).map_err(io::Error::other)?;
                io::copy(&mut from, &mut std::fs::File::create(copy.path().join(entry.file_name()))?)?;
            }
        }
        Ok(copy)
    });
    copied.map_err(|error| {
        print_error(&format!("the ledger in {} cannot be copied for a dry run: {error}", state.display()));
        exit::FAILED
    })
}

/// This process takes the ledger in `folder` and the lines for the time of one report.
async fn report_without_daemon(
    config: &Config,
    folder: &Path,
    dry_run: bool,
    bar: &TerminalProgress,
) -> Result<ReportResults, Error> {
    let (clock, hearts) = (Clock::system(), Hearts::default());
    let (ledger, task) = ledger::open(folder, settings::of_ledger(config), clock.clone())?;
    let (mut supervisor, _ends) =
        TaskSupervisor::new(ledger.clone(), Recorder::new(clock.clone()), clock.clone(), hearts.clone());
    let (history, feed, writer) = history::open(folder.to_owned(), settings::of_history(config), clock.clone());
    supervisor.start("ledger", task.with_history(feed).run(hearts.heart("ledger")));
    supervisor.start("history", writer.run(hearts.heart("history")));
    supervisor.apply(config, ReportMode::OnCommand).await?;
    let tasks = supervisor.current(Arc::new(config.clone()));
    let _ = tokio::time::timeout(FIGURES_WITHIN, all_ready(&tasks, bar)).await;
    let mut results = requests::report(config, &supervisor.account_commands(), dry_run, None).await;
    name_causes(&mut results, &tasks);
    supervisor.stop().await;
    ledger.close().await?;
    history.close().await;
    Ok(results)
}

/// Returns when every client has a figure, or when each one without has a meter that does not answer. Shows what is waited for.
async fn all_ready(tasks: &ActiveTasks, bar: &TerminalProgress) -> Result<(), ledger::LedgerStopped> {
    let clients: Vec<_> = tasks.config.clients.keys().cloned().collect();
    let mut told = BTreeSet::new();
    loop {
        let figures = tasks.ledger.figures(clients.clone()).await?;
        let waiting: Vec<_> = figures.iter().filter(|(_, figure)| matches!(figure, Figure::Waiting(_))).collect();
        let causes: BTreeMap<_, _> = waiting.iter().map(|(client, _)| (client, cause(client, tasks))).collect();
        for (client, cause) in causes.iter().filter_map(|(client, cause)| Some((client, cause.as_ref()?))) {
            if told.insert(cause.clone()) {
                bar.aside(|| print_error(&format!("{client} waits: {cause}")));
            }
        }
        if waiting.iter().all(|(client, _)| is_given_up(client, tasks)) {
            return Ok(());
        }
        let ready = clients.len() - waiting.len();
        let part = ready as f64 / clients.len() as f64;
        bar.show(part, &format!("three readings of each meter must agree; {ready} of {} clients ready", clients.len()));
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

/// The last polls of the meters of a client.
fn polls(client: &Name, tasks: &ActiveTasks) -> Vec<(Name, Arc<MeterPoll>)> {
    let members = tasks.config.clients.get(client).into_iter().flat_map(|client| &client.meters);
    let polls = members.filter_map(|name| {
        let report = tasks.buses.get(&tasks.config.meters.get(name)?.bus)?.borrow();
        Some((name.clone(), report.meters.get(name)?.clone()))
    });
    polls.collect()
}

/// Why a client has no figure: the error of one of its meters.
fn cause(client: &Name, tasks: &ActiveTasks) -> Option<String> {
    polls(client, tasks).into_iter().find_map(|(name, poll)| Some(format!("{name}: {}", poll.error.as_ref()?)))
}

/// Whether one of its meters failed so often that waiting does not help, or its line cannot be opened.
fn is_given_up(client: &Name, tasks: &ActiveTasks) -> bool {
    let is_closed = |meter: &Name| {
        let bus = tasks.config.meters.get(meter).and_then(|meter| tasks.buses.get(&meter.bus));
        bus.is_some_and(|report| report.borrow().error.is_some())
    };
    polls(client, tasks).iter().any(|(meter, poll)| poll.failures_in_a_row >= FAILURES || is_closed(meter))
}

/// Where a meter does not answer, that is the reason, and not what the ledger lacks because of it.
fn name_causes(results: &mut ReportResults, tasks: &ActiveTasks) {
    for (client, outcome) in &mut results.clients {
        if let (Err(why), Some(cause)) = (outcome, cause(client, tasks)) {
            *why = cause;
        }
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
