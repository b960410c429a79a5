//! The sweep: one short request to each unit. A unit that answers exists, even if the answer is an exception.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::net::TcpStream;

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
const MIN_RETRY_TIMEOUT: Duration = Duration::from_millis(600);
/// Maximum retries at one setting: on a line with another master they would never end.
const MAX_RETRIES: u32 = 24;
/// A slow meter's answer arrives during the requests to at most this many following units.
const MAX_LATE_BY: usize = 3;
/// Maximum connection attempts at the same time.
const MAX_CONNECTING: usize = 64;
/// Timeout of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before each connection: a gateway that accepts only one client must first notice that the last connection is closed.
const BETWEEN_CONNECTIONS: Duration = Duration::from_millis(200);
/// An address is given up after this many consecutive closed connections.
const MAX_CLOSED: u32 = 3;

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
            let begun = self.units(&settings, first, &address, self.timeout).await;
            if begun.is_ok() && !(kind == LinkKind::Tcp && self.merge_if_one_meter(before)) {
                // A failed connection is counted; the sweep continues with the next address.
                let _ = self.units(&settings, rest, &address, self.timeout).await;
            }
            self.done = done + each;
        }
    }

    /// The addresses that accept a connection, in the given order. The others are counted as refused or filtered.
    async fn reachable(&mut self, addresses: &[String], each: Duration) -> Vec<String> {
        let tried = futures_util::stream::iter(addresses.to_vec()).map(|address| async move {
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&address)).await;
            (address, connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(drop))
        });
        let mut tried = tried.buffer_unordered(MAX_CONNECTING);
        let mut reached = Vec::new();
        while let Some((address, connected)) = tried.next().await {
            match connected {
                Ok(()) => {
                    reached.push(address);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => self.evidence.refused += 1,
                Err(_) => self.evidence.filtered += 1,
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
                    if closed >= MAX_CLOSED || matches!(settings.link, Link::Serial(_)) {
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
        LinkSettings { link, timeout: self.timeout, request_gap: Duration::ZERO, connect_delay: Duration::ZERO }
    }

    fn report_progress(&mut self, place: &str) {
        let (done, total) = (self.done.min(self.total), self.total);
        (self.on_progress)(SweepProgress { done, total, place: place.to_owned(), found: self.found.len() });
    }
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
    async fn only_reads_are_sent_and_an_exception_is_an_answer() {
        let (empty, mute) = (SimulatedUnit::new(2), SimulatedUnit::new(3));
        mute.fault(crate::simulator::UnitFault::Silent);
        let line = Simulated::start([empty.clone(), mute], None).unwrap();
        let (found, evidence) = swept(&line, &[2, 3]).await;
        assert_eq!((found, evidence.answers, evidence.silent), (vec![2], 1, 1));
        assert_eq!(empty.take_requests(), [(3, 0, 1)]);
    }
}
