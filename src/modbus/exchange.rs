//! A link that is open: when a request may be sent on it, and how its answer is waited for.

use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep};
use tokio_modbus::client::{Client, Context, rtu as rtu_client, tcp as tcp_client};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{Request, Response};

use super::asked::Asked;
use super::error::{Error, Garbled, Hint};
use super::pace::{Pace, Timer};
use super::stream::Stream;
use super::wire::{Handle, Wire};
use super::{mbap, rtu};
use crate::config::{BusConfig, Link};
use crate::meter::{Function, RegisterRange};

/// A line that does not fall silent within this time is given up for now.
const SILENT_WITHIN: Duration = Duration::from_secs(3);
/// A TCP connection on which only time-outs came for so long is opened anew: the other end may have forgotten it.
const DEAF_FOR: Duration = Duration::from_secs(60);

/// A link that is open.
pub(super) struct Open {
    pub(super) handle: Handle,
    client: Kind,
    /// When something was last heard.
    pub(super) heard_at: Instant,
    pub(super) answered: bool,
    /// Rings when an answer's time is up. One for all requests, for most are answered long before.
    alarm: Pin<Box<Sleep>>,
    /// That was kept before the last request, or had to be.
    pub(super) silence: Duration,
    /// How long the last request was waited for at most.
    pub(super) patience: Duration,
    /// The transaction number of the next question that the client does not know: from above, for the client counts from below.
    transaction: u16,
}

/// A verified answer.
pub(super) enum Answer {
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

/// An error, and whether the link is still of use.
pub(super) type Failure = (Error, bool);

/// Why no request may be sent.
pub(super) enum Unsettled {
    Closed(Error),
    NeverSilent,
}

impl Open {
    pub(super) fn new(bus: &BusConfig, stream: Stream) -> Self {
        let (handle, client) = if matches!(bus.link, Link::Tcp(_)) {
            let handle = Handle::new(Wire::tcp(stream));
            let client = tcp_client::attach_slave(handle.clone(), Slave(0));
            (handle, Kind::Tcp(client))
        } else {
            let pace = Pace::new(bus);
            #[cfg(test)]
            let timer = if matches!(stream, Stream::Memory(_)) { Timer::simulated() } else { Timer::new() };
            #[cfg(not(test))]
            let timer = Timer::new();
            (Handle::new(Wire::rtu(stream, pace.sending(1))), Kind::Rtu(pace, timer))
        };
        let alarm = Box::pin(sleep(Duration::ZERO));
        Open {
            handle,
            client,
            heard_at: Instant::now(),
            answered: false,
            alarm,
            silence: Duration::ZERO,
            patience: Duration::ZERO,
            transaction: u16::MAX,
        }
    }

    /// One request and its answer.
    pub(super) async fn exchange(
        &mut self,
        label: &str,
        bus: &BusConfig,
        unit: u8,
        asked: Asked,
        sweeping: bool,
    ) -> Result<Answer, Failure> {
        self.handle.wire().ask(unit, asked);
        let patience = self.patience(bus, asked, sweeping);
        self.patience = patience.whole;
        match asked {
            Asked::Registers(block) => self.registers(label, bus, unit, block, patience).await.map(Answer::Registers),
            Asked::Identity(_) => self.identity(label, bus, unit, asked, patience).await.map(Answer::Identity),
        }
    }

    /// The meter's time begins when our request is out and ends when its answer begins.
    fn patience(&self, bus: &BusConfig, asked: Asked, sweeping: bool) -> Patience {
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
        bus: &BusConfig,
        unit: u8,
        asked: Asked,
        patience: Patience,
    ) -> Result<Vec<u8>, Failure> {
        let tcp = matches!(self.client, Kind::Tcp(_));
        let request = if tcp { mbap::framed(self.transaction, unit, asked) } else { self.handle.wire().rtu_request() };
        self.transaction = self.transaction.wrapping_sub(1);
        let mut handle = self.handle.clone();
        let exchange = async {
            // What goes wrong is known to the wire.
            let _ = handle.write_all(&request).await;
            let mut frame = [0; 512];
            let len = handle.read(&mut frame).await.unwrap_or(0);
            frame[..len].to_vec()
        };
        let Some(frame) = answered(exchange, &self.handle, self.alarm.as_mut(), patience).await else {
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
        bus: &BusConfig,
        unit: u8,
        block: RegisterRange,
        patience: Patience,
    ) -> Result<Vec<u16>, Failure> {
        let request = match block.function {
            Function::Holding => Request::ReadHoldingRegisters(block.address, block.count),
            Function::Input => Request::ReadInputRegisters(block.address, block.count),
        };
        let outcome = match &mut self.client {
            Kind::Tcp(client) => {
                client.set_slave(Slave(unit));
                answered(client.call(request), &self.handle, self.alarm.as_mut(), patience).await
            }
            Kind::Rtu(..) => {
                let mut client = rtu_client::attach_slave(self.handle.clone(), Slave(unit));
                answered(client.call(request), &self.handle, self.alarm.as_mut(), patience).await
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
    pub(super) async fn settle(
        &mut self,
        label: &str,
        bus: &BusConfig,
        silence: Duration,
        mut unsettled: Option<Instant>,
    ) -> Result<bool, Unsettled> {
        let hint = if self.answered { "" } else { unanswered(&bus.link) };
        let closed =
            |reason| Unsettled::Closed(Error::Closed { link: label.to_owned(), reason: format!("{reason}{hint}") });
        let begin = Instant::now();
        let mut overheard = false;
        let least = match &self.client {
            Kind::Tcp(_) => bus.request_gap.max(silence),
            Kind::Rtu(pace, _) => silence.max(pace.gap),
        };
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
                Kind::Tcp(_) => last_byte + least,
                Kind::Rtu(pace, _) => {
                    if found {
                        unsettled.get_or_insert(last_byte);
                    }
                    match unsettled {
                        None => last_byte + least,
                        Some(since) => last_byte.max(since) + silence.max(pace.settled),
                    }
                }
            };
            let now = Instant::now();
            self.silence = least.max(now - begin);
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

    fn failure(&mut self, label: &str, bus: &BusConfig) -> Failure {
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

pub(super) fn refused(unit: u8, why: String) -> Failure {
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
async fn answered<T>(
    exchange: impl Future<Output = T>,
    handle: &Handle,
    mut alarm: Pin<&mut Sleep>,
    patience: Patience,
) -> Option<T> {
    let mut exchange = pin!(exchange);
    let mut answered = std::future::poll_fn(|cx| match exchange.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready((!handle.wire().failed()).then_some(outcome)),
        Poll::Pending if handle.wire().failed() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    let begun = Instant::now();
    for within in [patience.first, patience.whole] {
        alarm.as_mut().reset(begun + within);
        tokio::select! {
            biased;
            outcome = &mut answered => return outcome,
            () = alarm.as_mut() => {}
        }
        if patience.first == patience.whole || !handle.wire().heard() {
            break;
        }
    }
    None
}
