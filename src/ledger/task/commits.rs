//! The store on its way between the task and the thread that waits for the disk; who waits for it; and what is said when it fails.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::clock::ClockReading;
use crate::ledger::Figure;
use crate::ledger::book::Pending;
use crate::ledger::remedy::{CommandError, Outcome};
use crate::ledger::store::{Store, StoreError};
use crate::units::Name;

/// How long a slot waits for the disk before it gets what was there before.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a failed commit; doubled with each, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The store and what is asked of it.
#[derive(Debug)]
pub(super) struct Commits {
    /// Here, unless a commit is under way.
    store: Option<Store>,
    job: Option<Job>,
    /// Somebody wants what is new on disk.
    asked: bool,
    /// For the next commit.
    waiting: Vec<Slot>,
    /// For the one under way.
    served: Vec<Slot>,
    /// After a failure: not again before this.
    retry_at: Option<Instant>,
    pause: Backoff,
}

/// Somebody who waits for the disk.
#[derive(Debug)]
pub(super) struct Slot {
    pub wants: Wants,
    patient_until: Instant,
}

/// What somebody waits for.
#[derive(Debug)]
pub(super) enum Wants {
    /// A report slot's figures.
    Figures { clients: Vec<Name>, reply: oneshot::Sender<Vec<(Name, Figure)>> },
    /// That what an operator ordered is on disk.
    Ordered { outcome: Outcome, reply: oneshot::Sender<Result<Outcome, CommandError>> },
}

#[derive(Debug)]
struct Job {
    thread: JoinHandle<Done>,
    since: Instant,
}

/// A commit that came to an end.
#[derive(Debug)]
pub(super) struct Done {
    store: Store,
    pending: Pending,
    committed: Result<(), StoreError>,
    /// Whether the copy beside it is as it should be; and what was found to be wrong with the journal, which is looked through then.
    kept: Result<Option<String>, StoreError>,
}

impl Commits {
    pub(super) fn new(store: Store) -> Self {
        Commits {
            store: Some(store),
            job: None,
            asked: false,
            waiting: Vec::new(),
            served: Vec::new(),
            retry_at: None,
            pause: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }

    /// What is new is to be on disk soon.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// Somebody wants this after the next commit.
    pub(super) fn wait(&mut self, wants: Wants) {
        self.waiting.push(Slot { wants, patient_until: Instant::now() + PATIENCE });
    }

    /// Nothing is under way, and nothing is wanted.
    pub(super) fn is_idle(&self) -> bool {
        self.job.is_none() && !self.asked && self.waiting.is_empty()
    }

    /// A commit is wanted and can begin; `last` does not wait for the end of a pause.
    pub(super) fn is_wanted(&self, last: bool) -> bool {
        let paused = !last && self.retry_at.is_some_and(|at| Instant::now() < at);
        self.job.is_none() && (self.asked || !self.waiting.is_empty()) && !paused
    }

    /// Hands the store and the commit to a thread.
    pub(super) fn begin(&mut self, pending: Pending, now: ClockReading) {
        let Some(mut store) = self.store.take() else { return };
        self.asked = false;
        self.served.append(&mut self.waiting);
        let thread = tokio::task::spawn_blocking(move || {
            let committed = store.commit(&pending.commit);
            let keep = |store: &mut Store| store.copy_if_due(&now).and_then(|_| store.count_journal_if_due(&now));
            let kept = if committed.is_ok() { keep(&mut store) } else { Ok(None) };
            Done { store, pending, committed, kept }
        });
        self.job = Some(Job { thread, since: Instant::now() });
    }

    /// There was nothing to commit: who waits can be answered.
    pub(super) fn nothing_to_do(&mut self) -> Vec<Slot> {
        self.asked = false;
        std::mem::take(&mut self.waiting)
    }

    /// The end of the commit under way; never, where there is none.
    pub(super) async fn finished(&mut self) -> Result<Done, JoinError> {
        match &mut self.job {
            Some(job) => (&mut job.thread).await,
            None => std::future::pending().await,
        }
    }

    /// Takes the store back, and gives those that the commit was for. After a failure it is wanted again, once the pause is over.
    pub(super) fn end(&mut self, store: Store, well: bool) -> Vec<Slot> {
        self.store = Some(store);
        self.job = None;
        if well {
            self.retry_at = None;
            self.pause.reset();
        } else {
            self.asked = true;
            self.retry_at = Some(Instant::now() + self.pause.next_wait());
        }
        std::mem::take(&mut self.served)
    }

    /// The slots that wait no longer: the disk is paused after a failure, or has not answered in time.
    pub(super) fn impatient(&mut self) -> Vec<Slot> {
        let now = Instant::now();
        let paused = self.job.is_none() && self.retry_at.is_some_and(|at| now < at);
        let tired = |slot: &mut Slot| paused || slot.patient_until <= now;
        let mut slots: Vec<_> = self.waiting.extract_if(.., tired).collect();
        slots.extend(self.served.extract_if(.., tired));
        slots
    }

    /// The disk has not answered for longer than anybody should wait.
    pub(super) fn hangs(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.since.elapsed() >= PATIENCE)
    }

    /// After a last failure: nothing is wanted any more.
    pub(super) fn give_up(&mut self) {
        self.asked = false;
    }

    /// When there is something to do without being asked.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let slots = self.waiting.iter().chain(&self.served).map(|slot| slot.patient_until);
        let retry = self.retry_at.filter(|_| self.asked && self.job.is_none());
        slots.chain(retry).min()
    }

    /// The store, for the last time.
    pub(super) fn take_store(&mut self) -> Option<Store> {
        self.store.take()
    }
}

impl Done {
    /// The store apart from what happened to it.
    pub(super) fn into_parts(self) -> (Store, Pending, Result<(), StoreError>, Result<Option<String>, StoreError>) {
        (self.store, self.pending, self.committed, self.kept)
    }
}
