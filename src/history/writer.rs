//! The history's task: collects committed slots, writes some minutes of them together, and reads pages for others.
//!
//! The file is opened, written and read in a thread of its own, one job at a time. While the disk hangs the task continues, so a hanging
//! history never stops the daemon.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::charts::{Charts, SharedCharts};
use super::feed::{self, CommittedSlots};
use super::hours::{self, HoursByClient, NewHours};
use super::notes;
use super::query::{self, HistoryPage, HistoryQuery, HistoryReadError};
use super::store::{self, HistoryStore};
use super::{HistoryFeed, HistoryHandle, HistoryReport, HistorySlot, MeterRename, Retention};
use crate::clock::{Clock, ClockReading};
use crate::heartbeat::{BEAT_EVERY, Heart};
use crate::storage::StoreError;
use crate::text::chain;
use crate::worker::{NoThread, Work, Worker};

/// Requests that wait: pages for people at the control socket, and changes of the configuration.
const REQUESTS: usize = 4;
/// Slots wait for others up to this time, or until there are this many: a disk writes whole blocks, and a slot of some meters fills a
/// fraction of one.
pub(crate) const WRITE_EVERY: Duration = Duration::from_secs(600);
const ENOUGH: usize = 256;
/// With this many slots waiting, for a disk that does not take them, no more are received.
const MAX_WAITING: usize = 1024;

/// What other tasks ask the history for.
#[derive(Debug)]
pub(super) enum HistoryRequest {
    Read { query: HistoryQuery, reply: oneshot::Sender<Result<HistoryPage, HistoryReadError>> },
    Configure(Retention),
    Close { reply: oneshot::Sender<()> },
}

/// The task that owns `history.db`.
#[derive(Debug)]
pub struct HistoryWriter {
    folder: PathBuf,
    retention: Retention,
    clock: Clock,
    committed: mpsc::Receiver<CommittedSlots>,
    requests: mpsc::Receiver<HistoryRequest>,
    report: watch::Sender<HistoryReport>,
    charts: SharedCharts,
    /// The charts were read from the file.
    charted: bool,
    waiting: Waiting,
    /// Of every client with a report since the start and in the last week.
    hours: HoursByClient,
    /// Who waits for the hours in the file, until they are read.
    stored: Option<oneshot::Sender<HoursByClient>>,
    /// When the first of the waiting slots arrived.
    waiting_since: Option<ClockReading>,
    /// The last write failed.
    failed: bool,
    /// Slots arrived after that, and it is tried again.
    retry: bool,
    /// Open, unless a job has it or nothing was written yet.
    store: Option<HistoryStore>,
    thread: Worker,
    job: Option<Work<JobResult>>,
}

/// Work for the next job.
#[derive(Debug, Default)]
struct Waiting {
    slots: Vec<HistorySlot>,
    renames: Vec<MeterRename>,
    reads: Vec<(HistoryQuery, oneshot::Sender<Result<HistoryPage, HistoryReadError>>)>,
}

#[derive(Debug)]
struct JobResult {
    store: Option<HistoryStore>,
    /// The slots that were not written.
    slots: Vec<HistorySlot>,
    /// Why the file in place was set aside, if it was.
    outcome: Result<Option<String>, StoreError>,
    /// What the page shows of the file, if it was to be read.
    charts: Option<Charts>,
}

/// The history in `folder`: the handle for readers, the ledger's feed, and the task that writes it. A file is created when the first slots
/// are written.
pub fn open(folder: PathBuf, retention: Retention, clock: Clock) -> (HistoryHandle, HistoryFeed, HistoryWriter) {
    let (queue, committed) = mpsc::channel(feed::QUEUE);
    let (to_requests, requests) = mpsc::channel(REQUESTS);
    let (report, reported) = watch::channel(HistoryReport::default());
    let (to_stored, stored) = oneshot::channel();
    let charts = SharedCharts::default();
    let writer = HistoryWriter {
        folder,
        retention,
        clock,
        committed,
        requests,
        report,
        charts: charts.clone(),
        charted: false,
        waiting: Waiting::default(),
        hours: HoursByClient::new(),
        stored: Some(to_stored),
        waiting_since: None,
        failed: false,
        retry: false,
        store: None,
        thread: Worker::new("history"),
        job: None,
    };
    (HistoryHandle { requests: to_requests, report: reported, charts }, HistoryFeed::new(queue, stored), writer)
}

impl HistoryWriter {
    /// Runs until [`close`](super::HistoryHandle::close), or until every handle is dropped; the last thing it does is to write.
    pub async fn run(mut self, mut heart: Heart) {
        if self.thread.ready().is_ok() {
            self.start_job(false);
        }
        let closed = loop {
            heart.beat();
            tokio::select! {
                biased;
                finished = finished(&mut self.job) => self.finish(finished),
                request = self.requests.recv() => match request {
                    Some(HistoryRequest::Read { query, reply }) => self.waiting.reads.push((query, reply)),
                    Some(HistoryRequest::Configure(retention)) => self.retention = retention,
                    Some(HistoryRequest::Close { reply }) => break Some(reply),
                    None => break None,
                },
                Some(committed) = self.committed.recv(), if self.waiting.slots.len() < MAX_WAITING => {
                    self.add(committed);
                }
                () = sleep(BEAT_EVERY) => {}
            }
            if self.job.is_none() && self.is_due() && self.thread.ready().is_ok() {
                self.start_job(false);
            }
        };
        heart.beating(self.finish_job()).await;
        self.start_job(true);
        heart.beating(self.finish_job()).await;
        if let Some(reply) = closed {
            let _ = reply.send(());
        }
    }

    fn add(&mut self, CommittedSlots { slots, renames, hours }: CommittedSlots) {
        self.hours.extend(hours);
        if self.charted {
            let mut charts = self.charts.lock();
            slots.iter().for_each(|slot| charts.add(slot));
            renames.iter().for_each(|rename| charts.rename(rename));
        }
        self.waiting.slots.extend(slots);
        rename_slots(&mut self.waiting.slots, &renames);
        self.waiting.renames.extend(renames);
        if !self.waiting.slots.is_empty() {
            self.retry = true;
            self.waiting_since.get_or_insert_with(|| self.clock.now());
        }
    }

    fn is_due(&self) -> bool {
        let Waiting { slots, renames, reads } = &self.waiting;
        let aged = || {
            let age = self.waiting_since.map(|since| self.clock.now().since(&since));
            age.is_some_and(|age| age.is_none_or(|age| age >= WRITE_EVERY))
        };
        let slots_due = match self.failed {
            true => self.retry,
            false => slots.len() >= ENOUGH || aged(),
        };
        !renames.is_empty() || !reads.is_empty() || !slots.is_empty() && slots_due
    }

    /// The `last` one also writes an hour that goes on, and hours without slots.
    fn start_job(&mut self, last: bool) {
        // A reader gets everything that was committed before its request.
        while let Ok(committed) = self.committed.try_recv() {
            self.add(committed);
        }
        let (waiting, folder, retention) = (std::mem::take(&mut self.waiting), self.folder.clone(), self.retention);
        let (mut store, now) = (self.store.take(), self.clock.now());
        hours::forget(&mut self.hours, &now);
        let (chart, stored, hours) =
            (!self.charted, self.stored.take(), NewHours { clients: self.hours.clone(), last });
        (self.waiting_since, self.retry) = (None, false);
        self.job = Some(self.thread.run(move || {
            let Waiting { mut slots, renames, reads } = waiting;
            store::rename(&folder, &renames);
            let opened = chart.then(|| store::open_present(&mut store, &folder));
            if let Some(stored) = stored {
                // Before the charts: the reporter needs them soon.
                let _ = stored.send(store.as_ref().map(HistoryStore::hours).cloned().unwrap_or_default());
            }
            let read = || store.as_ref().map(|store| store.charts(now.wall)).unwrap_or_default();
            let mut charts = opened.map(|opened| opened.map_or_else(Charts::with_note, |()| read()));
            charts.iter_mut().for_each(|charts| slots.iter().for_each(|slot| charts.add(slot)));
            let outcome = match slots.is_empty() && (!last || hours.clients.is_empty()) {
                true => Ok(None),
                false => store::record(&mut store, &folder, &slots, &hours, &now, &retention),
            };
            if outcome.is_ok() {
                slots.clear();
            }
            for (query, reply) in reads {
                let _ = reply.send(query::read_page(&folder, &query));
            }
            JobResult { store, slots, outcome, charts }
        }));
    }

    /// Publishes what was read from the file, with what was committed since.
    fn show(&mut self, mut charts: Charts) {
        self.waiting.slots.iter().for_each(|slot| charts.add(slot));
        self.waiting.renames.iter().for_each(|rename| charts.rename(rename));
        *self.charts.lock() = charts;
        self.charted = true;
    }

    async fn finish_job(&mut self) {
        if self.job.is_some() {
            let finished = finished(&mut self.job).await;
            self.finish(finished);
        }
    }

    /// Takes the store back. Slots that were not written are tried again with the next.
    fn finish(&mut self, finished: Result<JobResult, NoThread>) {
        self.job = None;
        let error = match finished {
            Ok(JobResult { store, mut slots, outcome, charts }) => {
                self.store = store;
                if let Some(charts) = charts {
                    self.show(charts);
                }
                rename_slots(&mut slots, &self.waiting.renames);
                self.waiting.slots.splice(..0, slots);
                if let Ok(Some(why)) = &outcome {
                    self.charts.lock().note = Some(notes::set_aside(why));
                    notes::log_set_aside(why);
                }
                outcome.err().map(|error| chain(&error))
            }
            Err(error) => Some(chain(&error)),
        };
        self.failed = error.is_some();
        self.report.send_if_modified(|report| {
            match (&report.error, &error) {
                (None, Some(error)) => {
                    tracing::warn!(error, "the history cannot be written; figures and reports are not affected")
                }
                (Some(_), None) => tracing::info!("the history is written again"),
                _ => {}
            }
            let changed = report.error != error;
            report.error = error;
            changed
        });
    }
}

/// Waits for the end of the running job; forever if there is none.
async fn finished(job: &mut Option<Work<JobResult>>) -> Result<JobResult, NoThread> {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

/// Slots that wait under the new name no longer belong to any meter.
fn rename_slots(slots: &mut Vec<HistorySlot>, renames: &[MeterRename]) {
    for MeterRename { from, to } in renames {
        slots.retain(|slot| slot.meter != *to);
        slots.iter_mut().filter(|slot| slot.meter == *from).for_each(|slot| slot.meter = to.clone());
    }
}
