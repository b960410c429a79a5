//! The meters of one bus and the line that they share: one poll, its effect on the schedule, and its report.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::fault_log::{FaultChange, FaultLog, roughly};
use super::loan::{self, Loan, LoanTerms};
use super::meter_poller::MeterPoller;
use super::outcome::{PollEnd, PollOutcome};
use super::reply::PollReply;
use super::report::{BusReport, MeterPoll};
use super::schedule::PollSchedule;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::config;
use crate::modbus::{Error, Line, LinkSettings};
use crate::reading::{Held, Reading};
use crate::recorder::Recorder;
use crate::units::{Name, UnitId};

/// A lost link is reopened after 1 s, doubling to 30 s. The jitter keeps several daemons from connecting to one gateway at the same time.
const FIRST_REOPENING: Duration = Duration::from_secs(1);
const LONGEST_REOPENING: Duration = Duration::from_secs(30);

pub(super) struct BusPoller {
    bus: Name,
    line: Line,
    link: LinkSettings,
    /// The units of the meters.
    units: Vec<UnitId>,
    schedule: PollSchedule,
    meters: Vec<MeterPoller>,
    /// One for each meter, in the same order.
    meter_faults: Vec<FaultLog>,
    link_faults: FaultLog,
    reopening: Backoff,
    /// When a lost link may be reopened.
    reopen_at: Instant,
    readings: mpsc::Sender<Reading>,
    report: watch::Sender<BusReport>,
    recorder: Recorder,
    clock: Clock,
    /// The last value of [`Clock::slept`].
    slept: Duration,
}

/// Smaller steps of [`Clock::slept`] are not a suspension: its two clocks are not read at the same instant.
const NO_SLEEP: Duration = Duration::from_secs(1);

/// The next step of the bus task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Poll the meter with this index.
    Poll(usize),
    /// Carry out the request of the borrower.
    Lend,
    /// No meter is due before this time; `None` for a bus without meters.
    Wait(Option<Instant>),
}

impl BusPoller {
    /// A bus that is first polled at `begin`.
    #[expect(clippy::too_many_arguments, reason = "each is one input or output of the task")]
    pub(super) fn new(
        bus: &config::BusConfig,
        line: Line,
        meters: Vec<config::MeterConfig>,
        begin: Instant,
        readings: mpsc::Sender<Reading>,
        report: watch::Sender<BusReport>,
        recorder: Recorder,
        clock: Clock,
    ) -> Self {
        let schedule = PollSchedule::new(meters.iter().map(|meter| meter.poll_every), bus.timeout, begin);
        report.send_modify(|report| {
            report.meters = meters.iter().map(|meter| (meter.name.clone(), Arc::default())).collect();
        });
        BusPoller {
            bus: bus.name.clone(),
            line,
            link: bus.link_settings(),
            units: meters.iter().map(|meter| meter.unit).collect(),
            schedule,
            meter_faults: meters.iter().map(|_| FaultLog::default()).collect(),
            meters: meters.into_iter().map(MeterPoller::new).collect(),
            link_faults: FaultLog::default(),
            reopening: Backoff::new(FIRST_REOPENING, LONGEST_REOPENING),
            reopen_at: begin,
            readings,
            report,
            recorder,
            slept: clock.slept(),
            clock,
        }
    }

    pub(super) fn next(&self, loan: Option<&Loan>) -> NextStep {
        let now = Instant::now();
        let opens_at = if self.line.is_open() { now } else { self.reopen_at.max(now) };
        let lent = loan.and_then(|loan| loan.expected(&self.link, &self.units));
        if lent.is_some_and(|takes| opens_at <= now && self.schedule.may_lend(takes, now)) {
            return NextStep::Lend;
        }
        let Some((meter, due)) = self.schedule.next(now) else { return NextStep::Wait(None) };
        let at = due.max(opens_at);
        let lends_at = lent.map(|_| self.schedule.lends_from().max(opens_at));
        match due.max(opens_at) <= now {
            true => NextStep::Poll(meter),
            false => NextStep::Wait(Some(lends_at.map_or(at, |lends_at| at.min(lends_at)))),
        }
    }

    /// Lends the line from now on.
    pub(super) fn begin_loan(&mut self, borrower: &str, timeout: Duration) -> LoanTerms {
        tracing::info!(bus = %self.bus, "the line is lent to {borrower}: it is used between the polls");
        self.report.send_modify(|report| report.lent_to = Some(borrower.to_owned()));
        loan::terms(&self.link, timeout, |takes| self.schedule.lending_pace(takes))
    }

    /// The borrower is gone.
    pub(super) fn end_loan(&mut self, loan: &Loan) {
        let (borrower, lasted) = (&loan.borrower, roughly(loan.began.elapsed()));
        tracing::info!(bus = %self.bus, requests = loan.carried_out, "the loan of the line to {borrower} ended after {lasted}");
        self.report.send_modify(|report| report.lent_to = None);
    }

    /// Carries out the borrower's request.
    pub(super) async fn lend(&mut self, loan: &mut Loan) {
        let Some(exchange) = loan.take(&self.link, &self.units) else { return };
        let begin = Instant::now();
        let answer = self.line.lend(&exchange.request).await;
        let now = Instant::now();
        self.schedule.lent(now - begin, now);
        loan.carried_out(&exchange.request, &answer, now - begin, &self.link);
        if let Some(error) = answer.link_failure() {
            self.link_lost(error);
        }
        // The borrower may be gone.
        let _ = exchange.reply.send(answer);
    }

    /// The bus waits now.
    pub(super) fn rest(&mut self) {
        self.line.rest();
    }

    /// Makes every meter due after the system was suspended: timers do not advance during that time.
    pub(super) fn check_for_sleep(&mut self) {
        let slept = self.clock.slept();
        if slept > self.slept + NO_SLEEP {
            let now = Instant::now();
            tracing::info!(bus = %self.bus, "the box slept for {}", roughly(slept - self.slept));
            (self.slept, self.reopen_at) = (slept, now);
            self.schedule.all_expected(now);
        }
    }

    /// Takes over the set of meters that the ledger holds.
    pub(super) fn hold(&mut self, held: &Held) {
        let now = Instant::now();
        for (index, meter) in self.meters.iter_mut().enumerate() {
            let is_held = held.contains(&meter.config.name);
            meter.hold(is_held);
            self.schedule.hold(index, is_held, now);
        }
    }

    /// The index of a meter on this bus.
    pub(super) fn find(&self, meter: &Name) -> Option<usize> {
        self.meters.iter().position(|known| known.config.name == *meter)
    }

    /// Polls one meter for a command. The serial number is not read in each poll, so the reply has the one last read.
    pub(super) async fn poll_on_request(&mut self, meter: usize) -> PollReply {
        self.meters[meter].identification.forget_refusal();
        let mut reply = self.poll(meter).await;
        reply.values.serial = reply.values.serial.or(self.meters[meter].serial.clone());
        reply
    }

    /// The names of all meters of this bus.
    pub(super) fn names(&self) -> Vec<Name> {
        self.meters.iter().map(|meter| meter.config.name.clone()).collect()
    }

    /// Polls one meter, due or not, and sends its reading to the ledger. Opens the link if it is not open.
    pub(super) async fn poll(&mut self, meter: usize) -> PollReply {
        if let Err(error) = self.line.open().await {
            self.link_lost(&error);
            self.recorder.poll(&self.meters[meter].config.name, None);
            return PollReply::nothing(error.to_string());
        }
        let timeouts = self.line.counts().timeouts;
        let begin = Instant::now();
        let outcome = self.meters[meter].poll(&mut self.line, &self.clock).await;
        let now = Instant::now();
        match &outcome.end {
            PollEnd::Answered => self.schedule.answered(meter, now - begin, now),
            PollEnd::Silent => {
                self.schedule.silent(meter, now - begin, now);
                // The connection was closed because no byte was received. It may have been the cause of the silence, so no meter keeps its
                // back-off.
                if !self.line.is_open() && self.line.counts().timeouts > timeouts {
                    self.schedule.all_due(now);
                }
            }
            PollEnd::Lost(_) => {}
        }
        let dropped = self.send_reading(meter, &outcome).await;
        self.report_poll(meter, &outcome, dropped, now);
        if let PollEnd::Lost(error) = &outcome.end {
            self.link_lost(error);
        } else {
            self.link_works(now);
        }
        outcome.into_reply()
    }

    /// Sends the reading to the ledger. If its queue is full, the line waits for it, but not longer than the meter's poll interval: the next
    /// reading has the same counter. True if the reading was dropped.
    async fn send_reading(&mut self, meter: usize, outcome: &PollOutcome) -> bool {
        let at = outcome.at.filter(|_| outcome.has_values());
        let poller = &self.meters[meter];
        let (meter, definition) = (poller.config.name.clone(), poller.definition());
        self.recorder.poll(&meter, at.map(|at| (at, &outcome.values)));
        let Some(at) = at else { return false };
        match self.readings.try_send(Reading { meter, at, values: outcome.values.clone(), definition }) {
            Ok(()) => false,
            Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(reading)) => {
                !matches!(timeout(poller.config.poll_every, self.readings.send(reading)).await, Ok(Ok(())))
            }
        }
    }

    /// Updates the report of the bus, and logs a fault of the meter that begins or ends.
    fn report_poll(&mut self, meter: usize, outcome: &PollOutcome, dropped: bool, now: Instant) {
        let poller = &self.meters[meter];
        let (name, map) = (&poller.config.name, poller.identification.map());
        let rises_while_exporting = poller.export_check.rises();
        let counts = self.line.counts();
        let tolerated = self.line.tolerated();
        let silent = matches!(outcome.end, PollEnd::Silent);
        self.report.send_modify(|report| {
            // A meter dies only by its silence.
            if silent || report.probes.dead > 0 {
                report.probes = self.schedule.probe_round();
            }
            report.tolerated = tolerated;
            report.counts = counts;
            report.dropped += u64::from(dropped);
            if let Some(meter) = report.meters.get_mut(name).map(Arc::make_mut) {
                count_poll(meter, outcome);
                meter.map = map;
                meter.rises_while_exporting = rises_while_exporting;
                meter.quality.add(&self.line.take_tally(), now);
            }
        });
        if matches!(outcome.end, PollEnd::Lost(_)) {
            return;
        }
        let change = self.meter_faults[meter].record(outcome.error.is_some(), now);
        match (change, &outcome.error) {
            (Some(FaultChange::Failed), Some(error)) => tracing::warn!(meter = %name, bus = %self.bus, "{error}"),
            (Some(FaultChange::Recovered { failures, after }), _) => {
                let after = roughly(after);
                tracing::info!(meter = %name, bus = %self.bus, failures, "the meter answers again after {after}");
            }
            _ => {}
        }
    }

    /// The link could not be opened, or was closed. This is logged once; the link is reopened with back-off. The schedules stay.
    fn link_lost(&mut self, error: &Error) {
        let now = Instant::now();
        let wait = self.reopening.next_wait_jittered(0.75..=1.25, &mut rand::rng());
        self.reopen_at = now + wait;
        self.meters.iter_mut().for_each(MeterPoller::link_lost);
        if self.link_faults.record(true, now) == Some(FaultChange::Failed) {
            tracing::warn!(bus = %self.bus, "{error}. It is tried again");
        }
        let text = error.to_string();
        self.report.send_modify(|report| {
            report.counts = self.line.counts();
            for meter in report.meters.values_mut().map(Arc::make_mut) {
                meter.error = Some(text.clone());
            }
            report.error = Some(text);
        });
    }

    fn link_works(&mut self, now: Instant) {
        self.reopening.reset();
        if let Some(FaultChange::Recovered { failures, after }) = self.link_faults.record(false, now) {
            tracing::info!(bus = %self.bus, failures, "the line works again after {}", roughly(after));
            self.report.send_modify(|report| report.error = None);
        }
    }
}

fn count_poll(meter: &mut MeterPoll, outcome: &PollOutcome) {
    meter.polls += 1;
    meter.error.clone_from(&outcome.error);
    if outcome.has_values() {
        meter.failures_in_a_row = 0;
        meter.values.clone_from(&outcome.values);
        meter.read_at = outcome.at;
    } else {
        meter.failures += 1;
        meter.failures_in_a_row = meter.failures_in_a_row.saturating_add(1);
    }
}

/// Reads these meters of one bus once, one result for each meter: for commands that run without the daemon, or borrow its line.
pub async fn read_once(link: &LinkSettings, meters: &[config::MeterConfig], clock: &Clock) -> Vec<(Name, PollReply)> {
    let mut line = Line::new(link);
    let mut results = Vec::with_capacity(meters.len());
    for meter in meters {
        let result = match line.open().await {
            Ok(()) => MeterPoller::new(meter.clone()).read_once(&mut line, clock).await.into_reply(),
            Err(error) => PollReply::nothing(error.to_string()),
        };
        results.push((meter.name.clone(), result));
    }
    results
}
