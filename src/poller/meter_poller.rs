//! Polling one meter: which registers to read, and what the answers give.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::export_check::ExportCheck;
use super::identification::Identification;
use super::joined::{self, JoinedReads};
use super::outcome::{PollEnd, PollOutcome};
use crate::clock::{Clock, ClockReading};
use crate::config;
use crate::meter::{Answers, ReadPlan, RegisterRange};
use crate::modbus::{Error, Line};
use crate::reading::RegisterDefinition;

/// Interval between reads of the serial number when nothing makes it urgent: a meter can be replaced without a silence on the line.
const SERIAL_EVERY: Duration = Duration::from_secs(600);
/// Further polls of [`MeterPoller::read_once`] while a map is being selected.
const EXTRA_POLLS: usize = 3;

#[derive(Debug)]
pub(super) struct MeterPoller {
    pub(super) config: config::MeterConfig,
    pub(super) plan: ReadPlan,
    pub(super) identification: Identification,
    /// The request without an answer in the last poll. It is sent first: a late answer then belongs to this request.
    pub(super) unanswered: Option<RegisterRange>,
    pub(super) joined: JoinedReads,
    /// The block with the energy register, once it is known.
    pub(super) register_block: Option<RegisterRange>,
    held: bool,
    /// When to read the serial number; `None` for the next poll.
    pub(super) serial_at: Option<Instant>,
    /// The serial number as last read.
    pub(super) serial: Option<String>,
    /// Whether the counter rises while power is exported.
    pub(super) export_check: ExportCheck,
}

impl MeterPoller {
    pub(super) fn new(config: config::MeterConfig) -> Self {
        let plan = ReadPlan::new(&config.profile, &config.installation);
        let identification = Identification::new(&config.profile);
        MeterPoller {
            config,
            plan,
            identification,
            unanswered: None,
            joined: JoinedReads::default(),
            register_block: None,
            held: false,
            serial_at: None,
            serial: None,
            export_check: ExportCheck::default(),
        }
    }

    /// Sets whether the ledger holds the meter's counter.
    pub(super) fn hold(&mut self, held: bool) {
        if held && !self.held {
            self.identify_again();
        }
        self.held = held;
    }

    /// The link is lost. What was learned over it is not known of the next one.
    pub(super) fn link_lost(&mut self) {
        self.identify_again();
        self.joined.forget(&mut self.plan);
        self.register_block = None;
    }

    /// The meter may have been replaced: its identity and serial number are read before the next value.
    pub(super) fn identify_again(&mut self) {
        (self.serial_at, self.serial) = (None, None);
        self.identification.make_due();
    }

    /// Reads the values, after the identity where that is due.
    pub(super) async fn poll(&mut self, line: &mut Line, clock: &Clock) -> PollOutcome {
        match self.ensure_identified(line).await {
            Ok(()) => self.read(line, clock).await,
            Err(outcome) => outcome,
        }
    }

    /// Polls for a command that reads only once: repeats the poll while a map is being selected, and once if a joined read has failed.
    pub(super) async fn read_once(&mut self, line: &mut Line, clock: &Clock) -> PollOutcome {
        self.joined = JoinedReads::hurried();
        let mut outcome = self.poll(line, clock).await;
        for _ in 0..EXTRA_POLLS {
            let is_selecting = self.identification.is_selecting_map() && matches!(outcome.end, PollEnd::Answered);
            if !is_selecting && !self.joined.tries_parts() {
                break;
            }
            let again = match line.open().await {
                Ok(()) => self.poll(line, clock).await,
                Err(_) => break,
            };
            outcome = if again.has_values() || is_selecting { again } else { outcome };
        }
        outcome
    }

    /// Reads each block of the poll. A damaged answer is requested once more.
    async fn read(&mut self, line: &mut Line, clock: &Clock) -> PollOutcome {
        let now = Instant::now();
        self.joined.try_whole(&mut self.plan, now);
        let with_serial = self.held || self.serial_at.is_none_or(|at| now >= at);
        let mut answers = Answers::new();
        let mut times = Vec::new();
        let mut refusals: Vec<(RegisterRange, String)> = Vec::new();
        let mut end = PollEnd::Answered;
        let mut error = None;
        while let Some(block) = self.next(&answers, &refusals, with_serial) {
            match line.read_twice(self.config.profile.delay, self.config.unit, block).await {
                Ok(words) => {
                    times.push((block, clock.now()));
                    answers.insert(block, words);
                    self.joined_answered(block, now);
                }
                Err(refusal @ Error::Exception { .. }) if !refusal.is_silence() => {
                    self.refused(block, &refusal, &mut refusals);
                }
                Err(failure) => {
                    if !matches!(failure, Error::Open { .. }) {
                        self.joined_failed(block);
                    }
                    self.unanswered = Some(block);
                    error = Some(failure.to_string());
                    end = if failure.is_of_the_link() { PollEnd::Lost(failure) } else { PollEnd::Silent };
                    break;
                }
            }
        }
        if error.is_none() {
            self.unanswered = None;
            if with_serial {
                self.serial_at = Some(now + SERIAL_EVERY);
            }
        } else {
            self.identify_again();
        }
        self.outcome(answers, &times, error, refusals, end)
    }

    /// The next block of this poll: the one without an answer last time, the serial number, then the values.
    fn next(
        &self,
        answers: &Answers,
        refusals: &[(RegisterRange, String)],
        with_serial: bool,
    ) -> Option<RegisterRange> {
        let serial = if with_serial { self.plan.serial_ranges() } else { &[] };
        let values = self.plan.ranges();
        let first = self.unanswered.iter().filter(|block| values.contains(block) || serial.contains(block));
        let open = |block: &&RegisterRange| {
            !answers.contains_key(block) && !refusals.iter().any(|(refused, _)| refused == *block)
        };
        first.chain(serial).chain(values).find(open).copied()
    }

    fn refused(&mut self, block: RegisterRange, refusal: &Error, refusals: &mut Vec<(RegisterRange, String)>) {
        if refusal.refuses_range() && self.plan.split(block) {
            self.register_block = None;
            let remedy = joined::remedy(block, self.plan.ranges());
            tracing::info!(
                meter = %self.config.name,
                "the meter refuses to read {block} in one request ({refusal}): it is read in smaller parts; {remedy}"
            );
        } else if !refusal.refuses_range() && self.joined_failed(block) {
            // Its parts are read next.
        } else if self.plan.ranges().contains(&block) {
            refusals.push((block, format!("{block}: {refusal}")));
        } else {
            // The serial number is optional: no error.
            refusals.push((block, String::new()));
        }
    }

    /// Whether the block's parts are to be read instead.
    fn joined_failed(&mut self, block: RegisterRange) -> bool {
        let split = self.joined.failed(block, &mut self.plan);
        self.register_block = None;
        split
    }

    fn joined_answered(&mut self, block: RegisterRange, now: Instant) {
        if let Some(whole) = self.joined.answered(block, now) {
            let remedy = joined::remedy(whole, self.plan.ranges());
            tracing::info!(
                meter = %self.config.name,
                "the meter does not answer {whole} in one request: it is read in smaller parts for a day; {remedy}"
            );
        }
    }

    fn outcome(
        &mut self,
        answers: Answers,
        times: &[(RegisterRange, ClockReading)],
        error: Option<String>,
        refusals: Vec<(RegisterRange, String)>,
        end: PollEnd,
    ) -> PollOutcome {
        let decoded = self.plan.decode(&answers);
        if decoded.chain_moved {
            self.identify_again();
        }
        let refusals = refusals.into_iter().map(|(_, refusal)| refusal).filter(|refusal| !refusal.is_empty());
        let errors: Vec<_> = error.into_iter().chain(refusals).chain(decoded.problems).collect();
        if decoded.values.serial.is_some() {
            self.serial.clone_from(&decoded.values.serial);
        }
        let at = match decoded.values.register {
            Some(_) => self.register_time(&answers, times),
            None => times.last().map(|(_, at)| *at),
        };
        let error = (!errors.is_empty()).then(|| errors.join("; "));
        if let Some(at) = at.filter(|_| self.plan.counts_import_only()) {
            self.export_check.note(at.since_boot, &decoded.values);
        }
        PollOutcome { values: decoded.values, at, error, end }
    }

    /// When the block with the energy register was received.
    fn register_time(&mut self, answers: &Answers, times: &[(RegisterRange, ClockReading)]) -> Option<ClockReading> {
        if self.register_block.is_none() {
            let has_register = |block: &&RegisterRange| {
                let alone = answers.get_key_value(block).map(|(block, words)| (*block, words.clone()));
                self.plan.decode(&alone.into_iter().collect()).values.register.is_some()
            };
            self.register_block = answers.keys().find(has_register).copied();
        }
        let received = times.iter().find(|(block, _)| Some(*block) == self.register_block);
        received.or(times.last()).map(|(_, at)| *at)
    }

    /// The register's definition, where it was known only after a request to the meter.
    pub(super) fn definition(&self) -> Option<Arc<RegisterDefinition>> {
        self.identification.definition.clone()
    }
}
