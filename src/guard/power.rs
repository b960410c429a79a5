//! What the power register testifies: how much energy passed between two readings, and how much power this connection really carries.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::settings::MeterSettings;
use crate::clock::ClockReading;
use crate::units::{MilliwattHours, Milliwatts};

const NANOSECONDS_PER_HOUR: u128 = 3_600_000_000_000;
/// Rates are learned from stretches at least this long: shorter ones say more about the register's least digit than about the load.
const STRETCH_MIN: Duration = Duration::from_secs(60);
/// A stretch that is this long is followed by another.
const STRETCH_LONG: Duration = Duration::from_secs(300);
/// Longer ones say nothing of how much the connection carries at a time.
const STRETCH_MAX: Duration = Duration::from_secs(3600);
/// Registers that are updated in lumps are updated at least this often.
const LUMP_MAX: Duration = Duration::from_secs(1800);
/// More than this many times `max_power` is no overload but a wrong power register.
const OVERLOAD_MAX: i64 = 10;
/// No configuration polls slower than this, so no longer pace is believed.
const SLOWEST_POLL: Duration = Duration::from_secs(180);

/// What the power samples say of the energy, as running totals: the difference of two tells what passed between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Witness {
    /// Of two neighbouring samples the lower, in µWh: what was at least consumed.
    pub lower: u64,
    /// Of two neighbouring samples the higher, in µWh, none above what the connection carries.
    pub upper: u64,
    /// For how long neighbouring samples were at most two polls apart.
    pub covered: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) power: Milliwatts,
    pub(super) at: ClockReading,
}

/// Two neighbouring samples, at most two polls apart; export counts as 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) before: Milliwatts,
    pub(super) after: Milliwatts,
    pub(super) apart: Duration,
}

/// What is remembered of a meter's power. Of fixed size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PowerMemory {
    /// The last samples without a gap, at most three, oldest first.
    samples: Vec<Sample>,
    /// The last times between polls, at most three.
    intervals: Vec<Duration>,
    polled_at: Option<ClockReading>,
    pub(super) totals: Witness,
    /// The highest power that three samples in a row reached.
    pub(super) sustained: Milliwatts,
    /// The highest rate of the register over a minute or more.
    pub(super) seen: Option<Milliwatts>,
    /// The highest rate of the register beyond what the power register said at the same time.
    pub(super) hidden: Milliwatts,
    /// More than `max_power`, as the power register said it and the counter confirmed it.
    overload: Milliwatts,
    suspected: Option<Overload>,
    stretch: Option<Stretch>,
    /// The last times between two advances of the register, at most three, and when it last advanced.
    lumps: Vec<Duration>,
    /// The register was seen to fall by no more than two steps: so small an advance may be noise as well.
    pub(super) noisy: bool,
    advanced_at: Option<ClockReading>,
}

/// Where a rate is learned from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Stretch {
    value: MilliwattHours,
    at: ClockReading,
    totals: Witness,
}

/// A power above `max_power` that the counter has not confirmed yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Overload {
    power: Milliwatts,
    value: MilliwattHours,
    totals: Witness,
}

impl PowerMemory {
    /// Takes note of a poll; gives the pair that its sample makes with the one before, where there is no gap between them.
    pub(super) fn note(
        &mut self,
        settings: &MeterSettings,
        at: &ClockReading,
        power: Option<Milliwatts>,
    ) -> Option<Pair> {
        if let Some(interval) = self.polled_at.and_then(|before| at.since(&before)) {
            keep_last(&mut self.intervals, 3, interval);
        }
        self.polled_at = Some(*at);
        let sample = Sample { power: power?.consumed(), at: *at };
        let before = self.samples.last().copied();
        let pair = before.and_then(|before| {
            let apart = at.since(&before.at)?;
            (apart <= self.two_polls(settings)).then_some(Pair { before: before.power, after: sample.power, apart })
        });
        if pair.is_none() {
            self.samples.clear();
        }
        keep_last(&mut self.samples, 3, sample);
        self.sustained = self.sustained.max(self.sustained_now());
        if let Some(pair) = pair {
            let carried = self.measure(settings).max(self.sustained_now());
            let upper = pair.before.max(pair.after).min(carried);
            self.totals.lower = self.totals.lower.saturating_add(micro(pair.before.min(pair.after), pair.apart));
            self.totals.upper = self.totals.upper.saturating_add(micro(upper, pair.apart));
            self.totals.covered = self.totals.covered.saturating_add(pair.apart);
        }
        pair
    }

    /// Two poll intervals and a little for jitter. Where a busy line polls slower than asked for, the pace that it keeps counts.
    pub(super) fn two_polls(&self, settings: &MeterSettings) -> Duration {
        let kept = match self.intervals.len() {
            3 => self.intervals.iter().min().copied().unwrap_or_default().min(SLOWEST_POLL),
            _ => Duration::ZERO,
        };
        settings.poll_every.max(kept) * 21 / 10
    }

    /// For how long the register is known to stand between two advances.
    pub(super) fn lump(&self) -> Duration {
        let regular = self.lumps.iter().min().copied().filter(|_| self.lumps.len() == 3);
        regular.map_or(Duration::ZERO, |lump| lump * 11 / 10).min(LUMP_MAX)
    }

    /// The longest that it stood between its last advances; absent where too few were seen.
    pub(super) fn longest_lump(&self) -> Option<Duration> {
        self.lumps.iter().max().filter(|_| self.lumps.len() == 3).map(|lump| *lump * 11 / 10)
    }

    pub(super) fn last(&self) -> Option<Sample> {
        self.samples.last().copied()
    }

    /// Goes on behind that sample; what came before it is not known.
    pub(super) fn resume(&mut self, sample: Sample) {
        self.samples = vec![sample];
    }

    /// The highest of the last samples.
    pub(super) fn recent(&self) -> Milliwatts {
        self.samples.iter().map(|sample| sample.power).max().unwrap_or_default()
    }

    /// What this connection carries: as configured, or what both registers have shown that it carries.
    pub(super) fn measure(&self, settings: &MeterSettings) -> Milliwatts {
        settings.max_power.max(self.overload)
    }

    /// Believes three samples in a row above `max_power` once the register, taken at `value`, advances about as they say.
    pub(super) fn note_overload(&mut self, settings: &MeterSettings, value: MilliwattHours, step: MilliwattHours) {
        let most = Milliwatts(settings.max_power.0.saturating_mul(OVERLOAD_MAX));
        let power = self.sustained_now().min(most);
        if power > self.measure(settings) {
            let first = Overload { power, value, totals: self.totals };
            let suspected = self.suspected.get_or_insert(first);
            suspected.power = suspected.power.max(power);
        }
        let Some(suspected) = self.suspected.filter(|suspected| suspected.value != value) else { return };
        let (said, _, _) = self.totals.since(&suspected.totals);
        let advance = value.saturating_sub(suspected.value).get();
        let grace = 2 * step.get();
        if value > suspected.value && advance + grace >= said / 2 && advance <= 2 * said + grace {
            self.overload = self.overload.max(suspected.power);
        }
        self.suspected = None;
    }

    /// The power that the last three samples all reached; 0 without three.
    pub(super) fn sustained_now(&self) -> Milliwatts {
        match self.samples.len() {
            3 => self.samples.iter().map(|sample| sample.power).min().unwrap_or_default(),
            _ => Milliwatts(0),
        }
    }

    /// Learns the register's rate from a value that was taken.
    pub(super) fn learn(&mut self, value: MilliwattHours, step: MilliwattHours, at: &ClockReading) {
        if let Some(lump) = self.advanced_at.and_then(|before| at.since(&before)) {
            keep_last(&mut self.lumps, 3, lump);
        }
        self.advanced_at = Some(*at);
        let here = Stretch { value, at: *at, totals: self.totals };
        let known = self.stretch.and_then(|from| Some((from, at.since(&from.at)?)));
        let Some((from, elapsed)) = known.filter(|(_, elapsed)| *elapsed <= STRETCH_MAX) else {
            self.stretch = Some(here);
            return;
        };
        self.learn_rate(value.saturating_sub(from.value), step, elapsed, &from.totals);
        if elapsed >= STRETCH_LONG {
            self.stretch = Some(here);
        }
    }

    /// Learns from an advance of a register that was watched since the power's totals were `from`.
    pub(super) fn learn_rate(
        &mut self,
        change: MilliwattHours,
        step: MilliwattHours,
        elapsed: Duration,
        from: &Witness,
    ) {
        if elapsed < STRETCH_MIN {
            return;
        }
        let (_, upper, covered) = self.totals.since(from);
        let sure = change.get().saturating_sub(2 * step.get());
        self.seen = Some(self.seen.unwrap_or_default().max(rate(sure, elapsed)));
        if covered * 10 >= elapsed * 9 {
            self.hidden = self.hidden.max(rate(sure.saturating_sub(upper + upper / 4), elapsed));
        }
    }

    /// Whether something lasting was learned since `stored`: what three polls or three advances would tell again is not worth a word.
    pub(super) fn knows_more_than(&self, stored: &PowerMemory) -> bool {
        let more = |now: Milliwatts, then: Milliwatts| now.0 > then.0.saturating_add(then.0 / 8);
        self.overload != stored.overload
            || self.noisy != stored.noisy
            || self.seen.is_some() != stored.seen.is_some()
            || more(self.seen.unwrap_or_default(), stored.seen.unwrap_or_default())
            || more(self.hidden, stored.hidden)
            || more(self.sustained, stored.sustained)
    }

    /// Another register counts from here on: no rate leads from the old one to it.
    pub(super) fn forget_stretch(&mut self) {
        self.stretch = None;
        self.lumps.clear();
        self.advanced_at = None;
        self.suspected = None;
    }

    /// Samples that were scaled in another way are no neighbours of what follows.
    pub(super) fn forget_samples(&mut self) {
        self.samples.clear();
    }

    pub(super) fn stamps(&mut self) -> impl Iterator<Item = &mut ClockReading> {
        let samples = self.samples.iter_mut().map(|sample| &mut sample.at);
        samples
            .chain(self.polled_at.as_mut())
            .chain(self.stretch.as_mut().map(|from| &mut from.at))
            .chain(self.advanced_at.as_mut())
    }
}

impl Witness {
    pub(super) fn minus(&self, earlier: &Witness) -> Witness {
        Witness {
            lower: self.lower.saturating_sub(earlier.lower),
            upper: self.upper.saturating_sub(earlier.upper),
            covered: self.covered.saturating_sub(earlier.covered),
        }
    }

    pub(super) fn plus(&self, more: &Witness) -> Witness {
        Witness {
            lower: self.lower.saturating_add(more.lower),
            upper: self.upper.saturating_add(more.upper),
            covered: self.covered.saturating_add(more.covered),
        }
    }

    /// What passed between two totals: at least, at most (both in mWh), and for how long the samples tell it.
    pub(super) fn since(&self, earlier: &Witness) -> (u64, u64, Duration) {
        let lower = self.lower.saturating_sub(earlier.lower) / 1000;
        let upper = self.upper.saturating_sub(earlier.upper).div_ceil(1000);
        (lower, upper, self.covered.saturating_sub(earlier.covered))
    }
}

/// Power over time in mWh, rounded down, and never more than a few times what a register can say: sums of it do not overflow.
pub(super) fn energy(power: Milliwatts, time: Duration) -> u64 {
    let power = u128::from(power.consumed().0.unsigned_abs());
    let energy = power.saturating_mul(time.as_nanos()) / NANOSECONDS_PER_HOUR;
    u64::try_from(energy).unwrap_or(u64::MAX).min(8 * MilliwattHours::MAX.get())
}

fn rate(energy: u64, time: Duration) -> Milliwatts {
    let rate = u128::from(energy) * NANOSECONDS_PER_HOUR / time.as_nanos().max(1);
    Milliwatts(i64::try_from(rate).unwrap_or(i64::MAX))
}

fn micro(power: Milliwatts, time: Duration) -> u64 {
    let power = u128::from(power.0.unsigned_abs());
    let energy = power.saturating_mul(time.as_nanos()) / (NANOSECONDS_PER_HOUR / 1000);
    u64::try_from(energy).unwrap_or(u64::MAX)
}

fn keep_last<T>(items: &mut Vec<T>, count: usize, item: T) {
    if items.len() >= count {
        items.remove(0);
    }
    items.push(item);
}
