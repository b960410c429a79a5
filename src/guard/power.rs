//! What power samples show: how much energy was consumed between two readings, and how much power this connection carries.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::flow::RegisterPoint;
use super::power_fault::PowerJump;
use super::settings::MeterSettings;
use super::trust::PowerTrust;
use crate::clock::ClockReading;
use crate::units::{MilliwattHours, Milliwatts};

const SECONDS_PER_HOUR: u64 = 3600;
const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;
const NANOSECONDS_PER_HOUR: u64 = SECONDS_PER_HOUR * NANOSECONDS_PER_SECOND;
/// The shortest time from which a rate is learned: less says more about the register's resolution than about the load.
const STRETCH_MIN: Duration = Duration::from_secs(60);
/// After this time a new stretch begins.
const STRETCH_LONG: Duration = Duration::from_secs(300);
/// The longest time between two updates of a register that advances in lumps: some are updated once a day.
const LUMP_MAX: Duration = Duration::from_secs(25 * 3600);
/// Power above this many times `max_power` is not an overload but a wrong power register.
const OVERLOAD_MAX: i64 = 10;
/// The slowest poll that the configuration allows.
const SLOWEST_POLL: Duration = Duration::from_secs(180);

/// The energy that power samples account for, as running totals: the difference of two is what passed between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnergyBounds {
    /// The energy at the lower of each two neighbouring samples, in µWh: consumed at the least.
    pub lower: u64,
    /// The energy at the higher of each two neighbouring samples, in µWh; no sample above what the connection carries.
    pub upper: u64,
    /// The time during which neighbouring samples were at most two polls apart.
    pub covered: Duration,
}

/// One sample of the power register.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PowerSample {
    /// 0 or more: export counts as 0.
    pub power: Milliwatts,
    /// When the answer arrived.
    pub at: ClockReading,
}

/// Two neighbouring samples, at most two polls apart; export counts as 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SamplePair {
    pub(super) before: Milliwatts,
    pub(super) after: Milliwatts,
    pub(super) apart: Duration,
}

/// What is known of a meter's power. Of fixed size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PowerMemory {
    /// The last samples without a gap, at most three, oldest first.
    pub(super) samples: Vec<PowerSample>,
    /// The last times between polls, at most three.
    pub(super) intervals: Vec<Duration>,
    pub(super) polled_at: Option<ClockReading>,
    pub(super) rates: ConnectionRates,
    pub(super) suspected: Option<Overload>,
    pub(super) stretch: Option<Stretch>,
    pub(super) trust: PowerTrust,
    /// Samples in a row that the connection cannot carry, and the last of them from the third on.
    pub(super) excess: u32,
    pub(super) excessive: Option<Milliwatts>,
    /// A rise of power that the counter has not confirmed yet.
    pub(super) jump: Option<Box<PowerJump>>,
    /// Energy that flowed backwards, by the power register, since the register last advanced, in µWh; and the last such sample.
    pub(super) backward: u64,
    pub(super) last_backward: Option<PowerSample>,
    /// The last times between two advances of the register, at most three, and when it last advanced.
    pub(super) lumps: Vec<Duration>,
    pub(super) advanced_at: Option<ClockReading>,
    /// How far it has risen since then by what may be noise, in mWh.
    pub(super) wobbled: u64,
}

/// What this connection was ever seen to carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ConnectionRates {
    /// The highest power that three samples in a row reached.
    pub(super) sustained: Milliwatts,
    /// The highest rate of the register over a minute or more.
    pub(super) seen: Option<Milliwatts>,
    /// More than `max_power`, given by the power register and confirmed by the counter; or by the counter alone where no power is measured.
    pub(super) overload: Milliwatts,
    /// The register was seen to fall by no more than two steps: an advance as small may be noise too.
    pub(super) noisy: bool,
}

impl ConnectionRates {
    /// Whether these say more than those that are stored: a rate that is higher by a sixteenth at least, or something else.
    pub(super) fn exceed(&self, stored: &ConnectionRates) -> bool {
        let exceeds = |now: Milliwatts, before: Milliwatts| now.0 - before.0 > before.0 / 16;
        let seen = exceeds(self.seen.unwrap_or_default(), stored.seen.unwrap_or_default());
        seen || exceeds(self.sustained, stored.sustained)
            || self.overload != stored.overload
            || self.noisy != stored.noisy
    }
}

/// The beginning of the time from which a rate is learned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stretch {
    pub(super) value: MilliwattHours,
    pub(super) at: ClockReading,
    pub(super) totals: EnergyBounds,
}

/// A power above `max_power` that the counter has not confirmed yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Overload {
    power: Milliwatts,
    value: MilliwattHours,
    totals: EnergyBounds,
}

impl PowerMemory {
    /// Records a poll. Returns the pair of its sample and the one before, if there is no gap between them.
    pub(super) fn note(
        &mut self,
        settings: &MeterSettings,
        at: &ClockReading,
        power: Option<Milliwatts>,
    ) -> Option<SamplePair> {
        if let Some(interval) = self.polled_at.and_then(|before| at.since(&before)) {
            keep_last(&mut self.intervals, 3, interval);
        }
        self.polled_at = Some(*at);
        self.note_backward(settings, at, power);
        let sample = PowerSample { power: power?.consumed(), at: *at };
        let before = self.samples.last().copied();
        let pair = before.and_then(|before| {
            let apart = at.since(&before.at)?;
            (apart <= self.two_polls(settings)).then_some(SamplePair {
                before: before.power,
                after: sample.power,
                apart,
            })
        });
        if pair.is_none() {
            self.samples.clear();
        }
        keep_last(&mut self.samples, 3, sample);
        self.rates.sustained = self.rates.sustained.max(self.sustained_now());
        pair
    }

    /// Notes a power that the connection cannot carry; `None` is one that it can.
    pub(super) fn note_excess(&mut self, power: Option<Milliwatts>) {
        self.excess = if power.is_some() { self.excess.saturating_add(1) } else { 0 };
        self.excessive = power.filter(|_| self.excess >= 3);
    }

    /// Adds up what flows backwards.
    fn note_backward(&mut self, settings: &MeterSettings, at: &ClockReading, power: Option<Milliwatts>) {
        let power = power.map(|power| Milliwatts(power.0.saturating_neg())).filter(|power| power.0 > 0);
        let sample = power.map(|power| PowerSample { power, at: *at });
        if let (Some(before), Some(now)) = (self.last_backward, sample)
            && let Some(apart) = at.since(&before.at).filter(|apart| *apart <= self.two_polls(settings))
        {
            self.backward = self.backward.saturating_add(micro(before.power.min(now.power), apart));
        }
        self.last_backward = sample;
    }

    /// Two poll intervals and a little for jitter. If a busy line polls slower than configured, its real interval counts.
    pub(super) fn two_polls(&self, settings: &MeterSettings) -> Duration {
        let kept = match self.intervals.len() {
            3 => self.intervals.iter().min().copied().unwrap_or_default().min(SLOWEST_POLL),
            _ => Duration::ZERO,
        };
        settings.poll_every.max(kept) * 21 / 10
    }

    /// How long the register is known to be unchanged between two advances.
    pub(super) fn lump(&self) -> Duration {
        let regular = self.lumps.iter().min().copied().filter(|_| self.lumps.len() == 3);
        regular.map_or(Duration::ZERO, |lump| lump * 11 / 10).min(LUMP_MAX)
    }

    /// The longest time between its last advances; absent if too few were seen.
    pub(super) fn longest_lump(&self) -> Option<Duration> {
        self.lumps.iter().max().filter(|_| self.lumps.len() == 3).map(|lump| *lump * 11 / 10)
    }

    pub(super) fn last(&self) -> Option<PowerSample> {
        self.samples.last().copied()
    }

    /// Continues after that sample, if the memory is older.
    pub(super) fn resume(&mut self, sample: PowerSample) {
        if self.last() != Some(sample) {
            self.samples = vec![sample];
        }
    }

    /// The highest of the last samples; 0 where power has proved wrong.
    pub(super) fn recent(&self) -> Milliwatts {
        if self.trust.wrong {
            return Milliwatts(0);
        }
        self.samples.iter().map(|sample| sample.power).max().unwrap_or_default()
    }

    /// The limit of this connection: as configured, or more if both registers have shown it.
    pub(super) fn measure(&self, settings: &MeterSettings) -> Milliwatts {
        settings.max_power.max(self.rates.overload)
    }

    /// Raises the limit after three samples in a row above `max_power`, once the advance of the register confirms them.
    pub(super) fn note_overload(
        &mut self,
        settings: &MeterSettings,
        value: MilliwattHours,
        step: MilliwattHours,
        totals: &EnergyBounds,
    ) {
        let most = Milliwatts(settings.max_power.0.saturating_mul(OVERLOAD_MAX));
        let power = self.sustained_now().min(most);
        if power > self.measure(settings) {
            let first = Overload { power, value, totals: *totals };
            let suspected = self.suspected.get_or_insert(first);
            suspected.power = suspected.power.max(power);
        }
        let Some(suspected) = self.suspected.filter(|suspected| suspected.value != value) else { return };
        let said = totals.since(&suspected.totals).lower;
        let advance = value.saturating_sub(suspected.value).get();
        let tolerance = 2 * step.get();
        if value > suspected.value && advance + tolerance >= said / 2 && advance <= 2 * said + tolerance {
            self.rates.overload = self.rates.overload.max(suspected.power);
        }
        self.suspected = None;
    }

    /// The power that the last three samples all reached; 0 with fewer samples.
    pub(super) fn sustained_now(&self) -> Milliwatts {
        match self.samples.len() {
            3 => self.samples.iter().map(|sample| sample.power).min().unwrap_or_default(),
            _ => Milliwatts(0),
        }
    }

    /// Learns from a register that was taken: its rate, when it is updated, and whether power agrees with it.
    pub(super) fn learn(&mut self, settings: &MeterSettings, taken: &RegisterPoint, totals: &EnergyBounds) {
        if let Some(lump) = self.advanced_at.and_then(|before| taken.at.since(&before)) {
            keep_last(&mut self.lumps, 3, lump);
        }
        self.advanced_at = Some(taken.at);
        let here = Stretch { value: taken.value, at: taken.at, totals: *totals };
        (self.backward, self.wobbled) = (0, 0);
        let poll = self.two_polls(settings) / 2;
        let (recent, full) = (energy(self.recent(), 2 * poll), energy(self.measure(settings), poll));
        self.trust.learn(here, taken.step, recent, full);
        let Some((from, elapsed)) = self.stretch.and_then(|from| Some((from, taken.at.since(&from.at)?))) else {
            self.stretch = Some(here);
            return;
        };
        self.learn_rate(taken.value.saturating_sub(from.value), taken.step, elapsed);
        if elapsed >= STRETCH_LONG {
            self.stretch = Some(here);
        }
    }

    /// Learns from an advance of a register that was watched for `elapsed`.
    pub(super) fn learn_rate(&mut self, change: MilliwattHours, step: MilliwattHours, elapsed: Duration) {
        if elapsed < STRETCH_MIN || change == MilliwattHours::ZERO {
            return;
        }
        let sure = change.get().saturating_sub(2 * step.get());
        self.rates.seen = Some(self.rates.seen.unwrap_or_default().max(rate(sure, elapsed)));
    }

    /// Learns no rate from a doubted advance: only from what follows.
    pub(super) fn forget_rate(&mut self) {
        self.stretch = None;
    }

    /// Forgets what belongs to the old register when another one counts.
    pub(super) fn forget_stretch(&mut self) {
        self.stretch = None;
        self.lumps.clear();
        self.advanced_at = None;
        self.suspected = None;
        self.jump = None;
        self.trust.another_register();
    }

    /// Forgets samples of another scale.
    pub(super) fn forget_samples(&mut self) {
        self.samples.clear();
    }

    pub(super) fn stamps(&mut self) -> impl Iterator<Item = &mut ClockReading> {
        let samples = self.samples.iter_mut().map(|sample| &mut sample.at);
        samples
            .chain(self.polled_at.as_mut())
            .chain(self.stretch.as_mut().map(|from| &mut from.at))
            .chain(self.trust.stamp())
            .chain(self.last_backward.as_mut().map(|sample| &mut sample.at))
            .chain(self.advanced_at.as_mut())
            .chain(self.jump.as_mut().and_then(|jump| jump.stamp()))
    }
}

impl EnergyBounds {
    /// Adds what passed between two samples; no power above `carried` counts for the upper bound.
    pub(super) fn add(&mut self, pair: SamplePair, carried: Milliwatts) {
        let upper = pair.before.max(pair.after).min(carried);
        self.lower = self.lower.saturating_add(micro(pair.before.min(pair.after), pair.apart));
        self.upper = self.upper.saturating_add(micro(upper, pair.apart));
        self.covered = self.covered.saturating_add(pair.apart);
    }

    /// These totals when as much as `energy` was consumed since, but no more than is in the totals of `now`.
    pub(super) fn after(&self, energy: MilliwattHours, now: &EnergyBounds) -> EnergyBounds {
        let energy = energy.get().saturating_mul(1000);
        let [lower, upper] = [(self.lower, now.lower), (self.upper, now.upper)]
            .map(|(then, now)| then.saturating_add(energy).min(now.max(then)));
        EnergyBounds { lower, upper, covered: self.covered }
    }

    /// What passed since these totals were `earlier`.
    pub(super) fn since(&self, earlier: &EnergyBounds) -> SampledEnergy {
        SampledEnergy {
            lower: self.lower.saturating_sub(earlier.lower) / 1000,
            upper: self.upper.saturating_sub(earlier.upper).div_ceil(1000),
            covered: self.covered.saturating_sub(earlier.covered),
        }
    }
}

/// The energy that power samples account for between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SampledEnergy {
    /// At least, in mWh.
    pub(super) lower: u64,
    /// At most, in mWh.
    pub(super) upper: u64,
    /// The part of the time that samples cover.
    pub(super) covered: Duration,
}

/// Power times time in mWh, rounded down and bounded so that sums do not overflow.
pub(super) fn energy(power: Milliwatts, time: Duration) -> u64 {
    parts_of_energy(power.consumed(), time, 1).min(8 * MilliwattHours::MAX.get())
}

pub(super) fn rate(energy: u64, time: Duration) -> Milliwatts {
    let rate = u128::from(energy) * u128::from(NANOSECONDS_PER_HOUR) / time.as_nanos().max(1);
    Milliwatts(i64::try_from(rate).unwrap_or(i64::MAX))
}

fn micro(power: Milliwatts, time: Duration) -> u64 {
    parts_of_energy(power, time, 1000)
}

/// Power times time, rounded down, in units of which 1 mWh has `parts`: 1 or 1000. Each reading computes many of them, and a division of
/// 128 bits takes many times as long as one of 64: so the whole seconds are divided first.
fn parts_of_energy(power: Milliwatts, time: Duration, parts: u64) -> u64 {
    let power = power.0.unsigned_abs();
    let in_64_bits = || {
        let seconds = power.checked_mul(parts)?.checked_mul(time.as_secs())?;
        let rest = (seconds % SECONDS_PER_HOUR) * (NANOSECONDS_PER_SECOND / parts);
        let rest = power.checked_mul(time.subsec_nanos().into())?.checked_add(rest)?;
        (seconds / SECONDS_PER_HOUR).checked_add(rest / (NANOSECONDS_PER_HOUR / parts))
    };
    let in_128_bits = || {
        let all = u128::from(power).saturating_mul(time.as_nanos()) / u128::from(NANOSECONDS_PER_HOUR / parts);
        u64::try_from(all).unwrap_or(u64::MAX)
    };
    in_64_bits().unwrap_or_else(in_128_bits)
}

fn keep_last<T>(items: &mut Vec<T>, count: usize, item: T) {
    if items.len() >= count {
        items.remove(0);
    }
    items.push(item);
}
