//! Any bytes on a serial line: a returned answer has a valid checksum, and the unit, function and length of the request.
//!
//! The input: unit, function, count, and then pieces. Each piece is a length and its bytes; a length of 0 starts the next request.

#![no_main]

use arkmeter::meter::{Function, RegisterRange};
use arkmeter::modbus::FrameDecoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [unit, function, address, count, rest @ ..] = data else { return };
    let function = if function & 1 == 0 { Function::Holding } else { Function::Input };
    let block = RegisterRange { function, address: u16::from(*address), count: u16::from(count % 125) + 1 };
    let mut decoder = FrameDecoder::rtu();
    decoder.request(0, *unit, block);
    let (mut rest, mut received, mut answered) = (rest, 0, false);
    while let [len, tail @ ..] = rest {
        let (piece, behind) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = behind;
        if piece.is_empty() {
            decoder.request(0, *unit, block);
            (received, answered) = (0, false);
            continue;
        }
        received += piece.len();
        match decoder.receive(piece) {
            Ok(Some(frame)) => {
                assert!(frame.len() <= received, "more bytes than were received");
                check(&frame, *unit, block);
                answered = true;
            }
            Ok(None) => {}
            Err(why) => assert!(!why.to_string().is_empty()),
        }
        // A request has one answer.
        if answered {
            decoder.request(0, *unit, block);
            (received, answered) = (0, false);
        }
    }
});

fn check(frame: &[u8], unit: u8, block: RegisterRange) {
    let (body, sum) = frame.split_at(frame.len() - 2);
    assert_eq!(crc(body).to_le_bytes(), sum, "wrong checksum");
    assert_eq!(frame[0], unit);
    if frame[1] == block.function.code() {
        assert_eq!(usize::from(frame[2]), 2 * usize::from(block.count));
        assert_eq!(frame.len(), 5 + usize::from(frame[2]));
    } else {
        assert_eq!((frame[1], frame.len()), (block.function.code() | 0x80, 5));
    }
}

/// The CRC bit by bit from the polynomial, independent of the program's code.
fn crc(bytes: &[u8]) -> u16 {
    let mut register = 0xFFFFu32;
    for bit in bytes.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit & 1))) {
        let low = (register & 1) ^ bit;
        register >>= 1;
        if low == 1 {
            register ^= 0xA001;
        }
    }
    register as u16
}
