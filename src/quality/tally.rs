//! Requests, counted by how each ended.

use std::time::Duration;

use super::times::AnswerTimes;

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

/// One request, when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// How it ended.
    pub outcome: RequestOutcome,
    /// From sending it to its end.
    pub took: Duration,
    /// The silence that had to be kept before it.
    pub silence: Duration,
    /// The answer came in the last fifth of the time-out.
    pub slow: bool,
    /// Our own request came back.
    pub echo: bool,
    /// An answer to an earlier request came, before it or meanwhile.
    pub late: bool,
}

/// What is counted. Each request is one of those up to [`RequestCount::OtherException`]; those after are counted beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestCount {
    /// Verified answers.
    Answers,
    /// Nothing that belongs to the request came in time.
    Timeouts,
    /// The answer's checksum is wrong.
    CrcErrors,
    /// Only a whole frame of a unit that was not requested.
    WrongUnit,
    /// The same of a function.
    WrongFunction,
    /// The same of a length.
    WrongLength,
    /// The answer's beginning, and no more.
    Incomplete,
    /// Bytes that are no frame.
    Noise,
    /// The link was closed under the request.
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
    /// The gateway has no way to the unit.
    GatewayPath,
    /// The gateway got no answer from the unit.
    GatewayTarget,
    /// Any other exception.
    OtherException,
    /// Answers in the last fifth of the timeout.
    Slow,
    /// Requests that came back.
    Echoes,
    /// Answers to earlier requests.
    Late,
    /// Polls that ended.
    Polls,
}

impl RequestCount {
    /// Those that are no exceptions: what a request ended by, and what was counted beside it, in the words of the status document.
    pub const WORDS: [(Self, &'static str); 12] = [
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
    ];
    /// How many of [`RequestCount::WORDS`] are told even where they are 0.
    pub const USUAL: usize = 3;
    /// How many of them are how a request ended.
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
            RequestOutcome::Exception(1) => Self::IllegalFunction,
            RequestOutcome::Exception(2) => Self::IllegalAddress,
            RequestOutcome::Exception(3) => Self::IllegalValue,
            RequestOutcome::Exception(4) => Self::DeviceFailure,
            RequestOutcome::Exception(5) => Self::Acknowledge,
            RequestOutcome::Exception(6) => Self::Busy,
            RequestOutcome::Exception(8) => Self::MemoryParity,
            RequestOutcome::Exception(10) => Self::GatewayPath,
            RequestOutcome::Exception(11) => Self::GatewayTarget,
            RequestOutcome::Exception(_) => Self::OtherException,
        }
    }
}

pub(super) const COUNTS: usize = RequestCount::Polls as usize + 1;

/// Counts of requests. They start again at 0 after 2^32: at 30 requests a second that is after four years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTally {
    pub(super) counts: [u32; COUNTS],
    /// Of the answers.
    pub times: AnswerTimes,
    /// Of the answers, in microseconds.
    pub took_us: u64,
    /// How long the bus was busy, in microseconds: requests, answers, timeouts and required silences.
    pub busy_us: u64,
}

impl RequestTally {
    /// Counts a request.
    pub fn note(&mut self, request: &RequestRecord) {
        let took_us = micros(request.took);
        self.add(RequestCount::of(request.outcome), true);
        self.add(RequestCount::Slow, request.slow);
        self.add(RequestCount::Echoes, request.echo);
        self.add(RequestCount::Late, request.late);
        self.busy_us += took_us + micros(request.silence);
        if request.outcome == RequestOutcome::Answered {
            self.times.note(took_us);
            self.took_us += took_us;
        }
    }

    /// A poll is over; these requests are of it.
    pub(super) fn add_poll(&mut self, of: &RequestTally) {
        self.merge(of);
        self.add(RequestCount::Polls, true);
    }

    /// Adds the counts of another tally.
    pub fn merge(&mut self, other: &RequestTally) {
        for (mine, others) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.wrapping_add(others);
        }
        for (mine, others) in self.times.0.iter_mut().zip(other.times.0) {
            *mine = mine.wrapping_add(others);
        }
        self.took_us += other.took_us;
        self.busy_us += other.busy_us;
    }

    /// One count.
    pub fn of(&self, count: RequestCount) -> u64 {
        u64::from(self.counts[count as usize])
    }

    /// All requests, with every outcome.
    pub fn requests(&self) -> u64 {
        self.counts[..=RequestCount::OtherException as usize].iter().map(|count| u64::from(*count)).sum()
    }

    /// All exceptions.
    pub fn exceptions(&self) -> u64 {
        RequestCount::EXCEPTIONS.iter().map(|(count, _)| self.of(*count)).sum()
    }

    /// Answers that came damaged.
    pub fn damaged(&self) -> u64 {
        [RequestCount::CrcErrors, RequestCount::Incomplete, RequestCount::Noise]
            .map(|count| self.of(count))
            .iter()
            .sum()
    }

    fn add(&mut self, count: RequestCount, so: bool) {
        let counted = &mut self.counts[count as usize];
        *counted = counted.wrapping_add(u32::from(so));
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000 + u64::from(duration.subsec_micros())
}
