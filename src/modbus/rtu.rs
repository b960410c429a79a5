//! RTU frames: what an answer to a read looks like, and what came instead. Pure.
//!
//! RTU has no request number, so an answer is known by unit, function, length and checksum alone. Everything else that
//! comes is set aside, and the request goes on waiting: a late answer of another meter is no reason to fail this one.

use super::asked::{Asked, LONGEST_PDU, data_len};
use super::error::{Error, Garbled, Hint, Stray};

/// Unit and checksum: a frame's bytes beside function and data.
pub(super) const ENVELOPE: usize = 3;
/// Source: Modbus over Serial Line V1.02, 2.5.1.
const LONGEST_FRAME: usize = 256;
/// Two frames of the greatest length: more than that in one exchange is a line that never falls silent.
const MOST_BYTES: usize = 512;
/// A transceiver that turns around may put so many 0x00 or 0xFF, which are no units, before or after a frame.
const TURNAROUND_BYTES: usize = 4;

/// CRC-16/MODBUS, sent low byte first.
pub(crate) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

/// Whether the last two bytes are the checksum of those before.
pub(super) fn intact(frame: &[u8]) -> bool {
    frame.len() > 2 && crc(frame) == 0
}

/// What comes in after one request.
#[derive(Debug)]
pub(super) struct Inbox {
    asked: (u8, Asked),
    /// The request as it goes out, and its length.
    request: ([u8; ENVELOPE + LONGEST_PDU], usize),
    bytes: Vec<u8>,
    turnaround: usize,
    echo: bool,
    stray: Option<Stray>,
}

impl Inbox {
    pub(super) fn new(unit: u8, asked: impl Into<Asked>) -> Self {
        let asked = asked.into();
        let (pdu, len) = asked.pdu();
        let (mut request, end) = ([unit; ENVELOPE + LONGEST_PDU], 1 + len);
        request[1..end].copy_from_slice(&pdu[..len]);
        let crc = crc(&request[..end]);
        request[end..end + 2].copy_from_slice(&crc.to_le_bytes());
        let request = (request, end + 2);
        Inbox { asked: (unit, asked), request, bytes: Vec::new(), turnaround: 0, echo: false, stray: None }
    }

    /// The request as it goes out.
    pub(super) fn request(&self) -> &[u8] {
        &self.request.0[..self.request.1]
    }

    /// Whether anything came beside our own echo.
    pub(super) fn heard(&self) -> bool {
        !self.bytes.is_empty() || self.stray.is_some()
    }

    /// Whether our own request came back.
    pub(super) fn echoed(&self) -> bool {
        self.echo
    }

    /// The last frame of others that was set aside.
    pub(super) fn stray(&self) -> Option<&Stray> {
        self.stray.as_ref()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The verified answer, once it is whole. Fails early only where the answer itself is damaged.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Garbled> {
        if self.bytes.len() > MOST_BYTES {
            return Err(Garbled::NeverSilent);
        }
        loop {
            if let Some(answer) = self.answer()? {
                return Ok(Some(answer));
            }
            if !self.set_aside() {
                return Ok(None);
            }
        }
    }

    /// Whether more came than the answer that was taken.
    pub(super) fn has_more(&self) -> bool {
        !is_turnaround(&self.bytes)
    }

    /// Why there is no answer at the end of the time.
    pub(super) fn verdict(&self, within: std::time::Duration, quiet: Hint) -> Error {
        let (unit, asked) = self.asked;
        let why = if self.bytes.is_empty() {
            match &self.stray {
                Some(stray) => Garbled::Stray(stray.clone()),
                None => {
                    let hint = if self.echo { Hint::Echo } else { quiet };
                    return Error::TimedOut { unit, within, hint };
                }
            }
        } else if self.looks_like_tcp() {
            Garbled::LooksLikeTcp
        } else if self.is_ours_so_far() {
            Garbled::Incomplete { got: self.bytes.len(), expected: ENVELOPE + asked.longest() }
        } else {
            Garbled::Noise { bytes: self.bytes.len() }
        };
        Error::Garbled { unit, why }
    }

    /// The answer, if the first bytes are one.
    fn answer(&mut self) -> Result<Option<Vec<u8>>, Garbled> {
        if !self.is_ours_so_far() {
            return Ok(None);
        }
        let Some(len) = frame_len(&self.bytes) else { return Ok(None) };
        if self.bytes.len() < len {
            return Ok(None);
        }
        if !intact(&self.bytes[..len]) {
            // The echo of a request can look like the beginning of an answer.
            let echo = self.bytes.starts_with(self.request()) || self.request().starts_with(&self.bytes);
            return if echo && !self.echo { Ok(None) } else { Err(Garbled::Checksum) };
        }
        Ok(Some(self.bytes.drain(..len).collect()))
    }

    /// Whether the bytes begin as the answer must: unit, function, length.
    fn is_ours_so_far(&self) -> bool {
        let (unit, asked) = self.asked;
        let function = asked.function();
        match &self.bytes[..] {
            [] => false,
            [first] => *first == unit,
            [first, second, data @ ..] => {
                let exception = *second == function | 0x80;
                *first == unit && (exception || *second == function && asked.begins(data))
            }
        }
    }

    /// Takes a leading echo, a turn-around byte or an intact frame of others off the front; false where there is none.
    fn set_aside(&mut self) -> bool {
        if !self.echo && self.bytes.starts_with(self.request()) {
            self.echo = true;
            self.bytes.drain(..self.request.1);
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
        let count = if self.bytes[1] & 0x80 == 0 { u16::from(self.bytes[2]) / 2 } else { 0 };
        self.stray = Some(Stray::new(self.asked, (self.bytes[0], self.bytes[1], count)));
        self.bytes.drain(..len);
        true
    }

    /// A Modbus TCP gateway reads our unit and function as its transaction id and sends them back.
    fn looks_like_tcp(&self) -> bool {
        let [a, b, 0, 0, high, low, ..] = self.bytes[..] else { return false };
        [a, b] == self.request()[..2] && usize::from(u16::from_be_bytes([high, low])) + 6 == self.bytes.len()
    }
}

/// Whether this is nothing, or no more than a transceiver leaves on the line when it turns around.
pub(super) fn is_turnaround(bytes: &[u8]) -> bool {
    bytes.len() <= TURNAROUND_BYTES && bytes.iter().all(|byte| matches!(byte, 0 | 0xFF))
}

/// The whole length that a frame's first bytes announce, where they are an answer's.
pub(super) fn frame_len(bytes: &[u8]) -> Option<usize> {
    let [_, function, data @ ..] = bytes else { return None };
    Some(ENVELOPE + 1 + data_len(*function, data)?).filter(|len| *len <= LONGEST_FRAME)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::meter::{Function, RegisterRange};

    const BLOCK: RegisterRange = RegisterRange { function: Function::Input, address: 0x000C, count: 2 };
    const WITHIN: Duration = Duration::from_secs(1);

    fn framed(bytes: &[u8]) -> Vec<u8> {
        [bytes, &crc(bytes).to_le_bytes()].concat()
    }

    fn answer(unit: u8, words: &[u16]) -> Vec<u8> {
        let mut bytes = vec![unit, 4, 2 * words.len() as u8];
        bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        framed(&bytes)
    }

    fn after(bytes: &[&[u8]]) -> (Result<Option<Vec<u8>>, Garbled>, Inbox) {
        let mut inbox = Inbox::new(1, BLOCK);
        let mut last = Ok(None);
        for byte in bytes.concat() {
            inbox.push(&[byte]);
            last = inbox.next();
            if !matches!(last, Ok(None)) {
                break;
            }
        }
        (last, inbox)
    }

    fn garbled(inbox: &Inbox) -> String {
        inbox.verdict(WITHIN, Hint::None).to_string()
    }

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        assert_eq!(crc(b"123456789"), 0x4B37);
        assert_eq!(Inbox::new(1, BLOCK).request(), [1, 4, 0, 12, 0, 2, 0xB1, 0xC8]);
    }

    #[test]
    fn an_answer_is_taken_once_it_is_whole() {
        let answer = answer(1, &[1, 2]);
        assert_eq!(after(&[&answer]).0, Ok(Some(answer.clone())));
        let (nothing, inbox) = after(&[&answer[..8]]);
        assert_eq!(nothing, Ok(None));
        assert!(garbled(&inbox).contains("only 8 of 9 bytes"), "{}", garbled(&inbox));
    }

    #[test]
    fn an_exception_is_an_answer() {
        let refusal = framed(&[1, 0x84, 2]);
        assert_eq!(after(&[&refusal]).0, Ok(Some(refusal.clone())));
    }

    #[test]
    fn answers_to_other_requests_are_set_aside() {
        let right = answer(1, &[7, 8]);
        let others =
            [answer(2, &[1, 2]), answer(1, &[1, 2, 3, 4]), framed(&[1, 3, 4, 0, 1, 0, 2]), framed(&[1, 0x83, 2])];
        for other in &others {
            assert_eq!(after(&[other, &right]).0, Ok(Some(right.clone())), "{other:x?}");
        }
        let texts: Vec<_> = others.iter().map(|other| garbled(&after(&[other]).1)).collect();
        assert!(texts[0].contains("unit 2 answered when 1 was asked"), "{texts:?}");
        assert!(texts[1].contains("4 registers came when 2 were asked for"), "{texts:?}");
        assert!(texts[2].contains("an answer to function 3 when 4 was asked"), "{texts:?}");
        assert!(texts[3].contains("an answer to function 3 when 4 was asked"), "{texts:?}");
    }

    #[test]
    fn an_echo_is_stripped_and_known() {
        let right = answer(1, &[7, 8]);
        let echo = Inbox::new(1, BLOCK).request().to_vec();
        let (taken, inbox) = after(&[&echo, &right]);
        assert_eq!(taken, Ok(Some(right)));
        assert!(inbox.echo);
        assert!(garbled(&after(&[&echo]).1).contains("the adapter echoes"));
    }

    #[test]
    fn an_echo_that_begins_as_an_answer_is_stripped_too() {
        for (address, count) in [(0x0400, 2), (0x0200, 1)] {
            let mut inbox = Inbox::new(1, RegisterRange { function: Function::Input, address, count });
            for byte in inbox.request().to_vec() {
                inbox.push(&[byte]);
                assert_eq!(inbox.next(), Ok(None), "{address:#x}");
            }
            let right = answer(1, &vec![7; usize::from(count)]);
            inbox.push(&right);
            assert_eq!(inbox.next(), Ok(Some(right)), "{address:#x}");
        }
    }

    #[test]
    fn turnaround_bytes_do_no_harm() {
        let right = answer(1, &[7, 8]);
        assert_eq!(after(&[&[0, 0xFF], &right]).0, Ok(Some(right.clone())));
        let mut inbox = Inbox::new(1, BLOCK);
        inbox.push(&[&right[..], &[0]].concat());
        assert_eq!(inbox.next(), Ok(Some(right)));
        assert!(!inbox.has_more());
        inbox.push(&[1]);
        assert!(inbox.has_more());
    }

    #[test]
    fn a_damaged_answer_fails_at_once_and_noise_at_the_end() {
        let mut damaged = answer(1, &[7, 8]);
        damaged[4] ^= 1;
        assert_eq!(after(&[&damaged]).0, Err(Garbled::Checksum));
        assert!(garbled(&after(&[b"\x13\x37\x13"]).1).contains("no Modbus frame"));
        let mut inbox = Inbox::new(1, BLOCK);
        inbox.push(&[0x55; 600]);
        assert_eq!(inbox.next(), Err(Garbled::NeverSilent));
    }

    #[test]
    fn a_modbus_tcp_gateway_is_recognised() {
        let (_, inbox) = after(&[&[1, 4, 0, 0, 0, 3, 0xB1, 0x84, 1]]);
        assert!(garbled(&inbox).contains("write tcp instead of rtu_over_tcp"), "{}", garbled(&inbox));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_never_taken_unless_it_is_the_answer(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut inbox = Inbox::new(1, BLOCK);
            inbox.push(&bytes);
            if let Ok(Some(frame)) = inbox.next() {
                prop_assert!(intact(&frame) && frame[0] == 1);
                prop_assert!(frame[1] == 0x84 && frame.len() == 5 || frame[1] == 4 && frame.len() == 9);
            }
        }
    }
}
