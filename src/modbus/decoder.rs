//! Finds the answer to the current request in the bytes of a link, with RTU or TCP framing. Pure.

use std::time::Duration;

use super::error::{Error, Garbled, Hint, UnexpectedFrame};
use super::request::UnitRequest;
use super::rtu::{self, RtuDecoder};
use super::tcp::{self, TcpDecoder};
use crate::meter::RegisterRange;

/// Finds the answer to the current request in the bytes of a link. It returns whole, verified answers and nothing else.
#[derive(Debug)]
pub struct FrameDecoder(Framing);

#[derive(Debug)]
enum Framing {
    /// One decoder per request: RTU frames of different requests have nothing in common.
    Rtu(Option<RtuDecoder>),
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
        FrameDecoder(Framing::Rtu(None))
    }

    /// For a Modbus TCP connection.
    pub fn tcp() -> Self {
        FrameDecoder(Framing::Tcp(TcpDecoder::default()))
    }

    /// A request for these registers of this unit was sent. `transaction` is its number on TCP.
    pub fn request(&mut self, transaction: u16, unit: u8, range: RegisterRange) {
        let request = UnitRequest { unit, read: range.into() };
        self.begin(request);
        self.sent(&tcp::frame(transaction, request));
    }

    /// Takes the next received bytes and returns the answer's whole frame, once all of it was received.
    ///
    /// # Errors
    /// What is wrong with the bytes: the request has failed.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Garbled> {
        match &mut self.0 {
            Framing::Rtu(None) => Ok(None),
            Framing::Rtu(Some(decoder)) => decoder.receive(bytes),
            Framing::Tcp(decoder) => decoder.receive(bytes),
        }
    }

    /// The next request begins.
    pub(super) fn begin(&mut self, request: UnitRequest) {
        match &mut self.0 {
            Framing::Rtu(decoder) => *decoder = Some(RtuDecoder::new(request)),
            Framing::Tcp(decoder) => decoder.begin(request),
        }
    }

    /// These bytes of the request were sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if let Framing::Tcp(decoder) = &mut self.0 {
            decoder.sent(bytes);
        }
    }

    /// Takes bytes that were received while no request was waiting. True where they disturb the next request: on TCP they do not,
    /// because each answer has its request's number.
    ///
    /// # Errors
    /// The TCP framing is lost.
    pub(super) fn discard(&mut self, bytes: &[u8]) -> Result<bool, Garbled> {
        match &mut self.0 {
            Framing::Rtu(_) => Ok(!rtu::is_turnaround(bytes)),
            Framing::Tcp(decoder) => decoder.discard(bytes).map(|()| false),
        }
    }

    /// Whether anything except our own echo was received since the request began (on TCP: since the connection was made).
    pub(super) fn received_any(&self) -> bool {
        match &self.0 {
            Framing::Rtu(decoder) => decoder.as_ref().is_some_and(RtuDecoder::received_any),
            Framing::Tcp(decoder) => decoder.received_any(),
        }
    }

    /// What was received in addition to the answer of the request that is over. On TCP a late answer is reported once.
    pub(super) fn anomalies(&mut self) -> RxAnomalies {
        match &mut self.0 {
            Framing::Rtu(None) => RxAnomalies::default(),
            Framing::Rtu(Some(decoder)) => RxAnomalies {
                extra_bytes: decoder.has_extra_bytes(),
                other_unit: decoder.unexpected().map(UnexpectedFrame::unit),
                echo: decoder.echoed(),
                late: false,
            },
            Framing::Tcp(decoder) => RxAnomalies { late: decoder.take_late(), ..RxAnomalies::default() },
        }
    }

    /// Why no answer was found when the time was up.
    pub(super) fn no_answer(&self, unit: u8, within: Duration) -> Failure {
        match &self.0 {
            Framing::Rtu(None) => {
                Failure { error: Error::TimedOut { unit, within, hint: Hint::None }, link_usable: true }
            }
            Framing::Rtu(Some(decoder)) => Failure { error: decoder.no_answer(within), link_usable: true },
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
