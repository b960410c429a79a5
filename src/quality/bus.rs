//! The figures of one bus that the advice is based on: which meters stand out, and how busy the bus is.

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

/// A share of fewer requests says nothing.
const LEAST_REQUESTS: u64 = 20;
/// What happened less often happens.
const LEAST_EVENTS: u64 = 3;
/// So many events say enough of fewer requests: a meter that does not answer is left alone for longer and longer.
const MANY_EVENTS: u64 = 5;
/// What a poll costs is the mean of so many.
const LEAST_POLLS: u64 = 10;
/// More units are not named one by one.
const MOST_NAMED: usize = 5;

/// A meter and the share of its requests that is meant, in per cent.
pub(super) type Suspect<'a, 'b> = (&'a MeterQuality<'b>, u64);

impl<'b> BusQuality<'b> {
    /// The share of the time in which the bus is taken.
    pub(super) fn occupancy(&self) -> Option<f64> {
        occupancy(self.meters.iter().map(|meter| &meter.recent))
    }

    /// The share of the time that the meters ask for: above 1 it is not there. A meter that is silent is asked less often.
    pub(super) fn demand(&self) -> Option<f64> {
        let mut demand = 0.0;
        for meter in self.meters.iter() {
            demand += match meter.cost() {
                Some(cost) => cost.as_secs_f64() / meter.poll_every.as_secs_f64(),
                None if meter.is_silent() => meter.recent.occupancy().unwrap_or(0.0),
                None => return None,
            };
        }
        (demand > 0.0).then_some(demand)
    }

    /// What a round of all meters costs, where they are polled equally often.
    pub(super) fn round(&self) -> Option<(Duration, Duration)> {
        let every = self.meters.first()?.poll_every;
        let alike = self.meters.iter().all(|meter| meter.poll_every == every);
        alike.then(|| (self.meters.iter().filter_map(MeterQuality::cost).sum(), every))
    }

    pub(super) fn sum(&self, count: fn(&RequestTally) -> u64) -> u64 {
        self.meters.iter().map(|meter| count(&meter.recent.tally)).sum()
    }

    /// The meters whose share of this is not small, as far as enough is known.
    pub(super) fn suspects(&self, count: fn(&RequestTally) -> u64, least: u64) -> Vec<Suspect<'_, 'b>> {
        let suspect = |meter: &&MeterQuality<'_>| {
            let (count, all) = (count(&meter.recent.tally), meter.recent.tally.requests());
            happens(count, all) && reaches(count, all, least)
        };
        self.meters.iter().filter(suspect).map(|meter| (meter, percent_of(meter, count))).collect()
    }

    /// What the others have of it, in a word, where at least as many as the suspects are sound: then it is not the line that they share.
    pub(super) fn neighbours(
        &self,
        suspects: &[Suspect<'_, '_>],
        count: fn(&RequestTally) -> u64,
    ) -> Option<&'static str> {
        let is_sound = |meter: &&MeterQuality<'_>| {
            meter.known() && !suspects.iter().any(|(suspect, _)| suspect.name == meter.name)
        };
        let sound: Vec<_> = self.meters.iter().filter(is_sound).collect();
        let none = sound.iter().all(|meter| count(&meter.recent.tally) == 0);
        (!sound.is_empty() && sound.len() >= suspects.len()).then_some(if none { "none" } else { "hardly any" })
    }

    /// These units, who are not the few among sound ones.
    pub(super) fn most(&self, suspects: &[Suspect<'_, '_>]) -> &'static str {
        if suspects.len() == self.meters.len() { "all units alike" } else { "most units" }
    }

    /// Who is meant, the greatest share, and the word for what is theirs; `None` of nobody.
    pub(super) fn named(&self, suspects: &[Suspect<'_, '_>]) -> Option<(String, String, &'static str)> {
        let most = suspects.iter().map(|(_, share)| *share).max()?;
        let bus = self.name;
        if let [(meter, _)] = suspects {
            return Some((format!("Bus {bus}, {}, unit {}", meter.name, meter.unit), format!("{most} %"), "its"));
        }
        let named: Vec<_> = suspects.iter().take(MOST_NAMED).map(|(meter, _)| meter.unit.to_string()).collect();
        let more = match suspects.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some((format!("Bus {bus}, units {}{more}", named.join(", ")), format!("up to {most} %"), "their"))
    }
}

impl MeterQuality<'_> {
    /// Whether enough is known to call it sound.
    fn known(&self) -> bool {
        self.recent.tally.requests() >= LEAST_REQUESTS
    }

    /// Whether it mostly does not answer, and so is left alone for longer than its `poll_every`.
    pub(super) fn is_silent(&self) -> bool {
        2 * self.recent.tally.of(RequestCount::Answers) < self.recent.tally.requests()
    }

    /// What a poll of it costs in time, where it answers and that is known.
    pub(super) fn cost(&self) -> Option<Duration> {
        let polls = self.recent.tally.of(RequestCount::Polls);
        let known = polls >= LEAST_POLLS && !self.is_silent();
        known.then(|| Duration::from_micros(self.recent.tally.busy_us / polls))
    }
}

fn percent_of(meter: &MeterQuality<'_>, count: fn(&RequestTally) -> u64) -> u64 {
    percent(count(&meter.recent.tally), meter.recent.tally.requests())
}

/// 0..=100, rounded; 100 is all of it.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    let rounded = (200 * part + whole) / (2 * whole).max(1);
    if part < whole || whole == 0 { rounded.min(99) } else { 100 }
}

/// Whether so many of these requests are enough to go by.
pub(super) fn happens(count: u64, requests: u64) -> bool {
    count >= MANY_EVENTS || count >= LEAST_EVENTS && requests >= LEAST_REQUESTS
}

pub(super) fn reaches(part: u64, whole: u64, percent: u64) -> bool {
    100 * part >= percent * whole
}
