//! Modbus TCP frames: the answer with our transaction number, and what came instead. Pure.

use super::asked::{Asked, data_len};
use super::error::{Garbled, Stray};
use super::rtu;

/// Transaction, protocol, length, unit.
const HEADER_LEN: usize = 7;
/// What the header's length field may say: unit, function and one byte up to a whole answer.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=254;

/// What comes in on one connection.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    asked: Option<(u8, Asked)>,
    request: Vec<u8>,
    stale: bool,
    /// As `stale`, since it was last asked.
    late: bool,
    heard: bool,
}

impl Inbox {
    /// The next request goes out; bytes that came before stay, for a frame may have come in part.
    pub(super) fn ask(&mut self, unit: u8, asked: Asked) {
        self.asked = Some((unit, asked));
        self.request.clear();
        self.stale = false;
    }

    /// These bytes of the request were sent: its transaction number is among them.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.request.extend_from_slice(bytes);
    }

    /// Whether the whole request went out.
    pub(super) fn is_sent(&self) -> bool {
        self.asked.is_some_and(|(_, asked)| self.request.len() >= HEADER_LEN + asked.pdu().1)
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

    /// Whether answers to earlier requests came since this was last asked.
    pub(super) fn take_late(&mut self) -> bool {
        std::mem::take(&mut self.late)
    }

    /// The verified answer, once it is whole; answers with another transaction number are dropped.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        while let Some(len) = self.frame_len()? {
            if self.bytes.len() < len {
                break;
            }
            let frame: Vec<u8> = self.bytes.drain(..len).collect();
            let Some(asked) = self.asked.filter(|_| self.is_sent() && frame[..2] == self.request[..2]) else {
                (self.stale, self.late) = (true, true);
                continue;
            };
            if frame == self.request {
                return Err(Broken::Framing(Garbled::LooksTransparent));
            }
            // What follows an answer is another or nothing: otherwise this was half of one, made whole by what came after it.
            self.frame_len()?;
            return verified(asked, frame).map(Some);
        }
        Ok(None)
    }

    /// Drops what came while nothing is waited for: an answer to the last request is too late, or the second one. Fails where the framing is lost.
    pub(super) fn drop_unasked(&mut self) -> Result<(), Garbled> {
        match self.next() {
            Ok(answer) => self.late |= answer.is_some(),
            Err(Broken::Answer(_)) => {}
            Err(Broken::Framing(why)) => return Err(why),
        }
        Ok(())
    }

    /// The length of the frame that begins the bytes, once its header is there.
    fn frame_len(&self) -> Result<Option<usize>, Broken> {
        if self.asked.is_some_and(|(unit, asked)| is_rtu_answer(&self.bytes, unit, asked)) {
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

/// The request under this transaction number, as it goes out.
pub(super) fn framed(transaction: u16, unit: u8, asked: Asked) -> Vec<u8> {
    let (pdu, len) = asked.pdu();
    let mut frame = transaction.to_be_bytes().to_vec();
    frame.extend([0, 0, 0, 1 + len as u8, unit]);
    frame.extend(&pdu[..len]);
    frame
}

/// The frame, where unit, function and length are those that were asked for.
fn verified(asked: (u8, Asked), frame: Vec<u8>) -> Result<Vec<u8>, Broken> {
    let (unit, request) = asked;
    let (function, pdu) = (request.function(), &frame[HEADER_LEN..]);
    let exception = pdu[0] == function | 0x80 && pdu.len() == 2;
    let whole = data_len(pdu[0], &pdu[1..]) == Some(pdu.len() - 1);
    let answer = pdu[0] == function && whole && request.begins(&pdu[1..]);
    if frame[6] == unit && (exception || answer) {
        return Ok(frame);
    }
    let count = (pdu.len() - 2) / 2;
    Err(Broken::Answer(Garbled::Stray(Stray::new(asked, (frame[6], pdu[0], count as u16)))))
}

/// A transparent converter hands on what the meter says: an RTU frame without a header.
fn is_rtu_answer(bytes: &[u8], unit: u8, asked: Asked) -> bool {
    let [first, second, ..] = *bytes else { return false };
    let ours = first == unit && second & 0x7F == asked.function();
    ours && rtu::frame_len(bytes).and_then(|len| bytes.get(..len)).is_some_and(rtu::intact)
}

#[cfg(test)]
mod tests {
    use super::super::asked::LONGEST_PDU;
    use super::*;
    use crate::meter::{Function, RegisterRange};

    const BLOCK: RegisterRange = RegisterRange { function: Function::Holding, address: 9, count: 2 };
    const REQUEST: [u8; HEADER_LEN + LONGEST_PDU] = [0, 5, 0, 0, 0, 6, 1, 3, 0, 9, 0, 2];
    const ANSWER: [u8; 13] = [0, 5, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2];

    fn asked() -> Inbox {
        let mut inbox = Inbox::default();
        inbox.ask(1, BLOCK.into());
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
        inbox.ask(1, BLOCK.into());
        inbox.sent(&REQUEST);
        inbox.push(&[&stale[6..], &ANSWER].concat());
        assert_eq!(inbox.next(), Ok(Some(ANSWER.to_vec())));
        assert!(inbox.stale());
    }

    #[test]
    fn half_an_answer_made_whole_by_a_late_one_is_none() {
        let late = [0, 4, 0, 0, 0, 9, 1, 3, 6, 0, 1, 0xFF, 0xFF, 0, 3];
        let mut inbox = asked();
        inbox.push(&ANSWER[..9]);
        assert_eq!(inbox.next(), Ok(None));
        inbox.push(&late);
        assert_eq!(inbox.next(), Err(Broken::Framing(Garbled::NotModbusTcp)));
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
