//! Any bytes on a Modbus TCP connection: a returned answer has the transaction, unit, function and length of the request.
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
    let (mut decoder, mut transaction, mut answered) = (FrameDecoder::tcp(), 1, false);
    decoder.request(transaction, *unit, block);
    let mut rest = rest;
    while let [len, tail @ ..] = rest {
        let (piece, behind) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = behind;
        if piece.is_empty() || answered {
            transaction += 1;
            decoder.request(transaction, *unit, block);
            answered = false;
        }
        match decoder.receive(piece) {
            Ok(Some(frame)) => {
                check(&frame, transaction, *unit, block);
                answered = true;
            }
            Ok(None) => {}
            Err(why) => assert!(!why.to_string().is_empty()),
        }
    }
});

fn check(frame: &[u8], transaction: u16, unit: u8, block: RegisterRange) {
    let (header, pdu) = frame.split_at(7);
    assert_eq!(header[..2], transaction.to_be_bytes(), "an answer to another request");
    assert_eq!(header[2..4], [0, 0]);
    assert_eq!(usize::from(u16::from_be_bytes([header[4], header[5]])), 1 + pdu.len());
    assert_eq!(header[6], unit);
    if pdu[0] == block.function.code() {
        assert_eq!(usize::from(pdu[1]), 2 * usize::from(block.count));
        assert_eq!(pdu.len(), 2 + usize::from(pdu[1]));
    } else {
        assert_eq!((pdu[0], pdu.len()), (block.function.code() | 0x80, 2));
    }
}
