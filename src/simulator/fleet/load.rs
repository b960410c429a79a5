//! What reaches the endpoint: calls, acceptances and new connections by second.

use std::ops::Range;
use std::time::Duration;

use super::FleetScenario;
use crate::report_hours::FULL_HOUR;

/// The load of one simulation.
#[derive(Clone, Debug)]
pub struct FleetLoad {
    first: u64,
    mean: f64,
    calls: Vec<u32>,
    accepted: Vec<u32>,
    connections: Vec<u32>,
    /// Each box's first acceptance after the last event.
    recovered: Vec<u32>,
    boxes: u32,
    /// The boxes with twelve reports in the hour in which the last event ended.
    full_hours: u32,
}

impl FleetLoad {
    pub(super) fn new(scenario: &FleetScenario) -> Self {
        let seconds = vec![0; usize::try_from(scenario.seconds.end - scenario.seconds.start).unwrap_or(0)];
        FleetLoad {
            first: scenario.seconds.start,
            mean: f64::from(scenario.boxes) / scenario.every.as_secs_f64(),
            calls: seconds.clone(),
            accepted: seconds.clone(),
            connections: seconds.clone(),
            recovered: seconds,
            boxes: 0,
            full_hours: 0,
        }
    }

    /// The calls in a second if each box makes one in each interval.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The calls that began in each of these seconds.
    pub fn calls(&self, during: Range<u64>) -> &[u32] {
        self.part(&self.calls, during)
    }

    /// The reports that were accepted in each of these seconds.
    pub fn accepted(&self, during: Range<u64>) -> &[u32] {
        self.part(&self.accepted, during)
    }

    /// The new connections in each of these seconds, each with a TLS handshake.
    pub fn connections(&self, during: Range<u64>) -> &[u32] {
        self.part(&self.connections, during)
    }

    /// How long after the second `end` all boxes had a report accepted; `None` if one had not.
    pub fn all_accepted_within(&self, end: u64) -> Option<Duration> {
        let last = self.recovered.iter().rposition(|boxes| *boxes > 0)?;
        let all = self.recovered.iter().sum::<u32>() == self.boxes;
        all.then(|| Duration::from_secs((self.first + last as u64 + 1).saturating_sub(end)))
    }

    /// The share of boxes that have twelve accepted reports in the hour in which the last event ended.
    pub fn full_hours(&self) -> f64 {
        f64::from(self.full_hours) / f64::from(self.boxes.max(1))
    }

    /// Adds the load of other boxes.
    pub(super) fn add(&mut self, other: &FleetLoad) {
        let sum = |mine: &mut [u32], theirs: &[u32]| mine.iter_mut().zip(theirs).for_each(|(sum, more)| *sum += more);
        sum(&mut self.calls, &other.calls);
        sum(&mut self.accepted, &other.accepted);
        sum(&mut self.connections, &other.connections);
        sum(&mut self.recovered, &other.recovered);
        self.boxes += other.boxes;
        self.full_hours += other.full_hours;
    }

    pub(super) fn note_call(&mut self, at: Duration, connects: bool) {
        if let Some(index) = self.index(at) {
            self.calls[index] += 1;
            self.connections[index] += u32::from(connects);
        }
    }

    /// `recovers`: it is the box's first after the last event.
    pub(super) fn note_accepted(&mut self, at: Duration, recovers: bool) {
        if let Some(index) = self.index(at) {
            self.accepted[index] += 1;
            self.recovered[index] += u32::from(recovers);
        }
    }

    /// A box is done; in the hour in which the last event ended this many of its reports were accepted.
    pub(super) fn note_box(&mut self, in_hour: u32) {
        self.boxes += 1;
        self.full_hours += u32::from(in_hour >= FULL_HOUR);
    }

    fn index(&self, at: Duration) -> Option<usize> {
        let index = usize::try_from(at.as_secs().checked_sub(self.first)?).ok()?;
        (index < self.calls.len()).then_some(index)
    }

    fn part<'s>(&self, seconds: &'s [u32], during: Range<u64>) -> &'s [u32] {
        let place = |second: u64| usize::try_from(second.saturating_sub(self.first)).unwrap_or(0).min(seconds.len());
        &seconds[place(during.start)..place(during.end).max(place(during.start))]
    }
}
