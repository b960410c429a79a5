//! The ledger's task: takes readings, commits them at slots and decisions, and answers with what is on disk.
//!
//! A commit waits for the disk on a thread of its own; meanwhile readings are taken as ever, and go with the next.

mod commits;
mod said;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::book::Book;
use super::remedy::{CommandError, Order, Outcome};
use super::settings::Settings;
use super::store::{self, OpenError, Options, Rename, Store};
use super::{Accepted, Barred, Figure, Handle, LedgerReport, machine};
use crate::clock::Clock;
use crate::heartbeat::{BEAT_EVERY, Heart};
use crate::history::{HistoryFeed, MeterRename};
use crate::reading::{Held, Reading};
use crate::text::chain;
use crate::units::Name;
use commits::{Commits, Done, Slot, Wants};

/// Readings that wait while the task is busy with something else: some seconds of 500 meters. Beyond, the poller drops and counts them.
const READINGS: usize = 1024;
/// Readings come in bursts, a round of a bus at a time. What comes so shortly after the first is taken with it: a burst wakes the task
/// twice, not once a reading.
const GATHER: Duration = Duration::from_millis(10);
/// Requests that wait: each account has one figures() and one accepted() under way at most.
const REQUESTS: usize = 64;

/// What other tasks ask of the ledger.
#[derive(Debug)]
pub(super) enum Request {
    Figures { clients: Vec<Name>, reply: oneshot::Sender<Vec<(Name, Figure)>> },
    Accepted { accepted: Vec<Accepted>, reply: oneshot::Sender<()> },
    Reconfigure { settings: Settings, reply: oneshot::Sender<()> },
    Order { order: Box<Order>, reply: oneshot::Sender<Result<Outcome, CommandError>> },
    Close { reply: oneshot::Sender<()> },
}

/// An open ledger whose task has not been started yet.
#[derive(Debug)]
pub struct Ledger {
    book: Book,
    commits: Commits,
    history: HistoryFeed,
    readings: mpsc::Receiver<Reading>,
    requests: mpsc::Receiver<Request>,
    report: watch::Sender<LedgerReport>,
    held: watch::Sender<Held>,
    clock: Clock,
    closing: bool,
    /// Until when readings are left to gather.
    gathering: Option<Instant>,
    /// Answered once everything is on disk.
    closed: Option<oneshot::Sender<()>>,
}

/// Opens the ledger in that folder (blocking) and says what its first readings will be judged by.
///
/// The task is not running yet: [`Ledger::run`] does that.
pub fn open(folder: &Path, settings: Settings, clock: Clock) -> Result<(Handle, Ledger), OpenError> {
    let opened = Store::open(folder, Options { durable: true, machine: machine::mark() })?;
    Ok(attach(opened, settings, clock))
}

/// The task and its handle over a store that was opened.
pub(super) fn attach(opened: store::Opened, settings: Settings, clock: Clock) -> (Handle, Ledger) {
    let store::Opened { store, contents, fell_back, other_machine, retired } = opened;
    let barred = Barred::of(other_machine, retired);
    said::opening(&contents, fell_back.as_deref(), barred);
    let book = Book::new(contents, settings, barred);
    said::strangers(&book);
    let (to_readings, readings) = mpsc::channel(READINGS);
    let (to_requests, requests) = mpsc::channel(REQUESTS);
    let report = LedgerReport {
        meters: book.meters(),
        clients: book.clients(),
        barred: book.barred(),
        ..LedgerReport::default()
    };
    let (report, reported) = watch::channel(report);
    let (held, held_now) = watch::channel(book.held());
    let folder = store.folder().to_owned();
    let handle = Handle {
        readings: to_readings,
        requests: to_requests,
        report: reported,
        held: held_now,
        folder,
        recorder: None,
    };
    let commits = Commits::new(store);
    (
        handle,
        Ledger {
            book,
            commits,
            history: HistoryFeed::default(),
            readings,
            requests,
            report,
            held,
            clock,
            closing: false,
            gathering: None,
            closed: None,
        },
    )
}

impl Ledger {
    /// The same task, whose committed slots go to a history.
    pub fn with_history(self, mut history: HistoryFeed) -> Self {
        history.reconfigure(self.book.poll_intervals());
        Ledger { history, ..self }
    }

    /// Runs until [`Handle::close`], or until nobody is left who could ask; the last thing it does is a commit.
    pub async fn run(mut self, mut heart: Heart) {
        // A client that joined, an account of what was restored: on disk from the start.
        self.commits.ask();
        loop {
            heart.beat();
            if self.gathering.is_some_and(|until| until <= Instant::now()) {
                self.gathering = None;
                self.take(None);
            }
            self.begin_commit();
            self.answer_the_impatient();
            if self.closing && self.commits.is_idle() {
                break;
            }
            let beat_at = Instant::now() + BEAT_EVERY;
            let wakes = [Some(beat_at), self.commits.wakes_at(), self.gathering];
            let wake_at = wakes.into_iter().flatten().min().unwrap_or(beat_at);
            tokio::select! {
                biased;
                done = self.commits.finished() => match done {
                    Ok(done) => self.end_commit(done),
                    // The store went with its thread: nothing can be promised any more.
                    Err(error) => return tracing::error!(%error, "the ledger's commit broke off"),
                },
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
        }
        self.end(&mut heart).await;
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Figures { clients, reply } => self.commits.wait(Wants::Figures { clients, reply }),
            Request::Accepted { accepted, reply } => {
                accepted.iter().for_each(|accepted| self.book.accept(accepted));
                self.report.send_modify(|report| report.clients = self.book.clients());
                let _ = reply.send(());
            }
            Request::Reconfigure { settings, reply } => {
                self.take(None);
                self.book.reconfigure(settings);
                self.history.reconfigure(self.book.poll_intervals());
                said::strangers(&self.book);
                self.commits.ask();
                self.tell_all();
                let _ = reply.send(());
            }
            Request::Order { order, reply } => self.order(&order, reply),
            Request::Close { reply } => self.close(Some(reply)),
        }
    }

    /// What an operator orders is answered once it is on disk.
    fn order(&mut self, order: &Order, reply: oneshot::Sender<Result<Outcome, CommandError>>) {
        self.take(None);
        match self.book.order(order, &self.clock.now()) {
            Ok(outcome) if !order.dry_run => {
                said::ordered(&outcome);
                self.tell_all();
                self.commits.ask();
                self.commits.wait(Wants::Ordered { outcome, reply });
            }
            answer => drop(reply.send(answer)),
        }
    }

    /// Says anew what is to be said of everything.
    fn tell_all(&self) {
        self.report.send_modify(|report| {
            report.meters = self.book.meters();
            report.clients = self.book.clients();
            report.barred = self.book.barred();
        });
        self.held.send_replace(self.book.held());
    }

    /// Takes this reading and all that have arrived, and tells once what came of them.
    fn take(&mut self, first: Option<Reading>) {
        let Ledger { book, commits, history, readings, report, held, .. } = self;
        let arrived = std::iter::from_fn(|| readings.try_recv().ok());
        let all = first.into_iter().chain(arrived).take(READINGS);
        report.send_if_modified(|report| {
            let mut read = false;
            held.send_if_modified(|held| {
                let mut changed = false;
                for reading in all {
                    let Some(taken) = book.take(&reading) else { continue };
                    history.add(&reading, taken.published);
                    said::taken(&reading.meter, &taken);
                    if taken.commit_now {
                        commits.ask();
                    }
                    if let Some(told) = report.meters.get_mut(&reading.meter) {
                        book.tell(&reading.meter, told);
                    }
                    read = true;
                    changed |= if taken.held { held.insert(reading.meter) } else { held.remove(&reading.meter) };
                }
                changed
            });
            read
        });
    }

    fn begin_commit(&mut self) {
        let now = self.clock.now();
        if self.book.overdue(&now) || self.history.is_overdue(&now) {
            self.commits.ask();
        }
        if !self.commits.is_wanted(self.closing) {
            return;
        }
        self.take(None);
        self.history.end_slot(&now, self.closing);
        match self.book.prepare(&now, self.closing) {
            Some(pending) => self.commits.begin(pending, now),
            None => {
                self.history.committed([]);
                let slots = self.commits.nothing_to_do();
                self.serve(slots, true);
            }
        }
    }

    fn end_commit(&mut self, done: Done) {
        let (store, pending, committed, kept) = done.into_parts();
        let slots = self.commits.end(store, committed.is_ok());
        let error = match (&committed, &kept) {
            (Err(error), _) => Some(format!("{}; what is on disk goes on being reported", chain(error))),
            (_, Err(error)) => Some(chain(error)),
            _ => None,
        };
        let lost = kept.ok().flatten();
        if committed.is_ok() {
            let renames = pending.commit.renames.iter();
            self.history
                .committed(renames.map(|Rename { from, to }| MeterRename { from: from.clone(), to: to.clone() }));
            self.book.committed(pending);
        } else {
            self.history.failed();
            if self.closing {
                // There is no later: what is not on disk, the meters still know.
                self.commits.give_up();
            }
        }
        said::disk(self.report.borrow().error.as_deref(), error.as_deref());
        if let Some(why) = &lost {
            said::journal(why);
            self.book.note_loss(why, &self.clock.now());
            self.commits.ask();
        }
        self.report.send_modify(|report| {
            report.journal_error = lost.or(report.journal_error.take());
            report.commits += u64::from(committed.is_ok());
            report.failed_commits += u64::from(committed.is_err());
            report.error = error;
            report.clients = self.book.clients();
            report.barred = self.book.barred();
        });
        self.serve(slots, committed.is_ok());
    }

    /// A disk that fails or hangs keeps nobody waiting: who waits gets what is there.
    fn answer_the_impatient(&mut self) {
        let slots = self.commits.impatient();
        self.serve(slots, false);
        if self.commits.hangs() && self.report.borrow().error.is_none() {
            let error = "the disk under the ledger does not answer; what is on disk goes on being reported".to_owned();
            said::disk(None, Some(&error));
            self.report.send_modify(|report| report.error = Some(error));
        }
    }

    /// Answers those who waited: figures as they are on disk, and whether what was ordered is.
    fn serve(&self, slots: Vec<Slot>, on_disk: bool) {
        let now = self.clock.now();
        for slot in slots {
            match slot.wants {
                Wants::Figures { clients, reply } => drop(reply.send(self.book.figures(clients, &now))),
                Wants::Ordered { outcome, reply } => drop(reply.send(Ok(Outcome { on_disk, ..outcome }))),
            }
        }
    }

    fn close(&mut self, reply: Option<oneshot::Sender<()>>) {
        self.closing = true;
        self.closed = reply;
        self.commits.ask();
    }

    /// Leaves the files in their tidiest form, and says so to whom it may concern.
    async fn end(mut self, heart: &mut Heart) {
        if let Some(store) = self.commits.take_store() {
            let closing = tokio::task::spawn_blocking(move || store.close());
            if let Ok(Err(error)) = heart.beating(closing).await {
                tracing::warn!(
                    error = chain(&error),
                    "the ledger could not be tidied up; everything committed is on disk"
                );
            }
        }
        if let Some(closed) = self.closed {
            let _ = closed.send(());
        }
    }
}
