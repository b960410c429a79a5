//! Grades an advance of the register: explained by power, possible, or impossible.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::power::{EnergyBounds, PowerMemory, SampledEnergy, energy};
use super::settings::MeterSettings;
use crate::clock::ClockReading;
use crate::reading::Register;
use crate::units::{MilliwattHours, Milliwatts};

/// How long a register may have been unchanged before it was first read: many meters update it every 15 minutes.
const LUMP: Duration = Duration::from_secs(15 * 60);
const MINUTE: Duration = Duration::from_secs(60);
/// How long full power may have gone unnoticed between samples of an idle connection.
const UNNOTICED: Duration = Duration::from_secs(5 * 60);
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
    /// How much of the tolerance of two steps earlier advances have used up, in mWh.
    #[serde(default)]
    pub debt: u64,
    /// Nobody saw the register advance to this value (a first reading, or one after a gap): it may have had it for a while.
    #[serde(default)]
    pub fresh: bool,
    /// How long the register had not been read before; 0 where that is not known.
    #[serde(default)]
    pub unseen: Duration,
}

impl RegisterPoint {
    pub(super) fn new(register: &Register, at: &ClockReading, witness: EnergyBounds) -> Self {
        let (debt, fresh, unseen) = (0, false, Duration::ZERO);
        RegisterPoint { value: register.value, step: register.step, at: *at, witness, debt, fresh, unseen }
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
    /// More than that, but by no more than two polls at full power.
    Slight,
    /// The connection can have carried it in the time without power samples.
    Possible,
    /// Possible, but not what was measured, or far more than this connection has ever carried.
    Doubtful,
    /// Too much for the time since the last advance.
    Beyond,
    /// Too much for the time that is certain, and no trusted clock tells the real time.
    Untold,
}

/// What an advance is graded with, apart from the two registers.
pub(super) struct Measure<'a> {
    pub(super) memory: &'a PowerMemory,
    pub(super) totals: &'a EnergyBounds,
    pub(super) settings: &'a MeterSettings,
}

impl Measure<'_> {
    /// Grades the advance from `from` to `to`; `to` is not lower.
    pub(super) fn grade(&self, from: &RegisterPoint, to: &RegisterPoint) -> Grade {
        let change = to.value.saturating_sub(from.value).get();
        let tolerance = (2 * steps(from, to)).saturating_sub(from.debt);
        let told = to.at.since(&from.at);
        // Across a restart of the machine, at least the time since this boot is certain.
        let elapsed = told.unwrap_or(to.at.since_boot);
        let SampledEnergy { lower, upper, covered } = to.witness.since(&from.witness);
        let uncovered = elapsed.saturating_sub(covered);
        let full = self.memory.measure(self.settings);
        let explained = self.explained(change, lower, full, elapsed);
        let upper = upper.max(explained);
        let two_polls = self.memory.two_polls(self.settings);
        let lump = self.stood(from, elapsed);

        // The last advance may have happened up to one poll before it was read.
        let poll = two_polls / 2;
        let late = energy(self.memory.recent().min(full), poll);
        let blind = match uncovered.min(two_polls.max(self.memory.lump())) {
            Duration::ZERO => 0,
            stood => energy(self.known_rate(full), stood + poll),
        };
        let hidden = energy(self.memory.rates.hidden.min(full), elapsed.min(two_polls));
        let expected = quarter_more(upper + late + blind.max(hidden)) + tolerance;
        let slight = quarter_more(explained) + energy(full, two_polls) + tolerance;
        let unseen = energy(self.usual_rate(full), uncovered) + energy(self.known_usual_rate(full), lump);
        let likely = quarter_more(upper + unseen) + energy(full, two_polls) + tolerance;
        let cap = quarter_more(energy(full, elapsed + lump).max(explained)) + tolerance;
        // With power samples all the time, a long standstill does not make a large advance possible. Unless power says that the register
        // should have advanced: then a gateway may have repeated old values of both.
        let stale = lower > 2 * steps(from, to) && from.value > MilliwattHours::ZERO;
        let most = 2 * (upper + energy(full, uncovered)) + quarter_more(energy(full, UNNOTICED + lump)) + tolerance;
        let sampled = if stale { u64::MAX } else { most };

        // If the last advance was read late, because of a frozen value or a dip, there was more time than it seems.
        let delay = MINUTE.max(two_polls).max(self.memory.lump());
        let late_cap = cap + quarter_more(energy(full, delay));

        match change {
            _ if change > late_cap.min(sampled) => {
                if told.is_some() {
                    Grade::Beyond
                } else {
                    Grade::Untold
                }
            }
            _ if change <= expected.min(cap) => Grade::Explained,
            // A meter that has finished starting shows its old register; one that begins at 0 reaches a value by counting.
            _ if change > likely.min(cap) && from.value == MilliwattHours::ZERO => Grade::Beyond,
            _ if change > likely.min(cap) => Grade::Doubtful,
            _ if change <= slight => Grade::Slight,
            _ => Grade::Possible,
        }
    }

    /// How long the register may have had the value of `from` before it was read: no longer than it was not read, and no longer than it is
    /// known to be unchanged between two advances.
    fn stood(&self, from: &RegisterPoint, elapsed: Duration) -> Duration {
        let unseen = if from.unseen.is_zero() { LUMP } else { from.unseen };
        if !from.fresh || elapsed >= unseen.max(LUMP) || from.value == MilliwattHours::ZERO {
            return Duration::ZERO;
        }
        unseen.min(self.memory.longest_lump().unwrap_or(unseen))
    }

    /// How much of the tolerance is used up after the advance from `from` to `to`.
    pub(super) fn debt(&self, from: &RegisterPoint, to: &RegisterPoint) -> u64 {
        let change = to.value.saturating_sub(from.value).get();
        let elapsed = to.at.since(&from.at).unwrap_or(to.at.since_boot);
        let full = self.memory.measure(self.settings);
        let lower = to.witness.since(&from.witness).lower;
        let room = quarter_more(energy(full, elapsed).max(self.explained(change, lower, full, elapsed)));
        (from.debt + change).saturating_sub(room).min(2 * steps(from, to))
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

    /// What this connection has probably carried while it was not read; its limit if nothing is known of it.
    fn usual_rate(&self, full: Milliwatts) -> Milliwatts {
        let known = self.memory.rates.seen.is_some() || self.totals.covered > Duration::ZERO;
        if known { self.known_usual_rate(full) } else { full }
    }

    fn known_usual_rate(&self, full: Milliwatts) -> Milliwatts {
        let seen = self.memory.rates.seen.unwrap_or_default().max(self.memory.rates.sustained);
        Milliwatts(seen.0.saturating_mul(2).clamp(full.0 / 4, full.0))
    }
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
