//! Modbus TCP frames: finds the answer by its transaction id, unit, function and length. Pure.
//!
//! What devices do beside the standard is known to [`TcpTolerance`]: it decides which frame is the answer.

use super::error::{FrameSummary, Garbled, UnexpectedFrame};
use super::request::{UnitRequest, data_len, registers};
use super::rtu;
use super::tolerance::{FIXED_UNITS, FittingFrame, FrameJudgement, TcpTolerance};

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

/// Bytes of registration and heartbeat packets that one request skips. A device that sends more is no Modbus TCP device.
const MOST_SKIPPED: usize = 128;
/// What a web server begins with when it receives a request that it does not understand.
const HTTP: &[u8] = b"HTTP/";

/// The bytes received over one connection.
#[derive(Debug, Default)]
pub(super) struct TcpDecoder {
    bytes: Vec<u8>,
    request: Option<UnitRequest>,
    /// The id under which the request is sent. Never 0, because some devices answer with 0.
    transaction: u16,
    /// The part of the request that was sent, with the client's transaction id.
    sent: Vec<u8>,
    tolerance: TcpTolerance,
    /// An answer to an earlier request came since the current one began.
    skipped_late: bool,
    /// The same, until it is reported.
    late: bool,
    /// Bytes of packets that are no frames, skipped since the current request began.
    skipped: usize,
    /// Bytes of frames that are no answer to the current request, received since it began.
    of_others: usize,
    /// Bytes came that are in no frame, until it is reported.
    extra_bytes: bool,
    received_any: bool,
    /// Whether a whole frame was ever received.
    received_frame: bool,
}

/// What the received bytes begin with.
enum Start {
    /// Too few bytes to tell.
    Open,
    /// A header, and the length of its frame.
    Frame(usize),
    /// No header.
    Other,
}

/// A frame whose function and length are those of an answer.
struct Fit {
    exception: bool,
    /// One byte too many, counted in the header.
    extra: bool,
}

impl TcpDecoder {
    /// A connection whose first request has the transaction id after this one, to a device of which this is known.
    pub(super) fn after(transaction: u16, tolerance: TcpTolerance) -> Self {
        TcpDecoder { transaction, tolerance, ..TcpDecoder::default() }
    }

    /// The next request begins, under the next transaction id. Bytes received before stay: a frame may have come in part.
    pub(super) fn begin(&mut self, request: UnitRequest) {
        self.begin_as(request, self.transaction.wrapping_add(1).max(1));
    }

    /// The next request begins, under this transaction id.
    pub(super) fn begin_as(&mut self, request: UnitRequest, transaction: u16) {
        (self.request, self.transaction) = (Some(request), transaction);
        self.tolerance.begin(request, transaction);
        self.sent.clear();
        (self.skipped_late, self.skipped, self.of_others) = (false, 0, 0);
    }

    /// The next bytes of the client's request as they are sent: with the connection's transaction id instead of the client's.
    pub(super) fn on_wire(&self, bytes: &[u8]) -> Vec<u8> {
        let mut sent = bytes.to_vec();
        let id = self.transaction.to_be_bytes().into_iter().skip(self.sent.len());
        sent.iter_mut().zip(id).for_each(|(byte, id)| *byte = id);
        sent
    }

    /// These bytes of the client's request were sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
    }

    /// The request is over: an answer that comes from now on is late.
    pub(super) fn end(&mut self) {
        self.tolerance.failed();
    }

    /// The other end closed the connection while no request was waiting.
    pub(super) fn saw_close(&mut self) {
        self.tolerance.saw_close();
    }

    /// An answer to a request of an earlier connection may come over this one.
    pub(super) fn doubt(&mut self) {
        self.tolerance.doubt();
    }

    /// Whether the whole request was sent.
    pub(super) fn is_sent(&self) -> bool {
        self.request.is_some_and(|request| self.sent.len() >= HEADER_LEN + request.read.pdu().len())
    }

    /// Whether anything was received since the connection was made.
    pub(super) fn received_any(&self) -> bool {
        self.received_any
    }

    /// Whether bytes were received that are no Modbus TCP frame, and never a frame.
    pub(super) fn received_other(&self) -> bool {
        self.skipped > 0 && !self.received_frame
    }

    /// Whether an answer to an earlier request came since the current one began.
    pub(super) fn skipped_late(&self) -> bool {
        self.skipped_late
    }

    /// Whether an answer to an earlier request came since the last call.
    pub(super) fn take_late(&mut self) -> bool {
        std::mem::take(&mut self.late)
    }

    /// Whether bytes came since the last call that are in no frame, or one byte too many in one.
    pub(super) fn take_extra_bytes(&mut self) -> bool {
        std::mem::take(&mut self.extra_bytes)
    }

    /// What the device is known to do beside the standard.
    pub(super) fn tolerance(&self) -> &TcpTolerance {
        &self.tolerance
    }

    /// Takes the next bytes and returns the answer, once all of it was received. Answers to other requests are skipped.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Garbled> {
        self.received_any |= !bytes.is_empty();
        self.bytes.extend_from_slice(bytes);
        loop {
            let len = match self.start()? {
                Start::Frame(len) if self.bytes.len() >= len => len,
                Start::Frame(_) | Start::Open => return Ok(None),
                Start::Other => {
                    self.skip_packet()?;
                    continue;
                }
            };
            let frame: Vec<u8> = self.bytes.drain(..len).collect();
            self.received_frame = true;
            self.of_others += frame.len();
            if let Some(answer) = self.take(frame)? {
                return Ok(Some(answer));
            }
            if self.of_others > rtu::MOST_OF_OTHERS {
                return Err(Garbled::Endless);
            }
        }
    }

    /// Takes bytes that were received while no request was waiting: a late answer, or the same answer again. What is left in the buffer behind
    /// the last answer counts as well, so that it is not taken for the answer to the next request.
    ///
    /// # Errors
    /// The connection can no longer be used.
    pub(super) fn discard(&mut self, bytes: &[u8]) -> Result<(), Garbled> {
        match self.receive(bytes) {
            Err(why) if why.ends_connection() => Err(why),
            Ok(answer) => {
                self.late |= answer.is_some();
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// The answer to the request in progress, if this frame is one; `None` where it is to be skipped.
    fn take(&mut self, frame: Vec<u8>) -> Result<Option<Vec<u8>>, Garbled> {
        let transaction = u16::from_be_bytes([frame[0], frame[1]]);
        let Some(request) = self.request.filter(|_| self.is_sent()) else { return self.skip(transaction) };
        if self.is_on_wire_request(&frame) {
            return Err(Garbled::LooksTransparent);
        }
        let Some(fit) = fit(request, &frame) else {
            return match transaction == self.transaction && self.tolerance.is_waiting() {
                true => Err(unexpected(request, &frame)),
                false => self.skip(transaction),
            };
        };
        let length = frame.len() - HEADER_LEN;
        let fitting = FittingFrame { transaction, unit: frame[6], exception: fit.exception, length };
        let judgement = self.tolerance.judge(fitting);
        // Another header must follow the answer, or nothing. Otherwise this was half an answer, completed by later bytes.
        if matches!(judgement, FrameJudgement::Answer | FrameJudgement::Unproven)
            && matches!(self.start()?, Start::Other)
        {
            self.tolerance.doubt();
            return Err(Garbled::Interleaved);
        }
        match judgement {
            FrameJudgement::Answer => Ok(Some(self.standard(request, frame, &fit))),
            FrameJudgement::Late => {
                (self.skipped_late, self.late) = (true, true);
                Ok(None)
            }
            FrameJudgement::Unproven => Err(Garbled::Unproven {
                sent: self.transaction,
                transaction,
                requested: request.unit,
                unit: fitting.unit,
            }),
            FrameJudgement::OtherUnit => Err(unexpected(request, &frame)),
            FrameJudgement::Contradiction => Err(Garbled::Contradiction),
        }
    }

    /// Skips a frame that is no answer to the request in progress.
    fn skip(&mut self, transaction: u16) -> Result<Option<Vec<u8>>, Garbled> {
        if self.tolerance.unrequested(transaction) == FrameJudgement::Contradiction {
            return Err(Garbled::Contradiction);
        }
        (self.skipped_late, self.late) = (true, true);
        Ok(None)
    }

    /// The answer as the standard wants it: what the client verifies once more.
    fn standard(&mut self, request: UnitRequest, mut frame: Vec<u8>, fit: &Fit) -> Vec<u8> {
        if fit.extra {
            self.tolerance.saw_extra_byte();
            self.extra_bytes = true;
            frame.pop();
            frame[5] -= 1;
        }
        frame[..2].copy_from_slice(&self.sent[..2]);
        frame[6] = request.unit;
        frame
    }

    /// Whether the frame is the request as it was sent.
    fn is_on_wire_request(&self, frame: &[u8]) -> bool {
        frame[..2] == self.transaction.to_be_bytes() && self.sent.get(2..) == Some(&frame[2..])
    }

    fn start(&self) -> Result<Start, Garbled> {
        if self.request.is_some_and(|request| is_rtu_answer(&self.bytes, request)) {
            return Err(Garbled::LooksTransparent);
        }
        let [_, _, protocol @ .., high, low] = self.bytes.get(..6).unwrap_or_default() else { return Ok(Start::Open) };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let header = *protocol == [0, 0] && LENGTHS.contains(&len);
        Ok(if header { Start::Frame(6 + len) } else { Start::Other })
    }

    /// Skips bytes that begin no frame, up to where the answer to the request in progress may begin. Such packets are sent by converters
    /// to register, and to show that they live.
    fn skip_packet(&mut self) -> Result<(), Garbled> {
        if self.bytes.starts_with(HTTP) {
            return Err(Garbled::LooksLikeHttp);
        }
        // The header of the answer itself, damaged.
        if self.tolerance.is_waiting() && self.bytes[..2] == self.transaction.to_be_bytes() {
            return Err(Garbled::NotModbusTcp);
        }
        let request = self.request.filter(|_| self.tolerance.is_waiting());
        let begins = |at: &usize| request.is_some_and(|request| may_begin_answer(request, &self.bytes[*at..]));
        let len = (1..self.bytes.len()).find(begins).unwrap_or(self.bytes.len());
        self.skipped += len;
        if self.skipped > MOST_SKIPPED {
            return Err(Garbled::NotModbusTcp);
        }
        self.bytes.drain(..len);
        self.extra_bytes = true;
        self.tolerance.saw_packet();
        Ok(())
    }
}

/// Whether the frame has the function and the length of an answer to this request.
fn fit(request: UnitRequest, frame: &[u8]) -> Option<Fit> {
    let function = request.read.function();
    let [first, data @ ..] = &frame[HEADER_LEN..] else { return None };
    let exception = *first == function | 0x80;
    if !(exception || *first == function && request.read.accepts_start(data)) {
        return None;
    }
    let extra = data.len().checked_sub(data_len(*first, data)?)?;
    (extra <= 1).then_some(Fit { exception, extra: extra == 1 })
}

/// Whether these bytes, as far as they were received, begin a frame that fits the request.
fn may_begin_answer(request: UnitRequest, bytes: &[u8]) -> bool {
    let [_, _, header @ ..] = bytes else { return true };
    let function = request.read.function();
    let lengths = [3, 4, 1 + request.read.longest_answer(), 2 + request.read.longest_answer()];
    let is = |(index, byte): (usize, &u8)| match index {
        0..=2 => *byte == 0,
        3 => lengths.contains(&usize::from(*byte)) || request.read.count() == 0,
        4 => *byte == request.unit || FIXED_UNITS.contains(byte),
        5 => *byte & 0x7F == function,
        _ => true,
    };
    let exception = header.get(5).is_some_and(|byte| byte & 0x80 != 0);
    header.iter().enumerate().take(6).all(is)
        && (exception || request.read.accepts_start(header.get(6..).unwrap_or_default()))
}

/// Why a frame under the request's own id is no answer to it.
fn unexpected(request: UnitRequest, frame: &[u8]) -> Garbled {
    let (function, data) = (frame[HEADER_LEN], &frame[HEADER_LEN + 1..]);
    let received = FrameSummary { unit: frame[6], function, registers: registers(function, data) };
    let unexpected = UnexpectedFrame::new(request, received);
    let announced = data_len(function, data).filter(|len| *len != data.len());
    match announced {
        Some(len) if !unexpected.is_of_another_unit() && !unexpected.is_of_another_function() => {
            Garbled::Inconsistent { header: data.len() + 1, announced: len + 1 }
        }
        _ => Garbled::Unexpected(unexpected),
    }
}

/// A transparent converter sends the meter's RTU frame without a header.
fn is_rtu_answer(bytes: &[u8], request: UnitRequest) -> bool {
    let [first, second, ..] = *bytes else { return false };
    let ours = first == request.unit && second & 0x7F == request.read.function();
    ours && rtu::frame_len(bytes).and_then(|len| bytes.get(..len)).is_some_and(rtu::intact)
}

#[cfg(test)]
mod tests;
