//! What stands between the Modbus client and the link: it hands on verified answers and nothing else.
//!
//! The client sees a transport on which each request is followed by its own whole answer. Late answers, echoes, noise and
//! frames of others end here; why a request found no answer is kept for whoever asks.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::error::{Error, Garbled, Hint, Stray, reason};
use super::stream::Stream;
use super::{asked::Asked, mbap, rtu};

/// Who has more to say than so many times 512 bytes at once is not read empty.
const MOST_READS: usize = 64;

/// A link, open, and the request that is under way on it.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    framing: Framing,
    unit: u8,
    /// The verified answer, and how much of it the client has taken.
    answer: Vec<u8>,
    taken: usize,
    trouble: Option<Trouble>,
    /// When the last byte came, or ours will be out.
    last_byte: Instant,
    /// One of our own characters on the line.
    sending: Duration,
}

#[derive(Debug)]
enum Framing {
    Rtu(Option<rtu::Inbox>),
    Tcp(mbap::Inbox),
}

/// What came beside the answer to a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside {
    /// Bytes beyond the answer: the line is not as it should be.
    pub(super) more: bool,
    /// The unit whose frame came while another one was asked.
    pub(super) stray_unit: Option<u8>,
    /// The request itself.
    pub(super) echo: bool,
    /// An answer to an earlier request.
    pub(super) late: bool,
}

/// Why the request under way will have no answer.
#[derive(Debug)]
enum Trouble {
    Garbled(Garbled),
    Closed(String),
}

impl Wire {
    /// `sending` is the time that one of our bytes is on the line after it was written.
    pub(super) fn rtu(stream: Stream, sending: Duration) -> Self {
        Wire::new(stream, Framing::Rtu(None), sending)
    }

    pub(super) fn tcp(stream: Stream) -> Self {
        Wire::new(stream, Framing::Tcp(mbap::Inbox::default()), Duration::ZERO)
    }

    fn new(stream: Stream, framing: Framing, sending: Duration) -> Self {
        let last_byte = Instant::now();
        Wire { stream, framing, unit: 0, answer: Vec::new(), taken: 0, trouble: None, last_byte, sending }
    }

    pub(super) fn last_byte(&self) -> Instant {
        self.last_byte
    }

    /// Begins a request: nothing of an earlier one is left.
    pub(super) fn ask(&mut self, unit: u8, asked: Asked) {
        (self.unit, self.taken, self.trouble) = (unit, 0, None);
        self.answer.clear();
        match &mut self.framing {
            Framing::Rtu(inbox) => *inbox = Some(rtu::Inbox::new(unit, asked)),
            Framing::Tcp(inbox) => inbox.ask(unit, asked),
        }
    }

    /// Reads the link empty. True where something was there that harms an RTU line; what belongs to no request is dropped, except that on TCP the
    /// framing goes on. An end of file is an error.
    pub(super) fn empty(&mut self) -> Result<bool, String> {
        let mut found = false;
        let mut buffer = [0; 512];
        for _ in 0..MOST_READS {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Err("the other end closed it".to_owned()),
                Ok(count) => {
                    self.last_byte = Instant::now();
                    match &mut self.framing {
                        Framing::Rtu(_) => found |= !rtu::is_turnaround(&buffer[..count]),
                        Framing::Tcp(inbox) => {
                            inbox.push(&buffer[..count]);
                            if let Err(why) = inbox.drop_unasked() {
                                return Err(why.to_string());
                            }
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(found),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(reason(&error)),
            }
        }
        Ok(true)
    }

    /// What came beside the answer of the request that is over. On TCP late answers are told once.
    pub(super) fn beside(&mut self) -> Beside {
        match &mut self.framing {
            Framing::Rtu(None) => Beside::default(),
            Framing::Rtu(Some(inbox)) => Beside {
                more: inbox.has_more(),
                stray_unit: inbox.stray().map(Stray::unit),
                echo: inbox.echoed(),
                late: false,
            },
            Framing::Tcp(inbox) => Beside { late: inbox.take_late(), ..Beside::default() },
        }
    }

    /// Whether anything came beside our own echo since the request began (on TCP: since the connection was made).
    pub(super) fn heard(&self) -> bool {
        match &self.framing {
            Framing::Rtu(inbox) => inbox.as_ref().is_some_and(rtu::Inbox::heard),
            Framing::Tcp(inbox) => inbox.heard(),
        }
    }

    /// The request under way as an RTU frame.
    pub(super) fn rtu_request(&self) -> Vec<u8> {
        match &self.framing {
            Framing::Rtu(Some(inbox)) => inbox.request().to_vec(),
            _ => Vec::new(),
        }
    }

    /// Whether the request under way will have no answer.
    pub(super) fn failed(&self) -> bool {
        self.trouble.is_some()
    }

    /// Why the request failed, and whether the link is still of use.
    pub(super) fn verdict(&mut self, link: &str, within: Duration) -> (Error, bool) {
        let unit = self.unit;
        match self.trouble.take() {
            Some(Trouble::Closed(reason)) => (Error::Closed { link: link.to_owned(), reason }, false),
            Some(Trouble::Garbled(why)) => {
                let lost = matches!(why, Garbled::NotModbusTcp | Garbled::LooksTransparent);
                (Error::Garbled { unit, why }, !lost)
            }
            None => match &self.framing {
                Framing::Rtu(Some(inbox)) => (inbox.verdict(within, Hint::None), true),
                Framing::Rtu(None) => (Error::TimedOut { unit, within, hint: Hint::None }, true),
                Framing::Tcp(inbox) => {
                    let hint = match inbox {
                        inbox if inbox.stale() => Hint::Stale,
                        inbox if inbox.heard() => Hint::None,
                        _ => Hint::DeafTcp,
                    };
                    // Half a request would be taken for the beginning of the next one.
                    (Error::TimedOut { unit, within, hint }, inbox.is_sent())
                }
            },
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        while self.answer.is_empty() {
            let mut chunk = [0; 512];
            let mut buffer = ReadBuf::new(&mut chunk);
            match std::task::ready!(self.stream.poll_read(cx, &mut buffer)) {
                Err(error) => return Poll::Ready(Err(Trouble::Closed(reason(&error)))),
                Ok(()) if buffer.filled().is_empty() => {
                    return Poll::Ready(Err(Trouble::Closed("the other end closed it".to_owned())));
                }
                Ok(()) => self.last_byte = Instant::now(),
            }
            let answer = match &mut self.framing {
                Framing::Rtu(None) => Ok(None),
                Framing::Rtu(Some(inbox)) => {
                    inbox.push(buffer.filled());
                    inbox.next()
                }
                Framing::Tcp(inbox) => {
                    inbox.push(buffer.filled());
                    inbox.next().map_err(|broken| match broken {
                        mbap::Broken::Answer(why) | mbap::Broken::Framing(why) => why,
                    })
                }
            };
            match answer {
                Ok(answer) => self.answer = answer.unwrap_or_default(),
                Err(why) => return Poll::Ready(Err(Trouble::Garbled(why))),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The client's end of a wire. Where there will be no answer it says nothing more, for an error would break a client that is to be
/// used again: whoever polls the client asks [`Wire::failed`]. The lock is free whenever it is asked for: one task has both ends, and holds it across no await.
#[derive(Clone, Debug)]
pub(super) struct Handle(Arc<Mutex<Wire>>);

impl Handle {
    pub(super) fn new(wire: Wire) -> Self {
        Handle(Arc::new(Mutex::new(wire)))
    }

    pub(super) fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().expect("a wire cannot panic")
    }
}

impl AsyncRead for Handle {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.wire();
        if wire.trouble.is_some() {
            return Poll::Pending;
        }
        if let Err(trouble) = std::task::ready!(wire.poll_answer(cx)) {
            wire.trouble = Some(trouble);
            return Poll::Pending;
        }
        let rest = &wire.answer[wire.taken..];
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        wire.taken += count;
        if wire.taken == wire.answer.len() {
            wire.answer.clear();
            wire.taken = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Handle {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.wire();
        let written = std::task::ready!(wire.stream.poll_write(cx, bytes));
        match &written {
            Ok(count) => {
                wire.last_byte = Instant::now() + wire.sending * *count as u32;
                if let Framing::Tcp(inbox) = &mut wire.framing {
                    inbox.sent(&bytes[..*count]);
                }
            }
            Err(error) => wire.trouble = Some(Trouble::Closed(reason(error))),
        }
        Poll::Ready(written)
    }

    /// What is written is on its way: waiting until a serial line's last byte is out would hold up the whole program.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The link outlives its clients.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
