use proptest::prelude::*;

use super::*;
use crate::meter::{Function, RegisterRange};

const RANGE: RegisterRange = RegisterRange { function: Function::Input, address: 0x000C, count: 2 };
const WITHIN: Duration = Duration::from_secs(1);

fn with_crc(bytes: &[u8]) -> Vec<u8> {
    [bytes, &crc(bytes).to_le_bytes()].concat()
}

fn answer(unit: u8, words: &[u16]) -> Vec<u8> {
    let mut bytes = vec![unit, 4, 2 * words.len() as u8];
    bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    with_crc(&bytes)
}

fn decoder(range: RegisterRange) -> RtuDecoder {
    RtuDecoder::new(UnitRequest { unit: 1, read: range.into() })
}

/// What the decoder returns after these bytes, received one by one.
fn after(bytes: &[&[u8]]) -> (Result<Option<Vec<u8>>, Garbled>, RtuDecoder) {
    after_with(bytes, &mut RtuTolerance::default())
}

fn after_with(bytes: &[&[u8]], tolerance: &mut RtuTolerance) -> (Result<Option<Vec<u8>>, Garbled>, RtuDecoder) {
    let mut decoder = decoder(RANGE);
    let mut last = Ok(None);
    for byte in bytes.concat() {
        last = decoder.receive(&[byte], tolerance);
        if !matches!(last, Ok(None)) {
            break;
        }
    }
    (last, decoder)
}

fn garbled(decoder: &RtuDecoder) -> String {
    decoder.no_answer(WITHIN).to_string()
}

#[test]
fn the_checksum_is_the_one_of_the_standard() {
    assert_eq!(crc(b"123456789"), 0x4B37);
    assert_eq!(decoder(RANGE).request_frame, [1, 4, 0, 12, 0, 2, 0xB1, 0xC8]);
}

#[test]
fn an_answer_is_returned_when_it_is_complete() {
    let answer = answer(1, &[1, 2]);
    assert_eq!(after(&[&answer]).0, Ok(Some(answer.clone())));
    let (nothing, decoder) = after(&[&answer[..8]]);
    assert_eq!(nothing, Ok(None));
    assert!(garbled(&decoder).contains("only 8 of 9 bytes"), "{}", garbled(&decoder));
}

#[test]
fn an_exception_is_an_answer() {
    let refusal = with_crc(&[1, 0x84, 2]);
    assert_eq!(after(&[&refusal]).0, Ok(Some(refusal.clone())));
}

#[test]
fn answers_to_other_requests_are_skipped() {
    let right = answer(1, &[7, 8]);
    let others =
        [answer(2, &[1, 2]), answer(1, &[1, 2, 3, 4]), with_crc(&[1, 3, 4, 0, 1, 0, 2]), with_crc(&[1, 0x83, 2])];
    for other in &others {
        assert_eq!(after(&[other, &right]).0, Ok(Some(right.clone())), "{other:x?}");
    }
    let texts: Vec<_> = others.iter().map(|other| garbled(&after(&[other]).1)).collect();
    assert!(texts[0].contains("unit 2 answered a request to unit 1"), "{texts:?}");
    assert!(texts[1].contains("4 registers came instead of 2"), "{texts:?}");
    assert!(texts[2].contains("it answers function 3 instead of 4"), "{texts:?}");
    assert!(texts[3].contains("it answers function 3 instead of 4"), "{texts:?}");
}

#[test]
fn an_echo_is_skipped_and_reported() {
    let right = answer(1, &[7, 8]);
    let echo = decoder(RANGE).request_frame;
    let (taken, decoder) = after(&[&echo, &right]);
    assert_eq!(taken, Ok(Some(right)));
    assert!(decoder.echo);
    assert!(garbled(&after(&[&echo]).1).contains("the adapter echoes"));
}

#[test]
fn an_echo_that_begins_like_an_answer_is_skipped_too() {
    for (address, count) in [(0x0400, 2), (0x0200, 1)] {
        let mut decoder = decoder(RegisterRange { function: Function::Input, address, count });
        for byte in decoder.request_frame.clone() {
            assert_eq!(decoder.receive(&[byte], &mut RtuTolerance::default()), Ok(None), "{address:#x}");
        }
        let right = answer(1, &vec![7; usize::from(count)]);
        assert_eq!(decoder.receive(&right, &mut RtuTolerance::default()), Ok(Some(right)), "{address:#x}");
    }
}

#[test]
fn turnaround_bytes_do_no_harm() {
    let right = answer(1, &[7, 8]);
    assert_eq!(after(&[&[0, 0xFF], &right]).0, Ok(Some(right.clone())));
    let mut decoder = decoder(RANGE);
    assert_eq!(decoder.receive(&[&right[..], &[0]].concat(), &mut RtuTolerance::default()), Ok(Some(right)));
    assert!(!decoder.has_extra_bytes());
    let _ = decoder.receive(&[1], &mut RtuTolerance::default());
    assert!(decoder.has_extra_bytes());
}

#[test]
fn a_damaged_answer_fails_at_once_and_noise_at_the_end() {
    let mut damaged = answer(1, &[7, 8]);
    damaged[4] ^= 1;
    assert_eq!(after(&[&damaged]).0, Err(Garbled::Checksum));
    assert!(garbled(&after(&[b"\x13\x37\x13"]).1).contains("no Modbus frame"));
    let mut decoder = decoder(RANGE);
    assert_eq!(decoder.receive(&[0x55; 600], &mut RtuTolerance::default()), Err(Garbled::NeverSilent));
}

#[test]
fn a_stream_of_frames_of_others_ends_the_request() {
    let (mut decoder, mut tolerance, mut taken) = (decoder(RANGE), RtuTolerance::default(), 0);
    let frames = answer(2, &[1, 2]).repeat(40);
    while decoder.receive(&frames, &mut tolerance) == Ok(None) {
        taken += frames.len();
        assert!(taken <= MOST_OF_OTHERS + frames.len(), "{taken} bytes were taken without an end");
    }
    assert_eq!(decoder.receive(&frames, &mut tolerance), Err(Garbled::NeverSilent));
    assert!(taken > MOST_OF_OTHERS / 2, "a busy line is no such stream: {taken} bytes");
}

#[test]
fn a_modbus_tcp_gateway_is_recognised() {
    let (_, decoder) = after(&[&[1, 4, 0, 0, 0, 3, 0xB1, 0x84, 1]]);
    assert!(garbled(&decoder).contains("write tcp instead of rtu_over_tcp"), "{}", garbled(&decoder));
}

proptest! {
    #[test]
    fn no_bytes_but_the_answer_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut decoder = decoder(RANGE);
        if let Ok(Some(frame)) = decoder.receive(&bytes, &mut RtuTolerance::default()) {
            prop_assert!(intact(&frame) && frame[0] == 1);
            prop_assert!(frame[1] == 0x84 && frame.len() == 5 || frame[1] == 4 && frame.len() == 9);
        }
    }
}
