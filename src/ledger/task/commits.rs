//! The store on its way between the task and the thread that waits for the disk, and who waits for it.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::clock::ClockReading;
use crate::ledger::Figure;
use crate::ledger::command::{CommandError, CommandOutcome};
use crate::ledger::state::PendingCommit;
use crate::ledger::store::{Store, StoreError};
use crate::units::Name;

/// How long a slot waits for the disk before it gets the figures of the commit before.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a failed commit; doubled with each, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The store, and what is to be done with it.
#[derive(Debug)]
pub(super) struct Commits {
    /// Here, unless a job is under way.
    store: Option<Store>,
    job: Option<Job>,
    /// What is new has to be on disk soon.
    requested: bool,
    /// For the next commit.
    waiting: Vec<WaitingRequest>,
    /// For the one under way.
    served: Vec<WaitingRequest>,
    /// Reads, which are done when no commit is wanted.
    reads: VecDeque<ReadJob>,
    /// After a failure: not again before this.
    retry_at: Option<Instant>,
    backoff: Backoff,
}

/// Something that is answered after a commit.
#[derive(Debug)]
pub(super) struct WaitingRequest {
    pub answer: Answer,
    patient_until: Instant,
}

/// What is answered after a commit.
#[derive(Debug)]
pub(super) enum Answer {
    /// A report slot's figures.
    Figures { clients: Vec<Name>, reply: oneshot::Sender<Vec<(Name, Figure)>> },
    /// That what an operator ordered is on disk.
    Command { outcome: CommandOutcome, reply: oneshot::Sender<Result<CommandOutcome, CommandError>> },
}

/// Reads something from the store on a thread of its own, and answers by itself.
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
    thread: JoinHandle<JobDone>,
    since: Instant,
}

/// A job that came to an end.
#[derive(Debug)]
pub(super) struct JobDone {
    store: Store,
    /// Absent for a read.
    pub commit: Option<CommitDone>,
}

/// A commit that came to an end.
#[derive(Debug)]
pub(super) struct CommitDone {
    pub pending: PendingCommit,
    pub committed: Result<(), StoreError>,
    /// Whether the copy beside it was written where it was due.
    pub copied: Result<(), StoreError>,
}

impl Commits {
    pub(super) fn new(store: Store) -> Self {
        Commits {
            store: Some(store),
            job: None,
            requested: false,
            waiting: Vec::new(),
            served: Vec::new(),
            reads: VecDeque::new(),
            retry_at: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }

    /// What is new has to be on disk soon.
    pub(super) fn request(&mut self) {
        self.requested = true;
    }

    /// Answers this after the next commit.
    pub(super) fn wait(&mut self, answer: Answer) {
        self.waiting.push(WaitingRequest { answer, patient_until: Instant::now() + PATIENCE });
    }

    /// Reads when no commit is wanted.
    pub(super) fn read(&mut self, job: ReadJob) {
        self.reads.push_back(job);
    }

    /// Nothing is under way, and nothing is wanted.
    pub(super) fn is_idle(&self) -> bool {
        self.job.is_none() && !self.requested && self.waiting.is_empty()
    }

    /// A commit is wanted and can begin; the `last` one does not wait for the end of a pause.
    pub(super) fn is_wanted(&self, last: bool) -> bool {
        let paused = !last && self.retry_at.is_some_and(|at| Instant::now() < at);
        self.job.is_none() && (self.requested || !self.waiting.is_empty()) && !paused
    }

    /// Hands the store and the commit to a thread.
    pub(super) fn begin(&mut self, pending: PendingCommit, now: ClockReading) {
        self.requested = false;
        self.served.append(&mut self.waiting);
        self.start(move |store| {
            let committed = store.commit(&pending.commit);
            let copied = if committed.is_ok() { store.copy_if_due(&now).map(drop) } else { Ok(()) };
            Some(CommitDone { pending, committed, copied })
        });
    }

    /// Hands the store to the next read, if no job is under way.
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
        let thread = tokio::task::spawn_blocking(move || {
            let commit = work(&mut store);
            JobDone { store, commit }
        });
        self.job = Some(Job { thread, since: Instant::now() });
    }

    /// There was nothing to commit: who waits can be answered.
    pub(super) fn nothing_to_do(&mut self) -> Vec<WaitingRequest> {
        self.requested = false;
        std::mem::take(&mut self.waiting)
    }

    /// The end of the job under way; never, where there is none.
    pub(super) async fn finished(&mut self) -> Result<JobDone, JoinError> {
        match &mut self.job {
            Some(job) => (&mut job.thread).await,
            None => std::future::pending().await,
        }
    }

    /// Takes the store back from a job.
    pub(super) fn take_back(&mut self, done: JobDone) -> Option<CommitDone> {
        (self.store, self.job) = (Some(done.store), None);
        done.commit
    }

    /// Gives those that a commit was for. After a failure it is wanted again, once the pause is over.
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

    /// The requests that wait no longer: the disk is paused after a failure, or has not answered in time.
    pub(super) fn impatient(&mut self) -> Vec<WaitingRequest> {
        let now = Instant::now();
        let paused = self.job.is_none() && self.retry_at.is_some_and(|at| now < at);
        let expired = |request: &mut WaitingRequest| paused || request.patient_until <= now;
        let mut requests: Vec<_> = self.waiting.extract_if(.., expired).collect();
        requests.extend(self.served.extract_if(.., expired));
        requests
    }

    /// The disk has not answered for longer than anybody should wait.
    pub(super) fn hangs(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.since.elapsed() >= PATIENCE)
    }

    /// After a last failure: nothing is wanted any more.
    pub(super) fn give_up(&mut self) {
        self.requested = false;
    }

    /// When there is something to do without a request.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().chain(&self.served).map(|request| request.patient_until);
        let retry = self.retry_at.filter(|_| self.requested && self.job.is_none());
        waiting.chain(retry).min()
    }

    /// The store, for the last time.
    pub(super) fn take_store(&mut self) -> Option<Store> {
        self.store.take()
    }
}
