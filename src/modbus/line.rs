//! One bus's link: opened when needed, one request at a time, one verified answer each.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_modbus::client::{Client, Context, rtu as rtu_client, tcp as tcp_client};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{Request, Response};

use super::error::{Error, Garbled, Hint};
use super::pace::{Pace, Timer};
use super::wire::{Handle, Wire};
use super::asked::{Asked, Identity};
use super::{mbap, open, rtu};
use crate::config::{Bus, Link};
use crate::meter::{Block, Function};
use crate::units::UnitId;

/// A line that does not fall silent within this time is given up for now.
const SILENT_WITHIN: Duration = Duration::from_secs(3);
/// A TCP connection on which only time-outs came for so long is opened anew: the other end may have forgotten it.
const DEAF_FOR: Duration = Duration::from_secs(60);

/// What happened on a line since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: u64,
    /// Verified answers, exceptions not among them.
    pub answers: u64,
    pub timeouts: u64,
    pub garbled: u64,
    pub exceptions: u64,
    /// Times the link was opened.
    pub opened: u64,
}

/// The owner of one link. What comes on it is only ever taken as the answer to the request that is under way. It can read, and nothing else.
///
/// A read that is dropped before its end leaves the line in a state that the next read mends first.
#[derive(Debug)]
pub struct Line {
    bus: Bus,
    label: String,
    open: Option<Open>,
    /// Since when nothing more is due, where the last request did not end well: its answer may come yet, even over a link that is
    /// opened anew.
    unsettled: Option<Instant>,
    counts: Counts,
    /// Most units that are asked do not exist.
    sweeping: bool,
    /// The unit that was asked last, where nothing at all came.
    silent: Option<u8>,
    overheard: bool,
}

/// A link that is open.
struct Open {
    handle: Handle,
    client: Kind,
    /// When something was last heard.
    heard_at: Instant,
    answered: bool,
    /// The transaction number of the next question that the client does not know: from above, for the client counts from below.
    transaction: u16,
}

/// A verified answer.
enum Answer {
    Registers(Vec<u16>),
    /// What follows the function.
    Identity(Vec<u8>),
}

/// How long an answer is waited for.
#[derive(Clone, Copy)]
struct Patience {
    /// Until its first byte.
    first: Duration,
    whole: Duration,
}

enum Kind {
    /// One client for the connection: it counts the transactions.
    Tcp(Context),
    /// A new client for each request.
    Rtu(Pace, Timer),
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("handle", &self.handle).finish_non_exhaustive()
    }
}

impl Line {
    /// Nothing is opened yet.
    pub fn new(bus: &Bus) -> Self {
        Line {
            bus: bus.clone(),
            label: open::label(&bus.link),
            open: None,
            unsettled: None,
            counts: Counts::default(),
            sweeping: false,
            silent: None,
            overheard: false,
        }
    }

    /// A line on which most of the units that are asked do not exist. Where nothing at all came within the time-out, another unit is asked
    /// after no more than the line's own silence: a late answer is then known by its unit. [`Line::overheard`] says that one came.
    pub fn sweeping(bus: &Bus) -> Self {
        Line { sweeping: true, ..Line::new(bus) }
    }

    /// How long a meter may take to answer, from the next request on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.bus.timeout = timeout;
    }

    /// Whether something came around the last request that was no answer to it: a unit that was asked before may be slow.
    pub fn overheard(&self) -> bool {
        self.overheard
    }

    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Opens the link where it is not open, and waits the bus's `connect_delay`.
    ///
    /// # Errors
    /// [`Error::Open`], with the system's reason and the remedy.
    pub async fn open(&mut self) -> Result<(), Error> {
        if self.open.is_none() {
            let stream = open::open(&self.bus.link).await?;
            self.counts.opened += 1;
            self.open = Some(Open::new(&self.bus, stream));
            if !self.bus.connect_delay.is_zero() {
                tokio::time::sleep(self.bus.connect_delay).await;
            }
        }
        Ok(())
    }

    /// Reads one block: as many registers as it asks for, all from one response. Opens the link where it is not open.
    ///
    /// A gateway that closed an idle connection is connected to once more without a word.
    ///
    /// # Errors
    /// Why there is no answer. After [`Error::Closed`] (and lost framing) the link is no longer open.
    pub async fn read(&mut self, unit: UnitId, block: Block) -> Result<Vec<u16>, Error> {
        self.read_after(Duration::ZERO, unit, block).await
    }

    /// As [`Line::read`], of a meter that needs at least this silence before each request.
    ///
    /// # Errors
    /// As [`Line::read`].
    pub async fn read_after(&mut self, silence: Duration, unit: UnitId, block: Block) -> Result<Vec<u16>, Error> {
        match self.ask(silence, unit, block.into()).await? {
            Answer::Registers(words) => Ok(words),
            Answer::Identity(_) => Err(refused(unit.get(), "another kind of answer".to_owned()).0),
        }
    }

    /// Who the unit says it is, as it says it: bytes of the meter, for [`Identity::texts`].
    ///
    /// # Errors
    /// As [`Line::read`]; meters that know no such function refuse it or stay silent.
    pub async fn identify(&mut self, unit: UnitId, identity: Identity) -> Result<Vec<u8>, Error> {
        match self.ask(Duration::ZERO, unit, Asked::Identity(identity)).await? {
            Answer::Identity(data) => Ok(data),
            Answer::Registers(_) => Err(refused(unit.get(), "another kind of answer".to_owned()).0),
        }
    }

    async fn ask(&mut self, silence: Duration, unit: UnitId, asked: Asked) -> Result<Answer, Error> {
        let kept = self.open.as_ref().is_some_and(|open| open.answered) && !matches!(self.bus.link, Link::Serial(_));
        match self.attempt(silence, unit, asked).await {
            Err(Error::Closed { .. }) if kept => self.attempt(silence, unit, asked).await,
            result => result,
        }
    }

    async fn attempt(&mut self, silence: Duration, unit: UnitId, asked: Asked) -> Result<Answer, Error> {
        self.open().await?;
        let open = self.open.as_mut().expect("it was just opened");
        let unit = unit.get();
        let elsewhere = self.sweeping && self.silent.is_some_and(|silent| silent != unit);
        let unsettled = if elsewhere { None } else { self.unsettled };
        self.silent = None;
        let settled = open.settle(&self.label, &self.bus, silence, unsettled).await;
        self.overheard = matches!(settled, Ok(true) | Err(Unsettled::NeverSilent));
        let result = match settled {
            Err(Unsettled::Closed(error)) => Err((error, false)),
            Err(Unsettled::NeverSilent) => Err((Error::Garbled { unit, why: Garbled::NeverSilent }, true)),
            Ok(_) => {
                self.counts.requests += 1;
                // A read that is dropped has no other end.
                self.unsettled = Some(Instant::now() + self.bus.timeout);
                open.exchange(&self.label, &self.bus, unit, asked, self.sweeping).await
            }
        };
        let well = matches!(result, Ok(_) | Err((Error::Exception { .. }, _))) && !open.handle.wire().has_more();
        self.unsettled = (!well).then(Instant::now);
        self.silent = matches!(result, Err((Error::TimedOut { .. }, _))).then_some(unit);
        self.overheard |= open.handle.wire().stray_unit().is_some();
        if matches!(result, Err((_, false))) {
            self.open = None;
        }
        let result = result.map_err(|(error, _)| error);
        match &result {
            Ok(_) => self.counts.answers += 1,
            Err(Error::TimedOut { .. }) => self.counts.timeouts += 1,
            Err(Error::Garbled { .. }) => self.counts.garbled += 1,
            Err(Error::Exception { .. }) => self.counts.exceptions += 1,
            Err(Error::Open { .. } | Error::Closed { .. }) => {}
        }
        result
    }
}

/// An error, and whether the link is still of use.
type Failure = (Error, bool);

/// Why no request may be sent.
enum Unsettled {
    Closed(Error),
    NeverSilent,
}

impl Open {
    fn new(bus: &Bus, stream: super::stream::Stream) -> Self {
        let (handle, client) = if matches!(bus.link, Link::Tcp(_)) {
            let handle = Handle::new(Wire::tcp(stream));
            let client = tcp_client::attach_slave(handle.clone(), Slave(0));
            (handle, Kind::Tcp(client))
        } else {
            let pace = Pace::new(bus);
            (Handle::new(Wire::rtu(stream, pace.sending(1))), Kind::Rtu(pace, Timer::new()))
        };
        Open { handle, client, heard_at: Instant::now(), answered: false, transaction: u16::MAX }
    }

    /// One request and its answer.
    async fn exchange(
        &mut self,
        label: &str,
        bus: &Bus,
        unit: u8,
        asked: Asked,
        sweeping: bool,
    ) -> Result<Answer, Failure> {
        self.handle.wire().ask(unit, asked);
        let patience = self.patience(bus, asked, sweeping);
        match asked {
            Asked::Registers(block) => {
                self.registers(label, bus, unit, block, patience).await.map(Answer::Registers)
            }
            Asked::Identity(_) => self.identity(label, bus, unit, asked, patience).await.map(Answer::Identity),
        }
    }

    /// The meter's time begins when our request is out and ends when its answer begins.
    fn patience(&self, bus: &Bus, asked: Asked, sweeping: bool) -> Patience {
        let Kind::Rtu(pace, _) = &self.client else { return Patience { first: bus.timeout, whole: bus.timeout } };
        let first = pace.sending(rtu::ENVELOPE + asked.pdu().1) + bus.timeout;
        let whole = first + pace.receiving(rtu::ENVELOPE + asked.longest());
        // Only a sweep gains by leaving the line as soon as no answer can be beginning any more.
        Patience { first: if sweeping { first } else { whole }, whole }
    }

    /// Asks who the unit is, past the client, which knows no such answers.
    async fn identity(
        &mut self,
        label: &str,
        bus: &Bus,
        unit: u8,
        asked: Asked,
        patience: Patience,
    ) -> Result<Vec<u8>, Failure> {
        let tcp = matches!(self.client, Kind::Tcp(_));
        let request = if tcp { mbap::framed(self.transaction, unit, asked) } else { self.handle.wire().rtu_request() };
        self.transaction -= 1;
        let mut handle = self.handle.clone();
        let exchange = async {
            // What goes wrong is known to the wire.
            let _ = handle.write_all(&request).await;
            let mut frame = [0; 512];
            let len = handle.read(&mut frame).await.unwrap_or(0);
            frame[..len].to_vec()
        };
        let Some(frame) = answered(exchange, &self.handle, patience).await else {
            return Err(self.failure(label, bus));
        };
        (self.heard_at, self.answered) = (Instant::now(), true);
        let pdu = if tcp { frame.get(7..) } else { frame.get(1..frame.len().saturating_sub(2)) };
        match pdu.unwrap_or_default() {
            [function, code, ..] if function & 0x80 != 0 => Err((Error::Exception { unit, code: *code }, true)),
            [_, data @ ..] => Ok(data.to_vec()),
            [] => Err(refused(unit, "an empty answer".to_owned())),
        }
    }

    /// Reads a block through the client.
    async fn registers(
        &mut self,
        label: &str,
        bus: &Bus,
        unit: u8,
        block: Block,
        patience: Patience,
    ) -> Result<Vec<u16>, Failure> {
        let request = match block.function {
            Function::Holding => Request::ReadHoldingRegisters(block.address, block.count),
            Function::Input => Request::ReadInputRegisters(block.address, block.count),
        };
        let outcome = match &mut self.client {
            Kind::Tcp(client) => {
                client.set_slave(Slave(unit));
                answered(client.call(request), &self.handle, patience).await
            }
            Kind::Rtu(..) => {
                let mut client = rtu_client::attach_slave(self.handle.clone(), Slave(unit));
                answered(client.call(request), &self.handle, patience).await
            }
        };
        let words = match outcome {
            Some(Ok(Ok(Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)))) => Ok(words),
            Some(Ok(Err(code))) => Err(Error::Exception { unit, code: code.into() }),
            None => return Err(self.failure(label, bus)),
            // The wire lets nothing through that the client can refuse.
            Some(Err(error)) => return Err(refused(unit, error.to_string())),
            Some(Ok(Ok(_))) => return Err(refused(unit, "another kind of answer".to_owned())),
        };
        if words.as_ref().is_ok_and(|words| words.len() != usize::from(block.count)) {
            return Err(refused(unit, "another number of registers".to_owned()));
        }
        (self.heard_at, self.answered) = (Instant::now(), true);
        words.map_err(|error| (error, true))
    }

    /// Waits until a request may be sent: never earlier than the line's physics and the bus's setting allow, and after a failure
    /// not before everything that came late was read away and the line has been silent since. The time-out's own silence does not
    /// count: who is late by a little more is about to speak. True where something had come that nobody asked for.
    async fn settle(
        &mut self,
        label: &str,
        bus: &Bus,
        silence: Duration,
        mut unsettled: Option<Instant>,
    ) -> Result<bool, Unsettled> {
        let hint = if self.answered { "" } else { unanswered(&bus.link) };
        let closed =
            |reason| Unsettled::Closed(Error::Closed { link: label.to_owned(), reason: format!("{reason}{hint}") });
        let begin = Instant::now();
        let mut overheard = false;
        let silent_by = unsettled.map_or(begin, |since| since.max(begin)) + SILENT_WITHIN + silence + bus.request_gap;
        loop {
            // The event loop learns here what has come meanwhile. On TCP it need not: each answer has its request's number.
            if matches!(self.client, Kind::Rtu(..)) {
                tokio::task::yield_now().await;
            }
            let found = self.handle.wire().empty().map_err(closed)?;
            overheard |= found;
            let last_byte = self.handle.wire().last_byte();
            let ready = match &self.client {
                Kind::Tcp(_) => last_byte + bus.request_gap.max(silence),
                Kind::Rtu(pace, _) => {
                    if found {
                        unsettled.get_or_insert(last_byte);
                    }
                    match unsettled {
                        None => last_byte + silence.max(pace.gap),
                        Some(since) => last_byte.max(since) + silence.max(pace.settled),
                    }
                }
            };
            let now = Instant::now();
            if now >= ready {
                return Ok(overheard);
            }
            if now >= silent_by {
                return Err(Unsettled::NeverSilent);
            }
            match &self.client {
                Kind::Rtu(_, timer) => timer.until(ready).await,
                Kind::Tcp(_) => tokio::time::sleep_until(ready).await,
            }
        }
    }

    fn failure(&mut self, label: &str, bus: &Bus) -> Failure {
        let (mut error, mut usable) = self.handle.wire().verdict(label, bus.timeout);
        match &mut error {
            Error::TimedOut { hint, .. } => {
                if matches!(bus.link, Link::RtuOverTcp(_)) && !self.answered && *hint == Hint::None {
                    *hint = Hint::DeafConverter;
                }
                let deaf = self.heard_at.elapsed() >= DEAF_FOR.max(bus.timeout * 3);
                usable &= !deaf || matches!(bus.link, Link::Serial(_));
            }
            Error::Closed { reason, .. } if !self.answered => reason.push_str(unanswered(&bus.link)),
            _ => self.heard_at = Instant::now(),
        }
        (error, usable)
    }
}

fn refused(unit: u8, why: String) -> Failure {
    (Error::Garbled { unit, why: Garbled::Other(why) }, false)
}

/// What a link that is closed before it ever gave an answer suggests.
fn unanswered(link: &Link) -> &'static str {
    match link {
        Link::Serial(_) => "",
        Link::Tcp(_) => " before it gave any answer; some gateways take one client only, and another one may hold it",
        Link::RtuOverTcp(_) => {
            " before it gave any answer; if it is a Modbus TCP gateway, write tcp instead of rtu_over_tcp"
        }
    }
}

/// The exchange's outcome; `None` where there is no answer within the time, or the wire knows that there will be none.
async fn answered<T>(exchange: impl Future<Output = T>, handle: &Handle, patience: Patience) -> Option<T> {
    let mut exchange = pin!(exchange);
    let mut answered = std::future::poll_fn(|cx| match exchange.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready((!handle.wire().failed()).then_some(outcome)),
        Poll::Pending if handle.wire().failed() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    let end = Instant::now() + patience.whole;
    match tokio::time::timeout(patience.first, &mut answered).await {
        Ok(outcome) => outcome,
        Err(_) if patience.first < patience.whole && handle.wire().heard() => {
            tokio::time::timeout_at(end, answered).await.ok().flatten()
        }
        Err(_) => None,
    }
}
