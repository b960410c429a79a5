//! The ledger's task: takes readings, commits them at slots and decisions, and answers with what is on disk.
//!
//! A commit waits for the disk in the ledger's own thread. Readings that arrive meanwhile are part of the next commit.

mod commits;
mod log;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::command::{CommandError, CommandOutcome, CommandRequest};
use super::settings::LedgerSettings;
use super::state::LedgerState;
use super::store::{OpenError, Opened, Store, StoreError, StoreOptions};
use super::{AcceptedReport, Figure, LedgerHandle, LedgerReport, machine};
use crate::clock::Clock;
use crate::heartbeat::{BEAT_EVERY, Heart};
use crate::history::{HistoryFeed, HoursByClient};
use crate::reading::{Held, Reading};
use crate::text::chain;
use crate::units::Name;
use commits::{Answer, CommitDone, Commits, JobDone, WaitingRequest};

pub(super) use commits::ReadJob;

/// Readings that wait while the task is busy: a poll of every meter, and at least this many. When they are more, the pollers wait.
const LEAST_READINGS: usize = 1024;
/// Readings arrive in bursts, a round of a bus at a time. Those that arrive this soon after the first are taken with it, so that a burst wakes
/// the task twice and not once for each reading.
const GATHER: Duration = Duration::from_millis(10);
/// Requests that wait: each account has at most one figures() and one accepted().
const REQUESTS: usize = 64;

/// A request of another task.
#[derive(Debug)]
pub(super) enum LedgerRequest {
    Figures { clients: Vec<Name>, reply: oneshot::Sender<Vec<(Name, Figure)>> },
    Accepted { accepted: Vec<AcceptedReport>, reply: oneshot::Sender<()> },
    Reconfigure { settings: LedgerSettings, reply: oneshot::Sender<()> },
    Command { request: Box<CommandRequest>, reply: oneshot::Sender<Result<CommandOutcome, CommandError>> },
    Read(ReadJob),
    Close { reply: oneshot::Sender<()> },
}

/// An open ledger whose task has not been started yet.
#[derive(Debug)]
pub struct LedgerTask {
    state: LedgerState,
    commits: Commits,
    history: HistoryFeed,
    readings: mpsc::Receiver<Reading>,
    requests: mpsc::Receiver<LedgerRequest>,
    report: watch::Sender<LedgerReport>,
    held: watch::Sender<Held>,
    clock: Clock,
    closing: bool,
    /// The ledger's files were removed or replaced: nothing can be stored.
    lost: bool,
    /// When the readings of a burst are taken.
    gathering: Option<Instant>,
    /// Answered once everything is on disk.
    closed: Option<oneshot::Sender<()>>,
}

/// Opens the ledger in that folder (blocking). The task is not running yet: [`LedgerTask::run`] does that.
///
/// # Errors
/// When the ledger is in use, newer than this program, damaged together with its copy, or cannot be read or written.
pub fn open(folder: &Path, settings: LedgerSettings, clock: Clock) -> Result<(LedgerHandle, LedgerTask), OpenError> {
    let options = StoreOptions { durable: true, machine: machine::owner(settings.shard) };
    let Opened { store, contents, fell_back, block } = Store::open(folder, options)?;
    log::opened(&contents, fell_back.as_deref(), block);
    let depth = settings.meters.len().max(LEAST_READINGS);
    let state = LedgerState::new(contents, settings, block);
    log::unmatched_names(&state);
    let (to_readings, readings) = mpsc::channel(depth);
    let (to_requests, requests) = mpsc::channel(REQUESTS);
    let report = LedgerReport {
        meters: state.meter_reports(),
        clients: state.client_reports(),
        block: state.block_reason(),
        ..LedgerReport::default()
    };
    let (report, reported) = watch::channel(report);
    let (held, held_now) = watch::channel(state.held());
    let handle =
        LedgerHandle { readings: to_readings, requests: to_requests, report: reported, held: held_now, recorder: None };
    let task = LedgerTask {
        state,
        commits: Commits::new(store),
        history: HistoryFeed::default(),
        readings,
        requests,
        report,
        held,
        clock,
        closing: false,
        lost: false,
        gathering: None,
        closed: None,
    };
    Ok((handle, task))
}

impl LedgerTask {
    /// The same task, whose committed slots go to a history.
    pub fn with_history(self, mut history: HistoryFeed) -> Self {
        history.reconfigure(self.state.poll_intervals());
        LedgerTask { history, ..self }
    }

    /// Runs until [`LedgerHandle::close`], or until every handle is dropped; then it commits. It ends without a commit if the ledger's files
    /// were removed or replaced.
    pub async fn run(mut self, mut heart: Heart) {
        // Stores what the configuration or a restore changed.
        self.commits.request();
        loop {
            heart.beat();
            if self.gathering.is_some_and(|until| until <= Instant::now()) {
                self.gathering = None;
                self.take(None);
            }
            self.begin_commit();
            self.commits.begin_read();
            self.answer_expired();
            if self.closing && self.commits.is_idle() {
                break;
            }
            let beat_at = Instant::now() + BEAT_EVERY;
            let wakes = [Some(beat_at), self.commits.wakes_at(), self.gathering];
            let wake_at = wakes.into_iter().flatten().min().unwrap_or(beat_at);
            tokio::select! {
                biased;
                done = self.commits.finished() => match done {
                    Ok(done) => self.end_job(done),
                    // The store is lost with its thread: nothing can be stored.
                    Err(error) => return tracing::error!(%error, "the ledger's commit was aborted"),
                },
                stored = self.history.stored_hours() => self.add_stored_hours(stored),
                request = self.requests.recv(), if !self.closing => match request {
                    Some(request) => self.answer(request),
                    None => self.close(None),
                },
                Some(reading) = self.readings.recv(), if self.gathering.is_none() => {
                    self.take(Some(reading));
                    self.gathering = Some(Instant::now() + GATHER);
                }
                () = tokio::time::sleep_until(wake_at) => {}
            }
            if self.lost {
                return;
            }
        }
        self.end(&mut heart).await;
    }

    fn answer(&mut self, request: LedgerRequest) {
        match request {
            LedgerRequest::Figures { clients, reply } => self.commits.wait(Answer::Figures { clients, reply }),
            LedgerRequest::Accepted { accepted, reply } => {
                for accepted in &accepted {
                    if let Some((client, hours)) = self.state.accept(accepted) {
                        self.history.counted(client.in_history(), hours.clone());
                    }
                }
                let clients = accepted.iter().map(|accepted| &accepted.client);
                self.report.send_modify(|report| self.state.update_clients(report, clients));
                let _ = reply.send(());
            }
            LedgerRequest::Reconfigure { settings, reply } => {
                self.take(None);
                self.state.reconfigure(settings);
                self.history.reconfigure(self.state.poll_intervals());
                log::unmatched_names(&self.state);
                self.commits.request();
                self.update_reports();
                let _ = reply.send(());
            }
            LedgerRequest::Command { request, reply } => self.command(&request, reply),
            LedgerRequest::Read(job) => self.commits.read(job),
            LedgerRequest::Close { reply } => self.close(Some(reply)),
        }
    }

    /// Goes on with the counts of accepted reports where the last run ended.
    fn add_stored_hours(&mut self, stored: HoursByClient) {
        for (client, hours) in self.state.add_stored_hours(stored) {
            self.history.counted(client, hours);
        }
        self.report.send_modify(|report| report.clients = self.state.client_reports());
    }

    /// Applies a command; it is answered once it is on disk.
    fn command(&mut self, request: &CommandRequest, reply: oneshot::Sender<Result<CommandOutcome, CommandError>>) {
        self.take(None);
        match self.state.apply(request, &self.clock.now()) {
            Ok(outcome) if !request.dry_run => {
                log::command(&outcome);
                self.update_reports();
                self.commits.request();
                self.commits.wait(Answer::Command { outcome, reply });
            }
            answer => drop(reply.send(answer)),
        }
    }

    /// Updates all reports.
    fn update_reports(&self) {
        self.report.send_modify(|report| {
            report.meters = self.state.meter_reports();
            report.clients = self.state.client_reports();
            report.block = self.state.block_reason();
        });
        self.held.send_replace(self.state.held());
    }

    /// Takes this reading and all that have arrived, and updates the reports once.
    fn take(&mut self, first: Option<Reading>) {
        let LedgerTask { state, commits, history, readings, report, held, .. } = self;
        let most = readings.max_capacity();
        let arrived = std::iter::from_fn(|| readings.try_recv().ok());
        // Each burst has an end, however fast the others send.
        let all = first.into_iter().chain(arrived).take(most);
        report.send_if_modified(|report| {
            let mut read = false;
            held.send_if_modified(|held| {
                let mut changed = false;
                for reading in all {
                    let Some(outcome) = state.take(&reading) else { continue };
                    history.add(&reading, outcome.published);
                    log::reading(&reading.meter, &outcome);
                    if outcome.commit_now {
                        commits.request();
                    }
                    if let Some(report) = report.meters.get_mut(&reading.meter).map(Arc::make_mut) {
                        state.update_report(&reading.meter, report);
                    }
                    read = true;
                    changed |= if outcome.held { held.insert(reading.meter) } else { held.remove(&reading.meter) };
                }
                changed
            });
            read
        });
    }

    fn begin_commit(&mut self) {
        let now = self.clock.now();
        if self.state.overdue(&now) || self.history.is_overdue(&now) {
            self.commits.request();
        }
        if !self.commits.is_wanted(self.closing) {
            return;
        }
        if let Err(error) = self.commits.ready() {
            return self.show(Some(format!("{error}; what is on disk is still reported")));
        }
        self.take(None);
        self.history.end_slot(&now, self.closing);
        match self.state.prepare(&now, self.closing) {
            Some(pending) => self.commits.begin(pending, now),
            None => {
                self.history.committed([]);
                let waiting = self.commits.nothing_to_do();
                self.serve(waiting, true);
            }
        }
    }

    fn end_job(&mut self, done: JobDone) {
        let Some(CommitDone { pending, committed, copied }) = self.commits.take_back(done) else { return };
        if let Err(error @ (StoreError::Removed { .. } | StoreError::LockLost { .. })) = &committed {
            tracing::error!(error = chain(error), "the ledger stops");
            self.lost = true;
            return;
        }
        let waiting = self.commits.end(committed.is_ok());
        let error = match (&committed, &copied) {
            (Err(error), _) => Some(format!("{}; what is on disk is still reported", chain(error))),
            (_, Err(error)) => Some(chain(error)),
            _ => None,
        };
        if committed.is_ok() {
            self.history.committed(pending.renames.iter().cloned());
            self.state.committed(pending);
        } else {
            self.history.failed();
            self.state.failed(pending);
            if self.closing {
                // There is no later commit. The meters' counters have what is not on disk.
                self.commits.give_up();
            }
        }
        self.show(error);
        self.report.send_modify(|report| {
            report.commits += u64::from(committed.is_ok());
            report.failed_commits += u64::from(committed.is_err());
            self.state.update_energies(report);
            report.block = self.state.block_reason();
        });
        self.serve(waiting, committed.is_ok());
    }

    /// Shows and logs why the ledger is not on disk, or that it is.
    fn show(&self, error: Option<String>) {
        log::disk(self.report.borrow().error.as_deref(), error.as_deref());
        self.report.send_if_modified(|report| {
            let changed = report.error != error;
            report.error = error;
            changed
        });
    }

    /// Answers requests that have waited too long for a disk that fails or hangs, with what is on disk.
    fn answer_expired(&mut self) {
        let waiting = self.commits.take_expired();
        self.serve(waiting, false);
        if self.commits.hangs() && self.report.borrow().error.is_none() {
            self.show(Some("the disk under the ledger does not answer; what is on disk is still reported".to_owned()));
        }
    }

    /// Answers requests with the figures that are on disk, and commands with whether they are on disk.
    fn serve(&self, waiting: Vec<WaitingRequest>, on_disk: bool) {
        let now = self.clock.now();
        for request in waiting {
            match request.answer {
                Answer::Figures { clients, reply } => drop(reply.send(self.state.figures(clients, &now))),
                Answer::Command { outcome, reply } => drop(reply.send(Ok(CommandOutcome { on_disk, ..outcome }))),
            }
        }
    }

    fn close(&mut self, reply: Option<oneshot::Sender<()>>) {
        self.closing = true;
        self.closed = reply;
        self.commits.request();
    }

    /// Closes the store, which leaves one file without a log, and answers the request to close.
    async fn end(mut self, heart: &mut Heart) {
        if let Some(closing) = self.commits.close()
            && let Ok(Err(error)) = heart.beating(closing).await
        {
            tracing::warn!(
                error = chain(&error),
                "the ledger's log was not checkpointed; everything committed is on disk"
            );
        }
        if let Some(closed) = self.closed {
            let _ = closed.send(());
        }
    }
}
