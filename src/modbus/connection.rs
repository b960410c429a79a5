//! An open link: when a request may be sent, and how long its answer is awaited.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};
use tokio_modbus::client::{Client, Context, rtu as rtu_client, tcp as tcp_client};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{Request, Response};

use super::answer_timer::{AnswerTimer, ResponseTimeout};
use super::decoder::{Failure, FrameDecoder};
use super::error::{Error, Garbled, Hint};
use super::request::{ReadRequest, UnitRequest};
use super::settings::{Link, LinkSettings};
use super::stream::Stream;
use super::timer::Timer;
use super::timing::{LineTiming, SETTLED_CONVERTER};
use super::tolerance::TcpTolerance;
use super::transport::{SharedTransport, VerifiedTransport};
use super::{rtu, tcp};
use crate::descriptors::Descriptors;
use crate::meter::{Function, RegisterRange};

/// A line that does not become silent within this time is given up for now.
const SILENT_WITHIN: Duration = Duration::from_secs(3);
/// A TCP connection with nothing but timeouts for this long is opened again: the other end may have lost it.
const DEAF_FOR: Duration = Duration::from_secs(60);

/// An open link.
pub(super) struct Connection {
    pub(super) transport: SharedTransport,
    framing: Framing,
    /// For the next request. `None` while the line waits, and after a request that found no answer.
    client: Option<Context>,
    timer: AnswerTimer,
    /// When bytes were last received, or the link was opened.
    pub(super) last_received: Instant,
    /// Whether it ever gave an answer, verified or not proven yet.
    pub(super) answered: bool,
    /// The silence before the last request.
    pub(super) silence: Duration,
    /// The longest time that the last request could wait for its answer.
    pub(super) longest_wait: Duration,
    /// When its answer was due. `None` before the first request.
    due: Option<Instant>,
    /// Given back with the connection.
    _descriptors: Option<Descriptors>,
}

/// The decoder counts the transactions.
enum Framing {
    Tcp,
    Rtu(LineTiming, Timer),
}

/// Answers to requests of a connection that was given up: a gateway may send them over the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenAnswers {
    /// The last moment at which they may come.
    pub(super) until: Instant,
    /// Nothing but their order identifies the answers of this device.
    pub(super) only_order_counts: bool,
}

impl OpenAnswers {
    /// Those of two connections.
    pub(super) fn both(self, other: OpenAnswers) -> OpenAnswers {
        OpenAnswers {
            until: self.until.max(other.until),
            only_order_counts: self.only_order_counts || other.only_order_counts,
        }
    }
}

/// A verified answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ReadAnswer {
    Registers(Vec<u16>),
    /// The bytes after the function code.
    Identity(Vec<u8>),
}

/// A request may be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    /// Since when.
    pub(super) at: Instant,
    /// Bytes were received that belong to no request.
    pub(super) overheard: bool,
}

/// Why no request may be sent.
pub(super) enum NotReady {
    Closed(Error),
    NeverSilent,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl Connection {
    /// `known` is what the connection before has shown.
    pub(super) fn new(
        settings: &LinkSettings,
        stream: Stream,
        known: Option<TcpTolerance>,
        descriptors: Option<Descriptors>,
    ) -> Self {
        let (transport, framing) = if matches!(settings.link, Link::Tcp(_)) {
            let decoder = FrameDecoder::tcp_after(rand::random(), known.unwrap_or_default());
            (VerifiedTransport::new(stream, decoder, Duration::ZERO), Framing::Tcp)
        } else {
            let timing = LineTiming::new(settings);
            let timer = Timer::for_stream(&stream);
            let transport = VerifiedTransport::new(stream, FrameDecoder::rtu(), timing.sending(1));
            (transport, Framing::Rtu(timing, timer))
        };
        Connection {
            transport: SharedTransport::new(transport),
            framing,
            client: None,
            timer: AnswerTimer::default(),
            last_received: Instant::now(),
            answered: false,
            silence: Duration::ZERO,
            longest_wait: Duration::ZERO,
            due: None,
            _descriptors: descriptors,
        }
    }

    /// Waits until a request may be sent. That is after the silence that the line, the bus's setting and the meter need; after a
    /// failure also not before all late bytes were discarded and the line has been silent since `unsettled`. The silence of
    /// the timeout itself does not count: a meter that is a little late is about to answer.
    pub(super) async fn wait_until_ready(
        &mut self,
        settings: &LinkSettings,
        silence: Duration,
        mut unsettled: Option<Instant>,
    ) -> Result<Ready, NotReady> {
        let begin = Instant::now();
        let mut overheard = false;
        let (listens, by_order) = {
            let transport = self.transport.lock();
            (transport.decoder().listens_between(), transport.decoder().needs_silence())
        };
        let least = match &self.framing {
            Framing::Tcp if by_order => settings.request_gap.max(silence).max(SETTLED_CONVERTER),
            Framing::Tcp => settings.request_gap.max(silence),
            Framing::Rtu(timing, _) => silence.max(timing.gap),
        };
        let deadline =
            unsettled.map_or(begin, |since| since.max(begin)) + SILENT_WITHIN + silence + settings.request_gap;
        loop {
            // Lets the runtime notice received bytes. TCP does not need it where each answer has its request's id.
            if listens {
                tokio::task::yield_now().await;
            }
            let found = self.transport.lock().discard_received().map_err(|why| self.closed(settings, &why))?;
            overheard |= found;
            let last_byte = self.transport.lock().last_byte();
            let ready = match &self.framing {
                Framing::Tcp => last_byte + least,
                Framing::Rtu(timing, _) => {
                    if found {
                        unsettled.get_or_insert(last_byte);
                    }
                    match unsettled {
                        None => last_byte + least,
                        Some(since) => last_byte.max(since) + silence.max(timing.settled),
                    }
                }
            };
            let now = Instant::now();
            self.silence = least.max(now - begin);
            if now >= ready {
                return Ok(Ready { at: now, overheard });
            }
            if now >= deadline {
                return Err(NotReady::NeverSilent);
            }
            match &self.framing {
                Framing::Rtu(_, timer) => timer.until(ready).await,
                Framing::Tcp => sleep_until(ready).await,
            }
        }
    }

    /// Sends one request at `now` and awaits its answer. In a scan the line is left as soon as no answer can begin any more.
    pub(super) async fn exchange(
        &mut self,
        settings: &LinkSettings,
        request: UnitRequest,
        now: Instant,
        scanning: bool,
    ) -> Result<ReadAnswer, Failure> {
        self.transport.lock().begin(request);
        let timeout = self.response_timeout(settings, request.read, now, scanning);
        (self.longest_wait, self.due) = (timeout.whole, Some(now + timeout.whole));
        match request.read {
            ReadRequest::Registers(range) => {
                self.registers(settings, request.unit, range, timeout).await.map(ReadAnswer::Registers)
            }
            ReadRequest::Identity(_) => self.identity(settings, request, timeout).await.map(ReadAnswer::Identity),
        }
    }

    /// The configured timeout is the meter's alone: it begins when the request is sent and ends when the answer begins.
    fn response_timeout(
        &self,
        settings: &LinkSettings,
        read: ReadRequest,
        begin: Instant,
        scanning: bool,
    ) -> ResponseTimeout {
        let Framing::Rtu(timing, _) = &self.framing else {
            return ResponseTimeout { begin, first_byte: settings.timeout, whole: settings.timeout };
        };
        let first_byte = timing.sending(rtu::ENVELOPE + read.pdu().len()) + settings.timeout;
        let whole = first_byte + timing.receiving(rtu::ENVELOPE + read.longest_answer());
        ResponseTimeout { begin, first_byte: if scanning { first_byte } else { whole }, whole }
    }

    /// Reads registers through the client.
    async fn registers(
        &mut self,
        settings: &LinkSettings,
        unit: u8,
        range: RegisterRange,
        timeout: ResponseTimeout,
    ) -> Result<Vec<u16>, Failure> {
        let request = match range.function {
            Function::Holding => Request::ReadHoldingRegisters(range.address, range.count),
            Function::Input => Request::ReadInputRegisters(range.address, range.count),
        };
        // A client whose request has no answer, or was abandoned, is not used again.
        let mut client = self.client.take().unwrap_or_else(|| match &self.framing {
            Framing::Tcp => tcp_client::attach(self.transport.clone()),
            Framing::Rtu(..) => rtu_client::attach(self.transport.clone()),
        });
        client.set_slave(Slave(unit));
        let outcome = self.timer.answered(client.call(request), &self.transport, timeout).await;
        let result = match outcome {
            Some(Ok(Ok(Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)))) => Ok(words),
            Some(Ok(Err(code))) => Err(Error::Exception { unit, code: code.into() }),
            None => return Err(self.failure(settings)),
            // The client cannot refuse what the transport passes. If it does, nothing is trusted.
            Some(Err(error)) => return Err(refused(unit, error.to_string())),
            Some(Ok(Ok(_))) => return Err(refused(unit, "another kind of answer".to_owned())),
        };
        if result.as_ref().is_ok_and(|words| words.len() != usize::from(range.count)) {
            return Err(refused(unit, "another number of registers".to_owned()));
        }
        self.client = Some(client);
        self.received_answer();
        result.map_err(|error| Failure { error, link_usable: true })
    }

    /// Reads a unit's identity without the client, which cannot decode such answers.
    async fn identity(
        &mut self,
        settings: &LinkSettings,
        request: UnitRequest,
        timeout: ResponseTimeout,
    ) -> Result<Vec<u8>, Failure> {
        let unit = request.unit;
        let is_tcp = matches!(self.framing, Framing::Tcp);
        let bytes = if is_tcp { tcp::frame(0, request) } else { rtu::frame(request) };
        let mut transport = self.transport.clone();
        let exchange = async {
            // The transport keeps the reason of a failure.
            let _ = transport.write_all(&bytes).await;
            let mut frame = [0; 512];
            let len = transport.read(&mut frame).await.unwrap_or(0);
            frame[..len].to_vec()
        };
        let Some(frame) = self.timer.answered(exchange, &self.transport, timeout).await else {
            return Err(self.failure(settings));
        };
        self.received_answer();
        let pdu = if is_tcp { frame.get(7..) } else { frame.get(1..frame.len().saturating_sub(2)) };
        match pdu.unwrap_or_default() {
            [function, code, ..] if function & 0x80 != 0 => {
                Err(Failure { error: Error::Exception { unit, code: *code }, link_usable: true })
            }
            [_, data @ ..] => Ok(data.to_vec()),
            [] => Err(refused(unit, "an empty answer".to_owned())),
        }
    }

    fn received_answer(&mut self) {
        (self.last_received, self.answered) = (self.transport.lock().last_byte(), true);
    }

    /// No request follows soon: the client's buffers of 16 KB are free until then.
    pub(super) fn rest(&mut self) {
        (self.client, self.timer) = (None, AnswerTimer::default());
    }

    /// Whether a late answer could be taken for the next one, so that the connection must be made again.
    pub(super) fn must_reconnect(&self) -> bool {
        self.transport.lock().decoder().must_reconnect()
    }

    /// An answer to a request of an earlier connection may come over this one.
    pub(super) fn doubt(&self) {
        self.transport.lock().doubt();
    }

    /// Whether no request was sent yet.
    pub(super) fn is_new(&self) -> bool {
        self.due.is_none()
    }

    /// Which answers may come over the next connection, because this one is given up now.
    pub(super) fn open_answers(&self) -> Option<OpenAnswers> {
        let transport = self.transport.lock();
        let (now, decoder) = (Instant::now(), transport.decoder());
        let due = self.due.filter(|due| decoder.has_open_answers() && *due > now).unwrap_or(now);
        let only_order_counts = decoder.only_order_counts();
        let may_come = only_order_counts || decoder.has_open_answers();
        may_come.then(|| OpenAnswers { until: due + SETTLED_CONVERTER, only_order_counts })
    }

    /// What is known on the next connection.
    pub(super) fn on_next_connection(&self) -> Option<TcpTolerance> {
        self.transport.lock().decoder().on_next_connection()
    }

    /// What the other end is known to do beside the standard, in words.
    pub(super) fn tolerated(&self) -> Vec<String> {
        self.transport.lock().decoder().tolerated()
    }

    fn failure(&mut self, settings: &LinkSettings) -> Failure {
        let mut failure = self.transport.lock().failure(&settings.link.to_string(), settings.timeout);
        match &mut failure.error {
            Error::TimedOut { hint, .. } => {
                if matches!(settings.link, Link::RtuOverTcp(_)) && !self.answered && *hint == Hint::None {
                    *hint = Hint::DeafConverter;
                }
                let deaf = self.last_received.elapsed() >= DEAF_FOR.max(settings.timeout * 3);
                failure.link_usable &= !deaf || matches!(settings.link, Link::Serial(_));
            }
            Error::Closed { reason, .. } if !self.answered => reason.push_str(never_answered(&settings.link)),
            _ => self.last_received = Instant::now(),
        }
        failure
    }

    fn closed(&self, settings: &LinkSettings, reason: &str) -> NotReady {
        let hint = if self.answered { "" } else { never_answered(&settings.link) };
        NotReady::Closed(Error::Closed { link: settings.link.to_string(), reason: format!("{reason}{hint}") })
    }
}

pub(super) fn refused(unit: u8, why: String) -> Failure {
    Failure { error: Error::Garbled { unit, why: Garbled::Other(why) }, link_usable: false }
}

/// What to check where a link is closed before it ever gave an answer.
fn never_answered(link: &Link) -> &'static str {
    match link {
        Link::Serial(_) => "",
        Link::Tcp(_) => {
            " before it gave any answer; some gateways accept one client only, and another may be connected"
        }
        Link::RtuOverTcp(_) => {
            " before it gave any answer; if it is a Modbus TCP gateway, write tcp instead of rtu_over_tcp"
        }
    }
}
