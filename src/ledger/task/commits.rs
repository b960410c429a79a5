//! Hands the store to the ledger's own thread for a commit or a read, and keeps the requests that wait for it.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::clock::ClockReading;
use crate::ledger::Figure;
use crate::ledger::command::{CommandError, CommandOutcome};
use crate::ledger::state::PendingCommit;
use crate::ledger::store::{Store, StoreError};
use crate::units::Name;
use crate::worker::{NoThread, Work, Worker};

/// How long a request waits for the disk before it gets the figures of the last commit.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The pause after a failed commit; it doubles with each, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The store and the work that waits for it.
#[derive(Debug)]
pub(super) struct Commits {
    /// Absent while a job runs.
    store: Option<Store>,
    /// Nothing but the ledger's disk can delay it.
    thread: Worker,
    job: Option<Job>,
    /// A commit is wanted.
    requested: bool,
    /// For the next commit.
    waiting: Vec<WaitingRequest>,
    /// For the commit that runs.
    served: Vec<WaitingRequest>,
    /// Reads wait until no commit is wanted.
    reads: VecDeque<ReadJob>,
    /// After a failure: the next attempt.
    retry_at: Option<Instant>,
    backoff: Backoff,
}

/// A request that is answered after a commit.
#[derive(Debug)]
pub(super) struct WaitingRequest {
    pub answer: Answer,
    expires_at: Instant,
}

/// The answer after a commit.
#[derive(Debug)]
pub(super) enum Answer {
    /// A report slot's figures.
    Figures { clients: Vec<Name>, reply: oneshot::Sender<Vec<(Name, Figure)>> },
    /// Whether an operator's command is on disk.
    Command { outcome: CommandOutcome, reply: oneshot::Sender<Result<CommandOutcome, CommandError>> },
}

/// Reads something from the store in the ledger's thread, and sends its own answer.
pub(in crate::ledger) struct ReadJob(Box<dyn FnOnce(&Store) + Send>);

impl ReadJob {
    pub(in crate::ledger) fn new(read: impl FnOnce(&Store) + Send + 'static) -> Self {
        ReadJob(Box::new(read))
    }
}

impl fmt::Debug for ReadJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadJob")
    }
}

#[derive(Debug)]
struct Job {
    work: Work<JobDone>,
    since: Instant,
}

/// The result of a job.
#[derive(Debug)]
pub(super) struct JobDone {
    store: Store,
    /// Absent for a read.
    pub commit: Option<CommitDone>,
}

/// The result of a commit.
#[derive(Debug)]
pub(super) struct CommitDone {
    pub pending: PendingCommit,
    pub committed: Result<(), StoreError>,
    /// The outcome of writing the copy, if that was due.
    pub copied: Result<(), StoreError>,
}

impl Commits {
    pub(super) fn new(store: Store) -> Self {
        Commits {
            store: Some(store),
            thread: Worker::new("ledger"),
            job: None,
            requested: false,
            waiting: Vec::new(),
            served: Vec::new(),
            reads: VecDeque::new(),
            retry_at: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }

    /// Asks for a commit.
    pub(super) fn request(&mut self) {
        self.requested = true;
    }

    /// Answers this after the next commit.
    pub(super) fn wait(&mut self, answer: Answer) {
        self.waiting.push(WaitingRequest { answer, expires_at: Instant::now() + ANSWER_WITHIN });
    }

    /// Reads when no commit is wanted.
    pub(super) fn read(&mut self, job: ReadJob) {
        self.reads.push_back(job);
    }

    /// Whether nothing runs and nothing is wanted.
    pub(super) fn is_idle(&self) -> bool {
        self.job.is_none() && !self.requested && self.waiting.is_empty()
    }

    /// Whether a commit is wanted and can begin. The `last` one does not wait for the end of a pause.
    pub(super) fn is_wanted(&self, last: bool) -> bool {
        let paused = !last && self.retry_at.is_some_and(|at| Instant::now() < at);
        self.job.is_none() && (self.requested || !self.waiting.is_empty()) && !paused
    }

    /// Whether a job can begin.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn ready(&mut self) -> Result<(), NoThread> {
        self.thread.ready()
    }

    /// Starts a commit.
    pub(super) fn begin(&mut self, pending: PendingCommit, now: ClockReading) {
        self.requested = false;
        self.served.append(&mut self.waiting);
        self.start(move |store| {
            let committed = store.commit(&pending.commit);
            let copied = if committed.is_ok() { store.copy_if_due(&now).map(drop) } else { Ok(()) };
            Some(CommitDone { pending, committed, copied })
        });
    }

    /// Starts the next read if no job runs.
    pub(super) fn begin_read(&mut self) {
        if self.job.is_none()
            && let Some(ReadJob(read)) = self.reads.pop_front()
        {
            self.start(move |store| {
                read(store);
                None
            });
        }
    }

    fn start(&mut self, work: impl FnOnce(&mut Store) -> Option<CommitDone> + Send + 'static) {
        let Some(mut store) = self.store.take() else { return };
        let work = self.thread.run(move || {
            let commit = work(&mut store);
            JobDone { store, commit }
        });
        self.job = Some(Job { work, since: Instant::now() });
    }

    /// There was nothing to commit: returns the requests that waited for it.
    pub(super) fn nothing_to_do(&mut self) -> Vec<WaitingRequest> {
        self.requested = false;
        std::mem::take(&mut self.waiting)
    }

    /// Waits for the end of the job; forever if there is none.
    pub(super) async fn finished(&mut self) -> Result<JobDone, NoThread> {
        match &mut self.job {
            Some(job) => (&mut job.work).await,
            None => std::future::pending().await,
        }
    }

    /// Takes the store back from a job.
    pub(super) fn take_back(&mut self, done: JobDone) -> Option<CommitDone> {
        (self.store, self.job) = (Some(done.store), None);
        done.commit
    }

    /// Returns the requests that the commit was for. A failed commit is wanted again after a pause.
    pub(super) fn end(&mut self, well: bool) -> Vec<WaitingRequest> {
        if well {
            self.retry_at = None;
            self.backoff.reset();
        } else {
            self.requested = true;
            self.retry_at = Some(Instant::now() + self.backoff.next_wait());
        }
        std::mem::take(&mut self.served)
    }

    /// Takes the requests that wait no longer, because of the pause after a failure or because the disk has not answered in time.
    pub(super) fn take_expired(&mut self) -> Vec<WaitingRequest> {
        let now = Instant::now();
        let paused = self.job.is_none() && self.retry_at.is_some_and(|at| now < at);
        let expired = |request: &mut WaitingRequest| paused || request.expires_at <= now;
        let mut requests: Vec<_> = self.waiting.extract_if(.., expired).collect();
        requests.extend(self.served.extract_if(.., expired));
        requests
    }

    /// Whether the disk has not answered in time.
    pub(super) fn hangs(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.since.elapsed() >= ANSWER_WITHIN)
    }

    /// After the last failure: no more commits are wanted.
    pub(super) fn give_up(&mut self) {
        self.requested = false;
    }

    /// When there is something to do even without a request.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().chain(&self.served).map(|request| request.expires_at);
        let retry = self.retry_at.filter(|_| self.requested && self.job.is_none());
        waiting.chain(retry).min()
    }

    /// Closes the store, which leaves one file without a log; `None` if it is already gone.
    pub(super) fn close(&mut self) -> Option<Work<Result<(), StoreError>>> {
        let store = self.store.take()?;
        Some(self.thread.run(move || store.close()))
    }
}
