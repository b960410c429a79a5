//! Finds the answer to the current request in the bytes of a link, with RTU or TCP framing. Pure.

use std::borrow::Cow;
use std::time::Duration;

use super::error::{Error, Garbled, Hint, UnexpectedFrame};
use super::noise::RtuTolerance;
use super::request::UnitRequest;
use super::rtu::{self, RtuDecoder};
use super::tcp::{self, TcpDecoder};
use super::tolerance::TcpTolerance;
use crate::meter::RegisterRange;

/// Finds the answer to the current request in the bytes of a link. It returns whole, verified answers and nothing else.
#[derive(Debug)]
pub struct FrameDecoder(Framing);

#[derive(Debug)]
enum Framing {
    /// One decoder per request: RTU frames of different requests have nothing in common but what the line is known to do.
    Rtu(Option<RtuDecoder>, RtuTolerance),
    /// One decoder per connection: a frame may begin before a request and end after it.
    Tcp(TcpDecoder),
}

/// What was received in addition to the answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RxAnomalies {
    /// Bytes after the answer on an RTU line: the line needs silence before the next request.
    pub(super) extra_bytes: bool,
    /// The unit that sent a frame while another unit was read.
    pub(super) other_unit: Option<u8>,
    /// The request itself.
    pub(super) echo: bool,
    /// An answer to an earlier request, on TCP.
    pub(super) late: bool,
    /// Bytes that belong to no frame were discarded.
    pub(super) discarded: bool,
}

/// Why there is no answer, and whether the link can still be used.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) link_usable: bool,
}

impl FrameDecoder {
    /// For a serial line, or RTU frames in a TCP stream.
    pub fn rtu() -> Self {
        FrameDecoder(Framing::Rtu(None, RtuTolerance::default()))
    }

    /// For a Modbus TCP connection.
    pub fn tcp() -> Self {
        FrameDecoder::tcp_after(0, TcpTolerance::default())
    }

    /// For a Modbus TCP connection whose first request has the transaction id after this one, to a device of which this is known.
    pub(super) fn tcp_after(transaction: u16, tolerance: TcpTolerance) -> Self {
        FrameDecoder(Framing::Tcp(TcpDecoder::after(transaction, tolerance)))
    }

    /// A request for these registers of this unit was sent. `transaction` is its id on TCP.
    pub fn request(&mut self, transaction: u16, unit: u8, range: RegisterRange) {
        let request = UnitRequest { unit, read: range.into() };
        match &mut self.0 {
            Framing::Rtu(..) => self.begin(request),
            Framing::Tcp(decoder) => {
                decoder.begin_as(request, transaction);
                decoder.sent(&tcp::frame(transaction, request));
            }
        }
    }

    /// Takes the next received bytes and returns the answer's whole frame, once all of it was received.
    ///
    /// # Errors
    /// What is wrong with the bytes: the request has failed.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Garbled> {
        match &mut self.0 {
            Framing::Rtu(None, _) => Ok(None),
            Framing::Rtu(Some(decoder), tolerance) => decoder.receive(bytes, tolerance),
            Framing::Tcp(decoder) => decoder.receive(bytes),
        }
    }

    /// The next request begins.
    pub(super) fn begin(&mut self, request: UnitRequest) {
        match &mut self.0 {
            Framing::Rtu(decoder, _) => *decoder = Some(RtuDecoder::new(request)),
            Framing::Tcp(decoder) => decoder.begin(request),
        }
    }

    /// The client's next bytes of the request as they are sent.
    pub(super) fn on_wire<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        match &self.0 {
            Framing::Rtu(..) => Cow::Borrowed(bytes),
            Framing::Tcp(decoder) => Cow::Owned(decoder.on_wire(bytes)),
        }
    }

    /// These bytes of the client's request were sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if let Framing::Tcp(decoder) = &mut self.0 {
            decoder.sent(bytes);
        }
    }

    /// The request is over; without an answer, a late one may come.
    pub(super) fn end(&mut self, answered: bool) {
        match &mut self.0 {
            Framing::Rtu(_, tolerance) if !answered => tolerance.failed(),
            Framing::Rtu(..) => {}
            Framing::Tcp(decoder) => decoder.end(),
        }
    }

    /// Takes bytes that were received while no request was waiting. True where they disturb the next request: on TCP they do not,
    /// because the transaction id identifies an answer.
    ///
    /// # Errors
    /// The TCP connection cannot be used any more.
    pub(super) fn discard(&mut self, bytes: &[u8]) -> Result<bool, Garbled> {
        match &mut self.0 {
            Framing::Rtu(..) => Ok(!bytes.is_empty() && !rtu::is_turnaround(bytes)),
            Framing::Tcp(decoder) => decoder.discard(bytes).map(|()| false),
        }
    }

    /// The other end closed the link while no request was waiting.
    pub(super) fn saw_close(&mut self) {
        if let Framing::Tcp(decoder) = &mut self.0 {
            decoder.saw_close();
        }
    }

    /// An answer to a request of an earlier connection may come over this one.
    pub(super) fn doubt(&mut self) {
        if let Framing::Tcp(decoder) = &mut self.0 {
            decoder.doubt();
        }
    }

    /// Whether an answer to a request of this connection may still come.
    pub(super) fn has_open_answers(&self) -> bool {
        matches!(&self.0, Framing::Tcp(decoder) if decoder.tolerance().has_open_answers())
    }

    /// Whether nothing but their order identifies the answers of this device, as far as is known.
    pub(super) fn only_order_counts(&self) -> bool {
        self.must_reconnect()
            || matches!(&self.0, Framing::Tcp(decoder) if decoder.tolerance().confuses_second_answers())
    }

    /// What is known on the next connection.
    pub(super) fn on_next_connection(&self) -> Option<TcpTolerance> {
        match &self.0 {
            Framing::Rtu(..) => None,
            Framing::Tcp(decoder) => decoder.tolerance().on_next_connection(),
        }
    }

    /// Whether a late answer could be taken for the next one, so that the connection must be made again.
    pub(super) fn must_reconnect(&self) -> bool {
        matches!(&self.0, Framing::Tcp(decoder) if decoder.tolerance().must_reconnect())
    }

    /// Whether bytes that came since the last answer must be seen before the next request.
    pub(super) fn listens_between(&self) -> bool {
        match &self.0 {
            Framing::Rtu(..) => true,
            Framing::Tcp(decoder) => decoder.tolerance().goes_by_order() || decoder.tolerance().needs_silence(),
        }
    }

    /// Whether the line must be silent before the next request on TCP, because only the order of the answers identifies them.
    pub(super) fn needs_silence(&self) -> bool {
        matches!(&self.0, Framing::Tcp(decoder) if decoder.tolerance().needs_silence())
    }

    /// What the other end is known to do beside the standard, in words.
    pub(super) fn tolerated(&self) -> Vec<String> {
        match &self.0 {
            Framing::Rtu(_, tolerance) => tolerance.shown(),
            Framing::Tcp(decoder) => decoder.tolerance().shown(),
        }
    }

    /// Whether anything except our own echo was received since the request began (on TCP: since the connection was made).
    pub(super) fn received_any(&self) -> bool {
        match &self.0 {
            Framing::Rtu(decoder, _) => decoder.as_ref().is_some_and(RtuDecoder::received_any),
            Framing::Tcp(decoder) => decoder.received_any(),
        }
    }

    /// What was received in addition to the answer of the request that is over. On TCP each is reported once.
    pub(super) fn anomalies(&mut self) -> RxAnomalies {
        match &mut self.0 {
            Framing::Rtu(None, _) => RxAnomalies::default(),
            Framing::Rtu(Some(decoder), _) => RxAnomalies {
                extra_bytes: decoder.has_extra_bytes(),
                other_unit: decoder.unexpected().map(UnexpectedFrame::unit),
                echo: decoder.echoed(),
                late: false,
                discarded: decoder.discarded() > 0 || decoder.has_extra_bytes(),
            },
            Framing::Tcp(decoder) => RxAnomalies {
                late: decoder.take_late(),
                discarded: decoder.take_extra_bytes(),
                ..RxAnomalies::default()
            },
        }
    }

    /// Why no answer was found when the time was up.
    pub(super) fn no_answer(&self, unit: u8, within: Duration) -> Failure {
        match &self.0 {
            Framing::Rtu(None, _) => {
                Failure { error: Error::TimedOut { unit, within, hint: Hint::None }, link_usable: true }
            }
            Framing::Rtu(Some(decoder), _) => Failure { error: decoder.no_answer(within), link_usable: true },
            Framing::Tcp(decoder) if decoder.received_other() => {
                Failure { error: Error::Garbled { unit, why: Garbled::NotModbusTcp }, link_usable: false }
            }
            Framing::Tcp(decoder) => {
                let hint = match decoder {
                    decoder if decoder.skipped_late() => Hint::Stale,
                    decoder if decoder.received_any() => Hint::None,
                    _ => Hint::DeafTcp,
                };
                // The device would read half a request as the beginning of the next one.
                Failure { error: Error::TimedOut { unit, within, hint }, link_usable: decoder.is_sent() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Function;

    const RANGE: RegisterRange = RegisterRange { function: Function::Holding, address: 9, count: 2 };

    #[test]
    fn an_answer_is_found_with_either_framing() {
        let mut tcp = FrameDecoder::tcp();
        tcp.request(4, 1, RANGE);
        assert!(tcp.receive(&[0, 4, 0, 0, 0, 7, 1, 3, 4, 9, 9, 9, 9]).unwrap().is_some());
        tcp.request(5, 1, RANGE);
        let earlier = [0, 4, 0, 0, 0, 7, 1, 3, 4, 9, 9, 9, 9];
        assert_eq!(tcp.receive(&earlier), Ok(None), "to an earlier request");
        let answer = [0, 5, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2];
        assert_eq!(tcp.receive(&answer), Ok(Some(answer.to_vec())));
        let mut rtu = FrameDecoder::rtu();
        rtu.request(0, 1, RANGE);
        let answer = [1, 3, 4, 0, 1, 0, 2, 0x2A, 0x32];
        assert_eq!(rtu.receive(&answer[..4]), Ok(None));
        assert_eq!(rtu.receive(&answer[4..]), Ok(Some(answer.to_vec())));
        rtu.request(0, 1, RANGE);
        assert_eq!(rtu.receive(&[1, 3, 4, 0, 1, 0, 3, 0x2A, 0x32]), Err(Garbled::Checksum));
    }
}
