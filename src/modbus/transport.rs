//! The stream that tokio-modbus reads and writes: it passes on verified answers and nothing else.
//!
//! The client sees each request followed by its own whole answer. The reason why a request found no answer is kept for the connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::decoder::{Failure, FrameDecoder, RxAnomalies};
use super::error::{Error, Garbled, reason};
use super::request::UnitRequest;
use super::stream::Stream;

/// Bytes read at once.
const CHUNK: usize = 512;
/// Chunks that are read and discarded before a request. A line with more to send does not become silent.
const MOST_CHUNKS: usize = 64;
const END_OF_FILE: &str = "the other end closed it";

/// An open link and the request in progress on it.
#[derive(Debug)]
pub(super) struct VerifiedTransport {
    stream: Stream,
    decoder: FrameDecoder,
    unit: u8,
    /// The part of the verified answer that the client has not read yet.
    answer: Vec<u8>,
    trouble: Option<Trouble>,
    /// When the last byte was received, or our last byte will be on the line.
    last_byte: Instant,
    /// How long each byte that we write is on the line.
    byte_time: Duration,
}

/// Why the request in progress will have no answer.
#[derive(Debug)]
enum Trouble {
    Garbled(Garbled),
    Closed(String),
}

impl VerifiedTransport {
    /// `byte_time` is how long each byte that we write is on the line.
    pub(super) fn new(stream: Stream, decoder: FrameDecoder, byte_time: Duration) -> Self {
        let last_byte = Instant::now();
        VerifiedTransport { stream, decoder, unit: 0, answer: Vec::new(), trouble: None, last_byte, byte_time }
    }

    pub(super) fn last_byte(&self) -> Instant {
        self.last_byte
    }

    /// Begins a request: nothing of an earlier one is left.
    pub(super) fn begin(&mut self, request: UnitRequest) {
        self.unit = request.unit;
        self.trouble = None;
        self.answer.clear();
        self.decoder.begin(request);
    }

    /// Reads and discards everything that was received. True where it disturbs the next request.
    ///
    /// # Errors
    /// The reason why the link can no longer be used.
    pub(super) fn discard_received(&mut self) -> Result<bool, String> {
        // What came together with the last answer is still with the decoder.
        let mut disturbs = self.decoder.discard(&[]).map_err(|why| why.to_string())?;
        let mut buffer = [0; CHUNK];
        for _ in 0..MOST_CHUNKS {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Err(self.closed_while_idle(END_OF_FILE.to_owned())),
                Ok(count) => {
                    self.last_byte = Instant::now();
                    disturbs |= self.decoder.discard(&buffer[..count]).map_err(|why| why.to_string())?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(disturbs),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.closed_while_idle(reason(&error))),
            }
        }
        Ok(true)
    }

    fn closed_while_idle(&mut self, reason: String) -> String {
        self.decoder.saw_close();
        reason
    }

    /// The request is over; without an answer, a late one may come.
    pub(super) fn end(&mut self, answered: bool) {
        self.decoder.end(answered);
    }

    /// The decoder: what the other end is known to do.
    pub(super) fn decoder(&self) -> &FrameDecoder {
        &self.decoder
    }

    /// An answer to a request of an earlier connection may come over this one.
    pub(super) fn doubt(&mut self) {
        self.decoder.doubt();
    }

    /// What was received in addition to the answer of the request that is over.
    pub(super) fn anomalies(&mut self) -> RxAnomalies {
        self.decoder.anomalies()
    }

    /// Whether anything except our own echo was received since the request began (on TCP: since the connection was made).
    pub(super) fn received_any(&self) -> bool {
        self.decoder.received_any()
    }

    /// Whether the request in progress will have no answer.
    pub(super) fn failed(&self) -> bool {
        self.trouble.is_some()
    }

    /// Why the request failed.
    pub(super) fn failure(&mut self, link: &str, within: Duration) -> Failure {
        let unit = self.unit;
        match self.trouble.take() {
            Some(Trouble::Closed(reason)) => {
                Failure { error: Error::Closed { link: link.to_owned(), reason }, link_usable: false }
            }
            Some(Trouble::Garbled(why)) => {
                let link_usable = !why.ends_connection();
                Failure { error: Error::Garbled { unit, why }, link_usable }
            }
            None => self.decoder.no_answer(unit, within),
        }
    }

    /// Reads until the answer was received.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        while self.answer.is_empty() {
            let mut chunk = [0; CHUNK];
            let mut buffer = ReadBuf::new(&mut chunk);
            match ready!(self.stream.poll_read(cx, &mut buffer)) {
                Err(error) => return Poll::Ready(Err(Trouble::Closed(reason(&error)))),
                Ok(()) if buffer.filled().is_empty() => {
                    return Poll::Ready(Err(Trouble::Closed(END_OF_FILE.to_owned())));
                }
                Ok(()) => self.last_byte = Instant::now(),
            }
            match self.decoder.receive(buffer.filled()) {
                Ok(answer) => self.answer = answer.unwrap_or_default(),
                Err(why) => return Poll::Ready(Err(Trouble::Garbled(why))),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The transport, shared by the connection and its client.
///
/// Where there will be no answer, reads stay pending: an error would break a client that is used again. Whoever polls the client also
/// checks [`VerifiedTransport::failed`]. One task owns both ends and holds the lock across no await, so the lock is always free.
#[derive(Clone, Debug)]
pub(super) struct SharedTransport(Arc<Mutex<VerifiedTransport>>);

impl SharedTransport {
    pub(super) fn new(transport: VerifiedTransport) -> Self {
        SharedTransport(Arc::new(Mutex::new(transport)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, VerifiedTransport> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl AsyncRead for SharedTransport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut transport = self.lock();
        if transport.failed() {
            return Poll::Pending;
        }
        if let Err(trouble) = ready!(transport.poll_answer(cx)) {
            transport.trouble = Some(trouble);
            return Poll::Pending;
        }
        let count = transport.answer.len().min(buffer.remaining());
        buffer.put_slice(&transport.answer[..count]);
        transport.answer.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SharedTransport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut transport = self.lock();
        let on_wire = transport.decoder.on_wire(bytes);
        let written = ready!(transport.stream.poll_write(cx, &on_wire));
        match &written {
            Ok(count) => {
                transport.last_byte = Instant::now() + transport.byte_time * *count as u32;
                transport.decoder.sent(&bytes[..*count]);
            }
            Err(error) => transport.trouble = Some(Trouble::Closed(reason(error))),
        }
        Poll::Ready(written)
    }

    /// Does not wait until a serial line's last byte is sent: that would block the whole program.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The link outlives its clients.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
