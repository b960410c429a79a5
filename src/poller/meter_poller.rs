//! One meter as the poller knows it: what to read of it in a poll, and what it said.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::identification::Identification;
use super::outcome::{PollEnd, PollOutcome};
use crate::clock::{Clock, ClockReading};
use crate::config;
use crate::meter::{Answers, ReadPlan, RegisterRange};
use crate::modbus::{Error, Line};
use crate::reading::RegisterDefinition;

/// How often the serial number is read while nothing makes it urgent: meters are swapped without the line being lost.
const SERIAL_EVERY: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct MeterPoller {
    pub(super) meter: config::MeterConfig,
    pub(super) plan: ReadPlan,
    pub(super) identification: Identification,
    /// What was not answered last time is asked first: should the late answer come after all, it is one to this very request.
    pub(super) unanswered: Option<RegisterRange>,
    /// The block that holds the register, once that is known.
    pub(super) register_block: Option<RegisterRange>,
    held: bool,
    /// When the serial number is to be read; `None` for the next poll.
    pub(super) serial_at: Option<Instant>,
    /// As it was last read.
    pub(super) serial: Option<String>,
}

impl MeterPoller {
    pub(super) fn new(meter: config::MeterConfig) -> Self {
        let plan = ReadPlan::new(&meter.profile, &meter.installation);
        let identification = Identification::new(&meter.profile);
        MeterPoller {
            meter,
            plan,
            identification,
            unanswered: None,
            register_block: None,
            held: false,
            serial_at: None,
            serial: None,
        }
    }

    /// The ledger holds the meter's counter, or no longer does.
    pub(super) fn hold(&mut self, held: bool) {
        if held && !self.held {
            self.ask_again();
        }
        self.held = held;
    }

    /// Another meter may be there now: what it is, and its serial number, are asked before the next register.
    pub(super) fn ask_again(&mut self) {
        (self.serial_at, self.serial) = (None, None);
        self.identification.ask_again();
    }

    /// What the register means, where that showed only at the meter.
    pub(super) fn definition(&self) -> Option<Arc<RegisterDefinition>> {
        self.identification.definition()
    }

    /// Which map of its profile it has, and where in a chain; `None` where that is open, or there is nothing to tell.
    pub(super) fn map(&self) -> Option<String> {
        self.identification.map()
    }

    /// Makes sure that the meter is the one that is meant, and reads it.
    pub(super) async fn poll(&mut self, line: &mut Line, clock: &Clock) -> PollOutcome {
        match self.recognise(line).await {
            Ok(()) => self.read(line, clock).await,
            Err(polled) => polled,
        }
    }

    /// As [`MeterPoller::poll`] for someone who will not poll again: where maps are to be decided between, it is given the time.
    pub(super) async fn read_once(&mut self, line: &mut Line, clock: &Clock) -> PollOutcome {
        let mut polled = self.poll(line, clock).await;
        for _ in 0..3 {
            if !self.identification.is_open() || !matches!(polled.end, PollEnd::Answered) {
                break;
            }
            polled = self.poll(line, clock).await;
        }
        polled
    }

    /// Reads what is to be read, each block once (a garbled answer is asked for once more).
    async fn read(&mut self, line: &mut Line, clock: &Clock) -> PollOutcome {
        let with_serial = self.held || self.serial_at.is_none_or(|at| Instant::now() >= at);
        let mut answers = Answers::new();
        let mut stamps = Vec::new();
        let mut refusals: Vec<(RegisterRange, String)> = Vec::new();
        let mut end = PollEnd::Answered;
        let mut error = None;
        while let Some(block) = self.next(&answers, &refusals, with_serial) {
            match line.read_twice(self.meter.profile.delay, self.meter.unit, block).await {
                Ok(words) => {
                    stamps.push((block, clock.now()));
                    answers.insert(block, words);
                }
                Err(refusal @ Error::Exception { .. }) if !refusal.is_silence() => {
                    self.refused(block, &refusal, &mut refusals);
                }
                Err(failure) => {
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
                self.serial_at = Some(Instant::now() + SERIAL_EVERY);
            }
        } else {
            self.ask_again();
        }
        self.polled(answers, &stamps, error, refusals, end)
    }

    /// The next block of this poll: what was unanswered last time, the serial number, then the values.
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
            let (first, count) = (block.address, block.count);
            tracing::info!(meter = %self.meter.name, first, count, "the meter refuses a joined read; reading in smaller ones");
        } else if self.plan.ranges().contains(&block) {
            refusals.push((block, format!("registers from {} on: {refusal}", block.address)));
        } else {
            // Without a serial number the meter is as good as any other.
            refusals.push((block, String::new()));
        }
    }

    fn polled(
        &mut self,
        answers: Answers,
        stamps: &[(RegisterRange, ClockReading)],
        error: Option<String>,
        refusals: Vec<(RegisterRange, String)>,
        end: PollEnd,
    ) -> PollOutcome {
        let decoded = self.plan.decode(&answers);
        if decoded.chain_moved {
            self.ask_again();
        }
        let refusals = refusals.into_iter().map(|(_, refusal)| refusal).filter(|refusal| !refusal.is_empty());
        let errors: Vec<_> = error.into_iter().chain(refusals).chain(decoded.problems).collect();
        if decoded.values.serial.is_some() {
            self.serial.clone_from(&decoded.values.serial);
        }
        let at = match decoded.values.register {
            Some(_) => self.register_came(&answers, stamps),
            None => stamps.last().map(|(_, at)| *at),
        };
        let error = (!errors.is_empty()).then(|| errors.join("; "));
        PollOutcome { values: decoded.values, at, error, end }
    }

    fn register_came(&mut self, answers: &Answers, stamps: &[(RegisterRange, ClockReading)]) -> Option<ClockReading> {
        if self.register_block.is_none() {
            let holds = |block: &&RegisterRange| {
                let alone = answers.get_key_value(block).map(|(block, words)| (*block, words.clone()));
                self.plan.decode(&alone.into_iter().collect()).values.register.is_some()
            };
            self.register_block = answers.keys().find(holds).copied();
        }
        let came = stamps.iter().find(|(block, _)| Some(*block) == self.register_block);
        came.or(stamps.last()).map(|(_, at)| *at)
    }
}
