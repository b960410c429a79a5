//! Collects the readings of a report slot: a few additions a reading and a fixed amount of memory a meter. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::{HistorySlot, PowerSum, PowerSummary, SlotStart};
use crate::clock::ClockReading;
use crate::reading::{Reading, stale_after};
use crate::units::{MilliwattHours, Name};

/// The wall clock was set if it differs by more than this from the boot's clock: slewing takes longer than a slot for that.
const CLOCK_SET: SignedDuration = SignedDuration::from_secs(2);

/// The slot in progress, of every configured meter.
#[derive(Debug, Default)]
pub(crate) struct SlotAggregator {
    meters: BTreeMap<Name, MeterSlot>,
    since: Option<ClockReading>,
}

#[derive(Debug, Default)]
struct MeterSlot {
    /// A sample stands for at most this much time before it.
    reach: Duration,
    /// The latest sample, also from the previous slot.
    sampled_at: Option<ClockReading>,
    /// Each sample stands for the time since the one before.
    samples: PowerSum,
    /// It was read in this slot.
    read: bool,
    published: Option<MilliwattHours>,
    /// Published when the slot began.
    at_start: Option<MilliwattHours>,
    /// The previous slot is recorded.
    linked: bool,
    /// The first reading of a slot that does not follow a recorded one, and what was published then.
    began: Option<(ClockReading, Option<MilliwattHours>)>,
}

impl SlotAggregator {
    /// Takes other meters, each with its poll interval; those that stay continue.
    pub(crate) fn reconfigure<'a>(&mut self, meters: impl IntoIterator<Item = (&'a Name, Duration)>) {
        let mut before = std::mem::take(&mut self.meters);
        for (name, poll_every) in meters {
            let slot = before.remove(name).unwrap_or_default();
            self.meters.insert(name.clone(), MeterSlot { reach: stale_after(poll_every), ..slot });
        }
    }

    /// Adds a reading and what is published after it.
    pub(crate) fn add(&mut self, reading: &Reading, published: Option<MilliwattHours>) {
        let Some(meter) = self.meters.get_mut(&reading.meter) else { return };
        self.since.get_or_insert(reading.at);
        if !meter.read && !meter.linked {
            meter.began = Some((reading.at, published));
        }
        (meter.read, meter.published) = (true, published);
        if let Some(power) = reading.values.power {
            let span = meter.sampled_at.and_then(|at| reading.at.since(&at)).filter(|span| *span <= meter.reach);
            meter.samples.add(PowerSummary::constant(power), span.unwrap_or_default());
            meter.sampled_at = Some(reading.at);
        }
    }

    /// How long the slot has lasted.
    pub(crate) fn age(&self, now: &ClockReading) -> Duration {
        self.since.and_then(|since| now.since(&since)).unwrap_or_default()
    }

    /// Ends the slot and returns a row for each meter that was read in it.
    pub(crate) fn close(&mut self, now: &ClockReading) -> Vec<HistorySlot> {
        let Some(since) = self.since.replace(*now) else { return Vec::new() };
        let on_wall = |at: &ClockReading| now.wall.checked_sub(now.since(at).unwrap_or_default()).unwrap_or(at.wall);
        let clock_set = since.wall.duration_since(on_wall(&since)).abs() > CLOCK_SET;
        let slots = self.meters.iter_mut().filter_map(|(name, meter)| {
            let linked = std::mem::replace(&mut meter.linked, meter.read);
            if !std::mem::take(&mut meter.read) {
                return None;
            }
            // Without a first reading: the previous slot was lost, or its times are by a clock that was set since.
            let severed = (clock_set || !linked).then_some((since, meter.at_start));
            let began = meter.began.take().or(severed);
            meter.at_start = meter.published;
            let samples = std::mem::take(&mut meter.samples);
            Some(HistorySlot {
                meter: name.clone(),
                ended: now.wall,
                trusted: now.trusted,
                measured: samples.measured(),
                power: samples.summary(),
                published: meter.published,
                began: began.map(|(at, published)| SlotStart { at: on_wall(&at), published }),
            })
        });
        slots.collect()
    }

    /// The slots of the last [`close`](Self::close) are not recorded.
    pub(crate) fn lose_last_slot(&mut self) {
        self.meters.values_mut().for_each(|meter| meter.linked = false);
    }
}
