//! Requests, counted by how each ended.

use std::time::Duration;

use super::times::{AnswerTimes, BUCKETS};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// With a verified answer.
    Answered,
    /// With an exception of this code.
    Exception(u8),
    /// With any other error.
    Failed(RequestCount),
}

/// One finished request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// How it ended.
    pub outcome: RequestOutcome,
    /// From sending the request to its end.
    pub took: Duration,
    /// The required silence before it.
    pub silence: Duration,
    /// The answer came in the last fifth of the timeout.
    pub slow: bool,
    /// Our own request came back.
    pub echo: bool,
    /// An answer to an earlier request came, before this request or during it.
    pub late: bool,
    /// Bytes that belong to no frame came and were discarded.
    pub discarded: bool,
}

/// What is counted. Each request counts once, in one of the counts up to [`RequestCount::OtherException`]. The counts after it are extra.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestCount {
    /// Verified answers.
    Answers,
    /// No answer to the request came in time.
    Timeouts,
    /// The answer's checksum is wrong.
    CrcErrors,
    /// Only a valid frame of another unit.
    WrongUnit,
    /// Only a valid frame of another function.
    WrongFunction,
    /// Only a valid frame of another length.
    WrongLength,
    /// Only the beginning of the answer.
    Incomplete,
    /// Bytes that are no frame.
    Noise,
    /// The link was closed during the request.
    Lost,
    /// Exception 1.
    IllegalFunction,
    /// Exception 2.
    IllegalAddress,
    /// Exception 3.
    IllegalValue,
    /// Exception 4.
    DeviceFailure,
    /// Exception 5.
    Acknowledge,
    /// Exception 6.
    Busy,
    /// Exception 8.
    MemoryParity,
    /// Exception 10: the gateway has no route to the unit.
    GatewayPath,
    /// Exception 11: the gateway got no answer from the unit.
    GatewayTarget,
    /// Any other exception.
    OtherException,
    /// Answers in the last fifth of the timeout.
    Slow,
    /// Requests whose echo was received.
    Echoes,
    /// Answers to earlier requests.
    Late,
    /// Requests during which bytes came that belong to no frame.
    Discarded,
    /// Finished polls.
    Polls,
}

impl RequestCount {
    /// All counts but exceptions and polls, with their names in the status document.
    pub const WORDS: [(Self, &'static str); 13] = [
        (Self::Answers, "answers"),
        (Self::Timeouts, "timeouts"),
        (Self::CrcErrors, "crc_errors"),
        (Self::WrongUnit, "wrong_unit"),
        (Self::WrongFunction, "wrong_function"),
        (Self::WrongLength, "wrong_length"),
        (Self::Incomplete, "incomplete"),
        (Self::Noise, "noise"),
        (Self::Lost, "lost"),
        (Self::Slow, "slow"),
        (Self::Echoes, "echoes"),
        (Self::Late, "late"),
        (Self::Discarded, "discarded"),
    ];
    /// How many of [`RequestCount::WORDS`] are shown even if they are 0.
    pub const USUAL: usize = 3;
    /// How many of them are outcomes of requests.
    pub const ENDS: usize = 9;
    /// The exceptions with their codes (Modbus Application Protocol V1.1b3, section 7).
    pub const EXCEPTIONS: [(Self, &'static str); 10] = [
        (Self::IllegalFunction, "1"),
        (Self::IllegalAddress, "2"),
        (Self::IllegalValue, "3"),
        (Self::DeviceFailure, "4"),
        (Self::Acknowledge, "5"),
        (Self::Busy, "6"),
        (Self::MemoryParity, "8"),
        (Self::GatewayPath, "10"),
        (Self::GatewayTarget, "11"),
        (Self::OtherException, "other"),
    ];

    fn of(outcome: RequestOutcome) -> Self {
        match outcome {
            RequestOutcome::Answered => Self::Answers,
            RequestOutcome::Failed(count) => count,
            RequestOutcome::Exception(code) => {
                let code = code.to_string();
                let known = Self::EXCEPTIONS.iter().find(|(_, word)| *word == code);
                known.map_or(Self::OtherException, |(count, _)| *count)
            }
        }
    }
}

const COUNTS: usize = RequestCount::Polls as usize + 1;

/// Counts of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTally {
    counts: [u64; COUNTS],
    /// How long the answers took.
    pub times: AnswerTimes,
    /// The sum of the answers' times, in microseconds.
    pub took_us: u64,
    /// How long the bus was busy, in microseconds: requests, answers, timeouts and required silences.
    pub busy_us: u64,
}

impl RequestTally {
    /// Counts a request.
    pub fn note(&mut self, request: &RequestRecord) {
        let took_us = request.took.as_micros() as u64;
        self.add(RequestCount::of(request.outcome), true);
        self.add(RequestCount::Slow, request.slow);
        self.add(RequestCount::Echoes, request.echo);
        self.add(RequestCount::Late, request.late);
        self.add(RequestCount::Discarded, request.discarded);
        self.busy_us += took_us + request.silence.as_micros() as u64;
        if request.outcome == RequestOutcome::Answered {
            self.times.note(took_us);
            self.took_us += took_us;
        }
    }

    /// Counts a finished poll with its requests.
    pub(super) fn add_poll(&mut self, requests: &RequestTally) {
        self.merge(requests);
        self.add(RequestCount::Polls, true);
    }

    /// Adds the counts of another tally.
    pub fn merge(&mut self, other: &RequestTally) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, others)| *mine += others);
        self.times.0.iter_mut().zip(&other.times.0).for_each(|(mine, others)| *mine += others);
        self.took_us += other.took_us;
        self.busy_us += other.busy_us;
    }

    /// One count.
    pub fn of(&self, count: RequestCount) -> u64 {
        self.counts[count as usize]
    }

    /// All requests, with every outcome.
    pub fn requests(&self) -> u64 {
        self.counts[..=RequestCount::OtherException as usize].iter().sum()
    }

    /// All exceptions.
    pub fn exceptions(&self) -> u64 {
        RequestCount::EXCEPTIONS.iter().map(|(count, _)| self.of(*count)).sum()
    }

    /// Damaged answers.
    pub fn damaged(&self) -> u64 {
        [RequestCount::CrcErrors, RequestCount::Incomplete, RequestCount::Noise]
            .map(|count| self.of(count))
            .iter()
            .sum()
    }

    fn add(&mut self, count: RequestCount, happened: bool) {
        self.counts[count as usize] += u64::from(happened);
    }
}

/// The counts of an hour, in half the memory: there are two for each meter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShortTally {
    counts: [u32; COUNTS],
    times: [u32; BUCKETS],
    took_us: u64,
    busy_us: u64,
}

impl ShortTally {
    /// Counts a finished poll with its requests.
    pub(super) fn add_poll(&mut self, requests: &RequestTally) {
        let counts = self.counts.iter_mut().zip(&requests.counts);
        let times = self.times.iter_mut().zip(&requests.times.0);
        // One poll has few of them.
        for (mine, others) in counts.chain(times).filter(|(_, others)| **others > 0) {
            *mine = mine.saturating_add(u32::try_from(*others).unwrap_or(u32::MAX));
        }
        self.counts[RequestCount::Polls as usize] += 1;
        self.took_us += requests.took_us;
        self.busy_us += requests.busy_us;
    }
}

impl From<ShortTally> for RequestTally {
    fn from(short: ShortTally) -> Self {
        RequestTally {
            counts: short.counts.map(u64::from),
            times: AnswerTimes(short.times.map(u64::from)),
            took_us: short.took_us,
            busy_us: short.busy_us,
        }
    }
}
