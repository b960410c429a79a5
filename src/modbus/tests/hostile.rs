//! Lines with arbitrary faults, in simulated time: a read returns the answer to its own request or an error.
//!
//! Each register of an answer contains the number of its request, so that an answer to an earlier one is detected.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, WriteHalf};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::{block, settings, unit};
use crate::modbus::memory::Host;
use crate::modbus::{Line, Link, LinkSettings, rtu};

const WITHIN: Duration = Duration::from_secs(1);
/// The latest answer on RTU, in milliseconds. A later one arrives after the line was found silent and cannot be distinguished from the
/// answer to a request of the same shape.
const LATEST_ON_RTU: u64 = 1090;
/// The latest answer on TCP, where any delay is allowed: ten minutes.
const LATEST_ON_TCP: u64 = 600_000;

#[derive(Clone, Debug)]
enum Fault {
    Well,
    Silent,
    /// Milliseconds.
    Late(u64),
    /// One byte per this many milliseconds.
    Bytewise(u64),
    Truncated(usize),
    Twice,
    /// Another unit's answer in the same packet.
    Merged,
    OtherUnit,
    OtherFunction,
    OtherLength,
    Echoed,
    Turnaround(Vec<u8>),
    Noise(Vec<u8>),
    NoiseBefore(Vec<u8>),
    Flipped(usize),
    Closed,
    Exception(u8),
}

fn fault(latest: u64) -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::Well),
        1 => Just(Fault::Silent),
        3 => (0..latest).prop_map(Fault::Late),
        1 => (1u64..40).prop_map(Fault::Bytewise),
        2 => (1usize..12).prop_map(Fault::Truncated),
        2 => Just(Fault::Twice),
        2 => Just(Fault::Merged),
        1 => Just(Fault::OtherUnit),
        1 => Just(Fault::OtherFunction),
        1 => Just(Fault::OtherLength),
        1 => Just(Fault::Closed),
        1 => (1u8..12).prop_map(Fault::Exception),
    ]
}

fn fault_on_rtu() -> impl Strategy<Value = Fault> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        12 => fault(LATEST_ON_RTU),
        1 => Just(Fault::Echoed),
        1 => prop::collection::vec(prop_oneof![Just(0u8), Just(0xFF)], 1..4).prop_map(Fault::Turnaround),
        2 => bytes().prop_map(Fault::Noise),
        2 => bytes().prop_map(Fault::NoiseBefore),
        2 => (0usize..80).prop_map(Fault::Flipped),
    ]
}

/// The registers of an answer: each combines the request's number and the register's address.
fn words(number: u64, address: u16, count: u16) -> Vec<u16> {
    (address..address + count).map(|register| (number as u16) << 6 | register & 0x3F).collect()
}

fn pdu(function: u8, words: &[u16]) -> Vec<u8> {
    let mut pdu = vec![function, 2 * words.len() as u8];
    pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    pdu
}

/// The meters' end of the line: request n gets fault n of the list, and a correct answer after its end.
struct Peer {
    faults: Vec<Fault>,
    /// The number of requests received.
    asked: Arc<AtomicU64>,
    tcp: bool,
}

impl Peer {
    async fn serve(self, mut host: Host) {
        loop {
            let (mut reading, writing) = tokio::io::split(host.accept().await);
            let writing = Arc::new(Mutex::new(Some(writing)));
            let mut request = vec![0; if self.tcp { 12 } else { 8 }];
            while reading.read_exact(&mut request).await.is_ok() {
                let before = self.asked.fetch_add(1, Ordering::Relaxed);
                let fault = self.faults.get(before as usize).cloned().unwrap_or(Fault::Well);
                if matches!(fault, Fault::Closed) {
                    // Pending answers are dropped.
                    *writing.lock().await = None;
                    break;
                }
                // A connection loses no data before it closes: half an answer is the last data on it.
                let last = self.tcp && matches!(fault, Fault::Truncated(_));
                let answering = answer(Arc::clone(&writing), fault, before + 1, request.clone(), self.tcp);
                if last {
                    let _ = answering.await;
                    *writing.lock().await = None;
                    break;
                }
                // Answers come in any order: a gateway may accept the next request before.
                tokio::spawn(answering);
            }
        }
    }
}

async fn answer(
    stream: Arc<Mutex<Option<WriteHalf<DuplexStream>>>>,
    fault: Fault,
    number: u64,
    request: Vec<u8>,
    tcp: bool,
) -> std::io::Result<()> {
    let body = if tcp { &request[6..] } else { &request[..6] };
    let (asked, function) = (body[0], body[1]);
    let [address, count] = [2, 4].map(|at| u16::from_be_bytes([body[at], body[at + 1]]));
    let framed = |unit: u8, pdu: Vec<u8>| {
        let mut frame = [&[unit][..], &pdu].concat();
        if tcp {
            frame = [&request[..4], &(frame.len() as u16).to_be_bytes(), &frame].concat();
        } else {
            frame.extend(rtu::crc(&frame).to_le_bytes());
        }
        frame
    };
    let right = framed(asked, pdu(function, &words(number, address, count)));
    let wrong = words(number.wrapping_add(7), address, count);
    let mut pause = Duration::ZERO;
    let bytes = match fault {
        Fault::Well | Fault::Closed => right,
        Fault::Silent => return Ok(()),
        Fault::Late(late) => {
            sleep(Duration::from_millis(late)).await;
            right
        }
        Fault::Bytewise(each) => {
            pause = Duration::from_millis(each);
            right
        }
        Fault::Truncated(len) => right[..len.min(right.len() - 1)].to_vec(),
        Fault::Twice => right.repeat(2),
        // On TCP with the number of a finished transaction.
        Fault::Merged => {
            let mut other = framed(asked ^ 3, pdu(function, &wrong));
            if tcp {
                other[0] ^= 0x80;
            }
            [other, right].concat()
        }
        Fault::OtherUnit => framed(asked ^ 3, pdu(function, &wrong)),
        Fault::OtherFunction => framed(asked, pdu(function ^ 7, &wrong)),
        Fault::OtherLength => framed(asked, pdu(function, &[&wrong[..], &[1]].concat())),
        Fault::Echoed => [request.clone(), right].concat(),
        Fault::Turnaround(bytes) => [bytes, right].concat(),
        Fault::Noise(bytes) => bytes,
        Fault::NoiseBefore(bytes) => [bytes, right].concat(),
        Fault::Flipped(bit) => {
            let mut bytes = right;
            let bit = bit % (8 * bytes.len());
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        }
        Fault::Exception(code) => framed(asked, vec![function | 0x80, code]),
    };
    let mut stream = stream.lock().await;
    let Some(stream) = stream.as_mut() else { return Ok(()) };
    if pause.is_zero() {
        return stream.write_all(&bytes).await;
    }
    for byte in bytes {
        stream.write_all(&[byte]).await?;
        sleep(pause).await;
    }
    Ok(())
}

/// Reads once for each fault, from two meters and in three shapes, and then until reads succeed again, which takes at most two simulated
/// minutes (a half-open connection is closed after one).
fn survives(faults: Vec<Fault>, tcp: bool) {
    let faults = [vec![Fault::Well], faults].concat();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let host = Host::new("hostile");
        let link = if tcp { Link::Tcp(host.address()) } else { Link::RtuOverTcp(host.address()) };
        let asked = Arc::new(AtomicU64::new(0));
        let peer = tokio::spawn(Peer { faults: faults.clone(), asked: Arc::clone(&asked), tcp }.serve(host));
        tokio::task::yield_now().await;
        let mut line = Line::new(&LinkSettings { timeout: WITHIN, ..settings(link) });
        // Unit 2 tells that units are distinguished: a device that always answered as unit 1 would be one that carries a fixed unit.
        line.read(unit(2), block(0, 2)).await.unwrap();
        for step in 1..faults.len() {
            let asking = block(step as u16 % 5, [2, 2, 6][step % 3]);
            let read = timeout(Duration::from_secs(20), line.read(unit(1 + step as i64 % 2), asking));
            if let Ok(got) = read.await.expect("a read has an end") {
                let number = asked.load(Ordering::Relaxed);
                assert_eq!(
                    got,
                    words(number, asking.address, asking.count),
                    "step {step}: the answer to another request"
                );
            }
        }
        let calm = Instant::now();
        while asked.load(Ordering::Relaxed) < faults.len() as u64 || line.read(unit(1), block(0, 2)).await.is_err() {
            let _ = line.read(unit(1), block(0, 2)).await;
            assert!(calm.elapsed() < Duration::from_secs(120), "it does not recover: {:?}", line.counts());
        }
        peer.abort();
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Field notes 1 and 2, in every combination.
    #[test]
    fn no_fault_of_an_rtu_line_confuses_answers(faults in prop::collection::vec(fault_on_rtu(), 1..60)) {
        survives(faults, false);
    }

    #[test]
    fn no_fault_of_a_gateway_confuses_answers(faults in prop::collection::vec(fault(LATEST_ON_TCP), 1..60)) {
        survives(faults, true);
    }
}

/// A gateway that distinguishes units, and answers for another one on a new connection.
#[test]
fn answers_of_another_unit_never_become_a_fixed_unit() {
    let mut faults = vec![Fault::Truncated(1)];
    faults.extend(std::iter::repeat_n(Fault::OtherUnit, 20));
    survives(faults, true);
}
