//! RTU frames: finds the answer to a read among the bytes received. Pure.
//!
//! RTU has no transaction id. Only unit, function, length and checksum identify an answer. Other frames are skipped, and
//! the request keeps waiting: a late answer of another meter must not fail it.

use std::time::Duration;

use super::error::{Error, FrameSummary, Garbled, Hint, UnexpectedFrame};
use super::noise::RtuTolerance;
use super::request::{UnitRequest, data_len, registers};

/// Unit and checksum: the bytes of a frame in addition to its PDU.
pub(super) const ENVELOPE: usize = 3;
/// Source: Modbus over Serial Line V1.02, 2.5.1.
const LONGEST_FRAME: usize = 256;
/// Two frames of the greatest length. A line that sends more after one request never becomes silent.
const MOST_BYTES: usize = 512;
/// Bytes of whole frames of others, for which one request waits: at 115200 baud six seconds without a pause. A device that streams frames
/// at the speed of a network would keep the processor busy until the timeout.
pub(super) const MOST_OF_OTHERS: usize = 64 * 1024;
/// A transceiver that changes direction may add this many bytes 0x00 or 0xFF, which are no units, before or after a frame.
const TURNAROUND_BYTES: usize = 4;

/// Bytes of any value that may be discarded before an answer: a partial echo, or what a transceiver adds.
const MOST_NOISE: usize = 8;
/// So many bytes of our own request are taken for its echo, though the rest is missing: unit, function and address.
const LEAST_ECHO: usize = 4;

/// CRC-16/MODBUS, sent low byte first.
pub(crate) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

/// The request as an RTU frame.
pub(super) fn frame(request: UnitRequest) -> Vec<u8> {
    let mut frame = vec![request.unit];
    frame.extend(request.read.pdu());
    frame.extend(crc(&frame).to_le_bytes());
    frame
}

/// Whether the last two bytes are the checksum of the bytes before.
pub(super) fn intact(frame: &[u8]) -> bool {
    frame.len() > 2 && crc(frame) == 0
}

/// Whether these bytes are none, or only those that a transceiver adds when it changes direction.
pub(super) fn is_turnaround(bytes: &[u8]) -> bool {
    bytes.len() <= TURNAROUND_BYTES && bytes.iter().all(|byte| matches!(byte, 0 | 0xFF))
}

/// The length of the whole frame, once its first bytes give it; `None` where they cannot begin an answer.
pub(super) fn frame_len(bytes: &[u8]) -> Option<usize> {
    let [_, function, data @ ..] = bytes else { return None };
    Some(ENVELOPE + 1 + data_len(*function, data)?).filter(|len| *len <= LONGEST_FRAME)
}

/// The bytes received after one request.
#[derive(Debug)]
pub(super) struct RtuDecoder {
    request: UnitRequest,
    /// The request as it was sent.
    request_frame: Vec<u8>,
    bytes: Vec<u8>,
    turnaround: usize,
    echo: bool,
    /// Bytes of no frame before the answer.
    discarded: usize,
    /// The last frame that was skipped.
    unexpected: Option<UnexpectedFrame>,
    /// Bytes of all frames that were skipped.
    of_others: usize,
}

/// What some bytes are.
enum Found {
    /// An intact answer of this length.
    Answer(usize),
    /// An answer with a wrong checksum.
    Damaged,
    Nothing,
}

impl RtuDecoder {
    pub(super) fn new(request: UnitRequest) -> Self {
        let request_frame = frame(request);
        RtuDecoder {
            request,
            request_frame,
            bytes: Vec::new(),
            turnaround: 0,
            echo: false,
            discarded: 0,
            unexpected: None,
            of_others: 0,
        }
    }

    /// Takes the next bytes and returns the answer, once all of it was received. An error only where the answer itself is damaged.
    ///
    /// Unit, function, length and checksum identify it, so up to [`MOST_NOISE`] bytes of any value before it are discarded once
    /// `tolerance` knows that this line has them.
    pub(super) fn receive(&mut self, bytes: &[u8], tolerance: &mut RtuTolerance) -> Result<Option<Vec<u8>>, Garbled> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > MOST_BYTES || self.of_others > MOST_OF_OTHERS {
            return Err(Garbled::NeverSilent);
        }
        loop {
            match self.answer_at(0) {
                Found::Answer(len) => {
                    if self.discarded == 0 {
                        tolerance.clean();
                    } else if !tolerance.noise_before() {
                        self.bytes.drain(..len);
                        return Err(Garbled::NoiseBefore { bytes: self.discarded });
                    }
                    return Ok(Some(self.bytes.drain(..len).collect()));
                }
                // A damaged answer fails at once, unless an intact one may follow.
                Found::Damaged if !self.may_be_echo() && !tolerance.expects_noise() && self.noise().is_none() => {
                    return Err(Garbled::Checksum);
                }
                Found::Damaged | Found::Nothing => {}
            }
            if !self.skip() && !self.discard_noise() {
                return Ok(None);
            }
        }
    }

    /// The number of bytes of no frame before the answer.
    pub(super) fn discarded(&self) -> usize {
        self.discarded
    }

    /// Whether anything except our own echo was received.
    pub(super) fn received_any(&self) -> bool {
        !self.bytes.is_empty() || self.unexpected.is_some()
    }

    /// Whether our own request came back.
    pub(super) fn echoed(&self) -> bool {
        self.echo
    }

    /// The last frame that was skipped.
    pub(super) fn unexpected(&self) -> Option<&UnexpectedFrame> {
        self.unexpected.as_ref()
    }

    /// Whether bytes follow the answer.
    pub(super) fn has_extra_bytes(&self) -> bool {
        !is_turnaround(&self.bytes)
    }

    /// Why there is no answer when the time is up.
    pub(super) fn no_answer(&self, within: Duration) -> Error {
        let UnitRequest { unit, read } = self.request;
        let why = if self.bytes.is_empty() {
            match &self.unexpected {
                Some(frame) => Garbled::Unexpected(frame.clone()),
                None => {
                    let hint = if self.echo { Hint::Echo } else { Hint::None };
                    return Error::TimedOut { unit, within, hint };
                }
            }
        } else if self.looks_like_tcp() {
            Garbled::LooksLikeTcp
        } else if self.begins_answer(&self.bytes) {
            Garbled::Incomplete { got: self.bytes.len(), expected: ENVELOPE + read.longest_answer() }
        } else {
            Garbled::Noise { bytes: self.bytes.len() }
        };
        Error::Garbled { unit, why }
    }

    /// What the bytes from this index on are: unit, function, length and checksum must fit the request.
    fn answer_at(&self, at: usize) -> Found {
        let bytes = &self.bytes[at..];
        match frame_len(bytes).filter(|len| *len <= bytes.len() && self.begins_answer(bytes)) {
            Some(len) if intact(&bytes[..len]) => Found::Answer(len),
            Some(_) => Found::Damaged,
            None => Found::Nothing,
        }
    }

    /// Whether the bytes are our own request, of which some may be missing. It can look like the beginning of an answer.
    fn may_be_echo(&self) -> bool {
        let same = self.bytes.iter().zip(&self.request_frame).take_while(|(byte, sent)| byte == sent).count();
        !self.echo && same >= LEAST_ECHO.min(self.bytes.len())
    }

    /// The number of bytes before an answer or the echo, where other bytes come first.
    fn noise(&self) -> Option<usize> {
        let most = (MOST_NOISE - self.discarded.min(MOST_NOISE)).min(self.bytes.len().saturating_sub(1));
        let is_echo = |at: usize| !self.echo && self.bytes[at..].starts_with(&self.request_frame);
        (1..=most).find(|at| is_echo(*at) || matches!(self.answer_at(*at), Found::Answer(_)))
    }

    /// Removes other bytes before an answer or the echo; false where there is none.
    fn discard_noise(&mut self) -> bool {
        let Some(len) = self.noise() else { return false };
        self.discarded += len;
        self.bytes.drain(..len);
        true
    }

    /// Whether these bytes have the unit, function and length of the answer.
    fn begins_answer(&self, bytes: &[u8]) -> bool {
        let UnitRequest { unit, read } = self.request;
        let function = read.function();
        match bytes {
            [] => false,
            [first] => *first == unit,
            [first, second, data @ ..] => {
                let exception = *second == function | 0x80;
                *first == unit && (exception || *second == function && read.accepts_start(data))
            }
        }
    }

    /// Removes an echo, a turnaround byte or an intact frame that is no answer from the front; false where there is none.
    fn skip(&mut self) -> bool {
        if !self.echo && self.bytes.starts_with(&self.request_frame) {
            self.echo = true;
            self.bytes.drain(..self.request_frame.len());
            return true;
        }
        if matches!(self.bytes.first(), Some(0 | 0xFF)) && self.turnaround < TURNAROUND_BYTES {
            self.turnaround += 1;
            self.bytes.remove(0);
            return true;
        }
        let Some(len) = frame_len(&self.bytes) else { return false };
        if self.bytes.len() < len || !intact(&self.bytes[..len]) {
            return false;
        }
        let registers = registers(self.bytes[1], &self.bytes[2..]);
        let received = FrameSummary { unit: self.bytes[0], function: self.bytes[1], registers };
        self.unexpected = Some(UnexpectedFrame::new(self.request, received));
        self.of_others += len;
        self.bytes.drain(..len);
        true
    }

    /// A Modbus TCP gateway reads our unit and function as its transaction id and sends them back.
    fn looks_like_tcp(&self) -> bool {
        let [a, b, 0, 0, high, low, ..] = self.bytes[..] else { return false };
        [a, b] == self.request_frame[..2] && usize::from(u16::from_be_bytes([high, low])) + 6 == self.bytes.len()
    }
}

#[cfg(test)]
mod tests;
