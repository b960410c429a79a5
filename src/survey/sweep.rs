//! The sweep: one short request to each unit. A unit that answers exists, even if the answer is an exception.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};

use super::evidence::ScanEvidence;
use super::order::{LineSettings, UNITS_FIRST};
use crate::meter::{Function, RegisterRange};
use crate::modbus::{Error, Garbled, Line, Link, LinkSettings, SerialSettings};
use crate::quality::LinkKind;
use crate::units::UnitId;

/// The request to each unit. A meter without this register answers with an exception.
const PROBE: RegisterRange = RegisterRange { function: Function::Holding, address: 0, count: 1 };
/// The timeout of a repeated request is this many times longer, and at least [`MIN_RETRY_TIMEOUT`].
const RETRY_TIMEOUT_FACTOR: u32 = 4;
const MIN_RETRY_TIMEOUT: Duration = Duration::from_millis(1200);
/// Maximum retries at one setting: on a line with another master they would never end.
const MAX_RETRIES: u32 = 24;
/// A slow meter's answer arrives during the requests to at most this many following units: after a second with a timeout of 150 ms.
const MAX_LATE_BY: usize = 8;
/// How an HTTP server begins its answer to anything.
const HTTP: &[u8] = b"HTTP/";
/// A Modbus TCP request for a register of unit 1: what an HTTP server refuses.
const TCP_PROBE: [u8; 12] = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
/// Maximum connection attempts at the same time.
const MAX_CONNECTING: usize = 64;
/// A name that is not found within this time is unknown.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before each connection: a gateway that accepts only one client must first notice that the last connection is closed.
const BETWEEN_CONNECTIONS: Duration = Duration::from_millis(200);
/// An address is given up after this many consecutive closed connections.
const MAX_CLOSED: u32 = 3;

/// Why an address accepts no connection.
enum Unreached {
    /// No name server knows its name.
    Unknown,
    Refused,
    Filtered,
}

impl From<io::ErrorKind> for Unreached {
    fn from(kind: io::ErrorKind) -> Self {
        if kind == io::ErrorKind::ConnectionRefused { Unreached::Refused } else { Unreached::Filtered }
    }
}

/// A unit that answered.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundUnit {
    /// The link to it.
    pub settings: LinkSettings,
    /// Its unit.
    pub unit: UnitId,
    /// One meter answers to all units at this address.
    pub any_unit: bool,
}

/// The progress of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepProgress {
    /// Expected duration of the completed steps.
    pub done: Duration,
    /// Expected duration of all steps.
    pub total: Duration,
    /// The current setting or address, and the unit: `9600 baud 8N1, unit 7`.
    pub place: String,
    /// Units found so far.
    pub found: usize,
}

/// A sweep and its results so far. It can be stopped at any moment.
#[derive(Debug)]
pub struct Sweep<F> {
    timeout: Duration,
    /// Continues with other settings after a unit was found.
    all_settings: bool,
    on_progress: F,
    done: Duration,
    total: Duration,
    /// The units found so far.
    pub found: Vec<FoundUnit>,
    /// The outcomes of all requests so far.
    pub evidence: ScanEvidence,
}

/// The likely units, and the others.
type Units = (Vec<UnitId>, Vec<UnitId>);

impl<F: FnMut(SweepProgress)> Sweep<F> {
    /// A sweep with this timeout for each request. With `all_settings` it continues after a unit was found. `on_progress` is called before
    /// each request.
    pub fn new(timeout: Duration, all_settings: bool, on_progress: F) -> Self {
        Sweep {
            timeout,
            all_settings,
            on_progress,
            done: Duration::ZERO,
            total: Duration::ZERO,
            found: Vec::new(),
            evidence: ScanEvidence::default(),
        }
    }

    /// Sweeps a serial line: the likely units at every setting, then the other units at every setting. When a unit answers, the sweep
    /// completes that setting and then ends, unless `all_settings` is set: all meters of a line have the same settings.
    ///
    /// # Errors
    /// The device cannot be opened, or was removed.
    pub async fn serial(&mut self, path: &Path, settings: &[LineSettings], units: &Units) -> Result<(), Error> {
        let (first, rest) = units;
        let each = first.len() + rest.len();
        self.total = settings.iter().map(|it| it.missing_unit(self.timeout) * each as u32).sum();
        let mut remaining: Vec<_> = settings.to_vec();
        for (likely, round) in [(true, first), (false, rest)] {
            for setting in std::mem::take(&mut remaining) {
                let before = self.found.len();
                let link = Link::Serial(SerialSettings {
                    path: path.to_owned(),
                    baud: setting.baud,
                    parity: setting.parity,
                    stop_bits: setting.stop_bits,
                });
                let (link, cost) = (self.settings(link), setting.missing_unit(self.timeout));
                self.units(&link, round, &setting.to_string(), cost).await?;
                let has_found = self.found.len() > before;
                if has_found && likely {
                    self.units(&link, rest, &setting.to_string(), cost).await?;
                }
                if has_found && !self.all_settings {
                    return Ok(());
                }
                if !has_found {
                    remaining.push(setting);
                }
            }
        }
        Ok(())
    }

    /// Sweeps addresses (`host:port`): connects to all of them, then sweeps the units of those that accept the connection.
    pub async fn addresses(&mut self, kind: LinkKind, addresses: &[String], units: &Units) {
        let (first, rest) = units;
        let each = self.timeout * (first.len() + rest.len()) as u32;
        self.total = each * addresses.len() as u32;
        let reached = self.reachable(addresses, each).await;
        for address in reached {
            tokio::time::sleep(BETWEEN_CONNECTIONS).await;
            let link = match kind {
                LinkKind::Converter => Link::RtuOverTcp(address.clone()),
                _ => Link::Tcp(address.clone()),
            };
            let (settings, before, done) = (self.settings(link), self.found.len(), self.done);
            let strange = self.evidence.not_tcp + self.evidence.closed;
            let begun = self.units(&settings, first, &address, self.timeout).await;
            if begun.is_ok() && !(kind == LinkKind::Tcp && self.merge_if_one_meter(before)) {
                // A failed connection is counted; the sweep continues with the next address.
                let _ = self.units(&settings, rest, &address, self.timeout).await;
            }
            let is_strange = self.evidence.not_tcp + self.evidence.closed > strange;
            if kind == LinkKind::Tcp && is_strange && self.found.len() == before {
                self.evidence.http += u32::from(is_http_server(&address).await);
            }
            self.done = done + each;
        }
    }

    /// Sweeps the units of a line that another process lends, with its settings.
    ///
    /// # Errors
    /// The loan has ended, or the owner's link failed.
    pub async fn lent(&mut self, settings: &LinkSettings, units: &Units, each: Duration) -> Result<(), Error> {
        let (first, rest) = units;
        self.total = each * (first.len() + rest.len()) as u32;
        let (place, before) = (settings.link.to_string(), self.found.len());
        self.units(settings, first, &place, each).await?;
        let is_tcp = matches!(settings.link, Link::Tcp(_));
        if !(is_tcp && self.merge_if_one_meter(before)) {
            self.units(settings, rest, &place, each).await?;
        }
        Ok(())
    }

    /// The addresses that accept a connection, in the given order. The others are counted by what went wrong.
    async fn reachable(&mut self, addresses: &[String], each: Duration) -> Vec<String> {
        let tried = futures_util::stream::iter(addresses.to_vec()).map(|address| async move {
            let look_up = async { lookup_host(&address).await.map(Iterator::collect::<Vec<_>>) };
            let found = tokio::time::timeout(LOOKUP_TIMEOUT, look_up).await;
            let Ok(Ok(found)) = found else { return (address, Err(Unreached::Unknown)) };
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&found[..])).await;
            let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            (address, connected.map(drop).map_err(|error| Unreached::from(error.kind())))
        });
        let mut tried = tried.buffer_unordered(MAX_CONNECTING);
        let mut reached = Vec::new();
        while let Some((address, connected)) = tried.next().await {
            match connected {
                Ok(()) => {
                    reached.push(address);
                    continue;
                }
                Err(Unreached::Unknown) => self.evidence.unknown += 1,
                Err(Unreached::Refused) => self.evidence.refused += 1,
                Err(Unreached::Filtered) => self.evidence.filtered += 1,
            }
            self.done += each;
            self.report_progress(&address);
        }
        reached.sort_by_key(|address| addresses.iter().position(|given| given == address));
        reached
    }

    /// Sends the request to these units one after the other. Ends early if the link fails.
    async fn units(
        &mut self,
        settings: &LinkSettings,
        units: &[UnitId],
        place: &str,
        cost: Duration,
    ) -> Result<(), Error> {
        let mut line = Line::scanning(settings);
        let (mut unanswered, mut retries, mut closed) = (VecDeque::new(), 0, 0);
        let before = self.found.len();
        for unit in units {
            self.report_progress(&format!("{place}, unit {unit}"));
            let outcome = line.read(*unit, PROBE).await;
            self.evidence.note(&outcome);
            let may_be_late = line.overheard() || matches!(outcome, Err(Error::Garbled { .. }));
            let never_silent = matches!(outcome, Err(Error::Garbled { why: Garbled::NeverSilent, .. }));
            match outcome {
                Err(error @ Error::Open { .. }) => return Err(error),
                Err(error @ Error::Closed { .. }) => {
                    closed += 1;
                    if closed >= MAX_CLOSED || settings.lender.is_some() || matches!(settings.link, Link::Serial(_)) {
                        return Err(error);
                    }
                }
                outcome => {
                    closed = 0;
                    if is_present(&outcome) {
                        self.add(settings, *unit);
                    } else {
                        unanswered.push_back(*unit);
                    }
                }
            }
            if may_be_late && !never_silent && retries < MAX_RETRIES {
                retries += 1;
                self.retry(&mut line, settings, unanswered.make_contiguous()).await;
            }
            while unanswered.len() > MAX_LATE_BY {
                unanswered.pop_front();
            }
            self.done += cost;
        }
        // The answer of a slow meter to one of the last requests is still awaited.
        let last = unanswered.back().copied().filter(|_| self.found.len() == before && retries < MAX_RETRIES);
        if let Some(last) = last.filter(|_| self.timeout < MIN_RETRY_TIMEOUT) {
            line.set_timeout(MIN_RETRY_TIMEOUT);
            let outcome = line.read(last, PROBE).await;
            self.evidence.note(&outcome);
            if is_present(&outcome) {
                self.add(settings, last);
            } else if line.overheard() || matches!(outcome, Err(Error::Garbled { .. })) {
                self.retry(&mut line, settings, unanswered.make_contiguous()).await;
            }
        }
        self.report_progress(place);
        Ok(())
    }

    /// Repeats the requests to the last units without an answer, with a longer timeout: one of them answered late, or its answer collided
    /// with a late one.
    async fn retry(&mut self, line: &mut Line, settings: &LinkSettings, units: &[UnitId]) {
        line.set_timeout(MIN_RETRY_TIMEOUT.max(self.timeout * RETRY_TIMEOUT_FACTOR));
        for unit in units {
            if self.found.iter().any(|found| found.unit == *unit && found.settings.link == settings.link) {
                continue;
            }
            let outcome = line.read(*unit, PROBE).await;
            self.evidence.note(&outcome);
            if is_present(&outcome) {
                self.add(settings, *unit);
            }
        }
        line.set_timeout(self.timeout);
    }

    /// Merges the units found since `before` into one if all likely units answered: then one meter answers to every unit. Returns whether it
    /// did.
    fn merge_if_one_meter(&mut self, before: usize) -> bool {
        let all = self.found.len() - before == UNITS_FIRST.len();
        if all {
            self.found.truncate(before + 1);
            self.found[before].any_unit = true;
        }
        all
    }

    fn add(&mut self, settings: &LinkSettings, unit: UnitId) {
        self.found.push(FoundUnit { settings: settings.clone(), unit, any_unit: false });
    }

    fn settings(&self, link: Link) -> LinkSettings {
        LinkSettings {
            link,
            timeout: self.timeout,
            request_gap: Duration::ZERO,
            connect_delay: Duration::ZERO,
            lender: None,
        }
    }

    fn report_progress(&mut self, place: &str) {
        let (done, total) = (self.done.min(self.total), self.total);
        (self.on_progress)(SweepProgress { done, total, place: place.to_owned(), found: self.found.len() });
    }
}

/// Whether an HTTP server is at this address: it answers a Modbus request with an error page.
async fn is_http_server(address: &str) -> bool {
    let answer = async {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(&TCP_PROBE).await?;
        let mut start = [0; HTTP.len()];
        connection.read_exact(&mut start).await?;
        io::Result::Ok(start == *HTTP)
    };
    matches!(tokio::time::timeout(CONNECT_TIMEOUT, answer).await, Ok(Ok(true)))
}

/// Whether a meter answered: with registers, or with an exception of its own (not the gateway's).
fn is_present(outcome: &Result<Vec<u16>, Error>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error @ Error::Exception { .. }) => !error.is_silence(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{SimulatedSerialLine as Simulated, SimulatedUnit};
    use crate::units::Parity;

    /// Long enough for a slow machine.
    const TIMEOUT: Duration = Duration::from_secs(1);
    const SLOW: Duration = Duration::from_millis(1500);

    async fn swept(line: &Simulated, numbers: &[i64]) -> (Vec<u8>, ScanEvidence) {
        let setting = LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 };
        let units: Vec<_> = numbers.iter().filter_map(|number| UnitId::new(*number)).collect();
        let mut sweep = Sweep::new(TIMEOUT, false, |_| {});
        sweep.serial(line.path(), &[setting], &(units, Vec::new())).await.unwrap();
        (sweep.found.iter().map(|found| found.unit.get()).collect(), sweep.evidence)
    }

    #[tokio::test]
    async fn a_meter_slower_than_the_timeout_is_found_by_its_late_answer() {
        let slow = SimulatedUnit::new(5);
        slow.set_delay(SLOW);
        let line = Simulated::start([slow], None).unwrap();
        assert_eq!(swept(&line, &[5, 6]).await.0, [5]);
    }

    #[tokio::test]
    async fn the_only_meter_is_found_although_it_is_slower_than_the_default_timeout() {
        for (milliseconds, unit) in [(600, 1), (1000, 1), (700, 10)] {
            let slow = SimulatedUnit::new(unit);
            slow.set_delay(Duration::from_millis(milliseconds));
            let line = Simulated::start([slow], None).unwrap();
            let setting = LineSettings { baud: 9600, parity: Parity::None, stop_bits: 1 };
            let units: Vec<_> = (1..=10).filter_map(UnitId::new).collect();
            let mut sweep = Sweep::new(Duration::from_millis(150), false, |_| {});
            sweep.serial(line.path(), &[setting], &(units, Vec::new())).await.unwrap();
            let found: Vec<_> = sweep.found.iter().map(|found| found.unit.get()).collect();
            assert_eq!(found, [unit], "{milliseconds} ms");
        }
    }

    #[tokio::test]
    async fn an_http_server_is_named() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut request = [0; 12];
                if connection.read_exact(&mut request).await.is_ok() {
                    let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
                }
            }
        });
        let mut sweep = Sweep::new(TIMEOUT, false, |_| {});
        let units: Vec<_> = (1..=2).filter_map(UnitId::new).collect();
        sweep.addresses(LinkKind::Tcp, &[address], &(units, Vec::new())).await;
        server.abort();
        assert_eq!(sweep.evidence.http, 1, "{:?}", sweep.evidence);
    }

    #[tokio::test]
    async fn only_reads_are_sent_and_an_exception_is_an_answer() {
        let (empty, mute) = (SimulatedUnit::new(2), SimulatedUnit::new(3));
        mute.fault(crate::simulator::UnitFault::Silent);
        let line = Simulated::start([empty.clone(), mute], None).unwrap();
        let (found, evidence) = swept(&line, &[2, 3]).await;
        assert_eq!((found, evidence.answers, evidence.silent), (vec![2], 1, 1));
        assert_eq!(empty.take_requests(), [(3, 0, 1)]);
    }
}
