//! What a report slot comes to, gathered poll by poll: some additions a reading, some words of memory a meter. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::{Power, Row};
use crate::clock::ClockReading;
use crate::guard::MeterSettings;
use crate::reading::{Reading, stale_after};
use crate::units::{MilliwattHours, Milliwatts, Name};

/// The wall clock was set where it went so much further, or less far, than the boot's clock: slewing takes longer than a slot for that.
const SET: SignedDuration = SignedDuration::from_secs(2);

/// The slot under way, of every configured meter.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Gather {
    meters: BTreeMap<Name, Gathered>,
    since: Option<ClockReading>,
}

#[derive(Debug, Default)]
struct Gathered {
    /// A sample says nothing of what lies further back than this.
    reach: Duration,
    /// The latest sample, be it of the slot before.
    sampled_at: Option<ClockReading>,
    /// Of this slot.
    samples: Samples,
    /// It was read in this slot.
    read: bool,
    published: Option<MilliwattHours>,
    /// What was published when the slot began.
    at_start: Option<MilliwattHours>,
    /// The slot before is recorded.
    linked: bool,
    /// The first reading of a slot that follows upon none, and what was published by it.
    began: Option<(ClockReading, Option<MilliwattHours>)>,
}

/// Power samples of one slot. Each stands for the time since the one before: so the mean lies between least and most.
#[derive(Clone, Copy, Debug, Default)]
struct Samples {
    range: Option<(Milliwatts, Milliwatts)>,
    /// mW x ms.
    area: i128,
    measured_ms: u64,
    sum: i128,
    count: u32,
}

impl Gather {
    /// Takes up other meters; those that stay go on.
    pub(in crate::ledger) fn reconfigure(&mut self, meters: &[MeterSettings]) {
        let mut before = std::mem::take(&mut self.meters);
        let taken = meters.iter().map(|meter| {
            let gathered = before.remove(&meter.name).unwrap_or_default();
            (meter.name.clone(), Gathered { reach: stale_after(meter.poll_every), ..gathered })
        });
        self.meters = taken.collect();
    }

    /// Takes a reading down, and what is published after it.
    pub(in crate::ledger) fn note(&mut self, reading: &Reading, published: Option<MilliwattHours>) {
        let Some(meter) = self.meters.get_mut(&reading.meter) else { return };
        self.since.get_or_insert(reading.at);
        if !meter.read && !meter.linked {
            meter.began = Some((reading.at, published));
        }
        (meter.read, meter.published) = (true, published);
        if let Some(power) = reading.values.power {
            let span = meter.sampled_at.and_then(|at| reading.at.since(&at)).filter(|span| *span <= meter.reach);
            meter.samples.add(power, span.unwrap_or_default());
            meter.sampled_at = Some(reading.at);
        }
    }

    /// How long the slot has lasted.
    pub(in crate::ledger) fn age(&self, now: &ClockReading) -> Duration {
        self.since.and_then(|since| now.since(&since)).unwrap_or_default()
    }

    /// Ends the slot: a row of each meter that was read in it.
    pub(in crate::ledger) fn close(&mut self, now: &ClockReading) -> Vec<Row> {
        let Some(since) = self.since.replace(*now) else { return Vec::new() };
        let on_wall =
            |stamp: &ClockReading| now.wall.checked_sub(now.since(stamp).unwrap_or_default()).unwrap_or(stamp.wall);
        let set = since.wall.duration_since(on_wall(&since)).abs() > SET;
        let rows = self.meters.iter_mut().filter_map(|(name, meter)| {
            let linked = std::mem::replace(&mut meter.linked, meter.read);
            if !std::mem::take(&mut meter.read) {
                return None;
            }
            // Without a reading of its own to begin with: the slot before was not recorded, or is on a clock that went otherwise.
            let severed = (set || !linked).then_some((since, meter.at_start));
            let began = meter.began.take().or(severed);
            meter.at_start = meter.published;
            let samples = std::mem::take(&mut meter.samples);
            Some(Row {
                meter: name.clone(),
                ended: now.wall,
                trusted: now.trusted,
                measured: Duration::from_millis(samples.measured_ms),
                power: samples.power(),
                published: meter.published,
                began: began.map(|(at, published)| (on_wall(&at), published)),
            })
        });
        rows.collect()
    }

    /// The rows of the last slot were not recorded.
    pub(in crate::ledger) fn lost(&mut self) {
        self.meters.values_mut().for_each(|meter| meter.linked = false);
    }
}

impl Samples {
    fn add(&mut self, power: Milliwatts, span: Duration) {
        let (least, most) = self.range.unwrap_or((power, power));
        self.range = Some((least.min(power), most.max(power)));
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.area += i128::from(power.0) * i128::from(span);
        self.measured_ms += span;
        self.sum += i128::from(power.0);
        self.count += 1;
    }

    fn power(&self) -> Option<Power> {
        let (min_mw, max_mw) = self.range?;
        // A first sample stands for no time yet.
        let mean = match self.measured_ms {
            0 => self.sum / i128::from(self.count),
            measured => self.area / i128::from(measured),
        };
        let mean_mw = Milliwatts(i64::try_from(mean).unwrap_or(max_mw.0));
        Some(Power { mean_mw, min_mw, max_mw })
    }
}
