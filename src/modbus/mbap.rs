//! Modbus TCP frames: the answer with our transaction number, and what came instead. Pure.

use super::error::{Garbled, Stray};
use super::rtu;
use crate::meter::Block;

/// Transaction, protocol, length, unit.
const HEADER_LEN: usize = 7;
/// Of a read request, header included.
pub(super) const REQUEST_LEN: usize = HEADER_LEN + 5;
/// What the header's length field may say: unit, function and one byte up to a whole answer.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=254;

/// A read request as it goes out.
pub(super) fn request(transaction: u16, unit: u8, block: Block) -> [u8; REQUEST_LEN] {
    let [[t, u], [a, b], [c, d]] = [transaction, block.address, block.count].map(u16::to_be_bytes);
    [t, u, 0, 0, 0, 6, unit, block.function.code(), a, b, c, d]
}

/// What comes in on one connection.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    asked: Option<(u8, Block)>,
    request: Vec<u8>,
    stale: bool,
    heard: bool,
}

impl Inbox {
    /// The next request goes out; bytes that came before stay, for a frame may have come in part.
    pub(super) fn ask(&mut self, unit: u8, block: Block) {
        self.asked = Some((unit, block));
        self.request.clear();
        self.stale = false;
    }

    /// These bytes of the request were sent: its transaction number is among them.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.request.extend_from_slice(bytes);
    }

    /// Whether the whole request went out.
    pub(super) fn is_sent(&self) -> bool {
        self.request.len() >= REQUEST_LEN
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.heard = true;
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether anything came since the connection was made.
    pub(super) fn heard(&self) -> bool {
        self.heard
    }

    /// Whether answers to earlier requests came since the last one was sent.
    pub(super) fn stale(&self) -> bool {
        self.stale
    }

    /// The verified answer, once it is whole; answers with another transaction number are dropped.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        while let Some(len) = self.frame_len()? {
            if self.bytes.len() < len {
                break;
            }
            let frame: Vec<u8> = self.bytes.drain(..len).collect();
            let Some(asked) = self.asked.filter(|_| self.is_sent() && frame[..2] == self.request[..2]) else {
                self.stale = true;
                continue;
            };
            if frame == self.request {
                return Err(Broken::Framing(Garbled::LooksTransparent));
            }
            return verified(asked, frame).map(Some);
        }
        Ok(None)
    }

    /// The length of the frame that begins the bytes, once its header is there.
    fn frame_len(&self) -> Result<Option<usize>, Broken> {
        if self.asked.is_some_and(|(unit, block)| is_rtu_answer(&self.bytes, unit, block)) {
            return Err(Broken::Framing(Garbled::LooksTransparent));
        }
        let [_, _, protocol @ .., high, low] = self.bytes.get(..6).unwrap_or_default() else { return Ok(None) };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if protocol != [0, 0] || !LENGTHS.contains(&len) {
            return Err(Broken::Framing(Garbled::NotModbusTcp));
        }
        Ok(Some(6 + len))
    }
}

/// Why the bytes give no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// One answer is wrong; the next frame's beginning is known.
    Answer(Garbled),
    /// Nobody knows where a frame begins any more: the connection is of no use.
    Framing(Garbled),
}

/// The frame, where unit, function and length are those that were asked for.
fn verified(asked: (u8, Block), frame: Vec<u8>) -> Result<Vec<u8>, Broken> {
    let (unit, block) = asked;
    let function = block.function.code();
    let (pdu, whole) = (&frame[HEADER_LEN..], 2 + 2 * usize::from(block.count));
    let exception = pdu[0] == function | 0x80 && pdu.len() == 2;
    let registers = pdu[0] == function && pdu.len() == whole && usize::from(pdu[1]) + 2 == whole;
    if frame[6] == unit && (exception || registers) {
        return Ok(frame);
    }
    let count = (pdu.len() - 2) / 2;
    Err(Broken::Answer(Garbled::Stray(Stray::new(asked, (frame[6], pdu[0], count as u16)))))
}

/// A transparent converter hands on what the meter says: an RTU frame without a header.
fn is_rtu_answer(bytes: &[u8], unit: u8, block: Block) -> bool {
    let function = block.function.code();
    let len = match *bytes {
        [first, second, ..] if first == unit && second == function | 0x80 => rtu::OVERHEAD,
        [first, second, count, ..] if first == unit && second == function => rtu::OVERHEAD + usize::from(count),
        _ => return false,
    };
    bytes.get(..len).is_some_and(rtu::intact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Function;

    const BLOCK: Block = Block { function: Function::Holding, address: 9, count: 2 };
    const REQUEST: [u8; REQUEST_LEN] = [0, 5, 0, 0, 0, 6, 1, 3, 0, 9, 0, 2];
    const ANSWER: [u8; 13] = [0, 5, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2];

    fn asked() -> Inbox {
        let mut inbox = Inbox::default();
        inbox.ask(1, BLOCK);
        inbox.sent(&REQUEST);
        inbox
    }

    fn after(bytes: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        let mut inbox = asked();
        for byte in bytes {
            inbox.push(&[*byte]);
            let next = inbox.next();
            if !matches!(next, Ok(None)) {
                return next;
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
    fn the_answer_with_our_number_is_taken_and_no_other() {
        assert_eq!(after(&ANSWER), Ok(Some(ANSWER.to_vec())));
        let stale = with(|bytes| bytes[1] = 4);
        assert_eq!(after(&stale), Ok(None));
        assert_eq!(after(&[&stale[..], &ANSWER].concat()), Ok(Some(ANSWER.to_vec())));
        let refusal = [0, 5, 0, 0, 0, 3, 1, 0x83, 2];
        assert_eq!(after(&refusal), Ok(Some(refusal.to_vec())));
    }

    #[test]
    fn a_late_answer_in_two_parts_around_a_time_out_keeps_the_framing() {
        let stale = with(|bytes| bytes[1] = 4);
        let mut inbox = asked();
        inbox.push(&stale[..6]);
        assert_eq!(inbox.next(), Ok(None));
        inbox.ask(1, BLOCK);
        inbox.sent(&REQUEST);
        inbox.push(&[&stale[6..], &ANSWER].concat());
        assert_eq!(inbox.next(), Ok(Some(ANSWER.to_vec())));
        assert!(inbox.stale());
    }

    #[test]
    fn unit_function_and_length_are_checked() {
        let wrong = [
            (with(|bytes| bytes[6] = 2), "unit 2 answered when 1 was asked"),
            (with(|bytes| bytes[7] = 4), "an answer to function 4"),
            (with(|bytes| (bytes[5], bytes[8]) = (11, 8)), "4 registers came when 2"),
        ];
        for (mut bytes, text) in wrong {
            bytes.resize(6 + usize::from(bytes[5]), 0);
            let Err(Broken::Answer(garbled)) = after(&bytes) else { panic!("{text}") };
            assert!(garbled.to_string().contains(text), "{garbled}");
        }
    }

    #[test]
    fn lost_framing_and_converters_are_recognised() {
        assert_eq!(after(&with(|bytes| bytes[3] = 1)), Err(Broken::Framing(Garbled::NotModbusTcp)));
        assert_eq!(after(&with(|bytes| bytes[4] = 1)), Err(Broken::Framing(Garbled::NotModbusTcp)));
        assert_eq!(after(&REQUEST), Err(Broken::Framing(Garbled::LooksTransparent)));
        let mut inbox = asked();
        let mut rtu = vec![1, 0x83, 2];
        rtu.extend(rtu::crc(&rtu).to_le_bytes());
        inbox.push(&rtu);
        assert_eq!(inbox.next(), Err(Broken::Framing(Garbled::LooksTransparent)));
    }
}
