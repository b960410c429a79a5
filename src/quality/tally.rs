//! Requests, counted by how each ended.

use std::time::Duration;

use super::times::Times;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By the verified answer.
    Answered,
    /// By an exception of this code.
    Exception(u8),
    /// By anything else.
    Failed(Count),
}

/// One request, when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub outcome: Outcome,
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

/// What is counted. Each request is one of those up to [`Count::OtherException`]; those after are counted beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Answers,
    /// Nothing that belongs to the request came in time.
    Timeouts,
    /// The answer's checksum is wrong.
    CrcErrors,
    /// A whole frame of a unit, function or length that was not asked for, and nothing else.
    WrongUnit,
    WrongFunction,
    WrongLength,
    /// The answer's beginning, and no more.
    Incomplete,
    /// Bytes that are no frame.
    Noise,
    /// The link was closed under the request.
    Lost,
    IllegalFunction,
    IllegalAddress,
    IllegalValue,
    DeviceFailure,
    Acknowledge,
    Busy,
    MemoryParity,
    /// The gateway has no way to the unit.
    GatewayPath,
    /// The gateway got no answer from the unit.
    GatewayTarget,
    OtherException,
    Slow,
    Echoes,
    Late,
    Polls,
}

impl Count {
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
    /// How many of [`Count::WORDS`] are told even where they are 0.
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

    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Answered => Self::Answers,
            Outcome::Failed(count) => count,
            Outcome::Exception(1) => Self::IllegalFunction,
            Outcome::Exception(2) => Self::IllegalAddress,
            Outcome::Exception(3) => Self::IllegalValue,
            Outcome::Exception(4) => Self::DeviceFailure,
            Outcome::Exception(5) => Self::Acknowledge,
            Outcome::Exception(6) => Self::Busy,
            Outcome::Exception(8) => Self::MemoryParity,
            Outcome::Exception(10) => Self::GatewayPath,
            Outcome::Exception(11) => Self::GatewayTarget,
            Outcome::Exception(_) => Self::OtherException,
        }
    }
}

pub(super) const COUNTS: usize = Count::Polls as usize + 1;

/// Counts of requests. They start again at 0 after 2^32: at 30 requests a second that is after four years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub(super) counts: [u32; COUNTS],
    /// Of the answers.
    pub times: Times,
    /// Of the answers, in microseconds.
    pub took_us: u64,
    /// For how long the line was taken: requests, answers, time-outs and the silences that had to be kept.
    pub busy_us: u64,
}

impl Tally {
    pub fn note(&mut self, request: &Request) {
        let took_us = micros(request.took);
        self.add(Count::of(request.outcome), true);
        self.add(Count::Slow, request.slow);
        self.add(Count::Echoes, request.echo);
        self.add(Count::Late, request.late);
        self.busy_us += took_us + micros(request.silence);
        if request.outcome == Outcome::Answered {
            self.times.note(took_us);
            self.took_us += took_us;
        }
    }

    /// A poll is over; these requests are of it.
    pub(super) fn add_poll(&mut self, of: &Tally) {
        self.merge(of);
        self.add(Count::Polls, true);
    }

    pub fn merge(&mut self, other: &Tally) {
        for (mine, others) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.wrapping_add(others);
        }
        for (mine, others) in self.times.0.iter_mut().zip(other.times.0) {
            *mine = mine.wrapping_add(others);
        }
        self.took_us += other.took_us;
        self.busy_us += other.busy_us;
    }

    pub fn of(&self, count: Count) -> u64 {
        u64::from(self.counts[count as usize])
    }

    /// All requests, however they ended.
    pub fn requests(&self) -> u64 {
        self.counts[..=Count::OtherException as usize].iter().map(|count| u64::from(*count)).sum()
    }

    pub fn exceptions(&self) -> u64 {
        Count::EXCEPTIONS.iter().map(|(count, _)| self.of(*count)).sum()
    }

    /// Answers that came damaged.
    pub fn damaged(&self) -> u64 {
        [Count::CrcErrors, Count::Incomplete, Count::Noise].map(|count| self.of(count)).iter().sum()
    }

    fn add(&mut self, count: Count, so: bool) {
        let counted = &mut self.counts[count as usize];
        *counted = counted.wrapping_add(u32::from(so));
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000 + u64::from(duration.subsec_micros())
}
