use super::*;
use crate::meter::{Function, RegisterRange};

const RANGE: RegisterRange = RegisterRange { function: Function::Holding, address: 9, count: 2 };
const REQUEST: [u8; 12] = [0, 5, 0, 0, 0, 6, 1, 3, 0, 9, 0, 2];
const ANSWER: [u8; 13] = [0, 5, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2];

fn request() -> UnitRequest {
    UnitRequest { unit: 1, read: RANGE.into() }
}

/// The request is in progress; an earlier one was answered as the standard says.
fn decoder() -> TcpDecoder {
    let mut decoder = TcpDecoder::default();
    decoder.begin_as(request(), 4);
    decoder.sent(&frame(4, request()));
    let first = with(|bytes| bytes[1] = 4);
    assert_eq!(decoder.receive(&first), Ok(Some(first.clone())));
    begin(&mut decoder);
    decoder
}

fn begin(decoder: &mut TcpDecoder) {
    decoder.begin_as(request(), 5);
    decoder.sent(&REQUEST);
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
    decoder.end();
    begin(&mut decoder);
    assert_eq!(decoder.receive(&[&stale[6..], &ANSWER].concat()), Ok(Some(ANSWER.to_vec())));
    assert!(decoder.skipped_late());
}

#[test]
fn half_an_answer_completed_by_a_late_one_is_refused() {
    let late = [0, 4, 0, 0, 0, 9, 1, 3, 6, 0, 1, 0xFF, 0xFF, 0, 3];
    let mut decoder = decoder();
    assert_eq!(decoder.receive(&ANSWER[..9]), Ok(None));
    assert_eq!(decoder.receive(&late), Err(Garbled::Interleaved));
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

#[test]
fn a_stream_of_frames_that_answer_no_request_ends_the_request() {
    let (mut decoder, mut taken) = (decoder(), 0);
    // Under the id of an earlier request.
    let frames = with(|bytes| bytes[1] = 4).repeat(40);
    let end = loop {
        match decoder.receive(&frames) {
            Ok(None) => taken += frames.len(),
            end => break end,
        }
        assert!(taken <= rtu::MOST_OF_OTHERS + frames.len(), "{taken} bytes were taken without an end");
    };
    assert_eq!(end, Err(Garbled::Endless));
    assert!(Garbled::Endless.ends_connection() && taken > rtu::MOST_OF_OTHERS / 2, "{taken}");
}
