//! The figures of one bus that the advice is based on: which meters have faults, and how busy the bus is.

use std::time::Duration;

use super::tally::{RequestCount, RequestTally};
use super::window::{RecentTally, occupancy};

/// One bus and its meters.
#[derive(Clone, Debug)]
pub struct BusQuality<'b> {
    /// Its name in the configuration.
    pub name: &'b str,
    /// How it is connected.
    pub link: LinkKind,
    /// Its `timeout`.
    pub timeout: Duration,
    /// The meters on it.
    pub meters: Vec<MeterQuality<'b>>,
}

/// How a bus is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A serial line.
    Serial,
    /// A serial line behind a converter (RTU over TCP).
    Converter,
    /// Modbus TCP.
    Tcp,
}

/// One meter of a bus.
#[derive(Clone, Copy, Debug)]
pub struct MeterQuality<'b> {
    /// Its name in the configuration.
    pub name: &'b str,
    /// Its unit number.
    pub unit: u8,
    /// Its poll interval.
    pub poll_every: Duration,
    /// Its recent requests.
    pub recent: RecentTally,
}

/// A share of fewer requests than this says nothing.
const MIN_REQUESTS: u64 = 20;
/// Fewer events than this can be chance.
const MIN_EVENTS: u64 = 3;
/// This many events are enough even for fewer requests: a meter that does not answer is polled less and less often.
const MANY_EVENTS: u64 = 5;
/// The time of a poll is the mean of at least this many polls.
const MIN_POLLS: u64 = 10;
/// A sentence names at most this many units.
const MAX_NAMED: usize = 5;

/// The value of a tally that a check is about.
pub(super) type Counted = fn(&RequestTally) -> u64;

/// A meter with a fault, and the share of its requests that have the fault, in per cent.
pub(super) type FaultyMeter<'a, 'b> = (&'a MeterQuality<'b>, u64);

/// Faulty meters in the words of a sentence.
pub(super) struct NamedMeters {
    /// `Bus cabinet, roof, unit 7` or `Bus cabinet, units 7, 4 and 3 more`.
    pub(super) who: String,
    /// `12 %` or `up to 30 %`.
    pub(super) share: String,
    /// `this unit` or `these units`.
    pub(super) units: &'static str,
}

impl<'b> BusQuality<'b> {
    /// The share of the time in which the bus is in use, 0..=1.
    pub(super) fn occupancy(&self) -> Option<f64> {
        occupancy(self.meters.iter().map(|meter| &meter.recent))
    }

    /// The share of the time that polling the meters as configured takes: above 1 it is not possible. A silent meter is polled less often.
    pub(super) fn demand(&self) -> Option<f64> {
        let demand = self.meters.iter().map(|meter| match meter.poll_time() {
            Some(time) => Some(time.as_secs_f64() / meter.poll_every.as_secs_f64()),
            None if meter.is_silent() => Some(meter.recent.occupancy().unwrap_or(0.0)),
            None => None,
        });
        demand.sum::<Option<f64>>().filter(|demand| *demand > 0.0)
    }

    /// The time of one round of all meters, and their poll interval if they have the same.
    pub(super) fn round(&self) -> Option<(Duration, Duration)> {
        let every = self.meters.first()?.poll_every;
        let same = self.meters.iter().all(|meter| meter.poll_every == every);
        same.then(|| (self.meters.iter().filter_map(MeterQuality::poll_time).sum(), every))
    }

    pub(super) fn sum(&self, count: Counted) -> u64 {
        self.meters.iter().map(|meter| count(&meter.recent.tally)).sum()
    }

    /// The meters for which this count is at least `least` per cent of their requests, if there are enough requests.
    pub(super) fn faulty(&self, count: Counted, least: u64) -> Vec<FaultyMeter<'_, 'b>> {
        let of = |meter: &MeterQuality<'_>| (count(&meter.recent.tally), meter.recent.tally.requests());
        let faulty = self.meters.iter().filter(|meter| {
            let (count, requests) = of(meter);
            is_significant(count, requests) && reaches(count, requests, least)
        });
        faulty.map(|meter| (meter, percent(of(meter).0, of(meter).1))).collect()
    }

    /// How many of this fault the other meters have, in words, if at least as many meters are without fault as with it: then the shared
    /// line is not the cause.
    pub(super) fn others(&self, faulty: &[FaultyMeter<'_, '_>], count: Counted) -> Option<&'static str> {
        let is_sound = |meter: &&MeterQuality<'_>| {
            meter.recent.tally.requests() >= MIN_REQUESTS && !faulty.iter().any(|(other, _)| other.name == meter.name)
        };
        let sound: Vec<_> = self.meters.iter().filter(is_sound).collect();
        let none = sound.iter().all(|meter| count(&meter.recent.tally) == 0);
        (!sound.is_empty() && sound.len() >= faulty.len()).then_some(if none { "none" } else { "almost none" })
    }

    /// `all units` or `most units`.
    pub(super) fn all_or_most(&self, faulty: &[FaultyMeter<'_, '_>]) -> &'static str {
        if faulty.len() == self.meters.len() { "all units" } else { "most units" }
    }

    /// The names of these meters and their greatest share; `None` without a meter.
    pub(super) fn named(&self, faulty: &[FaultyMeter<'_, '_>]) -> Option<NamedMeters> {
        let most = faulty.iter().map(|(_, share)| *share).max()?;
        let bus = self.name;
        if let [(meter, _)] = faulty {
            let who = format!("Bus {bus}, {}, unit {}", meter.name, meter.unit);
            return Some(NamedMeters { who, share: format!("{most} %"), units: "this unit" });
        }
        let units: Vec<_> = faulty.iter().take(MAX_NAMED).map(|(meter, _)| meter.unit.to_string()).collect();
        let more = match faulty.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let who = format!("Bus {bus}, units {}{more}", units.join(", "));
        Some(NamedMeters { who, share: format!("up to {most} %"), units: "these units" })
    }
}

impl MeterQuality<'_> {
    /// Whether it answers less than half of its requests. It is then polled less often than `poll_every`.
    fn is_silent(&self) -> bool {
        2 * self.recent.tally.of(RequestCount::Answers) < self.recent.tally.requests()
    }

    /// The mean time of a poll, if the meter answers and enough polls are known.
    fn poll_time(&self) -> Option<Duration> {
        let polls = self.recent.tally.of(RequestCount::Polls);
        let known = polls >= MIN_POLLS && !self.is_silent();
        known.then(|| Duration::from_micros(self.recent.tally.busy_us / polls))
    }
}

/// 0..=100, rounded. Only the whole is 100.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    let rounded = (200 * part + whole) / (2 * whole).max(1);
    if part < whole || whole == 0 { rounded.min(99) } else { 100 }
}

/// Whether an event that happened so often in these requests is more than chance.
pub(super) fn is_significant(count: u64, requests: u64) -> bool {
    count >= MANY_EVENTS || count >= MIN_EVENTS && requests >= MIN_REQUESTS
}

pub(super) fn reaches(part: u64, whole: u64, percent: u64) -> bool {
    100 * part >= percent * whole
}
