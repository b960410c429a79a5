//! Modbus TCP frames: finds the answer with the request's transaction number. Pure.

use super::error::{FrameSummary, Garbled, UnexpectedFrame};
use super::request::{UnitRequest, data_len};
use super::rtu;

/// Transaction, protocol, length, unit.
const HEADER_LEN: usize = 7;
/// Allowed values of the header's length field: from unit, function and one byte to a whole answer.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=254;

/// The request under this transaction number, as it is sent.
pub(super) fn frame(transaction: u16, request: UnitRequest) -> Vec<u8> {
    let pdu = request.read.pdu();
    let mut frame = transaction.to_be_bytes().to_vec();
    frame.extend([0, 0, 0, 1 + pdu.len() as u8, request.unit]);
    frame.extend(pdu);
    frame
}

/// The bytes received over one connection.
#[derive(Debug, Default)]
pub(super) struct TcpDecoder {
    bytes: Vec<u8>,
    request: Option<UnitRequest>,
    /// The part of the request that was sent; it begins with the transaction number.
    sent: Vec<u8>,
    /// An answer to an earlier request came since the current one began.
    skipped_late: bool,
    /// The same, until it is reported.
    late: bool,
    received_any: bool,
}

impl TcpDecoder {
    /// The next request begins. Bytes received before stay: a frame may have come in part.
    pub(super) fn begin(&mut self, request: UnitRequest) {
        self.request = Some(request);
        self.sent.clear();
        self.skipped_late = false;
    }

    /// These bytes of the request were sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
    }

    /// Whether the whole request was sent.
    pub(super) fn is_sent(&self) -> bool {
        self.request.is_some_and(|request| self.sent.len() >= HEADER_LEN + request.read.pdu().len())
    }

    /// Whether anything was received since the connection was made.
    pub(super) fn received_any(&self) -> bool {
        self.received_any
    }

    /// Whether an answer to an earlier request came since the current one began.
    pub(super) fn skipped_late(&self) -> bool {
        self.skipped_late
    }

    /// Whether an answer to an earlier request came since the last call.
    pub(super) fn take_late(&mut self) -> bool {
        std::mem::take(&mut self.late)
    }

    /// Takes the next bytes and returns the answer, once all of it was received. Answers to other requests are skipped.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Garbled> {
        self.received_any = true;
        self.bytes.extend_from_slice(bytes);
        while let Some(len) = self.frame_len()? {
            if self.bytes.len() < len {
                break;
            }
            let frame: Vec<u8> = self.bytes.drain(..len).collect();
            if let Some(request) = self.skip(&frame) {
                if frame == self.sent {
                    return Err(Garbled::LooksTransparent);
                }
                // Another header must follow the answer, or nothing. Otherwise this was half an answer, completed by later bytes.
                self.frame_len()?;
                return verify(request, frame).map(Some);
            }
        }
        Ok(None)
    }

    /// Takes bytes that were received while no request was waiting: a late answer, or the same answer again.
    ///
    /// # Errors
    /// The framing is lost.
    pub(super) fn discard(&mut self, bytes: &[u8]) -> Result<(), Garbled> {
        match self.receive(bytes) {
            Ok(answer) => self.late |= answer.is_some(),
            Err(why) if why.loses_framing() => return Err(why),
            Err(_) => {}
        }
        Ok(())
    }

    /// The request that this frame answers by its transaction number; `None` where the frame is to be skipped.
    fn skip(&mut self, frame: &[u8]) -> Option<UnitRequest> {
        let request = self.request.filter(|_| self.is_sent() && frame[..2] == self.sent[..2]);
        if request.is_none() {
            (self.skipped_late, self.late) = (true, true);
        }
        request
    }

    /// The length of the first frame, once its header was received.
    fn frame_len(&self) -> Result<Option<usize>, Garbled> {
        if self.request.is_some_and(|request| is_rtu_answer(&self.bytes, request)) {
            return Err(Garbled::LooksTransparent);
        }
        let [_, _, protocol @ .., high, low] = self.bytes.get(..6).unwrap_or_default() else { return Ok(None) };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if protocol != [0, 0] || !LENGTHS.contains(&len) {
            return Err(Garbled::NotModbusTcp);
        }
        Ok(Some(6 + len))
    }
}

/// The frame, if its unit, function and length fit the request.
fn verify(request: UnitRequest, frame: Vec<u8>) -> Result<Vec<u8>, Garbled> {
    let UnitRequest { unit, read } = request;
    let (function, pdu) = (read.function(), &frame[HEADER_LEN..]);
    let exception = pdu[0] == function | 0x80 && pdu.len() == 2;
    let complete = data_len(pdu[0], &pdu[1..]) == Some(pdu.len() - 1);
    let answer = pdu[0] == function && complete && read.accepts_start(&pdu[1..]);
    if frame[6] == unit && (exception || answer) {
        return Ok(frame);
    }
    let received = FrameSummary { unit: frame[6], function: pdu[0], registers: ((pdu.len() - 2) / 2) as u16 };
    Err(Garbled::Unexpected(UnexpectedFrame::new(request, received)))
}

/// A transparent converter sends the meter's RTU frame without a header.
fn is_rtu_answer(bytes: &[u8], request: UnitRequest) -> bool {
    let [first, second, ..] = *bytes else { return false };
    let ours = first == request.unit && second & 0x7F == request.read.function();
    ours && rtu::frame_len(bytes).and_then(|len| bytes.get(..len)).is_some_and(rtu::intact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{Function, RegisterRange};

    const RANGE: RegisterRange = RegisterRange { function: Function::Holding, address: 9, count: 2 };
    const REQUEST: [u8; 12] = [0, 5, 0, 0, 0, 6, 1, 3, 0, 9, 0, 2];
    const ANSWER: [u8; 13] = [0, 5, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2];

    fn request() -> UnitRequest {
        UnitRequest { unit: 1, read: RANGE.into() }
    }

    fn decoder() -> TcpDecoder {
        let mut decoder = TcpDecoder::default();
        decoder.begin(request());
        decoder.sent(&REQUEST);
        decoder
    }

    /// What the decoder returns after these bytes, received one by one.
    fn after(bytes: &[u8]) -> Result<Option<Vec<u8>>, Garbled> {
        let mut decoder = decoder();
        for byte in bytes {
            let received = decoder.receive(&[*byte]);
            if !matches!(received, Ok(None)) {
                return received;
            }
        }
        Ok(None)
    }

    fn with(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = ANSWER.to_vec();
        change(&mut bytes);
        bytes
    }

    #[test]
    fn only_the_answer_with_our_number_is_taken() {
        assert_eq!(after(&ANSWER), Ok(Some(ANSWER.to_vec())));
        let stale = with(|bytes| bytes[1] = 4);
        assert_eq!(after(&stale), Ok(None));
        assert_eq!(after(&[&stale[..], &ANSWER].concat()), Ok(Some(ANSWER.to_vec())));
        let refusal = [0, 5, 0, 0, 0, 3, 1, 0x83, 2];
        assert_eq!(after(&refusal), Ok(Some(refusal.to_vec())));
    }

    #[test]
    fn a_late_answer_in_two_parts_around_a_timeout_keeps_the_framing() {
        let stale = with(|bytes| bytes[1] = 4);
        let mut decoder = decoder();
        assert_eq!(decoder.receive(&stale[..6]), Ok(None));
        decoder.begin(request());
        decoder.sent(&REQUEST);
        assert_eq!(decoder.receive(&[&stale[6..], &ANSWER].concat()), Ok(Some(ANSWER.to_vec())));
        assert!(decoder.skipped_late());
    }

    #[test]
    fn half_an_answer_completed_by_a_late_one_is_refused() {
        let late = [0, 4, 0, 0, 0, 9, 1, 3, 6, 0, 1, 0xFF, 0xFF, 0, 3];
        let mut decoder = decoder();
        assert_eq!(decoder.receive(&ANSWER[..9]), Ok(None));
        assert_eq!(decoder.receive(&late), Err(Garbled::NotModbusTcp));
    }

    #[test]
    fn unit_function_and_length_are_checked() {
        let wrong = [
            (with(|bytes| bytes[6] = 2), "unit 2 answered a request to unit 1"),
            (with(|bytes| bytes[7] = 4), "it answers function 4 instead of 3"),
            (with(|bytes| (bytes[5], bytes[8]) = (11, 8)), "4 registers came instead of 2"),
        ];
        for (mut bytes, text) in wrong {
            bytes.resize(6 + usize::from(bytes[5]), 0);
            let Err(garbled @ Garbled::Unexpected(_)) = after(&bytes) else { panic!("{text}") };
            assert!(garbled.to_string().contains(text), "{garbled}");
        }
    }

    #[test]
    fn lost_framing_and_converters_are_recognised() {
        assert_eq!(after(&with(|bytes| bytes[3] = 1)), Err(Garbled::NotModbusTcp));
        assert_eq!(after(&with(|bytes| bytes[4] = 1)), Err(Garbled::NotModbusTcp));
        assert_eq!(after(&REQUEST), Err(Garbled::LooksTransparent));
        let mut decoder = decoder();
        let mut rtu = vec![1, 0x83, 2];
        rtu.extend(rtu::crc(&rtu).to_le_bytes());
        assert_eq!(decoder.receive(&rtu), Err(Garbled::LooksTransparent));
    }
}
