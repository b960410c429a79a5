//! The meters of one bus and the line that they share: what one poll changes, and what is told of it.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::fault_log::{FaultChange, FaultLog, roughly};
use super::meter_poller::MeterPoller;
use super::outcome::{PollEnd, PollOutcome};
use super::reply::PollReply;
use super::report::{BusReport, MeterPoll};
use super::schedule::PollSchedule;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::config;
use crate::modbus::{Error, Line};
use crate::reading::{Held, Reading};
use crate::recorder::Recorder;
use crate::units::Name;

/// A lost line is opened again after 1 s, doubling to 30 s; the jitter keeps many boxes from asking one gateway in step.
const FIRST_REOPENING: Duration = Duration::from_secs(1);
const LONGEST_REOPENING: Duration = Duration::from_secs(30);

pub(super) struct BusPoller {
    bus: Name,
    line: Line,
    schedule: PollSchedule,
    stations: Vec<MeterPoller>,
    /// Of the stations, in their order.
    healths: Vec<FaultLog>,
    line_health: FaultLog,
    reopening: Backoff,
    /// When the line may be opened again after it was lost.
    reopen_at: Instant,
    readings: mpsc::Sender<Reading>,
    report: watch::Sender<BusReport>,
    recorder: Recorder,
    clock: Clock,
    /// What [`Clock::slept`] said last.
    slept: Duration,
}

/// The two clocks behind [`Clock::slept`] are not read in one instant.
const NO_SLEEP: Duration = Duration::from_secs(1);

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    Poll(usize),
    Wait(Option<Instant>),
}

impl BusPoller {
    pub(super) fn new(
        bus: &config::BusConfig,
        meters: Vec<config::MeterConfig>,
        readings: mpsc::Sender<Reading>,
        report: watch::Sender<BusReport>,
        recorder: Recorder,
        clock: Clock,
    ) -> Self {
        let now = Instant::now();
        let schedule = PollSchedule::new(meters.iter().map(|meter| meter.poll_every), bus.timeout, now);
        report.send_modify(|report| {
            report.meters = meters.iter().map(|meter| (meter.name.clone(), MeterPoll::default())).collect();
        });
        BusPoller {
            bus: bus.name.clone(),
            line: Line::new(&bus.link_settings()),
            schedule,
            healths: meters.iter().map(|_| FaultLog::default()).collect(),
            stations: meters.into_iter().map(MeterPoller::new).collect(),
            line_health: FaultLog::default(),
            reopening: Backoff::new(FIRST_REOPENING, LONGEST_REOPENING),
            reopen_at: now,
            readings,
            report,
            recorder,
            slept: clock.slept(),
            clock,
        }
    }

    pub(super) fn next(&self) -> NextStep {
        let Some((meter, due)) = self.schedule.next() else { return NextStep::Wait(None) };
        let at = if self.line.is_open() { due } else { due.max(self.reopen_at) };
        if at <= Instant::now() { NextStep::Poll(meter) } else { NextStep::Wait(Some(at)) }
    }

    /// A box that slept is behind with every meter, and its timers do not know.
    pub(super) fn wake(&mut self) {
        let slept = self.clock.slept();
        if slept > self.slept + NO_SLEEP {
            let now = Instant::now();
            tracing::info!(bus = %self.bus, "the box slept for {}", roughly(slept - self.slept));
            (self.slept, self.reopen_at) = (slept, now);
            self.schedule.all_due(now);
        }
    }

    /// Takes up what the ledger holds.
    pub(super) fn hold(&mut self, held: &Held) {
        let now = Instant::now();
        for (index, station) in self.stations.iter_mut().enumerate() {
            let is_held = held.contains(&station.meter.name);
            station.hold(is_held);
            self.schedule.hold(index, is_held, now);
        }
    }

    /// The place of a meter on this bus.
    pub(super) fn find(&self, meter: &Name) -> Option<usize> {
        self.stations.iter().position(|station| station.meter.name == *meter)
    }

    /// Polls one meter because somebody asks. Its serial number, which is not read in each poll, is told as it was last read.
    pub(super) async fn poll_on_request(&mut self, meter: usize) -> PollReply {
        self.stations[meter].identification.look_again();
        let mut said = self.poll(meter).await;
        said.values.serial = said.values.serial.or(self.stations[meter].serial.clone());
        said
    }

    /// All meters of this bus.
    pub(super) fn names(&self) -> Vec<Name> {
        self.stations.iter().map(|station| station.meter.name.clone()).collect()
    }

    /// Polls one meter, due or not, and hands on what it said. Opens the line where it is not open.
    pub(super) async fn poll(&mut self, meter: usize) -> PollReply {
        if let Err(error) = self.line.open().await {
            self.line_lost(&error);
            self.recorder.poll(&self.stations[meter].meter.name, None);
            return PollReply::nothing(error.to_string());
        }
        let timeouts = self.line.counts().timeouts;
        let polled = self.stations[meter].poll(&mut self.line, &self.clock).await;
        let now = Instant::now();
        match &polled.end {
            PollEnd::Answered => self.schedule.answered(meter, now),
            PollEnd::Silent => {
                self.schedule.silent(meter, now);
                // A connection that is given up because nothing at all came: perhaps it was that, and no meter need be left alone longer.
                if !self.line.is_open() && self.line.counts().timeouts > timeouts {
                    self.schedule.all_due(now);
                }
            }
            PollEnd::Lost(_) => {}
        }
        let dropped = self.hand_on(meter, &polled);
        self.tell(meter, &polled, dropped, now);
        if let PollEnd::Lost(error) = &polled.end {
            self.line_lost(error);
        } else {
            self.line_works(now);
        }
        polled.said()
    }

    /// Sends the reading to the ledger; true where there is no room for it.
    fn hand_on(&self, meter: usize, polled: &PollOutcome) -> bool {
        let came = polled.at.filter(|_| polled.has_values());
        let station = &self.stations[meter];
        let (meter, definition) = (station.meter.name.clone(), station.definition());
        self.recorder.poll(&meter, came.map(|at| (at, &polled.values)));
        let Some(at) = came else { return false };
        self.readings.try_send(Reading { meter, at, values: polled.values.clone(), definition }).is_err()
    }

    fn tell(&mut self, meter: usize, polled: &PollOutcome, dropped: bool, now: Instant) {
        let station = &self.stations[meter];
        let (name, map) = (&station.meter.name, station.map());
        let counts = self.line.counts();
        self.report.send_modify(|report| {
            report.requests = counts.requests;
            report.answers = counts.answers;
            report.timeouts = counts.timeouts;
            report.garbled = counts.garbled;
            report.exceptions = counts.exceptions;
            report.opened = counts.opened;
            report.dropped += u64::from(dropped);
            if let Some(meter) = report.meters.get_mut(name) {
                note(meter, polled);
                meter.map = map;
                meter.quality.add(&self.line.take_tally(), now);
            }
        });
        if matches!(polled.end, PollEnd::Lost(_)) {
            return;
        }
        let change = self.healths[meter].told(polled.error.is_some(), now);
        match (change, &polled.error) {
            (Some(FaultChange::Failed), Some(error)) => tracing::warn!(meter = %name, bus = %self.bus, "{error}"),
            (Some(FaultChange::Recovered { failures, after }), _) => {
                let after = roughly(after);
                tracing::info!(meter = %name, bus = %self.bus, failures, "the meter answers again after {after}");
            }
            _ => {}
        }
    }

    /// The line could not be opened or was closed: said once, tried again with back-off. The meters' schedules stand.
    fn line_lost(&mut self, error: &Error) {
        let now = Instant::now();
        let wait = self.reopening.next_wait_jittered(0.75..=1.25, &mut rand::rng());
        self.reopen_at = now + wait;
        self.stations.iter_mut().for_each(MeterPoller::ask_again);
        if self.line_health.told(true, now) == Some(FaultChange::Failed) {
            tracing::warn!(bus = %self.bus, "{error}");
        }
        let text = error.to_string();
        self.report.send_modify(|report| {
            report.opened = self.line.counts().opened;
            for meter in report.meters.values_mut() {
                meter.error = Some(text.clone());
            }
            report.error = Some(text);
        });
    }

    fn line_works(&mut self, now: Instant) {
        self.reopening.reset();
        if let Some(FaultChange::Recovered { failures, after }) = self.line_health.told(false, now) {
            tracing::info!(bus = %self.bus, failures, "the line works again after {}", roughly(after));
            self.report.send_modify(|report| report.error = None);
        }
    }
}

fn note(meter: &mut MeterPoll, polled: &PollOutcome) {
    meter.polls += 1;
    meter.error.clone_from(&polled.error);
    if polled.has_values() {
        meter.failures_in_a_row = 0;
        meter.values.clone_from(&polled.values);
        meter.read_at = polled.at;
    } else {
        meter.failures += 1;
        meter.failures_in_a_row = meter.failures_in_a_row.saturating_add(1);
    }
}

/// Reads these meters of one bus once, for a command: there is no daemon that could do it.
pub async fn read_once(
    bus: &config::BusConfig,
    meters: &[config::MeterConfig],
    clock: &Clock,
) -> Vec<(Name, PollReply)> {
    let mut line = Line::new(&bus.link_settings());
    let mut results = Vec::with_capacity(meters.len());
    for meter in meters {
        let result = match line.open().await {
            Ok(()) => MeterPoller::new(meter.clone()).read_once(&mut line, clock).await.said(),
            Err(error) => PollReply::nothing(error.to_string()),
        };
        results.push((meter.name.clone(), result));
    }
    results
}
