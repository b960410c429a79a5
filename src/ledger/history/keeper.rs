//! The ledger's task on its way to the history: slots are gathered here and written some at a time, on a thread of their own, after the
//! ledger's commit and beside it. A history that cannot be written, or a disk that hangs, costs the history something and nothing else.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::InterruptHandle;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use super::gather::Gather;
use super::{Retention, Row};
use crate::clock::ClockReading;
use crate::ledger::settings::Settings;
use crate::ledger::store::StoreError;
use crate::ledger::store::history::{History, record};
use crate::reading::Reading;
use crate::units::{MilliwattHours, Name};

/// Report slots that follow more closely share a row.
const SHORTEST: Duration = Duration::from_secs(10);
/// Where nobody reports so often a slot ends all the same: Arkreen asks for a report every 3 minutes.
const LONGEST: Duration = Duration::from_secs(180);
/// Rows wait so long for others, or until they are so many: a disk takes whole blocks, and a slot of some meters fills a fraction of one.
pub(in crate::ledger) const TOGETHER: Duration = Duration::from_secs(600);
const ENOUGH: usize = 256;
/// Where the disk does not take what waits, slots end no more beyond this many rows: the one under way goes on.
const MOST: usize = 1024;
/// How long a stop waits for each of its steps: what is being written, the last rows, the tidying up.
const LAST_WITHIN: Duration = Duration::from_millis(250);

/// Gathers slots and has them written.
pub(crate) struct Keeper {
    folder: PathBuf,
    retention: Retention,
    gather: Gather,
    /// Of a slot that has ended, until the ledger's commit is on disk: the history is never ahead of the ledger.
    ended: Vec<Row>,
    /// Of slots that the ledger has on disk; and since when the first of them.
    waiting: Vec<Row>,
    waiting_since: Option<ClockReading>,
    /// The disk did not take what waits: it is tried again with each slot.
    failed: bool,
    /// Who wants what waits to be written now, and is told when it is.
    asked: Vec<oneshot::Sender<()>>,
    /// Here, unless it is being written to or was not opened yet.
    history: Option<History>,
    job: Option<JoinHandle<Written>>,
    interrupt: Arc<Mutex<Option<InterruptHandle>>>,
}

/// Why rows were not recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the thread that writes the history broke off")]
    BrokeOff(#[from] JoinError),
}

/// What came of writing.
#[derive(Debug)]
pub(crate) struct Written {
    history: Option<History>,
    /// What is not written.
    rows: Vec<Row>,
    /// Why the history that was there was set aside.
    outcome: Result<Option<String>, StoreError>,
}

impl Keeper {
    /// Nothing is opened before the first rows are there.
    pub(crate) fn new(folder: PathBuf, settings: &Settings) -> Self {
        let mut gather = Gather::default();
        gather.reconfigure(&settings.meters);
        Keeper {
            folder,
            retention: settings.history,
            gather,
            ended: Vec::new(),
            waiting: Vec::new(),
            waiting_since: None,
            failed: false,
            asked: Vec::new(),
            history: None,
            job: None,
            interrupt: Arc::default(),
        }
    }

    pub(crate) fn reconfigure(&mut self, settings: &Settings) {
        self.retention = settings.history;
        self.gather.reconfigure(&settings.meters);
    }

    /// Takes a reading down, and what is published after it.
    pub(crate) fn note(&mut self, reading: &Reading, published: Option<MilliwattHours>) {
        self.gather.note(reading, published);
    }

    /// A meter goes on under another name: so does what waits of it. What waits under that is nobody's any more.
    pub(crate) fn rename(&mut self, from: &Name, to: &Name) {
        for rows in [&mut self.ended, &mut self.waiting] {
            rows.retain(|row| row.meter != *to);
            rows.iter_mut().filter(|row| row.meter == *from).for_each(|row| row.meter = to.clone());
        }
    }

    /// The slot has lasted long enough, whether anybody reports or not.
    pub(crate) fn is_overdue(&self, now: &ClockReading) -> bool {
        self.has_room() && self.gather.age(now) >= LONGEST
    }

    /// A commit begins: the slot ends with it, unless it has only just begun.
    pub(crate) fn end_slot(&mut self, now: &ClockReading, last: bool) {
        if self.has_room() && (last || self.gather.age(now) >= SHORTEST) {
            self.ended = self.gather.close(now);
        }
    }

    /// The ledger's commit is on disk, or there was nothing to commit: what has ended may be written.
    pub(crate) fn committed(&mut self, now: &ClockReading) {
        self.waiting.append(&mut self.ended);
        if !self.waiting.is_empty() {
            let since = *self.waiting_since.get_or_insert(*now);
            let due = self.waiting.len() >= ENOUGH || now.since(&since).is_none_or(|age| age >= TOGETHER);
            if due || self.failed || !self.asked.is_empty() {
                self.write(now);
            }
        }
    }

    /// Somebody looks at the history: what waits is written now, and `reply` told when it is.
    pub(crate) fn ask(&mut self, now: &ClockReading, reply: oneshot::Sender<()>) {
        self.asked.push(reply);
        self.write(now);
    }

    /// Writes all that waits, unless something is being written: then what waits is, once that is over.
    fn write(&mut self, now: &ClockReading) {
        if self.job.is_some() {
            return;
        }
        if self.waiting.is_empty() {
            for reply in self.asked.drain(..) {
                let _ = reply.send(());
            }
            return;
        }
        self.waiting_since = None;
        let (rows, folder, retention) = (std::mem::take(&mut self.waiting), self.folder.clone(), self.retention);
        let (mut history, interrupt, now) = (self.history.take(), self.interrupt.clone(), *now);
        self.job = Some(tokio::task::spawn_blocking(move || {
            let tell = |history: &Option<History>| {
                let handle = history.as_ref().map(History::interrupt_handle);
                if let Ok(mut interrupt) = interrupt.lock() {
                    *interrupt = handle;
                }
            };
            tell(&history);
            let outcome = record(&mut history, &folder, &rows, &now, &retention);
            tell(&history);
            let rows = if outcome.is_err() { rows } else { Vec::new() };
            Written { history, rows, outcome }
        }));
    }

    /// The ledger's commit failed: its figures are not on disk, so the slot is in no history.
    pub(crate) fn failed(&mut self) {
        if !std::mem::take(&mut self.ended).is_empty() {
            self.gather.lost();
        }
    }

    /// The end of the writing under way; never, where there is none.
    pub(crate) async fn finished(&mut self) -> Result<Written, JoinError> {
        match &mut self.job {
            Some(job) => job.await,
            None => std::future::pending().await,
        }
    }

    /// Takes the history back; says why the one that was there was set aside, where it was, or why nothing was recorded. What was not is
    /// tried again with the next slot.
    pub(crate) fn end(
        &mut self,
        written: Result<Written, JoinError>,
        now: &ClockReading,
    ) -> Result<Option<String>, HistoryError> {
        self.job = None;
        let outcome = match written {
            Ok(Written { history, rows, outcome }) => {
                self.history = history;
                self.waiting.splice(..0, rows);
                outcome.map_err(HistoryError::from)
            }
            Err(error) => {
                self.gather.lost();
                Err(error.into())
            }
        };
        self.failed = outcome.is_err();
        match outcome {
            // What came to wait meanwhile, where somebody wants it.
            Ok(_) if !self.asked.is_empty() => self.write(now),
            Ok(_) => {}
            Err(_) => self.asked.clear(),
        }
        outcome
    }

    /// Writes the last rows and tidies up, within bounds; says what [`Keeper::end`] does.
    pub(crate) async fn close(&mut self, now: &ClockReading) -> Result<Option<String>, HistoryError> {
        let before = self.wait(now).await?;
        self.end_slot(now, true);
        self.waiting.append(&mut self.ended);
        self.write(now);
        let aside = self.wait(now).await?.or(before);
        if let Some(history) = self.history.take() {
            let closing = tokio::task::spawn_blocking(move || history.close());
            // What is not folded in by then is so at the next start.
            if let Ok(closed) = tokio::time::timeout(LAST_WITHIN, closing).await {
                closed??;
            }
        }
        Ok(aside)
    }

    /// Waits for what is being written, but not for a disk that hangs.
    async fn wait(&mut self, now: &ClockReading) -> Result<Option<String>, HistoryError> {
        for hurried in [false, true] {
            if self.job.is_none() {
                break;
            }
            if hurried && let Some(handle) = self.interrupt.lock().ok().and_then(|mut handle| handle.take()) {
                // The rows come first: it is removing old ones by now, or checking the whole file, which can be done another day.
                handle.interrupt();
            }
            if let Ok(written) = tokio::time::timeout(LAST_WITHIN, self.finished()).await {
                return self.end(written, now);
            }
        }
        Ok(None)
    }

    fn has_room(&self) -> bool {
        self.ended.is_empty() && self.waiting.len() < MOST
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keeper({}, writing {})", self.folder.display(), self.job.is_some())
    }
}
