//! The sweep: each unit is asked one short question, and whoever answers, if only to refuse, is there.

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

/// What every unit is asked: a meter without such a register refuses it, which is an answer too.
const QUESTION: RegisterRange = RegisterRange { function: Function::Holding, address: 0, count: 1 };
/// Who seems to be slow is asked again with so many times the patience, and at least [`PATIENT`].
const PATIENCE: u32 = 4;
const PATIENT: Duration = Duration::from_millis(600);
/// Doubts that are cleared up at one setting; on a line where others talk they never end.
const MOST_DOUBTS: u32 = 24;
/// A slow meter's answer comes while one of so many units after it is asked.
const LATE_BY: usize = 3;
/// Connections that are tried at once.
const MOST_CONNECTING: usize = 64;
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// A gateway that takes one client gets time to see that we have gone.
const BETWEEN_CONNECTIONS: Duration = Duration::from_millis(200);
/// A connection that is closed so often in a row is not asked any more.
const MOST_CLOSED: u32 = 3;

/// A unit that answered.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundUnit {
    /// How it is reached.
    pub settings: LinkSettings,
    pub unit: UnitId,
    /// Whatever unit is asked at this address answers alike: it is one meter.
    pub any_unit: bool,
}

/// How far the sweep is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepProgress {
    /// Of the whole, by what each step is expected to take.
    pub done: Duration,
    pub whole: Duration,
    /// Where it is: `9600 baud 8N1, unit 7`.
    pub place: String,
    pub found: usize,
}

/// A sweep and what it has found so far: it can be dropped at any moment.
#[derive(Debug)]
pub struct Sweep<F> {
    timeout: Duration,
    /// Goes on with other settings after something was found.
    everything: bool,
    tell: F,
    done: Duration,
    whole: Duration,
    pub found: Vec<FoundUnit>,
    pub evidence: ScanEvidence,
}

/// The units that come first, and the others.
type Units = (Vec<UnitId>, Vec<UnitId>);

impl<F: FnMut(SweepProgress)> Sweep<F> {
    /// `timeout` is how long a meter may take to answer; `tell` hears of every step.
    pub fn new(timeout: Duration, everything: bool, tell: F) -> Self {
        Sweep {
            timeout,
            everything,
            tell,
            done: Duration::ZERO,
            whole: Duration::ZERO,
            found: Vec::new(),
            evidence: ScanEvidence::default(),
        }
    }

    /// Sweeps a serial line: the likely units at every setting, then the others; where something answers, that setting's units to the end,
    /// and (unless everything is wanted) no other setting, for a line has one.
    ///
    /// # Errors
    /// Where the device cannot be opened, or is gone.
    pub async fn serial(&mut self, path: &Path, settings: &[LineSettings], units: &Units) -> Result<(), Error> {
        let (first, rest) = units;
        let each = first.len() + rest.len();
        self.whole = settings.iter().map(|it| it.missing_unit(self.timeout) * each as u32).sum();
        let mut open: Vec<_> = settings.to_vec();
        for (likely, round) in [(true, first), (false, rest)] {
            for setting in std::mem::take(&mut open) {
                let before = self.found.len();
                let link = Link::Serial(SerialSettings {
                    path: path.to_owned(),
                    baud: setting.baud,
                    parity: setting.parity,
                    stop_bits: setting.stop_bits,
                });
                let (link, cost) = (self.settings(link), setting.missing_unit(self.timeout));
                self.units(&link, round, &setting.to_string(), cost).await?;
                let here = self.found.len() > before;
                if here && likely {
                    self.units(&link, rest, &setting.to_string(), cost).await?;
                }
                if here && !self.everything {
                    return Ok(());
                }
                if !here {
                    open.push(setting);
                }
            }
        }
        Ok(())
    }

    /// Sweeps addresses (`host:port`): those that take a connection are asked for their units.
    pub async fn addresses(&mut self, way: LinkKind, addresses: &[String], units: &Units) {
        let (first, rest) = units;
        let each = self.timeout * (first.len() + rest.len()) as u32;
        self.whole = each * addresses.len() as u32;
        let reached = self.reachable(addresses, each).await;
        for address in reached {
            tokio::time::sleep(BETWEEN_CONNECTIONS).await;
            let link = match way {
                LinkKind::Converter => Link::RtuOverTcp(address.clone()),
                _ => Link::Tcp(address.clone()),
            };
            let (settings, before, done) = (self.settings(link), self.found.len(), self.done);
            let begun = self.units(&settings, first, &address, self.timeout).await;
            if begun.is_ok() && !(way == LinkKind::Tcp && self.one_meter(before)) {
                // A connection that fails was noted; the other addresses may fare better.
                let _ = self.units(&settings, rest, &address, self.timeout).await;
            }
            self.done = done + each;
        }
    }

    /// The addresses that take a connection, in their order; why the others do not is noted.
    async fn reachable(&mut self, addresses: &[String], each: Duration) -> Vec<String> {
        let tried = futures_util::stream::iter(addresses.to_vec()).map(|address| async move {
            let connected = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(&address)).await;
            (address, connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(drop))
        });
        let mut tried = tried.buffer_unordered(MOST_CONNECTING);
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
            self.told(&address);
        }
        reached.sort_by_key(|address| addresses.iter().position(|given| given == address));
        reached
    }

    /// Asks these units in turn. Ends early where the link is of no use.
    async fn units(
        &mut self,
        settings: &LinkSettings,
        units: &[UnitId],
        place: &str,
        cost: Duration,
    ) -> Result<(), Error> {
        let mut line = Line::scanning(settings);
        let (mut before, mut doubts, mut closed) = (VecDeque::new(), 0, 0);
        for unit in units {
            self.told(&format!("{place}, unit {unit}"));
            let outcome = line.read(*unit, QUESTION).await;
            self.evidence.note(&outcome);
            let doubtful = line.overheard() || matches!(outcome, Err(Error::Garbled { .. }));
            let chatter = matches!(outcome, Err(Error::Garbled { why: Garbled::NeverSilent, .. }));
            match outcome {
                Err(error @ Error::Open { .. }) => return Err(error),
                Err(error @ Error::Closed { .. }) => {
                    closed += 1;
                    if closed >= MOST_CLOSED || matches!(settings.link, Link::Serial(_)) {
                        return Err(error);
                    }
                }
                outcome => {
                    closed = 0;
                    if is_there(&outcome) {
                        self.keep(settings, *unit);
                    } else {
                        before.push_back(*unit);
                    }
                }
            }
            if doubtful && !chatter && doubts < MOST_DOUBTS {
                doubts += 1;
                self.doubt(&mut line, settings, before.make_contiguous()).await;
            }
            while before.len() > LATE_BY {
                before.pop_front();
            }
            self.done += cost;
        }
        self.told(place);
        Ok(())
    }

    /// Asks the last units that were not there once more, with patience: one of them has answered late, or was spoiled by one that did.
    async fn doubt(&mut self, line: &mut Line, settings: &LinkSettings, units: &[UnitId]) {
        line.set_timeout(PATIENT.max(self.timeout * PATIENCE));
        for unit in units {
            if self.found.iter().any(|found| found.unit == *unit && found.settings.link == settings.link) {
                continue;
            }
            let outcome = line.read(*unit, QUESTION).await;
            self.evidence.note(&outcome);
            if is_there(&outcome) {
                self.keep(settings, *unit);
            }
        }
        line.set_timeout(self.timeout);
    }

    /// Whether every one of the likely units was found since, which is one meter that minds no unit: it is then kept once.
    fn one_meter(&mut self, before: usize) -> bool {
        let all = self.found.len() - before == UNITS_FIRST.len();
        if all {
            self.found.truncate(before + 1);
            self.found[before].any_unit = true;
        }
        all
    }

    fn keep(&mut self, settings: &LinkSettings, unit: UnitId) {
        self.found.push(FoundUnit { settings: settings.clone(), unit, any_unit: false });
    }

    fn settings(&self, link: Link) -> LinkSettings {
        LinkSettings { link, timeout: self.timeout, request_gap: Duration::ZERO, connect_delay: Duration::ZERO }
    }

    fn told(&mut self, place: &str) {
        let (done, whole) = (self.done.min(self.whole), self.whole);
        (self.tell)(SweepProgress { done, whole, place: place.to_owned(), found: self.found.len() });
    }
}

/// Whether the outcome is a meter's: an answer, or a refusal that is its own.
fn is_there(outcome: &Result<Vec<u16>, Error>) -> bool {
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

    /// Generous in both directions: a busy machine is late, never early.
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
    async fn only_read_requests_are_sent_and_a_refusal_counts_as_a_meter() {
        let (empty, mute) = (SimulatedUnit::new(2), SimulatedUnit::new(3));
        mute.fault(crate::simulator::UnitFault::Silent);
        let line = Simulated::start([empty.clone(), mute], None).unwrap();
        let (found, evidence) = swept(&line, &[2, 3]).await;
        assert_eq!((found, evidence.answered, evidence.silent), (vec![2], 1, 1));
        assert_eq!(empty.take_requests(), [(3, 0, 1)]);
    }
}
