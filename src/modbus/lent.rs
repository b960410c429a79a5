//! A line that another process owns and lends: a read goes to the owner as data, and its outcome comes back.
//!
//! The owner's own [`Line`](super::Line) sends the request and verifies the answer, so a borrower sees what it would see on a line of its
//! own: registers, exceptions, and the reason of a failure. Only reads can be expressed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::connection::ReadAnswer;
use super::error::Error;
use super::request::{IdentityRequest, ReadRequest, UnitRequest};
use super::settings::{Link, LinkSettings};
use super::timing::LineTiming;
use super::{rtu, timing};
use crate::meter::{Function, RegisterRange};

/// The longest timeout and silence that a borrower gets: longer ones would hold up the owner's polls.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST_SILENCE: Duration = Duration::from_millis(500);
/// Source: Modbus Application Protocol V1.1b3, 6.3.
const MOST_REGISTERS: u16 = 125;

/// A read of one unit, as it goes from the borrower to the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LentRequest {
    unit: u8,
    /// 3, 4, 17 or 43: the functions of [`ReadRequest`].
    function: u8,
    /// The first register; 0 for an identity.
    #[serde(default)]
    address: u16,
    /// The number of registers; 0 for an identity.
    #[serde(default)]
    count: u16,
    silence_ms: u32,
    timeout_ms: u32,
}

/// The outcome of a [`LentRequest`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LentAnswer {
    pub(super) outcome: Result<ReadAnswer, Error>,
    /// Bytes that are no answer were received since the borrower's last request.
    pub(super) overheard: bool,
}

/// A request of a borrower, and where its outcome goes.
#[derive(Debug)]
pub struct LentExchange {
    /// What to read.
    pub request: LentRequest,
    /// Receives the outcome.
    pub reply: oneshot::Sender<LentAnswer>,
}

/// The borrower's end of a loan: one request at a time. The loan ends when all clones are dropped.
#[derive(Clone, Debug)]
pub struct LentLine(mpsc::Sender<LentExchange>);

/// A request that the owner does not carry out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLent {
    /// It is no read.
    #[error("a lent line only reads: function {0} is refused")]
    Function(u8),
    /// The registers do not exist, or are too many for one request.
    #[error("a request reads 1 to {MOST_REGISTERS} registers below 65536")]
    Registers,
}

impl PartialEq for LentLine {
    /// Whether it is the same loan.
    fn eq(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

impl Eq for LentLine {}

impl LentLine {
    /// A loan, and where its requests arrive.
    pub fn new() -> (Self, mpsc::Receiver<LentExchange>) {
        let (sender, receiver) = mpsc::channel(1);
        (LentLine(sender), receiver)
    }

    /// The owner's outcome; `None` if the loan has ended.
    pub async fn exchange(&self, request: LentRequest) -> Option<LentAnswer> {
        let (reply, answer) = oneshot::channel();
        self.0.send(LentExchange { request, reply }).await.ok()?;
        answer.await.ok()
    }
}

impl LentAnswer {
    /// Nothing was read, because the loan has ended.
    pub fn ended(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        LentAnswer { outcome: Err(Error::Closed { link: "the lent line".to_owned(), reason }), overheard: false }
    }

    /// Why the owner's link failed, if it did.
    pub(crate) fn link_failure(&self) -> Option<&Error> {
        self.outcome.as_ref().err().filter(|error| error.is_of_the_link())
    }

    /// Whether the unit is there: it answered, well or with an exception of its own.
    pub(crate) fn is_present(&self) -> bool {
        self.outcome.as_ref().map_or_else(|error| error.is_an_answer() && !error.is_silence(), |_| true)
    }
}

impl LentRequest {
    /// A read after this silence, with this timeout.
    pub(super) fn new(request: UnitRequest, silence: Duration, timeout: Duration) -> Self {
        let (address, count) = match request.read {
            ReadRequest::Registers(range) => (range.address, range.count),
            ReadRequest::Identity(_) => (0, 0),
        };
        LentRequest {
            unit: request.unit,
            function: request.read.function(),
            address,
            count,
            silence_ms: milliseconds(silence),
            timeout_ms: milliseconds(timeout),
        }
    }

    /// A read of one register, as a scan sends it to each unit.
    pub(crate) fn probe(timeout: Duration) -> Self {
        let range = RegisterRange { function: Function::Holding, address: 0, count: 1 };
        LentRequest::new(UnitRequest { unit: 1, read: range.into() }, Duration::ZERO, timeout)
    }

    /// The unit that is read.
    pub fn unit(&self) -> u8 {
        self.unit
    }

    /// The time that the unit has for its answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    /// What the owner grants: at least this timeout, and no time that would hold up its polls.
    pub(crate) fn granted(self, least_timeout: Duration) -> Self {
        let timeout_ms = self.timeout_ms.min(milliseconds(LONGEST_TIMEOUT)).max(milliseconds(least_timeout));
        LentRequest { timeout_ms, silence_ms: self.silence_ms.min(milliseconds(LONGEST_SILENCE)), ..self }
    }

    /// The silence before the request that the borrower wants.
    pub(super) fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_ms.into())
    }

    /// What is read.
    ///
    /// # Errors
    /// It is not a read.
    pub fn check(&self) -> Result<(), NotLent> {
        self.read().map(drop)
    }

    pub(super) fn read(&self) -> Result<UnitRequest, NotLent> {
        let registers = |function| {
            let range = RegisterRange { function, address: self.address, count: self.count };
            let exists = (1..=MOST_REGISTERS).contains(&range.count) && range.end() <= 1 << 16;
            exists.then(|| range.into()).ok_or(NotLent::Registers)
        };
        let read = match self.function {
            3 => registers(Function::Holding)?,
            4 => registers(Function::Input)?,
            17 => ReadRequest::Identity(IdentityRequest::Server),
            43 => ReadRequest::Identity(IdentityRequest::Device),
            other => return Err(NotLent::Function(other)),
        };
        Ok(UnitRequest { unit: self.unit, read })
    }

    /// How long request and answer are on this line, and the silence between frames.
    pub(crate) fn on_the_line(&self, settings: &LinkSettings) -> Duration {
        let silence = self.silence().max(settings.request_gap);
        let Ok(UnitRequest { read, .. }) = self.read() else { return silence };
        match &settings.link {
            Link::Tcp(_) => silence,
            Link::Serial(_) | Link::RtuOverTcp(_) => {
                let timing = LineTiming::new(settings);
                let (sent, received) = (rtu::ENVELOPE + read.pdu().len(), rtu::ENVELOPE + read.longest_answer());
                timing.gap.max(silence) + timing.receiving(sent + received)
            }
        }
    }

    /// The longest time that it usually takes: the unit is silent, and the line settles.
    pub(crate) fn longest(&self, settings: &LinkSettings) -> Duration {
        let settles = match &settings.link {
            Link::Tcp(_) => Duration::ZERO,
            Link::Serial(_) => timing::SETTLED_SERIAL,
            Link::RtuOverTcp(_) => timing::SETTLED_CONVERTER,
        };
        self.on_the_line(settings) + self.timeout() + settles
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
