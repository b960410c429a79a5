//! Devices that bend the standard, in simulated time: each is read, and no late, duplicated or foreign answer is.
//!
//! Each register of an answer contains the number of its request, so that an answer to an earlier one is detected.

mod arbitrary;
mod read;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::{block, settings, unit};
use crate::meter::RegisterRange;
use crate::modbus::memory::Host;
use crate::modbus::{Error, Line, Link, LinkSettings, rtu};
use crate::quality::RequestCount;

const WITHIN: Duration = Duration::from_secs(1);

/// What the device does beside the standard.
#[derive(Clone, Debug, Default)]
struct Bend {
    /// The link: Modbus TCP, or RTU frames.
    tcp: bool,
    id: Id,
    /// The unit that answers carry.
    unit: Option<u8>,
    /// Bytes after the PDU that the header counts.
    extra: usize,
    /// Sent after connecting.
    registration: Vec<u8>,
    /// Sent before each answer.
    before: Vec<u8>,
    /// Sent after each answer.
    after: Vec<u8>,
    /// The number of bytes of the request that come back.
    echo: usize,
    /// The connection is closed after each answer.
    closes: bool,
    /// Late and second answers come over the connection that is open then, or the next one.
    crosses: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Id {
    #[default]
    Same,
    Constant(u16),
    Shifted(u16),
    ZeroOnExceptions,
}

/// What happens to one request.
#[derive(Clone, Debug)]
enum Fault {
    Well,
    Silent,
    /// Milliseconds.
    Late(u64),
    /// A second answer after this many milliseconds.
    Twice(u64),
    /// The connection is closed at once, and the answer comes after this many milliseconds.
    Lost(u64),
    /// Another meter's answer comes first.
    Foreign,
    Exception(u8),
}

struct Peer {
    bend: Bend,
    faults: Vec<Fault>,
    /// The number of requests received.
    asked: Arc<AtomicU64>,
}

/// The writing ends of the connection of a request, and of the one that is open now.
#[derive(Clone)]
struct Writing {
    own: Arc<Mutex<WriteHalf<DuplexStream>>>,
    open: Arc<Mutex<Arc<Mutex<WriteHalf<DuplexStream>>>>>,
}

impl Peer {
    async fn serve(self, mut host: Host) {
        let mut answers = tokio::task::JoinSet::new();
        let mut open = None;
        loop {
            let (reading, writing) = tokio::io::split(host.accept().await);
            let own = Arc::new(Mutex::new(writing));
            let open = open.get_or_insert_with(|| Arc::new(Mutex::new(Arc::clone(&own))));
            *open.lock().await = Arc::clone(&own);
            let _ = own.lock().await.write_all(&self.bend.registration).await;
            let writing = Writing { own, open: Arc::clone(open) };
            self.connection(reading, &writing, &mut answers).await;
            if !self.bend.crosses {
                // A closed connection takes its late answers along.
                answers.shutdown().await;
            }
        }
    }

    async fn connection(
        &self,
        mut reading: ReadHalf<DuplexStream>,
        writing: &Writing,
        answers: &mut tokio::task::JoinSet<()>,
    ) {
        let mut request = vec![0; if self.bend.tcp { 12 } else { 8 }];
        while reading.read_exact(&mut request).await.is_ok() {
            let before = self.asked.fetch_add(1, Ordering::Relaxed);
            let fault = self.faults.get(before as usize).cloned().unwrap_or(Fault::Well);
            let (bend, writing, request) = (self.bend.clone(), writing.clone(), request.clone());
            answers.spawn(async move { bend.answer(&writing, fault, before + 1, &request).await });
        }
    }
}

impl Bend {
    async fn answer(&self, writing: &Writing, fault: Fault, number: u64, request: &[u8]) {
        let body = if self.tcp { &request[6..] } else { &request[..6] };
        let (asked, function) = (body[0], body[1]);
        let [address, count] = [2, 4].map(|at| u16::from_be_bytes([body[at], body[at + 1]]));
        let right = self.framed(request, asked, pdu(function, &words(number, address, count)));
        let send = async |bytes: &[u8]| {
            let mut own = writing.own.lock().await;
            let _ = own.write_all(bytes).await;
            if self.closes {
                let _ = own.shutdown().await;
            }
        };
        let send_later = async |bytes: &[u8]| {
            if !self.crosses {
                return send(bytes).await;
            }
            // It waits for the next connection where none is open.
            while {
                let open = Arc::clone(&*writing.open.lock().await);
                open.lock().await.write_all(bytes).await.is_err()
            } {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let echo = if self.tcp { &[] } else { &request[..self.echo] };
        match fault {
            Fault::Silent => {}
            Fault::Well => send(&[echo, &right].concat()).await,
            Fault::Late(late) => {
                sleep(Duration::from_millis(late)).await;
                send_later(&right).await;
            }
            Fault::Twice(late) => {
                send(&[echo, &right].concat()).await;
                sleep(Duration::from_millis(late)).await;
                send_later(&right).await;
            }
            Fault::Lost(late) => {
                let _ = writing.own.lock().await.shutdown().await;
                sleep(Duration::from_millis(late)).await;
                if self.crosses {
                    send_later(&right).await;
                }
            }
            Fault::Foreign => {
                let wrong = pdu(function, &words(number + 7, address, count + 1));
                send(&[self.framed(request, asked ^ 8, wrong), right].concat()).await;
            }
            Fault::Exception(code) => {
                send(&[echo, &self.framed(request, asked, vec![function | 0x80, code])].concat()).await;
            }
        }
    }

    fn framed(&self, request: &[u8], unit: u8, pdu: Vec<u8>) -> Vec<u8> {
        let mut frame = [&[self.unit.unwrap_or(unit)][..], &pdu].concat();
        if self.tcp {
            let sent = u16::from_be_bytes([request[0], request[1]]);
            let id = match self.id {
                Id::Constant(id) => id,
                Id::Shifted(by) => sent.wrapping_add(by),
                Id::ZeroOnExceptions if pdu[0] & 0x80 != 0 => 0,
                Id::Same | Id::ZeroOnExceptions => sent,
            };
            frame.extend(vec![0; self.extra]);
            frame = [&id.to_be_bytes()[..], &[0, 0], &(frame.len() as u16).to_be_bytes(), &frame].concat();
        } else {
            frame.extend(rtu::crc(&frame).to_le_bytes());
        }
        [&self.before[..], &frame, &self.after].concat()
    }
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

/// A line to such a device, the number of requests that it received, and its task.
struct Bent {
    line: Line,
    asked: Arc<AtomicU64>,
    peer: tokio::task::JoinHandle<()>,
}

impl Bent {
    async fn new(bend: Bend, faults: Vec<Fault>) -> Self {
        let host = Host::new("bent");
        let link = if bend.tcp { Link::Tcp(host.address()) } else { Link::RtuOverTcp(host.address()) };
        let asked = Arc::new(AtomicU64::new(0));
        let peer = tokio::spawn(Peer { bend, faults, asked: Arc::clone(&asked) }.serve(host));
        tokio::task::yield_now().await;
        Bent { line: Line::new(&LinkSettings { timeout: WITHIN, ..settings(link) }), asked, peer }
    }

    /// Reads as the poller does. Values must be those of the last request.
    async fn read(&mut self, range: RegisterRange) -> Result<(), Error> {
        let read = timeout(Duration::from_secs(60), self.line.read_twice(Duration::ZERO, unit(5), range));
        let got = read.await.expect("a read has an end")?;
        let number = self.asked.load(Ordering::Relaxed);
        assert_eq!(got, words(number, range.address, range.count), "the answer to another request");
        Ok(())
    }
}

impl Drop for Bent {
    fn drop(&mut self) {
        self.peer.abort();
    }
}

fn tcp(id: Id) -> Bend {
    Bend { tcp: true, id, ..Bend::default() }
}
