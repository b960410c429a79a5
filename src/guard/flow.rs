//! How much energy can have flowed between two registers, and what that makes of an advance.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::power::{EnergyBounds, PowerMemory, SampledEnergy, energy};
use super::settings::MeterSettings;
use crate::clock::ClockReading;
use crate::reading::Register;
use crate::units::{MilliwattHours, Milliwatts};

/// How long a register may have been unchanged before it was first read: many meters update it every 15 minutes.
pub(super) const FIRST_UPDATE: Duration = Duration::from_secs(15 * 60);
const MINUTE: Duration = Duration::from_secs(60);
/// How long full power may have gone unnoticed between samples of an idle connection.
const UNNOTICED: Duration = Duration::from_secs(5 * 60);
/// How long a register must stand still while power flows before it is taken for one that is updated in lumps.
const STANDS: Duration = Duration::from_secs(5 * 60);
/// For this much of a gap, the connection may well have carried full power.
const SHORT_GAP: Duration = Duration::from_secs(5 * 60);
/// Power above this many times the limit of the connection is not an overload but a wrong power register.
const OVERLOAD_MAX: u64 = 10;

/// A register value, with all that is needed to judge the next one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegisterPoint {
    /// The register.
    pub value: MilliwattHours,
    /// Its resolution, at least 1 mWh.
    pub step: MilliwattHours,
    /// When the register was first seen at this value.
    pub at: ClockReading,
    /// The totals of the power samples at that time.
    #[serde(default)]
    pub witness: EnergyBounds,
    /// How much of the tolerance earlier advances have used up, in mWh: it is not given again with each advance.
    #[serde(default)]
    pub debt: u64,
    /// Nobody saw the register advance to this value (a first reading, or one after a gap): it may have had it for a while.
    #[serde(default)]
    pub fresh: bool,
    /// How long before `at` the register was last read, and did not have this value yet; 0 where that is not known.
    #[serde(default)]
    pub unseen: Duration,
}

impl RegisterPoint {
    /// The register of this poll. `gap` is the time since the poll before in which it was read.
    pub(super) fn new(register: &Register, at: &ClockReading, witness: EnergyBounds, gap: Option<Duration>) -> Self {
        let unseen = gap.unwrap_or_default();
        RegisterPoint { value: register.value, step: register.step, at: *at, witness, debt: 0, fresh: false, unseen }
    }

    /// The point after a gap in reading: the register may have had this value for a while.
    pub(super) fn after(self, unseen: Duration) -> Self {
        RegisterPoint { fresh: true, unseen, ..self }
    }
}

/// The grade of an advance, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// Explained by power, or by the known rate of the register.
    Explained,
    /// Not measured, but the connection can well have carried it.
    Possible,
    /// Possible, but not what was measured, or far more than this connection has ever carried.
    Doubtful,
    /// Too much for the time since the last advance.
    Beyond,
    /// Too much for the time that is certain, and no trusted clock tells the real time.
    Untold,
}

/// How much energy can have flowed between two registers, in mWh. Each bound includes the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// What power samples account for at the least.
    pub least: u64,
    /// About this much at the most, by power samples, or by the known rate of the register where there are none.
    pub expected: u64,
    /// At most this much is explained: a quarter more than expected, and the tolerance.
    pub measured: u64,
    /// At most this much would be usual: full power for two polls, and what this connection carries where it was not sampled.
    pub usual: u64,
    /// At most this much can be, as far as the measured power and the time tell.
    pub most: u64,
    /// Whether the time between the two is known.
    pub dated: bool,
}

impl Flow {
    /// What an advance by `change` is worth. A register that was 0 reaches a value by counting; a meter that has started shows its old one.
    fn grade(&self, change: u64, from_zero: bool) -> Grade {
        match change {
            _ if change <= self.measured => Grade::Explained,
            _ if change <= self.usual => Grade::Possible,
            _ if change <= self.most && !from_zero => Grade::Doubtful,
            _ if change <= self.most || self.dated => Grade::Beyond,
            _ => Grade::Untold,
        }
    }
}

/// What an advance is judged with, apart from the two registers.
pub(super) struct Measure<'a> {
    memory: &'a PowerMemory,
    pub(super) totals: &'a EnergyBounds,
    /// [`PowerMemory::measure`], [`PowerMemory::two_polls`] and [`PowerMemory::lump`]: a judgement needs each of them many times.
    full: Milliwatts,
    two_polls: Duration,
    lump: Duration,
}

impl<'a> Measure<'a> {
    pub(super) fn new(memory: &'a PowerMemory, totals: &'a EnergyBounds, settings: &MeterSettings) -> Self {
        let (full, two_polls, lump) = (memory.measure(settings), memory.two_polls(settings), memory.lump());
        Measure { memory, totals, full, two_polls, lump }
    }
}

impl Measure<'_> {
    /// Grades the advance from `from` to `to`; `to` is not lower.
    pub(super) fn grade(&self, from: &RegisterPoint, to: &RegisterPoint) -> Grade {
        self.flow(from, to).grade(change(from, to), from.value == MilliwattHours::ZERO)
    }

    /// How much energy can have flowed from `from` to `to`.
    pub(super) fn flow(&self, from: &RegisterPoint, to: &RegisterPoint) -> Flow {
        let told = to.at.since(&from.at);
        // Across a restart of the machine, at least the time since this boot is certain.
        let elapsed = told.unwrap_or(to.at.since_boot);
        let SampledEnergy { lower, upper, covered } = self.sampled(from, to);
        let uncovered = elapsed.saturating_sub(covered);
        let (full, two_polls) = (self.full, self.two_polls);
        let explained = self.explained(change(from, to), lower, full, elapsed);
        let upper = upper.max(explained);
        let (late, stood) = (self.late(from), self.stood(from, elapsed));
        let slack = self.slack(from, to);

        let close = energy(self.memory.recent().min(full), late);
        let blind = match uncovered.min(two_polls.max(self.lump)) {
            Duration::ZERO => 0,
            unread => energy(self.known_rate(full), unread + late),
        };
        // In a short gap, probably no more flowed than after it.
        let blind = blind.max(energy(self.memory.recent().min(full), uncovered.min(SHORT_GAP)));
        let expected = upper + close + blind;
        let measured = quarter_more(expected) + self.tolerance(from, to);

        let gap = uncovered.min(SHORT_GAP).min(to.unseen + self.memory.longest_lump().unwrap_or(SHORT_GAP));
        let unread = energy(full, gap) + energy(self.usual_rate(full), uncovered);
        let unnoticed = if self.memory.trust.agreed == 0 { MINUTE.max(two_polls) } else { two_polls };
        let usual = quarter_more(upper + unread + energy(self.known_usual_rate(full), stood)) + energy(full, unnoticed);
        let carried = quarter_more(energy(full, elapsed + stood).max(explained)) + slack;
        let usual =
            if self.is_learning(from, to) || self.is_due(elapsed) { carried } else { usual + self.tolerance(from, to) };

        // If the last advance was read late, because of a frozen value or a dip, there was more time than it seems.
        let delay = MINUTE.max(two_polls).max(self.lump);
        let most =
            (carried + quarter_more(energy(full, delay))).min(self.sampled_most(from, to, upper, elapsed, stood));
        let measured = measured.min(carried).min(most);
        let usual = usual.min(carried).min(most).max(measured);
        Flow { least: lower, expected, measured, usual, most, dated: told.is_some() }
    }

    /// Whether a register that is updated in lumps is due to be updated.
    fn is_due(&self, elapsed: Duration) -> bool {
        let lump = self.lump;
        lump >= MINUTE.max(self.two_polls) && elapsed * 11 >= lump * 10 && elapsed * 10 <= lump * 11
    }

    /// Whether it is not known yet how power and the register of this meter belong together, and there is a sign that they disagree: the
    /// register stands still while power flows, power flows backwards, or the two have disagreed before.
    fn is_learning(&self, from: &RegisterPoint, to: &RegisterPoint) -> bool {
        let trust = &self.memory.trust;
        if trust.agreed > 0 {
            return false;
        }
        let long = to.at.since(&from.at).is_some_and(|elapsed| elapsed >= STANDS);
        let stands = long && self.is_stale(from, to) || self.fits_backward(from, to);
        trust.contradicted > 0 || self.memory.lumps.is_empty() && stands
    }

    /// Whether the register rose by what flowed backwards according to the power register.
    fn fits_backward(&self, from: &RegisterPoint, to: &RegisterPoint) -> bool {
        let backward = self.memory.backward / 1000;
        let rate = self.memory.last_backward.map(|sample| sample.power).unwrap_or_default();
        let before = if from.fresh { energy(rate, FIRST_UPDATE) } else { 0 };
        let (change, tolerance) = (change(from, to), 2 * steps(from, to));
        backward > 0
            && change <= quarter_more(backward + before) + tolerance
            && quarter_more(change) + tolerance >= backward
    }

    /// Whether power says that the register should have advanced.
    fn is_stale(&self, from: &RegisterPoint, to: &RegisterPoint) -> bool {
        self.sampled(from, to).lower > 2 * steps(from, to) && from.value > MilliwattHours::ZERO
    }

    /// With power samples all the time, a long standstill does not make a large advance possible. Unless power says that the register
    /// should have advanced: then a gateway may have repeated old values of both.
    fn sampled_most(
        &self,
        from: &RegisterPoint,
        to: &RegisterPoint,
        upper: u64,
        elapsed: Duration,
        stood: Duration,
    ) -> u64 {
        if self.is_stale(from, to) || self.is_learning(from, to) {
            return u64::MAX;
        }
        let (full, lump) = (self.full, self.lump);
        let uncovered = elapsed.saturating_sub(self.sampled(from, to).covered);
        // A register that was 0 reaches a value by counting.
        let two_polls = if from.value == MilliwattHours::ZERO { Duration::ZERO } else { self.two_polls };
        let unnoticed = if elapsed * 10 >= lump * 9 { lump } else { Duration::ZERO };
        2 * (upper + energy(full, uncovered))
            + quarter_more(energy(full, unnoticed.max(UNNOTICED).max(two_polls) + stood))
            + self.tolerance(from, to)
    }

    /// What power samples account for between the two; nothing where power has proved wrong.
    pub(super) fn sampled(&self, from: &RegisterPoint, to: &RegisterPoint) -> SampledEnergy {
        if self.memory.trust.wrong { SampledEnergy::default() } else { to.witness.since(&from.witness) }
    }

    /// How long the register may have had the value of `from` before it was read, where it was read all the time.
    fn late(&self, from: &RegisterPoint) -> Duration {
        let poll = self.two_polls / 2;
        if from.fresh || from.unseen.is_zero() { poll } else { from.unseen.min(2 * poll) }
    }

    /// How long the register may have had the value of `from` before it was read, where it was not read for a while: no longer than that,
    /// and no longer than it is known to be unchanged between two advances.
    fn stood(&self, from: &RegisterPoint, elapsed: Duration) -> Duration {
        let unseen = if from.unseen.is_zero() { FIRST_UPDATE } else { from.unseen };
        if !from.fresh || elapsed >= unseen.max(FIRST_UPDATE) || from.value == MilliwattHours::ZERO {
            return Duration::ZERO;
        }
        unseen.min(self.memory.longest_lump().unwrap_or(unseen))
    }

    /// Two steps of the register, less what earlier advances have used up.
    fn tolerance(&self, from: &RegisterPoint, to: &RegisterPoint) -> u64 {
        (2 * steps(from, to)).saturating_sub(from.debt)
    }

    /// What an advance may exceed the time by: two steps, and full power for the time in which the advance before was read late. Less what
    /// earlier advances have used up.
    fn slack(&self, from: &RegisterPoint, to: &RegisterPoint) -> u64 {
        self.slack_after(from, to).saturating_sub(from.debt)
    }

    fn slack_after(&self, point: &RegisterPoint, other: &RegisterPoint) -> u64 {
        2 * steps(point, other) + quarter_more(energy(self.full, self.late(point)))
    }

    /// How much of the slack is used up after the advance from `from` to `to`.
    pub(super) fn debt(&self, from: &RegisterPoint, to: &RegisterPoint) -> u64 {
        let elapsed = to.at.since(&from.at).unwrap_or(to.at.since_boot);
        let full = self.full;
        let change = change(from, to);
        let room = quarter_more(energy(full, elapsed).max(self.explained(
            change,
            self.sampled(from, to).lower,
            full,
            elapsed,
        )));
        (from.debt + change).saturating_sub(room).min(self.slack_after(to, from))
    }

    /// The energy that power explains, in mWh. More than the connection should carry counts only if the register says about the same.
    fn explained(&self, change: u64, lower: u64, full: Milliwatts, elapsed: Duration) -> u64 {
        let carried = energy(full, elapsed);
        let believed = change >= lower / 2 && lower <= carried.saturating_mul(OVERLOAD_MAX);
        if lower > carried && !believed { carried } else { lower }
    }

    /// The rate that is plausible at once where no power is measured.
    fn known_rate(&self, full: Milliwatts) -> Milliwatts {
        self.memory.rates.seen.map_or(full, |seen| Milliwatts(seen.0.saturating_mul(3) / 2)).min(full)
    }

    /// What flows in this time at the known rate of the register; nothing if that is not known.
    pub(super) fn at_known_rate(&self, time: Duration) -> u64 {
        self.memory.rates.seen.map_or(0, |_| energy(self.known_rate(Milliwatts(i64::MAX)), time))
    }

    /// What this connection has probably carried while it was not read; its limit if nothing is known of it.
    fn usual_rate(&self, full: Milliwatts) -> Milliwatts {
        let sampled = self.totals.covered > Duration::ZERO && !self.memory.trust.wrong;
        let known = sampled || self.memory.rates.seen.is_some() && self.memory.longest_lump().is_some();
        if known { self.known_usual_rate(full) } else { full }
    }

    fn known_usual_rate(&self, full: Milliwatts) -> Milliwatts {
        let seen = self.memory.rates.seen.unwrap_or_default().max(self.memory.rates.sustained);
        let usual = Milliwatts(seen.0.saturating_mul(2).max(self.memory.recent().0));
        Milliwatts(usual.0.clamp(full.0 / 4, full.0))
    }
}

fn change(from: &RegisterPoint, to: &RegisterPoint) -> u64 {
    to.value.saturating_sub(from.value).get()
}

/// The coarser of the two values' steps, in mWh.
pub(super) fn steps(a: &RegisterPoint, b: &RegisterPoint) -> u64 {
    a.step.max(b.step).get().max(1)
}

/// Whether `to` is below `from` by more than the noise of the last digits.
pub(super) fn falls(from: &RegisterPoint, to: &RegisterPoint) -> bool {
    from.value.get() > to.value.get() + 2 * steps(from, to)
}

fn quarter_more(energy: u64) -> u64 {
    energy.saturating_add(energy / 4)
}
