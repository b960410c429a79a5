//! The history: the power and the published energy of each meter in each report slot, in `history.db` beside the ledger. It also keeps the
//! accepted reports of each client and hour over a restart.
//!
//! It is for display only: no figure is computed from it. The ledger sends what it has committed through a [`HistoryFeed`] and never
//! waits; the [`HistoryWriter`], a task of its own, is the only one that opens the file while the daemon runs. A lost, damaged or full
//! history, or a slow disk, costs power and energy over time and no figure.

mod aggregator;
mod charts;
mod days;
mod feed;
mod gather;
mod hours;
mod notes;
pub mod periods;
pub mod query;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

pub use charts::{EnergyPeriod, MeterHistory, PowerPoint};
pub use days::Calendar;
pub use feed::HistoryFeed;
pub use gather::GatherError;
pub(crate) use gather::{gather, make_ready};
pub(crate) use hours::HoursByClient;
pub(crate) use store::{HISTORY, rename};
pub use writer::{HistoryWriter, open};
#[cfg(test)]
pub(crate) use {aggregator::SlotAggregator, hours::NewHours, store::HistoryStore, store::record, writer::WRITE_EVERY};

use crate::units::{MilliwattHours, Milliwatts, Name};
use charts::SharedCharts;
use query::{HistoryPage, HistoryQuery, HistoryReadError};
use writer::HistoryRequest;

/// How much history is kept; the oldest slots are deleted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The age up to which slots are kept.
    pub keep: Duration,
    /// The maximum size of the file, in bytes.
    pub max_size: u64,
}

impl Default for Retention {
    /// 90 days and 100 MB; 20 meters at a report every 2 minutes use about 70 MB.
    fn default() -> Self {
        Retention { keep: Duration::from_secs(90 * 24 * 3600), max_size: 100_000_000 }
    }
}

/// Active power over some time, negative while exporting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerSummary {
    /// The mean over the measured time.
    pub mean_mw: Milliwatts,
    /// The lowest sample.
    pub min_mw: Milliwatts,
    /// The highest sample.
    pub max_mw: Milliwatts,
}

impl PowerSummary {
    /// Of a power that did not change.
    fn constant(power: Milliwatts) -> Self {
        PowerSummary { mean_mw: power, min_mw: power, max_mw: power }
    }
}

/// The sum of power samples, or of summaries of them, over the time for which each stands.
#[derive(Clone, Copy, Debug, Default)]
struct PowerSum {
    range: Option<(Milliwatts, Milliwatts)>,
    /// Mean power x measured time, in mW x ms.
    area: i128,
    measured_ms: u64,
    /// The mean powers that stand for no time, such as a first sample, and their number.
    points: (i128, i128),
}

impl PowerSum {
    fn add(&mut self, power: PowerSummary, measured: Duration) {
        let (min, max) = self.range.unwrap_or((power.min_mw, power.max_mw));
        self.range = Some((min.min(power.min_mw), max.max(power.max_mw)));
        let measured_ms = u64::try_from(measured.as_millis()).unwrap_or(u64::MAX);
        self.area += i128::from(power.mean_mw.0) * i128::from(measured_ms);
        self.measured_ms += measured_ms;
        if measured_ms == 0 {
            self.points = (self.points.0 + i128::from(power.mean_mw.0), self.points.1 + 1);
        }
    }

    /// Absent if nothing was added.
    fn summary(&self) -> Option<PowerSummary> {
        let (min_mw, max_mw) = self.range?;
        let mean = match self.measured_ms {
            0 => self.points.0 / self.points.1.max(1),
            measured => self.area / i128::from(measured),
        };
        let mean_mw = Milliwatts(i64::try_from(mean).unwrap_or(max_mw.0));
        Some(PowerSummary { mean_mw, min_mw, max_mw })
    }

    fn measured(&self) -> Duration {
        Duration::from_millis(self.measured_ms)
    }
}

/// One meter and report slot, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct HistorySlot {
    /// The meter's name when the slot ended.
    pub meter: Name,
    /// When the slot ended, by the wall clock.
    pub ended: Timestamp,
    /// Whether that clock was trusted.
    pub trusted: bool,
    /// The part of the slot in which the power was known.
    pub measured: Duration,
    /// Absent if the meter gave no power.
    pub power: Option<PowerSummary>,
    /// Published at the end of the slot; absent before the baseline.
    pub published: Option<MilliwattHours>,
    /// Only if the slot does not directly follow the meter's last recorded slot (a start, an outage, a clock that was set).
    pub began: Option<SlotStart>,
}

/// The start of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotStart {
    /// By the clock of the slot's end.
    pub at: Timestamp,
    /// Published at that time; absent before the baseline.
    pub published: Option<MilliwattHours>,
}

/// A meter that got another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterRename {
    /// The old name.
    pub from: Name,
    /// The new name.
    pub to: Name,
}

/// A span of time and the energy consumed in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// The start.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
    /// The difference of the published energy at both ends; absent if one is unknown, or if the figure fell back to an older copy.
    pub consumed_mwh: Option<MilliwattHours>,
}

/// One meter and report slot, as it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedSlot {
    /// The slot's time and energy.
    #[serde(rename = "slot")]
    pub interval: Interval,
    /// Whether the wall clock was trusted.
    pub trusted: bool,
    /// The part of the slot in which the power was known, in milliseconds.
    pub measured_ms: u64,
    /// Absent if the meter gave no power.
    pub power: Option<PowerSummary>,
    /// Published at the end of the slot; absent before the baseline.
    pub published_mwh: Option<MilliwattHours>,
    /// The time without a record before this slot, if any. Where the clock was set back, `to` is before `from`.
    pub gap: Option<Interval>,
}

/// The state of the history, for the status document.
#[derive(Clone, Debug, Default)]
pub struct HistoryReport {
    /// Why the history cannot be written at the moment, as a message.
    pub error: Option<String>,
}

/// How other tasks use the history.
#[derive(Clone, Debug)]
pub struct HistoryHandle {
    requests: mpsc::Sender<HistoryRequest>,
    report: watch::Receiver<HistoryReport>,
    charts: SharedCharts,
}

impl HistoryHandle {
    /// What the page shows of these meters at this time, at once. Empty for a meter without a record.
    pub fn charts<'a>(
        &self,
        meters: impl IntoIterator<Item = &'a Name>,
        now: Timestamp,
        calendar: Calendar,
    ) -> Vec<MeterHistory> {
        let charts = self.charts.lock();
        meters.into_iter().map(|meter| charts.meter(meter, now, calendar)).collect()
    }

    /// The time zone of the local days; UTC if they are the same days.
    pub fn local_zone(&self) -> TimeZone {
        self.charts.lock().zone(Calendar::Local)
    }

    /// Why the charts lack something, as a message.
    pub fn charts_note(&self) -> Option<String> {
        self.charts.lock().note.clone()
    }

    /// A page of the history, after all committed slots were written.
    ///
    /// # Errors
    /// When the file cannot be read, or when the task has ended.
    pub async fn page(&self, query: HistoryQuery) -> Result<HistoryPage, HistoryReadError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(HistoryRequest::Read { query, reply }).await;
        sent.map_err(|_| HistoryReadError::Stopped)?;
        answer.await.unwrap_or(Err(HistoryReadError::Stopped))
    }

    /// Changes how much is kept.
    pub async fn configure(&self, retention: Retention) {
        let _ = self.requests.send(HistoryRequest::Configure(retention)).await;
    }

    /// Writes the last slots and ends the task. The ledger must have ended before.
    pub async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(HistoryRequest::Close { reply }).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// The current report.
    pub fn report(&self) -> HistoryReport {
        self.report.borrow().clone()
    }
}
